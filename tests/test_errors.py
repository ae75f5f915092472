"""What every error of the tree promises of its message."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import errors
from tracker.errors import LONGEST_MESSAGE, TrackerError, shortened

CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, TrackerError)
]


@pytest.mark.parametrize("error", CLASSES)
def test_a_message_that_quotes_a_damaged_file_is_one_line_of_bounded_length(
    error: type[TrackerError],
) -> None:
    text = str(error(f"net.cfg:\n  unknown type {'x' * 5000!r},\r\nexpected\u2028one of these"))
    assert text.startswith("net.cfg: unknown type 'xxx")
    assert text.endswith("xxx', expected one of these")
    assert len(text) == LONGEST_MESSAGE
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("error", CLASSES)
def test_an_ordinary_message_is_as_it_was_raised(error: type[TrackerError]) -> None:
    assert str(error("in.mp4: expected 2, got  3\t")) == "in.mp4: expected 2, got  3\t"
    assert str(error()) == ""


def test_the_whole_message_is_kept_for_those_who_look_for_secrets_in_it() -> None:
    text = "a\n" * 3000
    found = pickle.loads(pickle.dumps(errors.SourceError(text)))
    assert found.full_text == text
    assert len(str(found)) == LONGEST_MESSAGE


@given(st.text(max_size=6000))
def test_any_text_becomes_one_line_once(text: str) -> None:
    found = shortened(text)
    assert len(found) <= LONGEST_MESSAGE
    assert len(found.splitlines()) <= 1
    assert shortened(found) == found
