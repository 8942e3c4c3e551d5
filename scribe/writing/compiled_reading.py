"""What `Recogniser` computes when it reads, by OpenVINO: a third of the time that NumPy takes.

`scribe/writing/fast_reading.py` says the same in NumPy; a test holds the two together.

Letters: B lines, T steps of the path (even), t frames of two steps, I inputs, O outputs, H units, A characters.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scribe.network.openvino_graphs import (
    both_ways,
    compiled,
    constant,
    has_bfloat16,
    ops,
    parameter,
    product,
    set_input,
)

# OpenVINO keeps what it needs for each shape of its inputs, some MB: lines are lengthened to a multiple of so many
# steps, and there are 1, 2, 4 or 8 of them.
STEPS = 64


class CompiledReading:
    """`fast_reading.frame_logits` for some weights.

    Args:
        weights, blocks: as there.
    """

    def __init__(self, weights: Mapping[str, NDArray], blocks: int):
        self._compiled = _compile(weights, blocks)

    def __call__(self, x: NDArray, lengths: NDArray) -> tuple[NDArray[np.float32], NDArray]:
        """The logits [t, B, A + 1], and int [B], frames of each line, of x [B, T, I] with so many steps, int [B]."""
        frames = ((lengths + 1) // 2).astype(np.int32)
        lines, steps = len(x), x.shape[1]
        more = (1 << (lines - 1).bit_length()) - lines
        x = np.pad(x, [(0, more), (0, -steps % STEPS), (0, 0)])
        counts = np.pad(lengths, (0, more), constant_values=2), np.pad(frames, (0, more), constant_values=1)
        within = [np.arange(n) < count[:, None] for n, count in zip((x.shape[1], x.shape[1] // 2), counts, strict=True)]
        request = self._compiled.create_infer_request()
        arrays = (
            np.ascontiguousarray(x.swapaxes(1, 2)),
            *(mask[:, None].astype(np.float32) for mask in within),
            counts[1],
        )
        for k, array in enumerate(arrays):
            set_input(request, k, array)
        request.infer()
        return request.get_output_tensor(0).data.swapaxes(0, 1)[: max(frames), :lines].copy(), frames


def _compile(weights: Mapping[str, NDArray], blocks: int) -> Any:
    features = weights["convolution0"].shape[1]
    x, lengths = parameter(-1, features, -1), parameter(-1, dtype=np.int32)
    steps_mask, mask = parameter(-1, 1, -1), parameter(-1, 1, -1)

    def convolve(h, name, mask, before, stride=1):
        """[B, I, T] -> relu, [B, O, T / stride], zero after the end of each line; `before`: zeros ahead of it."""
        kernel, bias = weights[name].transpose(2, 1, 0), weights[name + "_bias"][:, None]
        h = ops.convolution(h, constant(kernel), [stride], [before], [kernel.shape[2] - 1 - before], [1])
        return ops.multiply(ops.relu(ops.add(h, constant(bias))), mask)

    h = convolve(x, "convolution0", steps_mask, before=2)
    h = convolve(h, "convolution1", mask, before=1, stride=2)
    for k in range(blocks):
        h = ops.add(h, convolve(h, f"block{k}", mask, before=2))
    h = ops.transpose(h, ops.constant(np.array([0, 2, 1])))
    for layer in (0, 1):
        h = both_ways(h, lengths, weights, f"lstm{layer}")
    logits = ops.add(product(h, weights["characters"]), constant(weights["characters_bias"]))
    # The steps of an LSTM are small products: two threads take twice the time of one in all, and hardly less each.
    return compiled([x, steps_mask, mask, lengths], [logits], has_bfloat16(), threads=1)
