"""Images for viewers: encoded once for all of them, and only while there are any."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from tracker.serve.broadcast import Broadcast
from tracker.sinks.crop_image import jpeg_bytes, reduced
from tracker.util.arrays import UInt8Array

_log = logging.getLogger(__name__)


class Kind(Enum):
    """The two images of a frame."""

    CLEAN = "clean"
    ANNOTATED = "annotated"
    """With tracks, zones and counts drawn in."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How images are encoded.

    Attributes:
        quality: 1 to 100.
        side: Long side in pixels to which images are reduced.
    """

    quality: int = 80
    side: int = 1280

    def encoded(self, image: UInt8Array) -> bytes:
        """Returns an RGB image as JPEG."""
        return jpeg_bytes(reduced(image, self.side), self.quality)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An encoded frame.

    Attributes:
        number: Number of the result.
        frame: Number of the frame in its source.
        text: Its object of kind `frame`; empty for an annotated one.
        jpeg: Its image; `None` where the source has none.
    """

    number: int
    frame: int
    text: str
    jpeg: bytes | None


class Pictures:
    """The newest picture of each kind, made in a thread of its own.

    The newest frame replaces one that waits to be encoded: encoding never delays the pipeline.

    Args:
        make: Returns the picture of a kind of the newest frame; `None` before the first frame. It
            is called in the thread.
        always: Called in the thread for each newest frame, with viewers and without.
    """

    def __init__(
        self, make: Callable[[Kind], Picture | None], *, always: Callable[[], None]
    ) -> None:
        self._make, self._always = make, always
        self._changed = threading.Condition()
        self._wanted = False
        self._has_ended = False
        self._viewers = dict.fromkeys(Kind, 0)
        self._newest: dict[Kind, Picture] = {}
        self.encodes = 0
        """Images encoded for viewers so far."""
        self.clients = Broadcast()
        self._thread = threading.Thread(target=self._run, name="tracker-encode", daemon=True)
        self._thread.start()

    @property
    def viewers(self) -> int:
        """Number of viewers."""
        return sum(self._viewers.values())

    @contextmanager
    def viewer(self, kind: Kind) -> Iterator[None]:
        """Counts a viewer during the block; the newest frame is encoded for the first one."""
        with self._changed:
            self._viewers[kind] += 1
        self.refresh()
        try:
            yield
        finally:
            with self._changed:
                self._viewers[kind] -= 1
                if not self._viewers[kind]:
                    self._newest.pop(kind, None)  # It would be old for the next viewer.

    def newest(self, kind: Kind) -> Picture | None:
        """Returns the newest picture of a kind, while it has viewers."""
        return self._newest.get(kind)

    def refresh(self) -> None:
        """Asks for the pictures of the newest frame; never waits."""
        with self._changed:
            self._wanted = True
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the thread."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()
        self._thread.join(1.0)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted or self._has_ended)
                if self._has_ended:
                    return
                self._wanted = False
                kinds = [kind for kind, count in self._viewers.items() if count]
            try:
                for kind in kinds:
                    self._renew(kind)
                self._always()
            except Exception:  # One frame that cannot be drawn must not end all later ones.
                _log.exception("a frame could not be encoded")
            if kinds:
                self.clients.notify()

    def _renew(self, kind: Kind) -> None:
        picture = self._make(kind)
        if picture is None:
            return
        if picture.jpeg is not None and picture is not self._newest.get(kind):
            self.encodes += 1
        with self._changed:
            if self._viewers[kind]:
                self._newest[kind] = picture
