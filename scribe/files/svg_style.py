"""What CSS says about the elements of an SVG: style elements, style attributes and presentation attributes.

    from scribe.files.svg_style import Styles
    styles = Styles(root)
    styles.of(element)["stroke"]

tinycss2 parses the style sheets, cssselect2 finds the elements that their rules select.
"""

from xml.etree import ElementTree

import cssselect2
import tinycss2

# What decides whether ink is seen, and where; the first group is inherited.
INHERITED = ("stroke", "fill", "stroke-width", "stroke-opacity", "fill-opacity", "visibility", "color")
OWN = ("display", "opacity", "transform", "transform-origin")
MAX_SHEET = 200_000  # characters of all style sheets
MAX_COMPARISONS = 5_000_000  # rules times elements


class Styles:
    """The declarations that hold for each element of a tree, without what it inherits.

    Args:
        root: of an SVG; prefixes of its namespaces are taken off.

    Raises:
        ValueError: the style sheets are too large.
    """

    def __init__(self, root: ElementTree.Element):
        sheets = ["".join(e.itertext()) for e in root.iter() if e.tag.rpartition(":")[2] == "style"]
        if sum(map(len, sheets)) > MAX_SHEET:
            raise ValueError(f"its style sheets have more than {MAX_SHEET:,} characters: export plain SVG")
        matcher, count = cssselect2.Matcher(), 0
        for rule in (rule for sheet in sheets for rule in _rules(sheet)):
            declarations = _declarations(rule.content)
            try:
                selectors = cssselect2.compile_selector_list(rule.prelude)
            except cssselect2.SelectorError:
                continue  # as a browser does
            for selector in selectors:
                if selector.pseudo_element is None:
                    matcher.add_selector(selector, declarations)
                    count += 1
        self.matched: dict[int, list] = {}
        if not count:
            return
        elements = list(cssselect2.ElementWrapper.from_xml_root(root).iter_subtree())
        if count * len(elements) > MAX_COMPARISONS:
            raise ValueError(f"its style sheets have {count:,} rules for {len(elements):,} elements: export plain SVG")
        for element in elements:
            self.matched[id(element.etree_element)] = [found[-1] for found in sorted(
                matcher.match(element), key=lambda found: found[:2])]  # fmt: skip

    def of(self, element: ElementTree.Element) -> dict[str, str]:
        """{property: value} as the element itself has it."""
        found = {name: element.attrib[name].strip() for name in (*INHERITED, *OWN) if name in element.attrib}
        matched = self.matched.get(id(element), [])
        inline = [_declarations(element.attrib["style"])] if "style" in element.attrib else []
        for important in (False, True):
            for declarations in matched + inline:
                found.update({name: value for name, (value, strong) in declarations.items() if strong == important})
        return found


def _rules(sheet):
    """The rules of a style sheet, with those for screens."""
    for rule in tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True):
        if rule.type == "qualified-rule":
            yield rule
        elif rule.type == "at-rule" and rule.lower_at_keyword == "media" and rule.content is not None:
            media = tinycss2.serialize(rule.prelude).lower().replace(" ", "")
            if not media or {"all", "screen"} & set(media.split(",")):
                inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
                yield from (rule for rule in inner if rule.type == "qualified-rule")


def _declarations(content):
    """{property: (value, whether it is important)} of a block or of a style attribute."""
    parsed = tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True)
    return {
        item.lower_name: (tinycss2.serialize(item.value).strip(), item.important)
        for item in parsed
        if item.type == "declaration" and item.lower_name in (*INHERITED, *OWN)
    }
