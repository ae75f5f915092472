"""What sinks of one text file have in common: a later run can continue it."""

from tracker.sinks.closing import ClosesOnExit
from tracker.sinks.output_file import RecordFile


class RecordSink(ClosesOnExit):
    """Base of sinks that write their records into one file, `_file`."""

    _file: RecordFile

    def is_on_disk(self, results: int) -> bool:
        """Writes the results so far to the disk; returns true.

        Raises:
            OSError: The system cannot.
        """
        return self._file.sync()

    def continue_file(self) -> None:
        """Makes the first result continue the existing file after the restored state.

        Raises:
            OutputError: The file is missing, or shorter than the state says.
        """
        self._file.continue_file()

    def close(self, *, complete: bool = True) -> None:
        """Closes the file; calling it again does nothing.

        Args:
            complete: Whether the run finished, which not every format records.

        Raises:
            OutputError: Earlier writes did not reach the disk.
        """
        self._file.close()
