"""Deinterlacing; number, order and times of frames stay."""

import io
import logging
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.sources.clips import write_clip, write_interlaced
from tracker.frames import Frame
from tracker.sources.files.decoding import Decoding, Deinterlace
from tracker.sources.files.deinterlace import Deinterlacer
from tracker.sources.files.video_file import VideoFile
from tracker.sources.pipe import Pipe

OFF = Decoding(deinterlace=Deinterlace.OFF)


def comb(frame: Frame) -> float:
    """Returns how much rows differ from the mean of both neighbours: 0 for whole bars."""
    rows = frame.image[..., 1].astype(float)
    return float(np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean())


def frames_of(path: Path, **options) -> list[Frame]:
    with VideoFile(path, **options) as video:
        return list(video)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg2video", "mpeg4"])
def test_flagged_frames_are_deinterlaced(tmp_path, name, codec):
    path = write_interlaced(tmp_path / name, codec=codec)
    stored, whole = frames_of(path, decoding=OFF), frames_of(path)
    assert len(stored) == len(whole) == 12
    assert [(f.index, f.time_s) for f in whole] == [(f.index, f.time_s) for f in stored]
    # The filter has no neighbour before the first frame and after the last one.
    for before, after in list(zip(stored, whole, strict=True))[1:-1]:
        assert comb(after) < comb(before) / 4


def test_unflagged_frames_stay_as_they_are_stored(tmp_path):
    path = write_interlaced(tmp_path / "a.mp4", flagged=False)
    for before, after in zip(frames_of(path, decoding=OFF), frames_of(path), strict=True):
        np.testing.assert_array_equal(before.image, after.image)


def test_a_start_in_the_middle_and_a_stride_give_the_frames_of_a_whole_run(tmp_path):
    path = write_interlaced(tmp_path / "a.mp4", count=30)
    whole = frames_of(path)
    some = frames_of(path, start_s=0.4, stride=3)
    assert [(f.index, f.time_s) for f in some] == [(f.index, f.time_s) for f in whole[10::3]]


def test_a_pipe_gives_the_frames_of_the_file(tmp_path):
    path = write_interlaced(tmp_path / "a.ts")
    with Pipe(file=io.BytesIO(path.read_bytes())) as pipe:
        piped = list(pipe)
    filed = frames_of(path)
    assert [f.time_s for f in piped] == [f.time_s for f in filed]
    for one, other in zip(piped, filed, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_frames_that_are_not_flagged_pass_at_once_until_one_is(tmp_path):
    write_clip(tmp_path / "whole.mp4", count=3)
    write_interlaced(tmp_path / "fields.mp4", count=3)
    deinterlacer = Deinterlacer(Deinterlace.AUTO, "a")
    counts = []
    for name in ("whole.mp4", "fields.mp4", "whole.mp4"):
        with av.open(str(tmp_path / name)) as container:
            counts += [len(deinterlacer.push(f)) for f in container.decode(video=0)]
    # Three at once, then each waits for its successor.
    assert counts == [1, 1, 1, 0, 1, 1, 1, 1, 1]
    assert len(deinterlacer.flush()) == 1
    assert deinterlacer.flush() == []


def test_frames_of_another_size_lose_none_of_the_first(tmp_path):
    write_interlaced(tmp_path / "small.mp4", count=2)
    with av.open(str(tmp_path / "small.mp4")) as container:
        small = list(container.decode(video=0))
    large = [frame.reformat(width=128, height=96) for frame in small]
    deinterlacer = Deinterlacer(Deinterlace.AUTO, "a")
    out = [o for frame in (*small, *large) for o in deinterlacer.push(frame)]
    out += deinterlacer.flush()
    assert [f.width for f in out] == [64, 64, 128, 128]
    assert [f.pts for f in out] == [f.pts for f in (*small, *large)]


def test_frames_without_stamps_keep_none(tmp_path):
    path = write_interlaced(tmp_path / "a.mp4", count=3)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    for frame in frames:
        frame.pts = None
    deinterlacer = Deinterlacer(Deinterlace.AUTO, "a")
    out = [o for frame in frames for o in deinterlacer.push(frame)] + deinterlacer.flush()
    assert [f.pts for f in out] == [None] * 3


def test_missing_filters_are_reported_once(tmp_path, caplog):
    path = write_interlaced(tmp_path / "a.mp4", count=3)
    deinterlacer = Deinterlacer(Deinterlace.AUTO, "a.mp4", filters=("nothing",))
    with av.open(str(path)) as container, caplog.at_level(logging.WARNING):
        assert [len(deinterlacer.push(f)) for f in container.decode(video=0)] == [1, 1, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "a.mp4: interlaced, and this FFmpeg build cannot deinterlace it (it has "
        "no filter nothing): moving objects have comb artefacts and may be missed"
    ]


def test_a_filter_that_fails_loses_no_frame(tmp_path, caplog):
    path = write_interlaced(tmp_path / "a.mp4", count=4)
    # `setpts` takes none of the options of `bwdif`.
    deinterlacer = Deinterlacer(Deinterlace.AUTO, "a.mp4", filters=("setpts",))
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert [deinterlacer.push(frame) for frame in frames] == [[frame] for frame in frames]
    assert deinterlacer.flush() == []
    assert len(caplog.records) == 1


def test_times_of_files_are_exact(tmp_path):
    path = write_interlaced(tmp_path / "a.mp4", count=4)
    assert [f.time_s for f in frames_of(path)] == [float(Fraction(k, 25)) for k in range(4)]
