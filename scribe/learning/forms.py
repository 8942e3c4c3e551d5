"""Which lines were written by one hand, as far as their names tell. Without NumPy."""

import re
from collections.abc import Collection, Sequence

_LINE_NUMBER = re.compile(r"-\d+$")


def form_of(name: str) -> str:
    """The form that a line stands on: a01-000u for a line that is called a01-000u-03, the third of its form."""
    return _LINE_NUMBER.sub("", name)


def lines_of_forms(names: Sequence[str]) -> dict[str, list[int]]:
    """The indices of the lines of each form; a form is by one hand. Lines without a name ("") are of no form."""
    forms: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        if name:
            forms.setdefault(form_of(name), []).append(i)
    return forms


def tells_of_hands(names: Sequence[str]) -> bool:
    """Whether any line has another one of its form."""
    return any(len({names[i] for i in lines}) > 1 for lines in lines_of_forms(names).values())


def names_of_lines(names: Sequence[str], known: Collection[str] = ()) -> list[str]:
    """Names that tell the lines of a data file apart.

    Where a name stands for two lines or more on average, the names are of forms or writers; the lines then get their
    number in the file as well: mary-17 for line 17, by mary.

    Args:
        names: as the file has them. known: names of the lines of another file. A line that has one of these was made of
            that line, and keeps the name.
    """
    of_this_file = [name for name in names if name and name not in known]
    if len(of_this_file) < 2 * len(set(of_this_file)):
        return list(names)
    return [f"{name}-{i}" if name and name not in known else name for i, name in enumerate(names)]
