"""What else a line may be read as: its text held against all texts that differ from it in one place. NumPy alone.

    from scribe.writing.readings import other_readings
    (shares,) = recogniser.frame_shares([line.strokes])
    for reading in other_readings([shares], "wild", recogniser.alphabet):
        print(reading.start, reading.instead, reading.gain)        # 1 "u" 2.3

The greedy string of the recogniser says what it would read first. It does not say how near the next reading is, nor how
far the text is from being read: of two shapes of an r, one may hardly be told from an n, and both are read as r. So the
text is scored, summed over all alignments (the forward-backward algorithm of CTC; Graves et al., 2006), and so is every
text in which one character is another one, is missing, is one too many, or stands for two.

Letters: t frames, U characters, A characters of the alphabet, S = 2U + 1 states: characters with a blank around each.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Characters that have one shape, or that only their size tells apart: an eye does not take one for a fault of another.
LOOK_ALIKE = ("cC", "kK", "mM", "oO0", "pP", "sS", "uU", "vV", "wW", "xX", "yY", "zZ", "Il1", "tT", "jJ", "fF", "'\"")
MARGIN = 3  # frames by which a reading may begin before the character ahead of it or end after the one that follows
SMALLEST = 1e-30
LIKELY = 1e-4  # a character that no frame is taken for with more than this probability is no other reading


class Reading(NamedTuple):
    """One other reading of a line: the characters [start, end) of the text, and what they would be.

    Attributes:
        gain: log of its probability over that of the text, in nats; positive where it explains the ink better.
    """

    start: int
    end: int  # start itself for a character that is one too many, before the character there
    instead: str
    gain: float


def other_readings(shares: Sequence[NDArray], text: str, alphabet: str) -> list[Reading]:
    """The best other reading that begins at each place of a text.

    Args:
        shares: for each recogniser [t, A + 1], what `frame_shares` returned for the line; their frames may differ. A
            gain is the mean of theirs: what one of them takes for likely, the other may rule out.
        text: U characters of the alphabet, one at least. alphabet: A characters.

    Returns:
        U + 1 readings, the last one of what may follow the text. The gain is -inf where nothing else can be read.
    """
    alike = _alike(alphabet)
    blended = [np.column_stack([one[:, :-1] @ alike, one[:, -1]]) for one in shares]
    alphabet, alike, blended = _likely(text, alphabet, alike, blended)
    codes = np.array([alphabet.index(c) for c in text])
    of_all = [lattice.gains() for lattice in _lattices(blended, codes)]
    other, added, two, left_out = (sum(gains) / len(shares) for gains in zip(*of_all, strict=True))
    other[alike[codes] > 0] = -np.inf
    # One instead of a pair that holds it is a character left out; one beside its like is a part of that.
    two[(alike[codes[:-1]] + alike[codes[1:]]) > 0] = -np.inf
    like, same = (np.pad(rows, [(1, 1), (0, 0)]) for rows in (alike[codes], np.eye(len(alphabet))[codes]))
    added[(like[1:] + like[:-1] > 0) & (same[1:] + same[:-1] == 0)] = -np.inf
    readings, U = [], len(text)
    for u in range(U + 1):
        found = [(added[u], u, added[u].argmax())]
        if u < U:
            found += [(other[u], u + 1, other[u].argmax())]
        if u < U - 1:
            found += [(two[u], u + 2, two[u].argmax())]
        best = max((float(gains[c]), end, alphabet[c]) for gains, end, c in found)
        if u < U:
            best = max(best, (float(left_out[u]), u + 1, ""))
        readings.append(Reading(u, best[1], best[2], best[0]))
    return readings


def _likely(text, alphabet, alike, shares):
    """The last three without the characters that are not in the text and that nobody takes any frame for: A characters,
    [A, A], and a list of [t, A + 1]."""
    most = np.max([one.max(axis=0) for one in shares], axis=0)
    kept = [c for c, character in enumerate(alphabet) if most[c] > LIKELY or character in text]
    return "".join(alphabet[c] for c in kept), alike[np.ix_(kept, kept)], [one[:, [*kept, -1]] for one in shares]


def _alike(alphabet):
    """[A, A]: 1 where two characters look alike."""
    alike = np.eye(len(alphabet))
    for group in LOOK_ALIKE:
        which = [alphabet.index(c) for c in group if c in alphabet]
        alike[np.ix_(which, which)] = 1
    return alike


def _lattices(shares, codes):
    """A `_Lattice` for each of some [t, A + 1]. Their forward and backward passes are one loop over the frames: a
    backward pass is a forward pass over the reversed text."""
    U, A, T = len(codes), shares[0].shape[1] - 1, max(map(len, shares))
    states = np.full(2 * U + 1, A)
    states[1::2] = codes
    skips = np.zeros(2 * U + 1)  # a blank between two different characters may be left out
    skips[3::2] = codes[1:] != codes[:-1]
    both_skips = np.stack([skips, np.append([0.0, 0.0], skips[:1:-1])])
    emitted = np.zeros([T, len(shares), 2, 2 * U + 1])
    for k, p in enumerate(shares):
        emitted[: len(p), k, 0] = p[:, states] + SMALLEST
        emitted[: len(p), k, 1] = emitted[: len(p), k, 0][::-1, ::-1]
    # Of each state its share before and after a frame is emitted, and the probability of the frame given those before.
    before, after, steps = np.zeros_like(emitted), np.zeros_like(emitted), np.ones([T, len(shares), 2, 1])
    before[0, ..., :2] = 1.0
    for t in range(T):
        if t:
            now, last = before[t], after[t - 1]
            now[:] = last
            now[..., 1:] += last[..., :-1]
            now[..., 2:] += both_skips[:, 2:] * last[..., :-2]
        np.multiply(before[t], emitted[t], out=after[t])
        steps[t] = after[t].sum(axis=-1, keepdims=True) + SMALLEST
        after[t] /= steps[t]
    logs = np.cumsum(np.log(steps[..., 0]), axis=0)
    found = []
    for k, p in enumerate(shares):
        n = len(p)
        backward, backward_log = before[:n, k, 1][::-1, ::-1], np.append(0.0, logs[: n - 1, k, 1])[::-1]
        found.append(_Lattice(p, codes, emitted[:n, k, 0], after[:n, k, 0], logs[:n, k, 0], backward, backward_log))
    return found


class _Lattice:
    """The probability of a text and of its neighbours, given the shares of all frames.

    Attributes:
        p: [t, A + 1]. codes: [U].
        forward: [t, S], share of each state among the ways that explain the frames up to this one; forward_log: [t],
            log of the probability of these. backward, backward_log: the same for the frames after this one.
        total: log of the probability of the text.
    """

    def __init__(self, p, codes, emitted, forward, forward_log, backward, backward_log):
        self.p, self.codes = p, codes
        T, S = emitted.shape
        self.total = forward_log[-1] + np.log(forward[-1, -2:].sum() + SMALLEST)
        self.forward, self.forward_log, self.backward, self.backward_log = forward, forward_log, backward, backward_log
        # Where a text may be left after u characters: in the blank behind them, or in the last one itself.
        self.in_blank = forward[:, 0::2]  # [t, U + 1]
        self.in_last = np.concatenate([np.zeros([T, 1]), forward[:, 1::2]], axis=1)
        # Where it may be entered before character v, at the frame after: in the blank ahead of it, or in itself.
        entered = np.zeros([T, S])
        entered[:-1] = backward[1:] * emitted[1:]
        self.to_blank, self.to_next = entered[:, 0::2], np.concatenate([entered[:, 1::2], np.zeros([T, 1])], axis=1)
        after = np.append(backward_log[1:], 0.0)
        self.weight = np.exp(np.clip(forward_log + after - self.total, -700, 700))  # of a way from forward to entered
        self.weight[-1] = np.exp(forward_log[-1] - self.total)
        peaks = (forward * backward)[:, 1::2].argmax(axis=0)  # [U], the frame of each character
        self.peaks = np.concatenate([[0], np.maximum.accumulate(peaks), [T - 1]])

    def gains(self):
        """The logarithms of the probabilities of all other readings over that of the text: with another character
        instead of each [U, A], one more at each place [U + 1, A], one instead of each pair [U - 1, A], without each
        character [U]."""
        U = len(self.codes)
        # In one go: another character instead of each, one more at each place, one instead of each pair.
        places = np.arange(U)
        pairs = [places, places + 1], [np.arange(U + 1)] * 2, [places[:-1], places[1:] + 1]
        with np.errstate(divide="ignore"):
            gains = np.log(self.with_one_between(*np.concatenate(pairs, axis=1)))  # [3U, A]
            return gains[:U], gains[U : 2 * U + 1], gains[2 * U + 1 :], np.log(self.without())

    def with_one_between(self, first, then):
        """[n, A]: probabilities over that of the text of the first `first` characters, one more, and those from `then`
        on; `first`, `then`: int [n]."""
        T, U, codes, A = len(self.p), len(self.codes), self.codes, self.p.shape[1] - 1
        start = np.maximum(self.peaks[first] - MARGIN, 0)
        stop = np.minimum(self.peaks[then + 1] + MARGIN, T - 1)
        t = start + np.arange(int((stop - start).max()) + 1)[:, None]  # [frames, n]
        inside, t = t <= stop, np.minimum(t, stop)
        before = np.maximum(t - 1, 0)
        scale = np.exp(np.where(t > 0, self.forward_log[before], 0.0) - self.forward_log[t])
        blank_in = np.where(t > 0, self.in_blank[before, first], first == 0) * scale
        last_in = np.where(t > 0, self.in_last[before, first], 0.0) * scale
        weight = self.weight[t] * inside
        blank_out = np.where(t < T - 1, self.to_blank[t, then], then == U) * weight
        next_out = np.where(t < T - 1, self.to_next[t, then], 0.0) * weight
        # A character is not followed by itself without a blank between.
        from_last = (np.append(-1, codes)[first][:, None] != np.arange(A)) * 1.0
        to_next = (np.append(codes, -1)[then][:, None] != np.arange(A)) * 1.0
        within, found = np.zeros([len(first), A]), np.zeros([len(first), A])
        emitted = self.p[:, :A]
        for k, frame in enumerate(t):
            within *= scale[k][:, None]
            within += blank_in[k][:, None]
            within += from_last * last_in[k][:, None]
            within *= emitted[frame]
            found += within * (blank_out[k][:, None] + to_next * next_out[k][:, None])
        return found

    def without(self):
        """[U]: probabilities of the text without each of its characters, over that of the text."""
        U, codes = len(self.codes), self.codes
        differ = np.append(-1, codes[:-1]) != np.append(codes[1:], -2)
        ways = self.in_blank[:, :U] * self.to_next[:, 1:] + differ * self.in_last[:, :U] * self.to_next[:, 1:]
        found = (ways[:-1] * self.weight[:-1, None]).sum(axis=0)
        found[-1] = (self.in_blank[-1, U - 1] + self.in_last[-1, U - 1]) * self.weight[-1]
        return found
