"""What the graphs that OpenVINO computes are made of, and how they are compiled.

OpenVINO is optional: where it has no wheel, AVAILABLE is false, and NumPy computes the same.
"""

import contextlib
import ctypes
import functools
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

try:
    import openvino
    from openvino import opset13 as ops
except ImportError:
    openvino = ops = None  # type: ignore[assignment]

AVAILABLE = openvino is not None


@functools.cache
def has_bfloat16() -> bool:
    """Whether the processor has units for products in bfloat16."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def compiled(inputs: list, outputs: list, bfloat16: bool = False) -> Any:
    """A graph as an openvino.CompiledModel.

    Args:
        inputs: its parameters. outputs: what it computes. bfloat16: whether the factors of its products are rounded.
    """
    options = {
        "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
        "NUM_STREAMS": 1,  # all cores for one inference
        "ENABLE_CPU_PINNING": False,  # others compute, too
    }
    model = openvino.Model([ops.result(output) for output in outputs], inputs)
    with own_signal_stack():
        return openvino.Core().compile_model(model, "CPU", options)


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
