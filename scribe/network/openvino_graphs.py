"""What the graphs that OpenVINO computes are made of, and how they are compiled.

OpenVINO is optional: where it has no wheel, AVAILABLE is false, and NumPy computes the same.
"""

import contextlib
import ctypes
import functools
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

try:
    import openvino
    from openvino import opset13 as ops
except ImportError:
    openvino = ops = None  # type: ignore[assignment]

AVAILABLE = openvino is not None
LSTM_PARTS = "", "_recurrent", "_bias"
GROUP = 64  # numbers that are rounded to bytes with a factor in common


@functools.cache
def has_bfloat16() -> bool:
    """Whether the processor has units for products in bfloat16."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@functools.cache
def has_byte_products() -> bool:
    """Whether the processor has instructions for products of bytes (AVX512_VNNI), as far as the system tells."""
    try:
        with open("/proc/cpuinfo", "rb") as file:
            return b"avx512_vnni" in file.read()
    except OSError:
        return False


def compiled(inputs: list, outputs: list, bfloat16: bool = False, at_once: int = 1, threads: int = 0) -> Any:
    """A graph as an openvino.CompiledModel.

    Args:
        inputs: its parameters. outputs: what it computes. bfloat16: whether the factors of its products are rounded.
        at_once: inferences that run beside one another, which share the cores; of one, all compute.
        threads: so many compute; 0: all.
    """
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
        "NUM_STREAMS": at_once,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # others compute, too
        "CPU_RUNTIME_CACHE_CAPACITY": 0,  # else what each new shape of the inputs was computed with is kept
    }
    if has_byte_products():
        options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = GROUP  # of what is multiplied with weights that are bytes
    model = openvino.Model([ops.result(output) for output in outputs], inputs)
    with own_signal_stack():
        return openvino.Core().compile_model(model, "CPU", options)


def repeated(times: int, changed: list, same: list, sliced: list, wanted: list) -> tuple[list, list]:
    """What is computed several times in a row, as part of a graph: a call for all of them.

    Args:
        times: how often.
        changed: for what each time reads as the one before has left it: (parameter, value at first, value computed).
        same: for what is the same each time: (parameter, value).
        sliced: (parameter [1, ...], value [times, ...]).
        wanted: what is computed and wanted of each time.

    Returns:
        what `changed` has become in the end, and `wanted` of all times, [times, ...] each.
    """
    go_on = ops.result(ops.constant(np.array([True])))
    left = [ops.result(value) for _, _, value in changed]
    of_each = [ops.result(ops.unsqueeze(value, whole(0))) for value in wanted]
    parameters = [entry[0] for entry in (*changed, *same, *sliced)]
    loop = ops.loop(whole(times), ops.constant(np.array(True)))
    loop.set_function(openvino.Model([go_on, *left, *of_each], parameters))
    loop.set_special_body_ports([-1, 0])  # it is not told which time it is; whether it goes on is its first result
    for (within, first, _), result in zip(changed, left, strict=True):
        loop.set_merged_input(within, first.output(0), result.output(0))
    for within, value in same:
        loop.set_invariant_input(within, value.output(0))
    for within, value in sliced:
        loop.set_sliced_input(within, value.output(0), 0, 1, 1, -1, 0)
    at_last = [loop.get_iter_value(result.output(0), -1) for result in left]
    return at_last, [loop.get_concatenated_slices(result.output(0), 0, 1, 1, -1, 0) for result in of_each]


class _SignalStack(ctypes.Structure):
    """stack_t of sigaltstack(2) on Linux."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextlib.contextmanager
def own_signal_stack() -> Iterator[None]:
    """After it, this thread handles signals on the stack that it had before.

    When OpenVINO compiles for a processor with AMX, it gives the thread an alternate stack of 20 kB. With AMX the frame
    of a signal takes 12 kB, so a signal that comes while another one is handled overflows it and ends the process.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    libc, before = ctypes.CDLL(None), _SignalStack()
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)


def set_input(request: Any, number: int, array: Any) -> None:
    """Gives an inference a contiguous array to read. It is not copied: keep it as long as the inference reads it."""
    request.set_input_tensor(number, openvino.Tensor(array, shared_memory=True))


def parameter(*shape: int, dtype: Any = np.float32) -> Any:
    """An input; -1 for a size that may change from one inference to the next."""
    return ops.parameter(list(shape), dtype)


def whole(number: int) -> Any:
    """A constant, as axes are given."""
    return ops.constant(np.int64(number))


def constant(values: Any) -> Any:
    """An array as float32."""
    return ops.constant(np.array(values, np.float32, order="C"))


def product(x: Any, kernel: Any) -> Any:
    """x @ kernel"""
    return ops.matmul(x, constant(kernel), False, False)


def product_of_bytes(x: Any, kernel: Any) -> Any:
    """x @ kernel with weights that are rounded to bytes and so read in a quarter of the time, those of each column to
    parts of the largest. x is rounded likewise, in groups of GROUP numbers. See `has_byte_products`."""
    rows = np.asarray(kernel, np.float32).T
    factors = np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.finfo(np.float32).tiny) / 127
    whole_parts = ops.convert(ops.constant(np.round(rows / factors).astype(np.int8)), np.float32)
    return ops.matmul(x, ops.multiply(whole_parts, constant(factors)), False, True)


def both_ways(h: Any, lengths: Any, weights: Mapping[str, Any], name: str) -> Any:
    """A bidirectional LSTM: [B, t, I] -> [B, t, 2H].

    Args:
        h: the inputs. lengths: int32 [B], steps of each line. weights: by name, "`name`_forward", "_forward_recurrent",
            "_forward_bias" and those of "_backward" among them, in the layout of tf.keras.layers.LSTM.
    """
    units = len(weights[f"{name}_forward_recurrent"])
    lines = ops.gather(ops.shape_of(h), ops.constant(np.array([0])), whole(0))
    nothing = ops.broadcast(constant(0.0), ops.concat([lines, ops.constant(np.array([1, units]))], 0))

    def one_way(h, way):
        kernels = (constant(_forget_first(weights[f"{name}_{way}{part}"]).T[None]) for part in LSTM_PARTS)
        out = ops.lstm_sequence(h, nothing, nothing, lengths, *kernels, units, "forward")
        return ops.squeeze(out.output(0), whole(1))

    backward = one_way(ops.reverse_sequence(h, lengths, 0, 1), "backward")
    return ops.concat([one_way(h, "forward"), ops.reverse_sequence(backward, lengths, 0, 1)], 2)


def _forget_first(weights):
    """[..., 4H] in Keras' order i, f, c, o -> f, i, c, o, which is OpenVINO's."""
    i, f, c, o = np.split(weights, 4, axis=-1)
    return np.concatenate([f, i, c, o], axis=-1)
