"""Reads untrusted XML as a tree: entities are refused, depth is bounded; and the values of its attributes."""

import re
from xml.etree import ElementTree
from xml.parsers import expat

from scribe.files.iam import LineError

MAX_DEPTH = 200  # elements within each other
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


def read_tree(path: str) -> ElementTree.Element:
    """The elements of an XML file. Raises LineError where it is broken or declares entities."""
    builder, parser = ElementTree.TreeBuilder(), expat.ParserCreate()
    depth = 0

    def start(name, attributes):
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise LineError("broken XML", f"more than {MAX_DEPTH} elements within each other")
        builder.start(name, attributes)

    def end(name):
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_):
        raise LineError("XML with entities", "a DOCTYPE that declares entities is refused: export plain SVG or InkML")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = builder.data, refuse
    try:
        with open(path, "rb") as file:
            parser.Parse(file.read(), True)  # at once: expat before 2.6 begins a long token anew with every part
    except LineError:
        raise
    except (expat.ExpatError, UnicodeError, LookupError, ValueError) as error:
        raise LineError("broken XML", str(error)) from None
    return builder.close()


def tag_name(element: ElementTree.Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition(":")[2]


def attribute(element: ElementTree.Element, name: str) -> str | None:
    """An attribute by its name, with or without a namespace; None where it is missing."""
    return next((value for key, value in element.attrib.items() if key.rpartition(":")[2] == name), None)


def read_numbers(text: str) -> list[float]:
    """The numbers of a list such as "1 2,-3". Raises ValueError where something else stands among them."""
    if re.sub(NUMBER, "", text).strip(" \t\r\n,"):
        raise ValueError(f"{text.strip()[:40]!r} should be a list of numbers")
    return [float(word) for word in re.findall(NUMBER, text)]
