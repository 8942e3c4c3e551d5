"""Lines of any recording as the training data has them: in the size and pace of IAM-OnDB, upright. NumPy alone.

from scribe.writing.training_lines import mended_lines, training_line
offsets = training_line(piece.strokes, piece.text)
"""

import numpy as np
from numpy.typing import NDArray

from scribe.files.array_ink import strokes_of_array
from scribe.files.xml_tree import LineError
from scribe.ink.upright import UPSIDE_DOWN, uprightness
from scribe.writing.own_hand import check_ink, join_lines, lines_of_writing, offsets_of_points

SMALL_TEXT = 4  # characters: of less, neither size nor place can be measured


def training_line(strokes: list[NDArray], text: str) -> NDArray:
    """A line of a recording as a line of a data file.

    Args:
        strokes: [n, 2] positions each, y growing downwards, in any unit. text: what they say.

    Returns:
        int16 [m, 3]: dx, dy in raw units, small letters 117 of them high; 1 where the pen lifts. Points lie where a pen
        of IAM-OnDB would have put them.

    Raises:
        LineError: it is not one line, or the text cannot be what is written.
    """
    if len(text.replace(" ", "")) < SMALL_TEXT:
        raise LineError(f"a text shorter than {SMALL_TEXT} characters", repr(text))
    lines = lines_of_writing(strokes, text)
    if len(lines) != 1:
        raise LineError("several lines of writing with one text", f"{len(lines)} lines, {text[:30]!r}")
    points, _, unit = join_lines([(lines[0], text)], text, len(text))
    try:
        check_ink(points, text)
    except ValueError as error:
        raise LineError("a text that does not fit the ink", str(error)) from None
    offsets = offsets_of_points(points, strokes, unit)
    return np.clip(np.round(offsets), -32000, 32000).astype(np.int16)


def mended_lines(lines: list[NDArray], texts: list[str]) -> list[NDArray | LineError]:
    """The lines of a data file that holds positions, other units, another rate, or y upwards; a LineError for each that
    cannot be mended.

    Args:
        lines: [n, 3] arrays of numbers. texts: what each of them says.
    """
    found: list = []
    for line in lines:
        try:
            found.append(strokes_of_array(np.asarray(line, float)))
        except ValueError as error:
            found.append(LineError("strokes that cannot be read", str(error)))
    sample = [uprightness(strokes) for strokes in found if isinstance(strokes, list)][:500]
    down = -1.0 if sample and np.median(sample) < UPSIDE_DOWN else 1.0
    for i, (strokes, text) in enumerate(zip(found, texts, strict=True)):
        if isinstance(strokes, list):
            try:
                found[i] = training_line([stroke * [1.0, down] for stroke in strokes], " ".join(text.split()))
            except LineError as error:
                found[i] = error
    return found
