"""Strokes as files of many programs: a small writer for each dialect that `read_recording` knows, and what it is of.

for name, dialect in DIALECTS.items():
    path = dialect.write(tmp_path, strokes, text)
"""

import dataclasses
import gzip
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

import ink_helpers as ink

PEN = 'fill="none" stroke="#000" stroke-width="0.5"'


@dataclasses.dataclass(frozen=True)
class Dialect:
    """A kind of file.

    Attributes:
        program: who writes it. file: ending of its name. make: strokes, text -> str or bytes.
        says_text: whether the text can be read from it. moved: whether only shapes count, not where they lie.
        tolerance: how far a point may be from where it was, in units of the strokes.
    """

    program: str
    file: str
    make: Callable
    says_text: bool = False
    moved: bool = False
    tolerance: float = 0.01

    def write(self, folder, strokes, text):
        content = self.make(strokes, text)
        path = Path(folder, "recording" + self.file)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


def d(stroke):
    return "M" + "L".join(f"{x:.3f} {y:.3f}" for x, y in (stroke if len(stroke) > 1 else [stroke[0], stroke[0]]))


def drawing(body, attributes='width="900" height="300"', before="", after=""):
    return f'{before}<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{body}</svg>{after}'


def paths(strokes, attributes=PEN):
    return "".join(f'<path {attributes} d="{d(stroke)}"/>' for stroke in strokes)


def segments(strokes, unit="", factor=1.0):
    parts = []
    for stroke in strokes:
        for (x1, y1), (x2, y2) in zip(stroke, stroke[1:] if len(stroke) > 1 else stroke):
            ends = (f'{n}="{v * factor:.5f}{unit}"' for n, v in (("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)))
            parts.append(f'<line stroke="black" stroke-width="{0.3 + 0.1 * (len(parts) % 3)}" {" ".join(ends)}/>')
    return "".join(parts)


def used(strokes, _):
    definitions = "".join(f'<path id="s{k}" d="{d(s - s[0])}"/>' for k, s in enumerate(strokes))
    uses = "".join(f'<use href="#s{k}" x="{s[0, 0]:.3f}" y="{s[0, 1]:.3f}"/>' for k, s in enumerate(strokes))
    return drawing(f"<defs>{definitions}</defs><g {PEN}>{uses}</g>")


def styled(strokes, _):
    sheet = "<style>.ink{fill:none;stroke:#222;stroke-width:.5} g.guide path, #frame{display:none}</style>"
    guides = '<g class="guide"><path class="ink" d="M0 0L900 300"/></g><path id="frame" class="ink" d="M3 3L5 9"/>'
    return drawing(sheet + guides + paths(strokes, 'class="ink"'))


def moved(strokes, _):
    inner = paths([(stroke - [40, 30]) / 2 for stroke in strokes], PEN.replace("0.5", "0.25"))
    return drawing(f'<g style="transform: translate(30px, 10px) scale(2)"><svg x="5" y="10">{inner}</svg></g>')


def ruled(strokes, _):
    lines = "".join(f'<path stroke="#99f" fill="none" d="M 0 {y} L 900 {y}"/>' for y in range(20, 300, 40))
    frame = '<rect width="900" height="300" fill="#fff"/><polygon points="0,0 900,0 900,300 0,300" stroke="#eee"/>'
    picture = '<image href="a.png" width="3" height="3"/><text x="3" y="3">Notes</text>'
    return drawing(frame + lines + picture + paths(strokes))


def channels(strokes, rows, formats, text):
    body = "".join(f"<trace>{', '.join(rows(stroke))}</trace>" for stroke in strokes)
    return f'<ink><annotation type="truth">{text}</annotation><traceFormat>{formats}</traceFormat>{body}</ink>'


def tip_switch(strokes, text):
    """All in one trace; the pen hovers between strokes."""
    rows = []
    for stroke in strokes:
        away = stroke[-1] + [3, -9]
        rows += [f"{x:.4f} {y:.4f} T" for x, y in stroke] + [f"{away[0]:.4f} {away[1]:.4f} F"]
    return channels([strokes[0]], lambda _: rows, "".join(f'<channel name="{n}"/>' for n in "XYS"), text)


def views(strokes, text):
    traces = "".join(f'<trace xml:id="t{k}">{", ".join(ink.words(s))}</trace>' for k, s in enumerate(strokes))
    shown = "".join(f'<traceView traceDataRef="#t{k}"/>' for k in range(len(strokes)))
    label = f'<annotationXML type="Ground truth"><type>Line</type><label>{text}</label></annotationXML>'
    return f"<ink><definitions>{traces}</definitions><traceView>{label}{shown}</traceView></ink>"


def multipart(strokes, text):
    body = ink.inkml([strokes], [text])
    parts = (
        f"--xyz\r\nContent-Type: text/plain\r\n\r\nink\r\n--xyz\r\nContent-Type: application/inkml+xml\r\n\r\n{body}"
    )
    return f"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=xyz\r\n\r\n{parts}\r\n--xyz--\r\n"


def xopp(strokes, _):
    body = "".join(
        f'<stroke tool="pen" color="#000000ff" width="1.41 1 1">{" ".join(map(" ".join, words))}</stroke>'
        for words in ([[f"{v:.4f}" for v in point] for point in stroke] for stroke in strokes)
    )
    other = '<stroke tool="highlighter" width="9">1 1 900 1</stroke><text x="1" y="2">Notes</text>'
    return gzip.compress(f"<xournal><page><layer>{other}{body}</layer></page></xournal>".encode())


def unipen(strokes, text):
    rows = [".VERSION 1.0", ".WRITER_ID w7", ".COORD X Y P", f'.SEGMENT LINE 0-{2 * len(strokes)} ? "{text}"']
    for stroke in strokes:
        rows += [".PEN_DOWN", *(f"{x:.4f} {-y:.4f} 9" for x, y in stroke), ".PEN_UP", "1 1 0"]
    return "\n".join(rows)


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def sketch_rnn(strokes, _):
    stream, lines = io.BytesIO(), np.empty(1, object)
    lines[0] = ink.offsets([np.round(stroke * 50) for stroke in strokes]).astype(np.int16)
    np.savez_compressed(stream, train=lines, valid=np.empty(0, object), test=np.empty(0, object))
    return stream.getvalue()


def positions(strokes):
    lifts = [np.arange(len(stroke)) == len(stroke) - 1 for stroke in strokes]
    return np.column_stack([np.concatenate(strokes), np.concatenate(lifts)])


def office(strokes, text):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("word/document.xml", "<document/>")
        archive.writestr("word/ink/ink1.xml", ink.inkml([strokes], [text]))
    return stream.getvalue()


def pad(strokes, _):
    groups = [{"penColor": "black", "points": [{"x": x, "y": y, "time": 1} for x, y in s.tolist()]} for s in strokes]
    return json.dumps(groups)


def quickdraw(strokes, text):
    columns = [[*stroke.T.tolist(), list(range(len(stroke)))] for stroke in strokes]
    return json.dumps({"word": text, "countrycode": "DE", "drawing": columns}) + "\n"


def excalidraw(strokes, _):
    elements = [
        {"type": "freedraw", "x": s[0, 0], "y": s[0, 1], "points": (s - s[0]).tolist(), "pressures": []}
        for s in strokes
    ]
    return json.dumps({"type": "excalidraw", "elements": elements})


def iam_form(strokes, text):
    points = ["".join(f'<Point x="{x:.3f}" y="{y:.3f}"/>' for x, y in stroke) for stroke in strokes]
    body = "".join(f"<Stroke>{part}</Stroke>" for part in points)
    form = f'<General><Form id="a" writerID="9"/></General><Transcription><Text>{text}</Text></Transcription>'
    return f"<WhiteboardCaptureSession>{form}<StrokeSet>{body}</StrokeSet></WhiteboardCaptureSession>"


ILLUSTRATOR = '<!DOCTYPE svg [<!ENTITY ns_svg "http://www.w3.org/2000/svg"><!ENTITY ns_ai "http://ns.adobe.com/">]>'
HTML = "<!DOCTYPE html><html><head><meta charset=utf-8></head><body><p>My notes<br>"

DIALECTS = {
    "svg": Dialect("Inkscape, drawing programs", ".svg", lambda s, _: drawing(paths(s))),
    "svg polylines": Dialect("scripts", ".svg", lambda s, _: ink.svg(s)),
    "svg style sheet": Dialect("Illustrator", ".svg", styled),
    "svg entities": Dialect(
        "Illustrator", ".svg", lambda s, _: drawing(paths(s), 'xmlns:i="&ns_ai;"', before=ILLUSTRATOR)
    ),
    "svg moved": Dialect("Figma, Inkscape layers", ".svg", moved),
    "svg use": Dialect("cairo, pdf2svg", ".svg", used),
    "svg line segments": Dialect("signature pads with pressure", ".svg", lambda s, _: drawing(segments(s))),
    "svg mm": Dialect("tuhi", ".svg", lambda s, _: drawing(segments(s, "mm", 25.4 / 96))),
    "svg ruled": Dialect("Xournal++ (export)", ".svg", ruled),
    "svgz": Dialect("Inkscape, packed", ".svgz", lambda s, _: gzip.compress(drawing(paths(s)).encode())),
    "svg utf-16": Dialect("Windows programs", ".svg", lambda s, _: drawing(paths(s)).encode("utf-16")),
    "svg in html": Dialect("web pages", ".html", lambda s, _: drawing(paths(s), before=HTML, after="</body></html>")),
    "inkml": Dialect("serve.py, W3C", ".inkml", lambda s, t: ink.inkml([s], [t]), True),
    "inkml tip switch": Dialect("tablets that record hovering", ".inkml", tip_switch, True),
    "inkml more values": Dialect(
        "MathWriting, CROHME", ".inkml",
        lambda s, t: channels(s, lambda stroke: [f"{w} 9" for w in ink.words(stroke)],
                              '<channel name="x"/><channel name="y"/>', t), True,
    ),
    "inkml views": Dialect("ImadocSen, IAMonDo", ".inkml", views, True),
    "inkml multipart": Dialect("OneNote", ".mht", multipart, True),
    "office": Dialect("Word, PowerPoint", ".docx", office, True),
    "xopp": Dialect("Xournal++", ".xopp", xopp),
    "unipen": Dialect("UNIPEN databases", ".dat", unipen, True),
    "iam": Dialect("IAM-OnDB", ".xml", iam_form, True),
    "signature_pad": Dialect("signature_pad (toData)", ".json", pad),
    "quickdraw": Dialect("Quick, Draw!", ".ndjson", quickdraw, True),
    "excalidraw": Dialect("Excalidraw", ".excalidraw", excalidraw),
    "json lists": Dialect("scripts", ".json", lambda s, _: json.dumps([stroke.tolist() for stroke in s])),
    "scribe json": Dialect("Scribe", ".json", lambda s, t: ink.scribe_json([s], [t]), True),
    "npy offsets": Dialect("handwriting-synthesis", ".npy", lambda s, _: npy(ink.offsets(s)), moved=True),
    "npy positions": Dialect("scripts", ".npy", lambda s, _: npy(positions(s))),
    "npy pen first": Dialect(
        "strokes.npy of several projects", ".npy", lambda s, _: npy(ink.offsets(s)[:, [2, 0, 1]]), moved=True
    ),
    "sketch-rnn": Dialect("sketch-rnn", ".npz", sketch_rnn, moved=True, tolerance=0.6),
    "brush": Dialect("BRUSH", "", lambda s, t: pickle.dumps([t, positions(s), None]), True),
    "pickle": Dialect("Scribe (data file)", ".cpkl", lambda s, t: pickle.dumps([[ink.offsets(s)], [t]]), True, True),
}  # fmt: skip
