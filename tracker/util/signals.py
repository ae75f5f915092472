"""Signals that end the program: SIGINT, SIGTERM, and SIGHUP of a terminal that was closed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """A signal asks the program to end; not an `Exception`, as `KeyboardInterrupt` is none.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number

    @property
    def exit_code(self) -> int:
        """Exit code of a shell for this signal: 129 for SIGHUP, 143 for SIGTERM."""
        return 128 + self.number


def termination_signals() -> tuple[signal.Signals, ...]:
    """Returns SIGTERM, and SIGHUP unless it is ignored, as under `nohup`."""
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN:
        return (signal.SIGTERM,)
    return signal.SIGTERM, hangup


@contextmanager
def raise_on_termination() -> Iterator[None]:
    """Makes the first SIGTERM or SIGHUP raise `Terminated`, so that files are finished properly.

    A second one ends the program at once. Outside the main thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Terminated(number)

    old = {number: signal.signal(number, handle) for number in termination_signals()}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
