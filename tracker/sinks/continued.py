"""What a sink needs so that a later run can continue its output."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class ContinuedSink(Protocol):
    """A sink with a file that a later run can continue.

    Its state (`stateful.SINKS`) is that after a number of results; the later run restores it into a
    new sink and calls `continue_file`.
    """

    def is_on_disk(self, results: int) -> bool:
        """Returns whether the first `results` results would survive the end of the program.

        Those that are written are flushed to the disk first.

        Raises:
            OSError: The system cannot write them.
        """
        ...

    def continue_file(self) -> None:
        """Makes the first result continue the existing file after the restored state.

        What the file holds beyond that is cut off then; nothing is changed before.

        Raises:
            NotResumableError: The file is missing, holds less than the state says, or was changed.
        """
        ...
