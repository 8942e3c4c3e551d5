"""Reads untrusted XML as a tree: entities that could grow are refused, depth and size are bounded.

from scribe.files.xml_tree import read_tree
root = read_tree(content)
"""

import re
from xml.etree import ElementTree
from xml.parsers import expat

from scribe.files.limits import MAX_ELEMENTS

MAX_DEPTH = 200  # elements within each other
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
MAX_ENTITY = 1_000  # characters that an entity may stand for; drawing programs abbreviate addresses with them
MAX_EXPANSION = 2**22  # characters that all entities of a file may become


class LineError(ValueError):
    """A line that cannot be used. kind: what is counted; the message: what is wrong with this one."""

    def __init__(self, kind: str, detail: str = ""):
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


def read_tree(content: bytes, max_depth: float = MAX_DEPTH) -> ElementTree.Element:
    """The elements of XML; of at most max_depth within each other.

    Raises:
        LineError: it is broken, too large or too deep; or it declares entities that reach outside of it, use each other
            or could grow.
    """
    builder, parser = ElementTree.TreeBuilder(), expat.ParserCreate()
    depth = count = declared = 0
    references = content.count(b"&")

    def start(name, attributes):
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > max_depth:
            raise LineError("broken XML", f"more than {max_depth} elements within each other")
        if count > MAX_ELEMENTS:
            raise LineError("too large", f"more than {MAX_ELEMENTS:,} elements of XML: that is no sample of a hand")
        builder.start(name, attributes)

    def end(name):
        nonlocal depth
        depth -= 1
        builder.end(name)

    def entity(name, is_parameter, value, *_):
        nonlocal declared
        plain = value is not None and not is_parameter and len(value) <= MAX_ENTITY and not re.search("[&<%]", value)
        declared += len(value or "")
        if not plain or declared * references > MAX_EXPANSION:
            raise LineError(
                "XML with entities", "a DOCTYPE that declares entities which could grow: export plain SVG or InkML"
            )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = builder.data, entity
    parser.buffer_text = True
    try:
        parser.Parse(content, True)  # at once: expat before 2.6 begins a long token anew with every part
    except LineError:
        raise
    except (expat.ExpatError, UnicodeError, LookupError, ValueError) as error:
        raise LineError("broken XML", str(error)) from None
    return builder.close()


def embedded(content: bytes, name: str) -> list[bytes]:
    """The elements of a name that stand in something else, such as a page of HTML; each whole, none within another."""
    # A prefix is declared at the element itself or not at all: what is cut out can be read by itself.
    tags = re.compile(rb"<(/?)((?:[\w.-]+:)?" + name.encode() + rb")(?=[\s/>])[^<>]*?(/?)>")
    found, depth, begin = [], 0, 0
    for tag in tags.finditer(content):
        if tag[1]:
            depth -= 1
            if depth == 0:
                found.append(content[begin : tag.end()])
        elif not tag[3]:
            begin = tag.start() if depth <= 0 else begin
            depth = max(depth, 0) + 1
    return found


def tag_name(element: ElementTree.Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition(":")[2]


def attribute(element: ElementTree.Element, name: str) -> str | None:
    """An attribute by its name, with or without a namespace; None where it is missing."""
    value = element.get(name)
    if value is None:
        value = next((value for key, value in element.attrib.items() if key.rpartition(":")[2] == name), None)
    return value


def read_numbers(text: str) -> list[float]:
    """The numbers of a list such as "1 2,-3". Raises ValueError where something else stands among them."""
    if re.sub(NUMBER, "", text).strip(" \t\r\n,"):
        raise ValueError(f"{text.strip()[:40]!r} should be a list of numbers")
    return [float(word) for word in re.findall(NUMBER, text)]
