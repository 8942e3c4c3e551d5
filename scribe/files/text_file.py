"""Reads text files as people have them: in UTF-8, or in UTF-16 or UTF-32 with a byte order mark."""

import codecs
import sys

from scribe.console import UsageError
from scribe.files.limits import MAX_PICKLE_BYTES, read_beginning

# The mark of UTF-32 begins with that of UTF-16.
_BY_MARK = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


def read_text(path: str, most: int | None = None) -> str:
    """The text of a file; "-" is stdin.

    Args:
        path: of the file. most: characters that it may have.

    Raises:
        UsageError: it is not a text, or too long. OSError: it cannot be read.
    """
    size = MAX_PICKLE_BYTES + 1 if most is None else 4 * most + 5
    content = sys.stdin.buffer.read(size) if path == "-" else read_beginning(path, size)
    if most is None and len(content) == size:
        raise UsageError(f"{path} has more than {MAX_PICKLE_BYTES // 2**20} MiB: split it.")
    encoding = next((name for mark, name in _BY_MARK if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if most is not None and error.end >= len(content) > 4 * most:  # cut within a character
            raise _too_long(path, most) from None
        raise UsageError(f"{path} is not a text in UTF-8, nor in UTF-16 with a byte order mark: {error}.") from None
    if most is not None and len(text) > most:
        raise _too_long(path, most)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _too_long(path, most):
    return UsageError(f"{path} has more than {most:,} characters: split it, a part is a job.")
