"""Cards: a page for each row of a table, all of the same text with other names in it, each in its own variation.

    batch = Batch(args, fit, say)                      # args: of sample.py; fit: lines as they can be written
    names = batch.run(write, seed=7, styles={}, made_by=digest_of_the_checkpoint)

The cards are written in groups that are always the same, so a card has the same bytes whether the job ran through or
was killed and started again. cards.json beside the files says which text made which of them. Where the output is one
pdf, the folder of its name holds the ink of each card, as json, and the pdf is made of these when all are there.
"""

import argparse
import csv
import dataclasses
import hashlib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from anyascii import anyascii

from scribe.console import UsageError
from scribe.files.atomic import check_folder_writable, check_writable, save_json
from scribe.files.text_file import read_text
from scribe.hands.hand import Hand, hand_key
from scribe.ink.word_marks import read_words
from scribe.pages import flags, formats
from scribe.pages.formats import FORMATS
from scribe.pages.job import breaking_of, file_name
from scribe.pages.layout import compose_within
from scribe.pages.letter import Paragraph, as_segment, as_style, text_paragraphs

GROUP = 8  # cards that are written together
RECORD = "cards.json"
TEXT_FIELD, STYLE_FIELD = "text", "style"
_FIELD = re.compile(r"\{\{|\}\}|\{([^{}\n]*)\}")  # of a template; {{ and }} are braces
MAX_NAMED = 8  # cards in a message
# Flags that change no card.
_NO_PART = {"cards", "template", "output", "overwrite", "workers", "log_dir", "seed", "page_flags", "pages"}


@dataclasses.dataclass
class Card:
    """A row: its number from 1, the name of its files without ending, its text, the number of its style or None, and
    the fields of the template that are empty."""

    number: int
    name: str
    text: str
    style: Any
    empty: list[str] = dataclasses.field(default_factory=list)


def read_cards(path: str, template: str | None, style: Any = None) -> list[Card]:
    """The cards of a CSV.

    Args:
        path: of the CSV; its first row names the fields. A field "style" holds the number of a style or nothing.
        template: a text with fields such as {name}; None: the field "text" is the text. style: where a row names none.

    Raises:
        UsageError: no rows, a row of another length, or a field that is not there. OSError: it cannot be read.
    """
    content = read_text(path)
    try:
        delimiter = csv.Sniffer().sniff(content.partition("\n")[0], ",;\t").delimiter
    except csv.Error:
        delimiter = ","
    reader = csv.reader(io.StringIO(content), delimiter=delimiter)
    try:
        rows = [row for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UsageError(f"{path} cannot be read as a CSV, in line {reader.line_num}: {error}.") from None
    if len(rows) < 2:
        raise UsageError(f"{path} has no cards: its first row should name the fields, each other row is a card.")
    names = [name.strip() for name in rows[0]]
    if template is None and TEXT_FIELD not in names:
        raise UsageError(f"{path} has no field {TEXT_FIELD!r}: add it, or give the text with --template.")
    cards, digits = [], len(str(len(rows) - 1))
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(names):
            raise UsageError(f"{path}: card {number} has {len(row)} fields, but the first row names {len(names)}.")
        fields = dict(zip(names, (cell.strip() for cell in row), strict=True))
        text = fields[TEXT_FIELD] if template is None else filled(template, fields, path)
        if not text.strip():
            raise UsageError(f"{path}: card {number} has no text.")
        own_style = fields.get(STYLE_FIELD, "")
        if own_style and not own_style.isdecimal():
            raise UsageError(f"{path}: card {number} has the style {own_style!r}: it should be the number of a style.")
        name = f"{number:0{digits}d}_{file_name(anyascii(next(iter(fields.values()))))}"
        empty = [field for field in _fields_of(template or "") if not fields[field]]
        cards.append(Card(number, name, text, int(own_style) if own_style else style, empty))
    return cards


def _fields_of(template):
    """The names of the fields of a template, each once."""
    return list(dict.fromkeys(match[1].strip() for match in _FIELD.finditer(template) if match[1] is not None))


def filled(template: str, fields: dict[str, str], path: str) -> str:
    """A template with its fields filled in; {{ and }} are braces. Raises UsageError for a field that is not there."""

    def value(match):
        if match.group() in ("{{", "}}"):
            return match.group()[0]
        name = match[1].strip()
        if name not in fields:
            raise UsageError(f"the template has a field {name!r}, but {path} has {', '.join(fields)}.")
        return fields[name]

    return _FIELD.sub(value, template)


def _digest(style):
    """Of what a style is: a file of the same name may hold another one the next time."""
    if style is None or isinstance(style, Hand):
        return hand_key(style)
    strokes, text = style
    return hashlib.sha256(np.asarray(strokes).tobytes() + text.encode()).hexdigest()


def _result_or_error(function, *args):
    """What a function returns, or the UsageError that it raises."""
    try:
        return function(*args)
    except UsageError as error:
        return error


def _named(numbers):
    """Some cards as a message names them."""
    more = f" and {len(numbers) - MAX_NAMED} more" if len(numbers) > MAX_NAMED else ""
    return f"card{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers[:MAX_NAMED]))}{more}"


class Batch:
    """The cards of a job, and which of them are there already.

    Args:
        args: of sample.py, checked. fit: returns lines as they can be written, or raises UsageError. say: takes a
            message.

    Attributes:
        left_out: the numbers of the cards whose text cannot be written; the others are.
        seed: of the cards that are there already; None if there are none.
        written: the numbers of the cards that the lines are of which `run` has had written, in the order of writing; 0
            for the line whose hand the cards take, which is on none of them.
    """

    def __init__(self, args: argparse.Namespace, fit: Callable[[list[str]], list[str]], say: Callable[[str], Any]):
        template = None if args.template is None else read_text(args.template)
        self.args, self.say = args, say
        self.cards = read_cards(args.cards, template, args.style)
        self.style, self.options = flags.page_style(args), flags.options(args)
        self.formats = args.format or ["png"]
        self.folder = args.output or os.path.join(args.log_dir, "figures")
        self.pdf = None  # of all cards
        if not os.path.isdir(self.folder):
            self._take_file()
        if os.path.exists(self.folder) and not os.path.isdir(self.folder) or self.folder == "-":
            raise UsageError(f"--output {self.folder} is no folder: cards are many files.")
        self.left_out: list[int] = []
        self._fit_texts(fit)
        self._name_empty_fields()
        self.record_path = os.path.join(self.folder, RECORD)
        self.breaking = breaking_of(args)
        self.paragraphs = [self._paragraphs(card) for card in self.cards]
        self.record = self._read_record()
        self.seed: int | None = self.record.get("seed")
        self.written: list[int] = []

    def _take_file(self):
        """Takes an --output that is named as a file: one pdf can hold all cards."""
        ending = os.path.splitext(self.folder)[1].lower()
        if ending not in (known for known, _ in FORMATS.values()):
            return
        if ending != ".pdf":
            raise UsageError(
                f"--output {self.folder} is one file, but cards are many: name a folder, or a file that ends in .pdf."
            )
        if self.args.format not in ([], None, ["pdf"]):
            raise UsageError(f"--output {self.folder} is one pdf: leave out --format, or name a folder.")
        self.pdf, self.formats = self.folder, ["json"]
        self.folder = os.path.splitext(self.folder)[0]

    def _fit_texts(self, fit):
        """Makes the texts of the cards writable, and leaves out the cards of which that is not possible."""
        rows = [card.text.splitlines() for card in self.cards]
        try:  # all together, so that what is said of many cards is said once
            together = iter(fit([line for lines in rows for line in lines]))
            fitted: list[Any] = [[next(together) for _ in lines] for lines in rows]
        except UsageError:
            fitted = [_result_or_error(fit, lines) for lines in rows]
        cards, wrong = self.cards, {}
        for card, lines in zip(cards, fitted, strict=True):
            card.text = "" if isinstance(lines, UsageError) else "\n".join(lines)
            if not card.text.strip():
                wrong[card.number] = str(lines) if isinstance(lines, UsageError) else "nothing of it can be written."
        if len(wrong) == len(cards):
            number, why = next(iter(wrong.items()))
            raise UsageError(f"no card of {self.args.cards} can be written; card {number}: {why}")
        self.cards, self.left_out = [card for card in cards if card.number not in wrong], list(wrong)
        for number, why in wrong.items():
            self.say(f"Warning: card {number} is left out: {why}")

    def _name_empty_fields(self):
        """Says which fields of the template are empty, in which cards."""
        for field in dict.fromkeys(field for card in self.cards for field in card.empty):
            numbers = [card.number for card in self.cards if field in card.empty]
            whose = "its" if len(numbers) == 1 else "their"
            self.say(f"Warning: {_named(numbers)}: {whose} field {field!r} is empty.")

    def styles(self) -> set:
        """The styles that the cards name."""
        return {card.style for card in self.cards}

    def _paragraphs(self, card) -> list[Paragraph]:
        newlines = self.args.newlines or "auto"
        return text_paragraphs(card.text, self.args.bias, card.style, newlines, self.breaking)

    def _read_record(self):
        empty = {"files": {}, "whole": [], "begun": {}, "joined": []}
        if not os.path.exists(self.record_path):
            return empty
        try:
            with open(self.record_path, encoding="utf-8") as file:
                record = empty | json.load(file)
            is_ours = all(isinstance(record[name], type(value)) for name, value in empty.items())
        except (ValueError, TypeError, RecursionError):
            is_ours = False
        if not is_ours or not isinstance(record.get("seed", 0), int):
            raise UsageError(f"{self.record_path} is not what --cards wrote: name another --output.")
        return record

    def run(self, write: Callable, seed: int, styles: dict[Any, Any], made_by: str) -> list[str]:
        """Writes the cards that are not there yet.

        Args:
            write, seed, styles: as in `letter.write_paragraphs`.
            made_by: what else decides what they look like, such as a digest of the checkpoint.

        Returns:
            the names of the files of all cards, or that of the pdf that holds them all.

        Raises:
            UsageError: a file is there that another text or other flags made, and --overwrite is not given.
        """
        keys = {card.number: self._key(card, seed, styles.get(card.style), made_by) for card in self.cards}
        done = {card.number for card in self.cards if self._is_there(card, keys[card.number])}
        self._check_names([card for card in self.cards if card.number not in done], keys)
        if self.pdf:
            self._check_pdf(keys)
        check_folder_writable(self.folder)
        self._remove_unfinished()
        if done:
            self.say(f"{len(done)} of {len(self.cards)} cards are there already.")
        hand = None  # one for all cards that name none
        with self._progress(len(done)) as progress:
            # By their numbers: a card that is left out moves no other one to another group.
            for _, indices in groupby(range(len(self.cards)), lambda i: (self.cards[i].number - 1) // GROUP):
                group = list(indices)
                if all(self.cards[i].number in done for i in group):
                    continue
                if hand is None and any(card.style is None for card in self.cards):
                    hand = self._write_hand(write, seed)
                pages = self._write_group(group, write, seed, styles, hand)
                missing = [self.cards[i] for i in group if self.cards[i].number not in done]
                # Noted before, so that after a kill the files of these cards are known as this job's.
                self.record |= {"seed": seed, "begun": {card.name: keys[card.number] for card in missing}}
                save_json(self.record_path, self.record)
                for card in missing:
                    self._save(card, pages[card.number], keys[card.number])
                    progress.update()
                self.record["begun"] = {}
                save_json(self.record_path, self.record)
        if self.left_out:
            self.say(f"Error: {_named(self.left_out)} {'is' if len(self.left_out) == 1 else 'are'} not written.")
        names = [name for card in self.cards for name in self._files_of(keys[card.number])]
        return self._join(names, keys) if self.pdf else names

    def _join(self, names, keys):
        """Writes the pdf of all cards from the files of their ink."""
        # Noted before, so that after a kill the pdf is known as this job's.
        self.record["joined"] = list(keys.values())
        save_json(self.record_path, self.record)
        pages = [page for name in names for page in formats.read_json(name)]
        return formats.write(pages, self.pdf, "pdf", self.options)

    def _check_pdf(self, keys):
        """Refuses to replace a pdf of other cards; more cards may be added to it."""
        ours = self.record["joined"] and set(self.record["joined"]) <= set(keys.values())
        if os.path.exists(self.pdf) and not ours and not self.args.overwrite:
            raise UsageError(self._there(self.pdf))
        check_writable(self.pdf)

    def _there(self, path):
        """What is said of a file that is not replaced."""
        return f"{path} is there, from another text or other flags: --overwrite replaces it, or name another --output."

    def _key(self, card, seed, style, made_by):
        """What makes a card: the same key, the same bytes."""
        how = {name: value for name, value in vars(self.args).items() if name not in _NO_PART}
        if self.pdf:
            how["format"] = self.formats
        content = [how, made_by, seed, card.number, card.text, str(card.style), _digest(style), self.cards[0].text]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    def _files_of(self, key):
        """The files that the record has for a key, with their folder."""
        return [os.path.join(self.folder, name) for name, made in self.record["files"].items() if made == key]

    def _is_there(self, card, key):
        names = self._files_of(key)
        return bool(names) and all(map(os.path.exists, names)) and key in self.record["whole"]

    def _check_names(self, cards, keys):
        """Refuses to replace what another text made."""
        if self.args.overwrite:
            return
        there = sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else []
        files, begun = self.record["files"], self.record["begun"]
        for card in cards:
            for format in self.formats:
                ending = FORMATS[format][0]
                names = re.compile(rf"{re.escape(card.name)}(-\d+)?{re.escape(ending)}")
                own = keys[card.number]
                for found in filter(names.fullmatch, there):
                    if own not in (files.get(found), begun.get(card.name)):
                        raise UsageError(self._there(os.path.join(self.folder, found)))

    def _remove_unfinished(self):
        """Removes the halves of files that a killed job left, so that nobody takes them for cards."""
        names = "|".join(map(re.escape, [*self.record["begun"], os.path.splitext(RECORD)[0]]))
        unfinished = re.compile(rf"({names})(-\d+)?(\.animated)?\.tmp-\d+\.[a-z]+")
        for name in filter(unfinished.fullmatch, os.listdir(self.folder)):
            os.remove(os.path.join(self.folder, name))

    def _write_hand(self, write, seed):
        """The line that all cards without a style go on from: the longest of the first card."""
        texts = [read_words(text)[0] for paragraph in self.paragraphs[0] for text in paragraph.texts]
        longest = max(texts, key=lambda text: (any(map(str.isalnum, text)), len(text)))
        self.written.append(0)
        return as_style(write([longest], [self.args.bias], [(seed, 0, 0)], None)[0])

    def _write_group(self, group: Sequence[int], write, seed, styles, hand):
        """{number of a card: its pages}; every line draws its numbers from (seed, that number, number of the line)."""
        jobs = []  # (card, paragraph, segment, text, seed)
        for i in group:
            line = 0
            for p, paragraph in enumerate(self.paragraphs[i]):
                for k, text in enumerate(paragraph.texts):
                    line += 1
                    jobs.append((i, p, k, text, (seed, self.cards[i].number, line)))
        segments: dict[tuple, Any] = {}
        for style in dict.fromkeys(self.cards[i].style for i in group):
            own = [job for job in jobs if self.cards[job[0]].style == style]
            texts = [read_words(text)[0] for *_, text, _ in own]
            prime = hand if style is None else styles[style]
            lines = write(texts, [self.args.bias] * len(own), [own_seed for *_, own_seed in own], prime)
            self.written += [self.cards[i].number for i, *_ in own]
            for (i, p, k, text, _), line in zip(own, lines, strict=True):
                indent = 0.0 if k else self.paragraphs[i][p].indent
                segments[i, p, k] = as_segment(line, text, hand=style, indent=indent)
        pages = {}
        for i in group:
            of_card = [
                [segments[i, p, k] for k in range(len(paragraph.texts))]
                for p, paragraph in enumerate(self.paragraphs[i])
            ]
            number = self.cards[i].number
            pages[number] = compose_within(
                of_card, self.style, self.args.fit, lambda text, n=number: self.say(f"Warning: card {n}: {text}")
            )
            if len(pages[number]) > 1 and not self.args.fit:
                self.say(f"Warning: card {number} takes {len(pages[number])} pages.")
        return pages

    def _save(self, card, pages, key):
        for format in self.formats:
            target = os.path.join(self.folder, f"{card.name}{FORMATS[format][0]}")
            for name in formats.write(pages, target, format, self.options):
                self.record["files"][os.path.basename(name)] = key
        self.record["whole"].append(key)

    def _progress(self, done):
        from tqdm import tqdm

        return tqdm(total=len(self.cards), initial=done, unit="card", disable=None, file=sys.stderr)
