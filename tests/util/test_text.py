"""What a terminal gets to see of foreign text."""

import os

import pytest

from tracker.util.text import one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("a b\\c é 東 🚗 [red]", "a b\\c é 東 🚗 [red]"),
        ("\x1b]0;pwned\x07", "\\x1b]0;pwned\\x07"),
        ("a\tb\rc\nd\x00", "a\\x09b\\x0dc\\x0ad\\x00"),
        ("\x7f\x80\x9b31m\x9f", "\\x7f\\x80\\x9b31m\\x9f"),
        ("\xa0", "\xa0"),  # the first character after the controls of Latin-1
        ("\u202egpj.exe\u2066\u2069", "\\u202egpj.exe\\u2066\\u2069"),
        ("\u061c\u200e\u200f\u2028\u2029", "\\u061c\\u200e\\u200f\\u2028\\u2029"),
        (os.fsdecode(b"caf\xe9.mp4"), "caf\\xe9.mp4"),  # Latin-1 in a file name
        ("\ud83d", "\\ud83d"),  # half a pair of UTF-16
    ],
)
def test_characters_that_a_terminal_obeys_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_every_character_can_be_encoded_and_no_control_is_left() -> None:
    everything = "".join(map(chr, range(0x3000))) + "".join(map(chr, range(0xD800, 0xE000)))
    shown = printable(everything)
    shown.encode()
    controls = {*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    assert not controls & set(map(ord, shown))
    assert printable(shown) == shown


def test_a_message_of_several_lines_becomes_one() -> None:
    assert one_line(" cannot read:\r\n\n   line 2\x1b[2J \n") == "cannot read: line 2\\x1b[2J"
