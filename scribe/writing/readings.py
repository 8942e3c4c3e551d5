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
What is computed side by side, E lattices, is filled up to the largest t, U and A.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Characters that have one shape, or that only their size tells apart: an eye does not take one for a fault of another.
LOOK_ALIKE = ("cC", "kK", "mM", "oO0", "pP", "sS", "uU", "vV", "wW", "xX", "yY", "zZ", "Il1", "tT", "jJ", "fF", "'\"")
MARGIN = 3  # frames by which a reading may begin before the character ahead of it or end after the one that follows
SMALLEST, LARGEST = 1e-30, 1e250
LIKELY = 3e-3  # a character that no frame is taken for with more than this probability is no other reading
SURELY_NONE = 1e-3  # frames with less than this for all characters together are as good as the first of them


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
    return other_readings_of([(shares, text)], alphabet)[0]


def other_readings_of(lines: Sequence[tuple[Sequence[NDArray], str]], alphabet: str) -> list[list[Reading]]:
    """`other_readings` of several lines, which takes a fraction of the time that they take one by one.

    Args:
        lines: shares and text of each.
    """
    if not lines:
        return []
    alike = _alike(alphabet)
    likely = [_likely(shares, text, alphabet, alike) for shares, text in lines]
    gains = iter(_gains([(p, codes) for _, codes, _, blended in likely for p in blended]))
    found = []
    for characters, codes, alike_kept, blended in likely:
        of_all = [next(gains) for _ in blended]
        other, added, two, left_out = (sum(of_each) / len(blended) for of_each in zip(*of_all, strict=True))
        found.append(_best_readings(characters, codes, alike_kept, other, added, two, left_out))
    return found


def _alike(alphabet):
    """[A, A]: 1 where two characters look alike."""
    alike = np.eye(len(alphabet))
    for group in LOOK_ALIKE:
        which = [alphabet.index(c) for c in group if c in alphabet]
        alike[np.ix_(which, which)] = 1
    return alike


def _likely(shares, text, alphabet, alike):
    """The characters that are in the text or that somebody takes a frame for, A of them; [U], the numbers of the text;
    which are alike, [A, A]; the shares of each recogniser with those of what looks alike added up, [t, A + 1]."""
    blended = [np.column_stack([one[:, :-1] @ alike, one[:, -1]]) for one in map(_without_pauses, shares)]
    most = np.max([one.max(axis=0) for one in blended], axis=0)
    kept = [c for c, character in enumerate(alphabet) if most[c] > LIKELY or character in text]
    characters = "".join(alphabet[c] for c in kept)
    codes = np.array([characters.index(c) for c in text])
    return characters, codes, alike[np.ix_(kept, kept)], [one[:, [*kept, -1]] for one in blended]


def _without_pauses(shares):
    """[t, A + 1] with one frame of each run of those that are surely of no character: about half of them."""
    pause = shares[:, -1] > 1 - SURELY_NONE
    return shares[~(pause & np.append(False, pause[:-1]))]


def _best_readings(characters, codes, alike, other, added, two, left_out):
    """The `Reading` of each place; the last four as `_gains` returns them."""
    U = len(codes)
    other[alike[codes] > 0] = -np.inf
    # One instead of a pair that holds it is a character left out; one beside its like is a part of that.
    two[(alike[codes[:-1]] + alike[codes[1:]]) > 0] = -np.inf
    like, same = (np.pad(rows, [(1, 1), (0, 0)]) for rows in (alike[codes], np.eye(len(characters))[codes]))
    added[(like[1:] + like[:-1] > 0) & (same[1:] + same[:-1] == 0)] = -np.inf
    found: list[list[tuple]] = [[] for _ in range(U + 1)]
    for length, gains in enumerate((added, other, two)):
        for u, (gain, c) in enumerate(zip(gains.max(axis=1).tolist(), gains.argmax(axis=1).tolist())):
            found[u].append((gain, u + length, characters[c]))
    for u, gain in enumerate(left_out.tolist()):
        found[u].append((gain, u + 1, ""))
    best = map(max, found)
    return [Reading(u, end, instead, gain) for u, (gain, end, instead) in enumerate(best)]


def _gains(texts):
    """The logarithms of the probabilities of all other readings over that of each text.

    Args:
        texts: E shares [t, A + 1] and codes [U].

    Returns:
        for each: with another character instead of each [U, A], one more at each place [U + 1, A], one instead of each
        pair [U - 1, A], without each character [U].
    """
    lattices, places = _Lattices(texts), []
    for e, (_, codes) in enumerate(texts):
        at = np.arange(len(codes) + 1)
        pairs = (at[:-1], at[1:]), (at, at), (at[:-2], at[2:])
        places += [np.stack([np.full(len(first), e), first, then]) for first, then in pairs]
    with np.errstate(divide="ignore", over="ignore"):
        between = np.log(lattices.with_one_between(*np.concatenate(places, axis=1)))
        without = np.log(lattices.without())
    parts, found = iter(np.split(between, np.cumsum([p.shape[1] for p in places])[:-1])), []
    for e, (p, codes) in enumerate(texts):
        found.append([next(parts)[:, : p.shape[1] - 1] for _ in range(3)] + [without[e, : len(codes)]])
    return found


class _Lattices:
    """The probabilities of texts and of their neighbours, given the shares of all frames.

    Args:
        texts: E shares [t, A + 1] and codes [U].

    Attributes:
        p: [t, E, A]. codes: [E, U + 2], with -1 before and after the text.
        in_blank, in_last: [t, E, U + 1], share of the ways that explain the frames before this one, and have left the
            text after u characters: in the blank behind them, or in the last one itself. left_log: [t, E], log of the
            probability of these frames. Frame t is the one after the last.
        to_blank, to_next: [t, E, U + 1], probability of the frames after this one from the ways that enter the text
            before character v: in the blank ahead of it, or in itself; up to a factor.
        weight: [t, E], of a way from those that end with this frame to one that is entered after it.
        peaks: [E, U + 2], the frame of each character, with the first and the last one around.
    """

    def __init__(self, texts):
        T, U, A = (max(sizes) for sizes in zip(*((len(p), len(codes), p.shape[1] - 1) for p, codes in texts)))
        E, S, every = len(texts), 2 * U + 1, np.arange(len(texts))
        self._frames, self._lengths = (np.array(sizes) for sizes in zip(*((len(p), len(c)) for p, c in texts)))
        self.p, self.codes = np.zeros([T, E, A]), np.full([E, U + 2], -1)
        # The passes forward and backward are one loop over the frames: a backward pass is a forward pass over the
        # reversed text. A blank between two different characters may be skipped.
        emitted, skips = np.zeros([T, E, 2, S]), np.zeros([E, 2, S])
        for e, (p, codes) in enumerate(texts):
            n, s = len(p), 2 * len(codes) + 1
            self.p[:n, e, : p.shape[1] - 1], self.codes[e, 1 : len(codes) + 1] = p[:, :-1], codes
            states = np.full(s, p.shape[1] - 1)
            states[1::2] = codes
            emitted[:n, e, 0, :s] = p[:, states] + SMALLEST
            emitted[:n, e, 1, :s] = emitted[:n, e, 0, :s][::-1, ::-1]
            skips[e, 0, 3:s:2] = codes[1:] != codes[:-1]
            skips[e, 1, 2:s] = skips[e, 0, 2:s][::-1]
        before, after, logs = _pass(emitted, skips)
        backward, backward_log = np.zeros([T + 1, E, S]), np.zeros([T + 1, E])
        for e, (n, s) in enumerate(zip(self._frames, 2 * self._lengths + 1)):
            backward[:n, e, :s] = before[:n, e, 1, :s][::-1, ::-1]
            backward_log[: n - 1, e] = logs[: n - 1, e, 1][::-1]
        last = self._frames - 1
        forward, forward_log = np.pad(after[:, :, 0], [(1, 0), (0, 0), (0, 0)]), np.pad(logs[:, :, 0], [(1, 0), (0, 0)])
        forward[0, :, 0] = 1.0
        at_end = sum(forward[self._frames, every, 2 * self._lengths - k] for k in (0, 1))
        total = forward_log[self._frames, every] + np.log(at_end + SMALLEST)
        self.left_log, self.in_blank = forward_log, forward[:, :, 0::2]
        self.in_last = np.pad(forward[:, :, 1::2], [(0, 0), (0, 0), (1, 0)])
        entered = np.zeros([T, E, S])
        entered[:-1] = backward[1:T] * emitted[1:, :, 0]
        entered[last, every, 2 * self._lengths] = 1.0
        self.to_blank = entered[:, :, 0::2]
        self.to_next = np.pad(entered[:, :, 1::2], [(0, 0), (0, 0), (0, 1)])
        self.weight = np.exp(np.clip(forward_log[1:] + backward_log[1:] - total, -700, 700))
        peaks = (forward[1:] * backward[:T])[:, :, 1::2].argmax(axis=0)  # [E, U]
        self.peaks = np.pad(np.maximum.accumulate(peaks, axis=1), [(0, 0), (1, 1)])
        np.copyto(self.peaks, last[:, None], where=np.arange(U + 2) > self._lengths[:, None])

    def with_one_between(self, lattice, first, then):
        """[n, A]: probabilities over that of the text of the first `first` characters, one more, and those from `then`
        on; int [n] each."""
        A = self.p.shape[2]
        start = np.maximum(self.peaks[lattice, first] - MARGIN, 0)
        stop = np.minimum(self.peaks[lattice, then + 1] + MARGIN, self._frames[lattice] - 1)
        order = np.argsort(start - stop, kind="stable")  # those of most frames first
        e, first, then, t, count = (values[order] for values in (lattice, first, then, start, stop - start + 1))
        # A character is not followed by itself without a blank between.
        from_last = (self.codes[e, first][:, None] != np.arange(A)) * 1.0
        to_next = (self.codes[e, then + 1][:, None] != np.arange(A)) * 1.0
        within, found = np.zeros([len(e), A]), np.zeros([len(e), A])
        for k in range(int(count[0])):
            n = np.searchsorted(-count, -k)
            e, first, then, t = e[:n], first[:n], then[:n], t[:n]
            scale = np.exp(self.left_log[t, e] - self.left_log[t + 1, e])
            weight = self.weight[t, e]
            now = within[:n]
            now += self.in_blank[t, e, first][:, None]
            now += from_last[:n] * self.in_last[t, e, first][:, None]
            now *= scale[:, None]
            now *= self.p[t, e]
            np.minimum(now, LARGEST, out=now)  # where the text is next to impossible
            leaving = to_next[:n] * (self.to_next[t, e, then] * weight)[:, None]
            leaving += (self.to_blank[t, e, then] * weight)[:, None]
            leaving *= now
            found[:n] += leaving
            t = t + 1
        unsorted = np.empty_like(found)
        unsorted[order] = found
        return unsorted

    def without(self):
        """[E, U]: probabilities of the text without each of its characters, over that of the text."""
        differ = self.codes[:, :-2] != self.codes[:, 2:]
        ways = self.in_blank[1:, :, :-1] + differ * self.in_last[1:, :, :-1]
        found = (ways * self.to_next[:, :, 1:] * self.weight[:, :, None]).sum(axis=0)
        every, last = np.arange(len(found)), self._frames - 1
        found[every, self._lengths - 1] = ways[last, every, self._lengths - 1] * self.weight[last, every]
        return found


def _pass(emitted, skips):
    """A forward pass over the states of E lattices and of those reversed.

    Args:
        emitted: [t, E, 2, S], probabilities of the frames. skips: [E, 2, S], 1 for a state that may follow the last
            but one.

    Returns:
        the share of each state before and after a frame is emitted, [t, E, 2, S] each; log of the probability of the
        frames up to each, [t, E, 2].
    """
    before, after, steps = np.zeros_like(emitted), np.zeros_like(emitted), np.ones([*emitted.shape[:3], 1])
    before[0, ..., :2] = 1.0
    for t in range(len(emitted)):
        if t:
            now, last = before[t], after[t - 1]
            now[:] = last
            now[..., 1:] += last[..., :-1]
            now[..., 2:] += skips[..., 2:] * last[..., :-2]
        np.multiply(before[t], emitted[t], out=after[t])
        steps[t] = after[t].sum(axis=-1, keepdims=True) + SMALLEST
        after[t] /= steps[t]
    return before, after, np.cumsum(np.log(steps[..., 0]), axis=0)
