"""What an eye would take for a slip of a written line, and how bad it is: stray marks, lost gaps, other readings.

    from scribe.writing.slips import find_slips
    for slips in find_slips(lines, load_recogniser()):
        ...

A failure (scribe/writing/failures.py) is a fault that the attention shows. A slip is one on the paper: the pen went
where it should, and what it left may still be taken for something else. People make slips, too; so a line with slips is
written again, but a warning is only given where another reading is the better one.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from scribe.ink.point_characters import assign_characters_of
from scribe.writing.capital_i import find_dotted_stems
from scribe.writing.failures import MISREAD, Failure
from scribe.writing.gaps import find_gaps
from scribe.writing.levels import find_raised
from scribe.writing.marks import find_marks
from scribe.writing.readings import other_readings_of

if TYPE_CHECKING:  # it needs TensorFlow, whose import takes seconds
    from scribe.writing.recogniser import Recogniser

# A character is worth writing again where another reading of it explains the ink nearly as well, by this many nats; and
# worth a warning where it explains it better by so many.
WANTED_GAIN, WARNED_GAIN = -2.0, 0.5
LINES_TOGETHER = 8  # are compared with other readings, which takes some MB for each of them
SHAPE_WEIGHT = 0.7  # of a slip of the shape; of another reading: its probability beside that of the text


class Slip(NamedTuple):
    """One slip of a line."""

    failure: Failure
    weight: float  # 0 to 1
    warned: bool  # whether a reader should be warned of it


def find_slips(lines: Sequence, recogniser: "Recogniser") -> list[list[Slip]]:
    """The slips of each line, in the order of the text.

    Args:
        lines: of `lines.Line`. recogniser: what it knows no characters for is judged by its shape alone.
    """
    eyes = [recogniser, recogniser.eye] if recogniser.eye else [recogniser]
    strokes = [line.strokes for line in lines]
    shares = list(zip(*(eye.frame_shares(strokes) for eye in eyes), strict=True))
    parts = [slice(k, k + LINES_TOGETHER) for k in range(0, len(lines), LINES_TOGETHER)]
    return [slips for part in parts for slips in _slips_of(lines[part], shares[part], recogniser)]


def _slips_of(lines, all_shares, recogniser):
    """The slips of each of some lines; all_shares: of each line what the recognisers take its frames for."""
    known = [k for k, line in enumerate(lines) if recogniser.knows(line.text)]
    readings = other_readings_of([(all_shares[k], lines[k].text) for k in known], recogniser.alphabet)
    readings_of = dict(zip(known, readings, strict=True))
    all_indices = assign_characters_of([(line.strokes, line.phis, line.text) for line in lines])
    found = []
    for k, (line, index) in enumerate(zip(lines, all_indices, strict=True)):
        dotted = find_dotted_stems(line, index)
        places = {failure.start for failure in dotted}
        shapes = find_marks(line, index) + find_gaps(line, index) + find_raised(line, index)
        shapes = dotted + [failure for failure in shapes if failure.start not in places]
        slips = [Slip(failure, SHAPE_WEIGHT, True) for failure in shapes]
        slips += _misread(line.text, readings_of.get(k, []), places)
        found.append(sorted(slips, key=lambda slip: slip.failure.start))
    return found


def _misread(text, readings, but):
    """The slips of other readings: the best of each word, or of the space before it; not those at the places `but`."""
    best: dict[int, tuple] = {}
    for reading in readings:
        start = min(reading.start, len(text) - 1)
        if reading.gain > WANTED_GAIN and start not in but:
            word = text.count(" ", 0, start + 1)
            if word not in best or reading.gain > best[word][0].gain:
                best[word] = reading, start
    slips = []
    for reading, start in best.values():
        instead = reading.instead if reading.end > reading.start else None
        failure = Failure(MISREAD, start, max(reading.end, start + 1), instead)
        share = 1 / (1 + math.exp(-min(reading.gain, 50.0)))
        slips.append(Slip(failure, share, reading.gain > WARNED_GAIN))
    return slips
