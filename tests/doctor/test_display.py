"""Whether a window can be opened."""

from tracker.doctor.check import Status
from tracker.doctor.display import display_check
from tracker.errors import OutputError


def test_a_window() -> None:
    assert display_check(lambda: None).status is Status.OK


def test_no_display() -> None:
    def no_window() -> None:
        raise OutputError("--show needs a display and found none (x; y); use --video to write")

    check = display_check(no_window)
    assert check.status is Status.WARNING
    assert check.detail == "--show needs a display and found none (x; y)"
    assert check.mend == "Use --video to write."
