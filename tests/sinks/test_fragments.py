"""Frames in whole fragments of a growing MP4."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tracker.frames import VideoInfo
from tracker.sinks.encoders import Encoder
from tracker.sinks.fragments import FragmentCount
from tracker.sinks.place import Place
from tracker.sinks.video_encoder import Disk, Recording, frame_count, keyframe_interval

X264 = Encoder("libx264")


@pytest.fixture
def info() -> VideoInfo:
    return VideoInfo("in.mp4", 64, 48, Fraction(25), Fraction(1, 12800))


def still(shape: tuple[int, int, int], number: int) -> np.ndarray:
    """An image that does not change but for one bright block: no cuts between scenes."""
    image = np.full(shape, 90, np.uint8)
    image[:16, : 16 * (number % 3)] = 200
    return image


def record(path: Path, info: VideoInfo, count: int) -> Recording:
    shape = (info.height, info.width, 3)
    recording = Recording(
        Disk(Place(str(path))), "mp4", X264, info, np.zeros(shape, np.uint8), time_s=0.0
    )
    for number in range(count):
        recording.add(still(shape, number), number / 25)
    return recording


def test_whole_fragments_end_at_key_frames(tmp_path: Path, info: VideoInfo) -> None:
    assert keyframe_interval(info.fps) == 50
    recording = record(tmp_path / "out.mp4", info, 180)
    assert recording.holds(50)
    assert not recording.holds(180)
    count, descriptor = FragmentCount(), os.open(tmp_path / "out.mp4", os.O_RDONLY)
    frames = count.update(descriptor)
    assert frames in (50, 100, 150)
    assert count.update(descriptor) == frames
    os.close(descriptor)
    assert frame_count(str(tmp_path / "out.mp4")) >= frames
    recording.finish()


@pytest.mark.parametrize("cut", [0, 1, 7])
def test_a_fragment_that_is_cut_off_does_not_count(
    cut: int, tmp_path: Path, info: VideoInfo
) -> None:
    path = tmp_path / "out.mp4"
    recording = record(path, info, 180)
    assert recording.holds(50)
    data = path.read_bytes()
    first = data.index(b"moof", data.index(b"moof") + 4) - 4  # the second fragment
    part = tmp_path / "part.mp4"
    part.write_bytes(data[: first - cut])
    descriptor = os.open(part, os.O_RDONLY)
    assert FragmentCount().update(descriptor) == (50 if not cut else 0)
    os.close(descriptor)
    recording.abandon()


def test_a_copy_continues_an_earlier_file(tmp_path: Path, info: VideoInfo) -> None:
    record(tmp_path / "whole.mp4", info, 120).finish()
    record(tmp_path / "old.mp4", info, 180).abandon()
    new = Recording(
        Disk(Place(str(tmp_path / "new.mp4"))), "mp4", X264, info,
        np.zeros((48, 64, 3), np.uint8), time_s=0.0,
    )  # fmt: skip
    new.copy(str(tmp_path / "old.mp4"), 50)
    for number in range(50, 120):
        new.add(still((48, 64, 3), number), number / 25)
    new.finish()
    assert stamps(tmp_path / "new.mp4") == stamps(tmp_path / "whole.mp4")


def test_a_copy_of_more_frames_than_there_are_fails(tmp_path: Path, info: VideoInfo) -> None:
    record(tmp_path / "old.mp4", info, 180).abandon()
    new = record(tmp_path / "new.mp4", info, 0)
    with pytest.raises(OSError, match=r"has [0-9]+ of 170 frames"):
        new.copy(str(tmp_path / "old.mp4"), 170)
    new.abandon()


def stamps(path: Path) -> list[object]:

    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray()[8, 8] // 32) for frame in container.decode(video=0)]
