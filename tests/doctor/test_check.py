"""Results hold one printable line, without the user's home folder, and survive JSON."""

from pathlib import Path

import pytest

from tracker.doctor.check import Check, Status, failure, ok, warning


def test_texts_are_one_short_printable_line_without_the_home_folder() -> None:
    check = warning("a", f"{Path.home()}/x\n\x1b[2J", "m" * 700)
    assert check.detail == "~/x \\x1b[2J"
    assert len(check.mend) == 600
    assert check.mend.endswith("m...")


def test_json_and_back() -> None:
    for check in (ok("a", "b"), failure("c", "d", "e"), Check("f", Status.OK, "g", "", 1.5)):
        assert Check.from_json(check.to_json()) == check


def test_a_defect_needs_a_mend() -> None:
    with pytest.raises(AssertionError):
        warning("a", "b", "")
