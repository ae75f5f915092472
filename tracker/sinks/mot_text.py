"""MOTChallenge text for evaluation tools: `frame,id,x,y,w,h,conf,-1,-1,-1`."""

from tracker.sinks.output_file import RecordFile
from tracker.sinks.place import Existing
from tracker.sinks.plain_values import track_rows
from tracker.sinks.record_sink import RecordSink
from tracker.sinks.stored_pixels import in_stored_pixels
from tracker.tracks import TrackedFrame


class MotTextSink(RecordSink):
    """Writes one row for each track in each frame.

    Frames count from 1 (frame number + 1), as in the benchmark. x and y are the left and top edge
    in the same continuous pixel coordinates as everywhere else: 0 is the image's edge, without an
    offset of 1. Tentative tracks are left out, because the benchmark scores every row.

    Args:
        path: Where to write; "-" is stdout. An existing file is replaced at the first result.
        existing: Whether an existing file may be replaced.

    Raises:
        OutputTakenError: Another process writes the file, or it exists and may not be replaced.
        OutputError: The path cannot be written.
    """

    def __init__(self, path: str, *, existing: Existing = Existing.REPLACE) -> None:
        self._file = RecordFile(path, existing=existing)

    @property
    def status(self) -> str:
        """One line about the output."""
        return self._file.status(self._file.records)

    def write(self, result: TrackedFrame) -> None:
        """Writes the rows of one frame; the first call opens the file, even without tracks.

        Raises:
            OutputError: The rows could not be written; the file ends with the frame before.
            OutputClosed: The reader of stdout has closed it.
            DataError: A number is not finite.
        """
        result = in_stored_pixels(result)
        lines = []
        for row in track_rows(result.tracks, result.run.class_names):
            if row.id < 0:
                continue
            x1, y1, x2, y2 = row.box
            place = f"{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f}"
            lines.append(f"{result.frame.index + 1},{row.id},{place},{row.score:.4f},-1,-1,-1\n")
        self._file.begin(result.run.video.source)
        self._file.append("".join(lines).encode())
