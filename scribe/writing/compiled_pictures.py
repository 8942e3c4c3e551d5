"""What `PictureRecogniser` computes when it reads, by OpenVINO; a test holds the two together.

Letters: B lines, W columns of pixels, t frames, O outputs, A characters.
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

WIDTH_STEP = 128  # columns: pictures are widened to a multiple, and there are 1, 2, 4 or 8, as in `compiled_reading`


class CompiledPictures:
    """The logits of a `PictureRecogniser`.

    Args:
        weights: by their names.
        convolutions: of each in two dimensions its steps down and along. blocks: convolutions along the line.
    """

    def __init__(self, weights: Mapping[str, NDArray], convolutions: list[tuple[int, int]], blocks: int):
        self._compiled = _compile(weights, convolutions, blocks)
        self._shrinks = np.cumprod([along for _, along in convolutions])

    def __call__(self, x: NDArray, lengths: NDArray) -> tuple[NDArray[np.float32], NDArray]:
        """The logits [t, B, A + 1], and int [B], frames of each line, of x [B, rows, W] with so many columns."""
        lines = len(x)
        more = (1 << (lines - 1).bit_length()) - lines
        x = np.pad(x, [(0, more), (0, 0), (0, -x.shape[2] % WIDTH_STEP)])
        lengths = np.pad(lengths, (0, more), constant_values=self._shrinks[-1])
        masks = [np.arange(x.shape[2] // n) < (lengths // n)[:, None] for n in self._shrinks]
        frames = (lengths // self._shrinks[-1]).astype(np.int32)
        arrays = x[:, None], *(mask[:, None, None].astype(np.float32) for mask in masks), frames
        request = self._compiled.create_infer_request()
        for k, array in enumerate(arrays):
            set_input(request, k, array)
        request.infer()
        return request.get_output_tensor(0).data.swapaxes(0, 1)[: max(frames), :lines].copy(), frames[:lines]


def _compile(weights: Mapping[str, NDArray], convolutions: list[tuple[int, int]], blocks: int) -> Any:
    x, frames = parameter(-1, 1, -1, -1, dtype=np.uint8), parameter(-1, dtype=np.int32)
    masks = [parameter(-1, 1, 1, -1) for _ in convolutions]

    def activated(out, name, *axes):
        """relu(out + the bias): `axes`, as many of length 1 as follow that of the outputs."""
        return ops.relu(ops.add(out, constant(weights[name + "_bias"].reshape(-1, *axes))))

    h = ops.divide(ops.convert(x, np.float32), constant(255.0))
    for k, (steps, mask) in enumerate(zip(convolutions, masks, strict=True)):
        kernel = weights[f"convolution{k}"].transpose(3, 2, 0, 1)
        # As TensorFlow pads: the more at the end, so that the number of rows and columns is divided by the steps.
        pads = [kernel.shape[2] - step for step in steps]
        before, after = [pad // 2 for pad in pads], [pad - pad // 2 for pad in pads]
        h = ops.convolution(h, constant(kernel), list(steps), before, after, [1, 1])
        h = ops.multiply(activated(h, f"convolution{k}", 1, 1), mask)
    h = ops.transpose(h, ops.constant(np.array([0, 3, 2, 1])))  # [B, t, rows, O]
    h = ops.reshape(h, ops.constant(np.array([0, 0, len(weights["columns"])])), True)
    swap = ops.constant(np.array([0, 2, 1]))
    h = ops.transpose(activated(product(h, weights["columns"]), "columns"), swap)  # [B, O, t]
    within = ops.squeeze(masks[-1], ops.constant(np.array([1])))
    for k in range(blocks):
        kernel = weights[f"block{k}"].transpose(2, 1, 0)
        reach = kernel.shape[2] // 2
        out = ops.convolution(h, constant(kernel), [1], [reach], [reach], [1])
        h = ops.add(h, ops.multiply(activated(out, f"block{k}", 1), within))
    h = both_ways(ops.transpose(ops.multiply(h, within), swap), frames, weights, "lstm")
    logits = ops.add(product(h, weights["characters"]), constant(weights["characters_bias"]))
    return compiled([x, *masks, frames], [logits], has_bfloat16(), threads=1)
