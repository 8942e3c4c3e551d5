"""Which lines were written by one hand, as far as their names tell. NumPy alone."""

import re
from collections.abc import Sequence

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
