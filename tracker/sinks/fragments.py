"""The frames that a growing fragmented MP4 or MOV file holds for good (ISO/IEC 14496-12, 8.8)."""

import os
from collections.abc import Iterator

_VIDEO_TRACK = 1
"""The frames are added first, the sound second."""


class FragmentCount:
    """Counts the frames in whole fragments, each an index (`moof`) and its data (`mdat`).

    Only what is new since the last call is read.
    """

    def __init__(self) -> None:
        self._place = 0
        self._indexed = 0
        self._frames = 0

    def update(self, descriptor: int) -> int:
        """Returns the number of frames on disk.

        Args:
            descriptor: Of the open file; its position does not change.

        Raises:
            OSError: It cannot be read.
        """
        size = os.fstat(descriptor).st_size
        while (found := _box(os.pread(descriptor, 16, self._place))) is not None:
            name, length = found
            if self._place + length > size:
                break
            if name == b"moof":
                self._indexed += _video_frames(os.pread(descriptor, length, self._place)[8:])
            elif name == b"mdat":
                self._frames = self._indexed
            self._place += length
        return self._frames


def _box(head: bytes) -> tuple[bytes, int] | None:
    """Returns name and length of a box, by its first 16 bytes; `None` if there is none."""
    if len(head) < 8:
        return None
    length = int.from_bytes(head[:4], "big")
    if length == 1:  # It does not fit into 32 bits and follows the name.
        length = int.from_bytes(head[8:16], "big") if len(head) == 16 else 0
    return (head[4:8], length) if length >= 8 else None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields name and content of the boxes within a box."""
    place = 0
    while (found := _box(data[place : place + 16])) is not None:
        name, length = found
        yield name, data[place + 8 : place + length]
        place += length


def _video_frames(index: bytes) -> int:
    """Returns the number of frames of the video track that a fragment's index lists."""
    count = 0
    for name, track in _boxes(index):
        parts = list(_boxes(track)) if name == b"traf" else []
        heads = [content for part, content in parts if part == b"tfhd"]
        if heads and int.from_bytes(heads[0][4:8], "big") == _VIDEO_TRACK:
            runs = (content for part, content in parts if part == b"trun")
            count += sum(int.from_bytes(run[4:8], "big") for run in runs)
    return count
