"""All outputs of a source are closed, whatever the error of one."""

import pytest

from tests.sinks.results import make_result
from tracker.cli.run.source_sinks import SourceSinks
from tracker.errors import OutputError
from tracker.tracks import TrackedFrame


class FailingSink:
    """Fails at its end, or not."""

    status = ""

    def __init__(self, error: Exception | None = None) -> None:
        self.closed: list[bool] = []
        self._error = error

    def write(self, result: TrackedFrame) -> None:
        pass

    def close(self, *, complete: bool = True) -> None:
        self.closed.append(complete)
        if self._error is not None:
            raise self._error


def sinks(*each: FailingSink) -> SourceSinks:
    return SourceSinks(each, lambda: False, lambda: None)


def test_the_first_error_of_an_output_is_returned() -> None:
    each = [FailingSink(OutputError("a")), FailingSink(), FailingSink(OutputError("b"))]
    both = sinks(*each)
    both.write(make_result(0))
    assert str(both.close(complete=False)) == "a"
    assert [sink.closed for sink in each] == [[False]] * 3
    assert sinks(FailingSink()).close(complete=True) is None


def test_an_error_of_another_kind_is_raised_after_all_are_closed() -> None:
    each = [FailingSink(OutputError("a")), FailingSink(ZeroDivisionError("b")), FailingSink()]
    with pytest.raises(ZeroDivisionError, match="b"):
        sinks(*each).close(complete=True)
    assert [sink.closed for sink in each] == [[True]] * 3
