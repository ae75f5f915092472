"""Videos and windows with changed images, or with more drawn over them."""

from collections.abc import Mapping
from typing import Protocol

from tracker.sinks.closing import ClosesOnExit
from tracker.sinks.continued import ContinuedSink
from tracker.sinks.draw_style import DrawStyle
from tracker.tracks import Sink, TrackedFrame
from tracker.util.arrays import UInt8Array


class ImageChange(Protocol):
    """Changes the images of results: `Backdrop`, `Blur`."""

    def changed(self, result: TrackedFrame) -> TrackedFrame:
        """Returns the result with another image in its frame."""
        ...


class Overlay(Protocol):
    """Draws into each image, below and above the tracks: `RunAnalysis`."""

    def zones_of_tracks(self) -> Mapping[int, int]:
        """Returns the index of the first zone of each track that is in one, by id."""
        ...

    def draw_outlines(self, canvas: UInt8Array, style: DrawStyle) -> None:
        """Draws what lies below the tracks into `(H, W, 3)` uint8 RGB."""
        ...

    def draw_counts(self, canvas: UInt8Array, style: DrawStyle) -> None:
        """Draws what lies above the tracks into `(H, W, 3)` uint8 RGB."""
        ...


class ChangedImageSink(ClosesOnExit):
    """Passes frames with changed images to a drawing sink.

    Args:
        sink: The sink.
        change: Changes the images.
    """

    def __init__(self, sink: Sink, change: ImageChange) -> None:
        self._sink, self._change = sink, change

    @property
    def status(self) -> str:
        """One line about the output."""
        return self._sink.status

    def write(self, result: TrackedFrame) -> None:
        """Writes one result with a changed image.

        Raises:
            OutputError: The output cannot be written.
            ModelError: The segmenter's network cannot be run.
            DependencyError: A library that it needs cannot be loaded.
        """
        self._sink.write(self._change.changed(result))

    def is_on_disk(self, results: int) -> bool:
        """Returns whether the first `results` results would survive the end of the program."""
        return not isinstance(self._sink, ContinuedSink) or self._sink.is_on_disk(results)

    def continue_file(self) -> None:
        """Makes the first result continue the existing file after the restored state.

        Raises:
            OutputError: The file is missing, or holds less than the state says.
        """
        if isinstance(self._sink, ContinuedSink):
            self._sink.continue_file()

    def close(self, *, complete: bool = True) -> None:
        """Finishes the output; calling it again does nothing."""
        self._sink.close(complete=complete)
