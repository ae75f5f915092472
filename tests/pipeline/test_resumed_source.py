"""A source that is read again from its middle."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.conftest import moving_square, write_clip
from tracker.errors import NotResumableError
from tracker.frames import Frame, Source
from tracker.pipeline.resumed_source import earlier_frames, resumed_source
from tracker.pipeline.snapshots import FrameMark, Snapshot
from tracker.sources.files.image_folder import ImageFolder
from tracker.sources.files.video_file import VideoFile


def varying(path: Path) -> Path:
    """A variable rate, B-frames, and stamps that begin after an hour."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "3", "g": "20"})
        stream.height, stream.width, stream.pix_fmt = 120, 160, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        at = 3_600_000
        for index, image in enumerate(moving_square(90)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            at += 20 + 13 * (index % 5)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    for number, image in enumerate(moving_square(40)):
        cv2.imwrite(str(path / f"{number:03d}.png"), image)
    return path


SOURCES = {
    "mp4": lambda path: write_clip(path / "in.mp4", moving_square(90)),
    "variable": lambda path: varying(path / "in.mkv"),
    "avi": lambda path: write_clip(path / "in.avi", moving_square(60)),
    "ts": lambda path: write_clip(path / "in.ts", moving_square(60)),
    "raw": lambda path: write_clip(path / "in.h264", moving_square(60)),
    "images": lambda path: folder(path / "images"),
}


def opened(path: Path, start_s: float, stride: int = 1) -> Source:
    if path.is_dir():
        return ImageFolder(path, start_s=start_s, stride=stride)
    return VideoFile(path, start_s=start_s, stride=stride)


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("name", SOURCES)
def test_the_rest_is_the_same_frames(name: str, stride: int, tmp_path: Path) -> None:
    path = SOURCES[name](tmp_path)
    begin_s = 0.2
    with opened(path, begin_s, stride) as source:
        info, whole = source.info, list(source)
    for place in (0, 1, len(whole) // 2, len(whole) - 1):
        early = whole[max(place - 5, 0)].time_s
        snapshot = Snapshot(place, FrameMark.of(whole[place]), early, None)
        rest, _ = resumed_source(info, lambda at: opened(path, at, stride), snapshot, begin_s)
        with rest:
            assert rest.info == info
            frames = list(rest)
        assert len(frames) == len(whole) - place
        assert [FrameMark.of(one) for one in frames] == [FrameMark.of(one) for one in whole[place:]]


def test_where_seeking_gives_other_pixels_all_is_read_again(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.mp4", moving_square(40))
    with VideoFile(path) as source:
        info, whole = source.info, list(source)
    starts = []

    class Shifted:
        """From any time but the beginning, the image is another."""

        def __init__(self, start_s: float) -> None:
            self.inner = VideoFile(path, start_s=start_s)
            self.info, self.skipped, self.start_s = self.inner.info, 0, start_s

        def __iter__(self) -> Iterator[Frame]:
            for frame in self.inner:
                image = frame.image ^ np.uint8(1) if self.start_s else frame.image
                yield replace(frame, image=image)

        def close(self) -> None:
            self.inner.close()

    def open_from(start_s: float) -> Source:
        starts.append(start_s)
        return Shifted(start_s)  # type: ignore[return-value]

    snapshot = Snapshot(30, FrameMark.of(whole[30]), whole[20].time_s, None)
    rest, _ = resumed_source(info, open_from, snapshot, 0.0)
    with rest:
        assert len(list(rest)) == 10
    assert starts == [whole[20].time_s, 0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"index": 99}, "got the end of the source"),
        ({"time_s": 0.5}, r"expected it at 0.500000 s as before, got 0.200000 s"),
        ({"digest": "0"}, "expected the pixels as before, got others"),
    ],
)
def test_another_frame_is_refused(change: dict, message: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.mp4", moving_square(20))
    with VideoFile(path) as source:
        info, whole = source.info, list(source)
    mark = replace(FrameMark.of(whole[5]), **change)
    with pytest.raises(NotResumableError, match=message):
        resumed_source(info, lambda at: VideoFile(path, start_s=at), Snapshot(5, mark, 0, None), 0)


def test_earlier_frames_end_before_the_mark(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.mp4", moving_square(20))
    with VideoFile(path) as source:
        whole = list(source)
    found = earlier_frames(lambda at: VideoFile(path, start_s=at), 0.0, FrameMark.of(whole[7]))
    assert [frame.index for frame in found] == list(range(7))
