"""Foreign text made safe for a terminal: without control characters.

File names, class names, sequence names, settings and model metadata are foreign text. Unescaped,
they could clear the screen, set the window's title, or fake a line of output.
"""

import re

_NOT_SHOWN = re.compile(
    # Control characters of ASCII and Latin-1, among them newline, escape and delete.
    r"[\x00-\x1f\x7f-\x9f"
    # Marks, embeddings, overrides and isolates that change the direction of the text around them.
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    # Line and paragraph separators.
    "\u2028\u2029"
    # Surrogates: bytes of file names that are not UTF-8, and broken UTF-16 in JSON.
    "\ud800-\udfff]"
)
_FIRST_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF  # how `os.fsdecode` keeps a byte (PEP 383)
_LINE_BREAKS = re.compile(r"\s*[\r\n]\s*")


def printable(text: str) -> str:
    r"""Returns text of one line with control characters as `\xNN` and `\uNNNN`.

    Args:
        text: Any text; bytes of a file name that are not UTF-8 are shown as such.

    Example:
        >>> printable("a\x1b]0;b\n.mp4")
        'a\\x1b]0;b\\x0a.mp4'
    """
    return _NOT_SHOWN.sub(_escaped, text)


def one_line(text: str) -> str:
    r"""Returns a message as one printable line: a line break in it becomes a space.

    Example:
        >>> one_line("cannot read:\n  broken\x07")
        'cannot read: broken\\x07'
    """
    return printable(_LINE_BREAKS.sub(" ", text.strip()))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if _FIRST_BYTE <= code <= _LAST_BYTE:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
