"""The type of the factors in the large products of training: float32, or bfloat16 where that is faster.

    from scribe.network.precision import faster_products
    model.products = faster_products(rows=16, units=400)

bfloat16 has the range of float32 and 8 bits of mantissa. Processors with units for it (AMX, AVX512_BF16) add such
products up in float32, at up to four times the rate. scribe/network/recurrent.py rounds the factors; weights, states,
attention, head and loss are float32 throughout, and so is everything when the network validates or writes.
"""

import time

from scribe.network.tf_setup import GPUS, tf

TYPES = {"float32": tf.float32, "bfloat16": tf.bfloat16}
# The least gain that rounding has to bring; a smaller one would differ from one start to the next.
WORTHWHILE = 1.2
# In products of fewer numbers most of the time goes into starting them: which type wins is chance.
FEWEST_UNITS = 64
STEPS, REPEATS = 32, 5


def faster_products(rows: int, units: int) -> tf.DType:
    """Measures which type is faster here, in a quarter of a second.

    Args:
        rows: lines that are computed at a time. units: H, units in each LSTM.

    Returns:
        tf.float32, also on a GPU, where cuDNN computes the LSTMs, and for a network of fewer than FEWEST_UNITS;
        tf.bfloat16 if its products are WORTHWHILE times as fast, the rounding of the factors included.
    """
    if GPUS or units < FEWEST_UNITS:
        return tf.float32
    inputs, state = tf.ones([STEPS * rows, units]), tf.ones([rows, units])
    kernel = tf.ones([units, 4 * units])
    kernels = {products: tf.cast(kernel, products) for products in TYPES.values()}

    def seconds(products):
        """Of the products of an LSTM: the inputs of all steps together, and the state step by step."""
        start = time.perf_counter()
        for x in (inputs, *[state] * STEPS):
            z = tf.matmul(tf.cast(x, products), kernels[products])
        z.numpy()
        return time.perf_counter() - start

    best = dict.fromkeys(kernels, float("inf"))
    for _ in range(REPEATS):
        best = {products: min(least, seconds(products)) for products, least in best.items()}
    return tf.bfloat16 if best[tf.float32] > WORTHWHILE * best[tf.bfloat16] else tf.float32
