"""What `Recogniser` computes when it reads, in NumPy: nothing has to be traced before the first line is read.

`Recogniser.__call__` says the same in TensorFlow, for training; a test holds the two together.

Letters: B lines, T steps of the path (even), t frames of two steps, I inputs, O outputs, H units, A characters.
"""

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from scribe.network.point_network import gates_for_tanh, lstm_step

WAYS = "forward", "backward"


def frame_logits(
    weights: Mapping[str, NDArray], blocks: int, x: NDArray, lengths: NDArray
) -> tuple[NDArray[np.float32], NDArray]:
    """Logits of the characters.

    Args:
        weights: of the recogniser by their names. blocks: convolutions with a residual connection.
        x: [B, T, I], zero after the end of each line. lengths: int [B], steps of each line.

    Returns:
        logits [t, B, A + 1], and int [B], frames of each line.
    """
    h = _convolve(x, weights, "convolution0", lengths, before=2)
    lengths = (lengths + 1) // 2
    h = _convolve(h, weights, "convolution1", lengths, before=1, stride=2)
    for k in range(blocks):
        h = h + _convolve(h, weights, f"block{k}", lengths, before=2)
    h = np.ascontiguousarray(h.swapaxes(0, 1))  # [t, B, O]
    t = np.arange(len(h))[:, None]
    mirrored = np.where(t < lengths, lengths - 1 - t, t)  # [t, B]: each line from its end to its beginning
    for layer in (0, 1):
        h = _both_ways(h, weights, f"lstm{layer}", mirrored)
    return h @ weights["characters"] + weights["characters_bias"], lengths


def _convolve(h, weights, name, lengths, before, stride=1):
    """[B, T, I] -> relu, [B, T / stride, O], zero after the end of each line; `before`: zeros that go ahead of it."""
    kernel = weights[name]  # [W, I, O]
    padded = np.pad(h, [(0, 0), (before, len(kernel) - 1 - before), (0, 0)])
    windows = sliding_window_view(padded, len(kernel), axis=1)[:, ::stride].swapaxes(2, 3)  # [B, t, W, I]
    out = windows.reshape(*windows.shape[:2], -1) @ kernel.reshape(-1, kernel.shape[-1]) + weights[name + "_bias"]
    return np.maximum(out, 0) * (np.arange(out.shape[1]) < lengths[:, None])[:, :, None]


def _both_ways(h, weights, name, mirrored):
    """A bidirectional LSTM: [t, B, I] -> [t, B, 2H]. The two directions are computed side by side."""
    lines, H = np.arange(h.shape[1]), len(weights[f"{name}_forward_recurrent"])
    kernels, recurrents, biases = (
        np.stack([gates_for_tanh(weights[f"{name}_{way}{part}"]) for way in WAYS])
        for part in ("", "_recurrent", "_bias")
    )
    z = np.stack([h, h[mirrored, lines]], axis=1) @ kernels + biases[:, None]  # [t, 2, B, 4H]
    state, c = (np.zeros([2, len(lines), H], np.float32) for _ in range(2))
    out = np.empty([len(h), *state.shape], np.float32)
    for t, gates in enumerate(z):
        gates += state @ recurrents
        lstm_step(gates, c, out[t])
        state = out[t]
    return np.concatenate([out[:, 0], out[:, 1][mirrored, lines]], axis=-1)
