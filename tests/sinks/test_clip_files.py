"""Clips of tracks: copied from key frames, else encoded; with the sound, and listed."""

import csv
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import pytest

from tests.sinks.results import CONFIRMED, make_result, make_tracks
from tracker.errors import ConfigError, OutputError
from tracker.frames import VideoInfo
from tracker.sinks.clip_cut import VideoToCut
from tracker.sinks.clip_files import ClipSettings, ClipSink
from tracker.sources.files.video_file import VideoFile
from tracker.tracks import RunInfo

FPS, COUNT = 10, 80


def write_video(path: Path, *, gop: int, sound: bool = False, codec: str = "libx264") -> Path:
    """Writes 8 s of frames with a grey value of three times their number."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if codec == "mjpeg":
            stream.pix_fmt = "yuvj420p"
        stream.codec_context.gop_size = gop
        if codec == "libx264":
            stream.options = {
                "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0",
                "crf": "10",
            }
        voice = container.add_stream("aac", rate=48000) if sound else None
        for index in range(COUNT):
            image = np.full((48, 64, 3), 3 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            if voice is not None:
                tone = np.full((1, 4800), 0.1, np.float32)
                samples = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
                samples.sample_rate = 48000
                samples.pts = 4800 * index
                container.mux(voice.encode(samples))
        container.mux(stream.encode())
        if voice is not None:
            container.mux(voice.encode())
    return path


def run_of(path: Path) -> tuple[RunInfo, VideoToCut]:
    with VideoFile(str(path)) as source:
        info: VideoInfo = source.info
    video = VideoToCut(str(path), None, 0.0, lambda start_s: VideoFile(str(path), start_s=start_s))
    return RunInfo(info, ("person",)), video


def cut(
    path: Path,
    folder: Path,
    lives: dict[int, Iterable[int]],
    *,
    settings: ClipSettings | None = None,
    complete: bool = True,
) -> tuple[list[dict[str, str]], str]:
    """Returns the table and the status after a run in which each id was in some frames."""
    run, video = run_of(path)
    sink = ClipSink(str(folder), video, settings=settings)
    for index in range(COUNT):
        here = [number for number, frames in sorted(lives.items()) if index in frames]
        tracks = make_tracks(*((number, [5, 5, 20, 40], CONFIRMED) for number in here))
        sink.write(make_result(index, tracks, run=run, time_s=index / FPS))
    sink.close(complete=complete)
    sink.close(complete=complete)
    if not (folder / "clips.csv").exists():
        return [], sink.status
    with (folder / "clips.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file)), sink.status


def greys(path: Path) -> list[int]:
    """Returns the number of each frame of a clip, from its grey value."""
    with av.open(str(path)) as container:
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [round(float(image.mean()) / 3) for image in images]


def assert_frames(path: Path, first: int, end: int) -> None:
    """Checks the numbers of all frames; a codec changes grey values by a level or two."""
    shown = greys(path)
    assert len(shown) == end - first
    assert np.abs(np.array(shown) - np.arange(first, end)).max() <= 1


def test_a_clip_is_copied_from_the_key_frame_before_it(tmp_path: Path) -> None:
    video = write_video(tmp_path / "in.mp4", gop=5, sound=True)
    rows, status = cut(video, tmp_path / "clips", {12: range(22, 41)}, settings=ClipSettings(0.5))
    [row] = rows
    assert (row["file"], row["id"], row["class"], row["method"]) == (
        *("track-000012.mp4", "12", "person", "copied"),
    )
    assert [float(row[key]) for key in ("first_time_s", "last_time_s")] == [2.2, 4.0]
    # From 1.7 s; the key frame before it is frame 15, at 1.5 s. The last frame is 45, at 4.5 s.
    assert float(row["clip_start_s"]) == 1.5
    assert float(row["clip_end_s"]) == 4.6
    shown = greys(tmp_path / "clips" / "track-000012.mp4")
    assert shown[0] == 15
    assert set(range(15, 46)) <= set(shown)
    assert shown[-1] <= 49  # frames that are encoded before others are shown later
    assert status == f"{tmp_path / 'clips'}: 1 clips, 1 of them copied"
    with av.open(str(tmp_path / "clips" / "track-000012.mp4")) as container:
        sound = sum(frame.samples for frame in container.decode(audio=0)) / 48000
    assert sound == pytest.approx(3.1, abs=0.1)
    assert int(row["bytes"]) == (tmp_path / "clips" / "track-000012.mp4").stat().st_size


def test_far_from_a_key_frame_it_is_encoded_anew(tmp_path: Path) -> None:
    video = write_video(tmp_path / "in.mp4", gop=80)
    rows, _ = cut(video, tmp_path / "clips", {1: range(5), 2: range(50, 60)})
    assert [row["method"] for row in rows] == ["copied", "encoded"]
    # 1 s before frame 50 to 1 s after frame 59.
    assert_frames(tmp_path / "clips" / "track-000002.mp4", 40, 70)
    assert [float(rows[1][key]) for key in ("clip_start_s", "clip_end_s")] == [4.0, 7.0]
    assert greys(tmp_path / "clips" / "track-000001.mp4")[:15] == list(range(15))


def test_a_codec_that_does_not_belong_into_mp4_is_encoded(tmp_path: Path) -> None:
    video = write_video(tmp_path / "in.avi", gop=1, codec="mjpeg")
    rows, _ = cut(video, tmp_path / "clips", {1: range(30, 40)}, settings=ClipSettings(0))
    assert rows[0]["method"] == "encoded"
    assert_frames(tmp_path / "clips" / "track-000001.mp4", 30, 40)


def test_a_run_that_was_stopped_has_no_clips(tmp_path: Path) -> None:
    video = write_video(tmp_path / "in.mp4", gop=5)
    rows, status = cut(video, tmp_path / "clips", {1: range(9)}, complete=False)
    assert rows == []
    assert status.endswith("no clips, as the run was not complete")


def test_the_size_of_all_clips_is_bounded(tmp_path: Path) -> None:
    video = write_video(tmp_path / "in.mp4", gop=5)
    lives = {number: range(10, 20) for number in range(1, 5)}
    rows, status = cut(video, tmp_path / "a", lives, settings=ClipSettings(0, most_bytes=1))
    assert len(rows) == 1
    assert "3 tracks left out beyond 0 MiB" in status


def test_a_video_that_is_gone_is_an_error(tmp_path: Path) -> None:
    video = write_video(tmp_path / "in.mp4", gop=5)
    run, to_cut = run_of(video)
    sink = ClipSink(str(tmp_path / "clips"), to_cut)
    tracks = make_tracks((1, [5, 5, 20, 40], CONFIRMED))
    sink.write(make_result(0, tracks, run=run, time_s=0.0))
    video.unlink()
    with pytest.raises(OSError, match=r"in\.mp4"):
        sink.close()
    assert (tmp_path / "clips" / "clips.csv").exists()
    with pytest.raises(ConfigError, match="--clip-margin: expected 0 to 3600 seconds, got -1"):
        ClipSettings(-1)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="expected a folder, got a file"):
        ClipSink(str(tmp_path / "file"), to_cut)


def test_a_run_without_tracks_has_an_empty_table(tmp_path: Path) -> None:
    video = write_video(tmp_path / "in.mp4", gop=5)
    rows, status = cut(video, tmp_path / "clips", {})
    assert rows == []
    assert status.endswith("0 clips, 0 of them copied")
