"""Links between the documents."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "legacy_tf1/*.md", "tests/*.md") for path in ROOT.glob(pattern)
)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|<img[^>]+src=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def text_of(path):
    return FENCED.sub("", path.read_text(encoding="utf-8"))


def anchors(path):
    """Names of the headings, as GitHub makes them: lower case, no punctuation, hyphens for spaces."""
    titles = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(text_of(path))]
    return set(titles)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_link_to_a_file_or_a_heading_leads_there(document):
    for pair in LINK.findall(text_of(document)):
        address = unquote(next(filter(None, pair)))
        if re.match(r"[a-z]+:", address):
            continue
        name, _, heading = address.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), f"{address} does not exist"
        assert not heading or heading in anchors(target), f"{address}: there is no such heading"


def test_every_document_is_listed_in_the_list_of_documents():
    listed = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "docs").rglob("*.md"):
        name = path.relative_to(ROOT / "docs").as_posix()
        assert name == "README.md" or f"({name})" in listed, name


def test_files_that_the_documents_name_exist():
    """Names in code spans such as `scribe/ink/measure.py`; what users make themselves has other folders or none."""
    folders = "scribe|tools|scripts|benchmarks|legacy_tf1|static"
    span = re.compile(rf"`((?:{folders})/[\w/]+\.(?:py|sh|html|png|svg))\b")
    for document in DOCUMENTS:
        for name in span.findall(document.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{document.name}: {name}"
