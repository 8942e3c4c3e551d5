"""What the network is given to write in training by readers: texts, hands and biases. NumPy alone.

Half of the texts are people's, each in the hand of a form; the others are of a corpus, half of these in hands of the
catalogue. Letters: N hands, U characters of a text, A alphabet + 1, D numbers of a description.
"""

import numpy as np

from jax_training.hand_lines import READ, HandLines
from jax_training.written import Hands, to_write
from scribe.writing.bias import paper_bias

FEWEST_LINES = 3  # of a form in whose hand lines are written
SHORTEST = 2  # characters of a text
LEAST_OF_LONG = 3  # characters up to a space at which a long text is cut
RARE = frozenset("/+#[]")  # hardly any of people's lines have them: the readers do not know them well
OF_PEOPLE, OF_CATALOGUE = 0.5, 0.5  # share of texts of people; share of the others in hands of the catalogue
# How many times as far from the average of all people hands are told: those of forms with people's texts, those of the
# catalogue, those of forms with others.
EMPHASIS = {"people": (0.95, 1.15), "catalogue": (0.9, 1.1), "form": (1.0, 1.4)}
BIASES, SHARES = (0.05, 0.1, 0.2, 0.3), (0.3, 0.3, 0.25, 0.15)  # of eq. 61-62, and how often each
ASKED_TO_VALIDATE = (0.5, 1.0)  # biases as they are asked for, of one half of the lines and of the other


class PeopleLines(HandLines):
    """Lines of people in batches of all lengths: what is done with written lines at the same time is as long anyway.

    Args: those of `HandLines`.

    Attributes:
        forms: of forms with FEWEST_LINES lines to train on or more, their numbers among all lines.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        longest = self._limits[1][-1]
        self.shapes, self._shares, self._limits = [(1, longest)], [1.0], {1: [longest]}
        self._waiting = {shape: [] for shape in self.shapes}
        forms = ([i for i in lines if self._validation[i] == 0] for lines in self._of_form.values())
        self.forms = [lines for lines in forms if len(lines) >= FEWEST_LINES]

    def texts(self, kind):
        """The texts of lines to train on (kind 0) or to validate on (1); those with unknown characters left out."""
        _, _, text, _, counts = self.arrays
        numbers = [text[i, : counts[i]] for i in np.flatnonzero(self._validation == kind)]
        return ["".join(self.alphabet[k - 1] for k in line) for line in numbers if line.min(initial=1) > 0]

    def tell_of_forms(self, rng):
        """Some lines of each of `forms` to read its hand from: int [forms, READ], and 1 where there are as many."""
        read, there = (np.zeros([len(self.forms), READ], kind) for kind in (np.int32, np.float32))
        for k, lines in enumerate(self.forms):
            some = rng.permutation(lines)[:READ]
            read[k, : len(some)], there[k, : len(some)] = some, 1
        return read, there


def writable(texts, alphabet, U):
    """Texts of `alphabet` without RARE characters, of at most U: longer ones are cut at a space."""
    found = []
    for text in map(str.strip, texts):
        if len(text) > U:
            cut = text.rfind(" ", 0, U + 1)
            text = text[: cut if cut >= LEAST_OF_LONG else U].strip()
        if len(text) >= SHORTEST and set(text) <= set(alphabet) - RARE:
            found.append(text)
    return found


def hands_of(catalogue, vectors, glyphs, alphabet):
    """`Hands`: those of a list of `Hand`, then those of forms, vectors [forms, D] and glyphs [forms, A, D]."""
    of_catalogue = [np.pad(hand.glyphs_of(alphabet), ((1, 0), (0, 0))) for hand in catalogue]
    of_all = [*(hand.vector for hand in catalogue), *vectors], [*of_catalogue, *glyphs]
    return Hands(*(np.stack(values).astype(np.float32) for values in of_all))


class Subjects:
    """Draws what is to be written.

    Args:
        of_people, of_corpus, to_validate: texts, see `writable`. alphabet: of the network. characters: U.
        catalogue: how many of the hands are those of the catalogue. forms: how many lines each form has, whose hands
            come after these. texts: of a draw. tries: lines of each. seed: of all draws.
    """

    def __init__(
        self, of_people, of_corpus, to_validate, *, alphabet, characters, catalogue, forms, texts, tries, seed
    ):
        self._of_people, self._of_corpus, self.to_validate = of_people, of_corpus, to_validate
        self._alphabet, self._characters, self._texts, self._tries = alphabet, characters, texts, tries
        self._catalogue, self._forms = catalogue, np.asarray(forms) / np.sum(forms)
        self._rng = np.random.default_rng(seed)
        self.people = round(OF_PEOPLE * texts) * tries  # lines of a draw with texts of people in hands of forms

    def draw(self):
        """A `ToWrite`, the lines of a text one after the other."""
        rng, texts, hands, emphasis = self._rng, [], [], []
        for k in range(self._texts):
            of_people = k * self._tries < self.people
            source = self._of_people if of_people else self._of_corpus
            texts.append(source[rng.integers(len(source))])
            of_catalogue = not of_people and rng.random() < OF_CATALOGUE
            of_form = self._catalogue + rng.choice(len(self._forms), p=self._forms)
            hands.append(rng.integers(self._catalogue) if of_catalogue else of_form)
            kind = "people" if of_people else "catalogue" if of_catalogue else "form"
            emphasis.append(rng.uniform(*EMPHASIS[kind]))
        biases = rng.choice(BIASES, self._texts, p=SHARES)
        rows = [[v for v in values for _ in range(self._tries)] for values in (texts, hands, emphasis, biases)]
        return to_write(*rows, self._alphabet, self._characters)

    def validation(self):
        """A `ToWrite` of as many lines with texts to validate on, in hands of the catalogue; always the same."""
        rng, B = np.random.default_rng(0), self._texts * self._tries
        texts = [self.to_validate[k % len(self.to_validate)] for k in range(B)]
        bias = [float(paper_bias(ASKED_TO_VALIDATE[k % 2])) for k in range(B)]
        return to_write(
            texts, rng.integers(self._catalogue, size=B), np.ones(B), bias, self._alphabet, self._characters
        )
