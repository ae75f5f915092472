import errno
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.sinks.clips import clicks, hear, make_clip
from tests.sinks.results import CONFIRMED, make_result, make_run, make_tracks
from tracker.detections import Detections
from tracker.errors import ConfigError, OutputError
from tracker.masks import encode_mask
from tracker.sinks.audio_copy import adts_config
from tracker.sinks.draw_style import DrawStyle, Labels
from tracker.sinks.palette import color_of
from tracker.sinks.stateful import SINKS
from tracker.sinks.video_encoder import usable_time_base
from tracker.sinks.video_file import VideoSink
from tracker.util.opencv import cv2
from tracker.util.plain_state import restore, state_of

NTSC = Fraction(30000, 1001)


def grey(index, size=(48, 64)):
    return np.full((*size, 3), 40 + index * 3 % 160, np.uint8)


def record(path, times, *, run=None, size=(48, 64), tracks=None, image=None):
    sink = VideoSink(str(path))
    for index, time_s in enumerate(times):
        pixels = grey(index, size) if image is None else image
        sink.write(make_result(index, tracks, run=run, image=pixels, time_s=time_s))
    sink.close()
    return sink


def decoded_frames(path):
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def rgb(frame):
    return frame.reformat(
        format="rgb24", src_colorspace="ITU709", src_color_range="MPEG", dst_color_range="JPEG"
    ).to_ndarray()


def test_no_result_leaves_nothing(tmp_path):
    with VideoSink(str(tmp_path / "x" / "a.mp4")) as sink:
        pass
    assert list(tmp_path.iterdir()) == []
    assert sink.status == f"{tmp_path / 'x' / 'a.mp4'}: nothing written"


class Breaking:
    """A recording that fails at its fourth frame."""

    def __init__(self, inner, error):
        self._inner, self._error, self._left = inner, error, 3

    def add(self, image, time_s):
        if not self._left:
            raise self._error
        self._left -= 1
        self._inner.add(image, time_s)

    def __getattr__(self, name):
        return getattr(self._inner, name)


class BreakingSink(VideoSink):
    """A sink whose encoder fails."""

    def __init__(self, path, error):
        super().__init__(path)
        self._error = error

    def _recording(self, info, image, time_s):
        return Breaking(super()._recording(info, image, time_s), self._error)


def write_and_close(sink, frames):
    for index in range(frames):
        sink.write(make_result(index))
    sink.close()  # The fourth frame may be encoded only now.


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out of memory"),
        (cv2.error("bad\n size"), "the encoder failed: error: bad size"),
        (RuntimeError(), "the encoder failed: RuntimeError"),
        (RuntimeError("can't start new thread"), "no thread can be started for it (ulimit -u, "),
        (av.error.ExternalError(1, "an external library"), "the encoder failed: an external libr"),
        (ConnectionResetError(errno.ECONNRESET, "gone"), "gone"),
    ],
)
@pytest.mark.parametrize("frames", [4, 40])
def test_an_error_of_any_kind_in_the_encoder_is_one_line(tmp_path, error, reason, frames):
    path = tmp_path / "a.mp4"
    sink = BreakingSink(str(path), error)
    with pytest.raises(OutputError) as raised:
        write_and_close(sink, frames)
    assert str(raised.value).startswith(f"cannot write {path}: {reason}")
    assert "\n" not in str(raised.value)
    assert reason in sink.status
    with pytest.raises(OutputError, match="cannot write"):
        sink.write(make_result(41))
    sink.close()
    assert not path.exists() or decoded_frames(path)


def test_threads_may_share_a_sink(tmp_path):
    path = tmp_path / "a.mp4"
    sink = VideoSink(str(path))
    start = threading.Barrier(4)

    def write_some(first):
        start.wait()
        for index in range(first, first + 10):
            sink.write(make_result(index))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_some, range(0, 40, 10)))
        list(pool.map(lambda _: sink.close(), range(4)))
    assert sink.status == f"{path}: 40 frames"
    assert len(decoded_frames(path)) == 40


def test_masks_of_the_detections_are_drawn(tmp_path):
    mask = encode_mask(np.ones((48, 64), np.bool_))
    found = Detections.create([[5, 5, 30, 30]], [0.5], masks=[mask])
    tracks = make_tracks((1, (5, 5, 30, 30), CONFIRMED))
    style = DrawStyle(labels=Labels.NONE, trail_s=0, mask_opacity=1)
    with VideoSink(str(tmp_path / "a.mp4"), style=style) as sink:
        sink.write(replace(make_result(0, tracks, image=grey(0)), detections=found))
    (frame,) = decoded_frames(tmp_path / "a.mp4")
    np.testing.assert_allclose(rgb(frame)[40:, 40:].mean(axis=(0, 1)), color_of(1, 0), atol=12)


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_one_frame_makes_a_video(tmp_path, ending):
    sink = record(tmp_path / f"a.{ending}", [0.0])
    sink.close()
    (frame,) = decoded_frames(tmp_path / f"a.{ending}")
    assert (frame.width, frame.height, frame.format.name) == (64, 48, "yuv420p")
    assert sink.status == f"{tmp_path / f'a.{ending}'}: 1 frame"


@pytest.mark.parametrize(
    ("fps", "time_base", "ticks"),
    [
        (Fraction(25), Fraction(1, 12800), [512 * i for i in range(60)]),
        (NTSC, Fraction(1001, 30000), list(range(60))),
        (Fraction(10), Fraction(1, 1000), [0, 90, 200, 300, 1400, 1410, 1700]),
    ],
)
@pytest.mark.parametrize("ending", ["mp4", "mov"])
def test_times_are_exactly_those_of_the_source(tmp_path, ending, fps, time_base, ticks):
    run = make_run(fps=fps, time_base=time_base)
    path = tmp_path / f"a.{ending}"
    # A source that starts at 7 s: the video starts at 0.
    record(path, [float((tick + 7 / time_base) * time_base) for tick in ticks], run=run)
    frames = decoded_frames(path)
    assert [frame.pts * frame.time_base for frame in frames] == [tick * time_base for tick in ticks]


def test_the_rate_is_the_nominal_one_and_the_last_frame_stands_for_one_interval(tmp_path):
    run = make_run(fps=NTSC, time_base=Fraction(1, 30000))
    record(tmp_path / "a.mp4", [float(i / NTSC) for i in range(90)], run=run)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == NTSC
        assert stream.duration * stream.time_base == 90 / NTSC


def test_matroska_rounds_times_to_milliseconds(tmp_path):
    run = make_run(fps=NTSC, time_base=Fraction(1, 30000))
    record(tmp_path / "a.mkv", [float(i / NTSC) for i in range(40)], run=run)
    times = [float(frame.pts * frame.time_base) for frame in decoded_frames(tmp_path / "a.mkv")]
    assert times == pytest.approx([float(i / NTSC) for i in range(40)], abs=0.00051)


@pytest.mark.parametrize(
    "unfit", [Fraction(0), Fraction(1, 10), Fraction(1, 10**9), Fraction(-1, 90)]
)
def test_a_time_base_that_does_not_fit_gives_way_to_90_khz(unfit):
    assert usable_time_base(make_run(time_base=unfit).video) == Fraction(1, 90_000)


def test_a_clock_that_stands_still_does_not_stop_the_video(tmp_path):
    record(tmp_path / "a.mp4", [0.0, 0.0, 0.04, 0.02])
    pts = [frame.pts for frame in decoded_frames(tmp_path / "a.mp4")]
    assert pts == sorted(set(pts))
    assert len(pts) == 4


def test_known_colours_survive_and_are_tagged_as_bt709(tmp_path):
    colors = [(200, 30, 60), (20, 180, 40), (30, 60, 220), (255, 255, 255), (0, 0, 0)]
    image = np.repeat(np.array(colors, np.uint8)[None], 64, axis=0).repeat(64, axis=1)
    record(tmp_path / "a.mp4", [0.0, 0.04], run=make_run(width=320, height=64), image=image)
    frame = decoded_frames(tmp_path / "a.mp4")[0]
    found = rgb(frame)[32, 32::64].astype(int)
    assert np.abs(found - np.array(colors)).max() <= 2
    # 1 is BT.709 in primaries, transfer and matrix; range 1 is limited.
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 1, 1)
        assert context.color_range == 1


def test_colours_of_large_frames_survive_the_fast_settings(tmp_path):
    colors = [(200, 30, 60), (20, 180, 40), (30, 60, 220), (255, 255, 255), (0, 0, 0)]
    image = np.repeat(np.array(colors, np.uint8)[None], 720, axis=0).repeat(256, axis=1)
    record(tmp_path / "a.mp4", [0.0, 0.04], run=make_run(width=1280, height=720), image=image)
    frame = decoded_frames(tmp_path / "a.mp4")[0]
    found = rgb(frame)[360, 128::256].astype(int)
    assert np.abs(found - np.array(colors)).max() <= 3


def test_a_scaled_video_has_tracks_of_its_own_size(tmp_path):
    run = make_run(width=640, height=480)
    tracks = make_tracks((1, (80, 200, 400, 400), CONFIRMED))
    image = np.full((480, 640, 3), 90, np.uint8)
    with VideoSink(str(tmp_path / "a.mp4"), scale=0.5) as sink:
        sink.write(make_result(0, tracks, run=run, image=image))
    # As a video of a source of half the size.
    tracks = make_tracks((1, (40, 100, 200, 200), CONFIRMED))
    record(tmp_path / "b.mp4", [0.0], image=image[::2, ::2], tracks=tracks)
    half, own = (rgb(decoded_frames(tmp_path / name)[0]).astype(int) for name in ("a.mp4", "b.mp4"))
    np.testing.assert_array_equal(half, own)
    assert half.shape == (240, 320, 3)


def test_the_same_frames_give_the_same_bytes(tmp_path):
    # Large enough for the fast settings, with frames encoded side by side.
    ramp = np.arange(1280, dtype=np.uint8)
    images = [np.tile((ramp + 5 * step)[:, None], (720, 1, 3)) for step in range(20)]
    for name in ("a.mp4", "b.mp4"):
        with VideoSink(str(tmp_path / name)) as sink:
            for index, image in enumerate(images):
                sink.write(make_result(index, image=image, run=make_run(width=1280, height=720)))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert len(decoded_frames(tmp_path / "a.mp4")) == 20


def test_an_encoder_that_cannot_be_opened_gives_way_to_the_next(tmp_path, caplog):
    caplog.set_level("INFO", "tracker.sinks")
    # No machine has both.
    names = ["nvenc"] if sys.platform == "darwin" else ["videotoolbox"]
    with VideoSink(str(tmp_path / "a.mp4"), encoders=[*names, "x264"]) as sink:
        sink.write(make_result(0))
        sink.write(make_result(1))
    assert len(decoded_frames(tmp_path / "a.mp4")) == 2
    assert f"{names[0]} cannot be opened" in caplog.text
    with pytest.raises(OutputError, match="the encoder failed"):
        with VideoSink(str(tmp_path / "b.mp4"), encoders=names) as sink:
            sink.write(make_result(0))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    with pytest.raises(ConfigError, match=r"expected x264, nvenc.*did you mean 'nvenc'"):
        VideoSink(str(tmp_path / "c.mp4"), encoders=["nvec"])


def test_a_run_that_continues_takes_the_encoder_of_the_file(tmp_path):
    """Its parameters are stored once for all frames."""
    missing = "nvenc" if sys.platform == "darwin" else "videotoolbox"
    path = str(tmp_path / "a.mp4")
    sink = VideoSink(path, encoders=["x264"])
    for index in range(120):
        sink.write(make_result(index, image=grey(index)))
    state = state_of(sink, SINKS)
    sink.close()
    later = VideoSink(path, encoders=[missing])
    restore(later, state, SINKS)
    later.continue_file()
    later.write(make_result(120, image=grey(120)))
    later.close()
    assert len(decoded_frames(path)) == 121


def test_odd_sizes_repeat_their_edge(tmp_path):
    run = make_run(width=63, height=47)
    image = np.full((47, 63, 3), 30, np.uint8)
    image[:, -3:] = 220
    record(tmp_path / "a.mp4", [0.0, 0.04], run=run, image=image)
    frame = decoded_frames(tmp_path / "a.mp4")[0]
    assert (frame.width, frame.height) == (64, 48)
    assert rgb(frame)[24, 63].min() > 200


def test_tracks_are_drawn(tmp_path):
    run = make_run(width=320, height=240)
    tracks = make_tracks((1, (40, 100, 200, 200), CONFIRMED))
    image = np.full((240, 320, 3), 90, np.uint8)
    record(tmp_path / "a.mp4", [0.0, 0.04], run=run, image=image, tracks=tracks)
    found = rgb(decoded_frames(tmp_path / "a.mp4")[0]).astype(int)
    # The label's plate is large enough to keep its colour in 4:2:0.
    assert np.abs(found[86:98, 40:42].mean(axis=(0, 1)) - color_of(1, 0)).max() < 40
    assert np.abs(found[150, 120] - 90).max() < 10


@pytest.mark.parametrize(
    ("source", "encoder", "ending", "expected"),
    [
        ("s.mp4", "aac", "mp4", "aac"),
        ("s.mp4", "libmp3lame", "mov", "mp3"),
        ("s.mkv", "ac3", "mp4", "ac3"),
        ("s.mkv", "eac3", "mkv", "eac3"),
        ("s.mkv", "libopus", "mp4", "opus"),
        ("s.mkv", "libopus", "mov", "aac"),
        ("s.mkv", "flac", "mp4", "flac"),
        ("s.mp4", "alac", "mp4", "alac"),
        ("s.ts", "aac", "mp4", "aac"),
        ("s.mkv", "pcm_s16le", "mp4", "aac"),
    ],
)
def test_sound_comes_along_in_step_and_ends_with_the_frames(
    tmp_path, source, encoder, ending, expected
):
    clip = make_clip(tmp_path / source, encoder)
    with av.open(clip) as container:
        first = container.streams.video[0].start_time * container.streams.video[0].time_base
    source_onset = hear(clip)[1]
    # The run begins one second into the clip, and stops after 1.2 s.
    run = make_run(audio_path=clip, start_s=float(first) + 1.0)
    path = tmp_path / f"out.{ending}"
    sink = record(path, [1.0 + i / 25 for i in range(30)], run=run)
    codec, onset, end = hear(path)
    assert codec == expected
    assert onset == pytest.approx(source_onset - float(first), abs=0.003)
    # Packets are up to 96 ms long, and stay whole.
    assert 1.2 - 0.1 <= end <= 1.2 + 0.1
    assert len(decoded_frames(path)) == 30
    assert sink.status == f"{path}: 30 frames"


@pytest.mark.parametrize(("encoder", "joined"), [("aac", "aac"), ("mp2", "aac")])
@pytest.mark.parametrize("first_s", [0.0, 3.4])
def test_the_sound_of_joined_recordings_is_complete_and_in_time(tmp_path, encoder, joined, first_s):
    part = Path(make_clip(tmp_path / "part.ts", encoder))
    with av.open(str(part)) as container:
        first = container.streams.video[0].start_time * container.streams.video[0].time_base
    both = tmp_path / "both.ts"
    both.write_bytes(part.read_bytes() * 2)  # a click half a second into each second of frames
    path = tmp_path / "out.mp4"
    times = [first_s + i / 25 for i in range(round((6 - first_s) * 25))]
    run = make_run(audio_path=str(both), start_s=float(first) + first_s)
    sink = record(path, times, run=run)
    assert sink.status == f"{path}: {len(times)} frames"
    assert hear(path)[0] == joined
    source_onset = hear(str(part))[1] - float(first)
    expected = [s + source_onset - first_s for s in range(6) if s + source_onset > first_s]
    assert clicks(path) == pytest.approx(expected, abs=0.005)


def test_a_file_without_sound_or_without_anything_gives_a_silent_video(tmp_path):
    record(tmp_path / "silent.mp4", [0.0, 0.04])
    run = make_run(audio_path=str(tmp_path / "silent.mp4"))
    assert record(tmp_path / "a.mp4", [0.0], run=run).status.endswith("a.mp4: 1 frame")
    run = make_run(audio_path=str(tmp_path / "missing.mp4"))
    status = record(tmp_path / "b.mp4", [0.0], run=run).status
    assert "1 frame, sound incomplete (" in status
    assert len(decoded_frames(tmp_path / "b.mp4")) == 1


def test_an_adts_header_says_what_mp4_wants_up_front():
    # AAC LC (2), 48 kHz (index 3), 2 channels: 00010 0011 0010 000.
    assert adts_config(bytes.fromhex("fff14c8003dffc")) == bytes([0b00010001, 0b10010000])
    assert adts_config(b"") == b""
    assert adts_config(b"\x00" * 9) == b""


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from tests.sinks.results import *
from tracker.sinks.video_file import VideoSink
sink = VideoSink(sys.argv[1])
for index in range(300):
    image = np.full((48, 64, 3), index % 200, np.uint8)
    sink.write(make_result(index, image=image))
os.kill(os.getpid(), signal.SIGKILL)
"""

FULL = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from tests.sinks.results import *
from tracker.errors import OutputError
from tracker.sinks.video_file import VideoSink
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
noise = np.random.default_rng(0)
try:
    with VideoSink(sys.argv[1]) as sink:
        for index in range(200):
            image = noise.integers(0, 255, (48, 64, 3), np.uint8)
            sink.write(make_result(index, image=image))
except OutputError as error:
    print(error)
    print(sink.status)
"""


def run_script(script, *arguments):
    here = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", script, arguments[0], here, *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
@pytest.mark.slow
def test_a_killed_program_leaves_a_file_that_plays(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    assert run_script(KILLED, str(path)).returncode == -9
    frames = decoded_frames(path)
    # What is lost: the part since the last key frame (2 s), and what the encoder holds back.
    assert len(frames) >= 300 - 50 - 60
    assert frames[0].pts == 0
    assert frames[100].pts * frames[100].time_base == 4


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_full_disk_leaves_what_plays(tmp_path, ending):
    pytest.importorskip("resource", reason="needs limits on the size of files")
    path = tmp_path / f"a.{ending}"
    done = run_script(FULL, str(path), "200000")
    message, status = done.stdout.splitlines()
    assert message == f"cannot write {path}: the file is larger than the system allows"
    assert f"a.{ending}: cut short (" in status
    assert 25 <= len(decoded_frames(path)) < 200


def test_a_full_disk_leaves_nothing_that_does_not_play(tmp_path):
    pytest.importorskip("resource", reason="needs limits on the size of files")
    done = run_script(FULL, str(tmp_path / "a.mp4"), "1000")
    assert "not finished, removed (" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_early_stop_finishes_the_file(tmp_path):
    sink = VideoSink(str(tmp_path / "a.mp4"))
    sink.write(make_result(0))
    sink.write(make_result(1))
    sink.close(complete=False)
    assert len(decoded_frames(tmp_path / "a.mp4")) == 2


def test_frames_that_change_their_size_end_the_file(tmp_path):
    sink = VideoSink(str(tmp_path / "a.mp4"))
    for index in range(120):
        sink.write(make_result(index, image=grey(index)))
    with pytest.raises(OutputError, match="changed from 64x48 to 32x48"):
        sink.write(make_result(120, image=grey(0, (48, 32))))
    with pytest.raises(OutputError, match="changed from"):
        sink.write(make_result(121, image=grey(0)))
    sink.close()
    assert len(decoded_frames(tmp_path / "a.mp4")) >= 50


def test_the_source_stays_whole(tmp_path):
    path = tmp_path / "in.mp4"
    path.write_bytes(b"film")
    with pytest.raises(OutputError, match="the source itself"):
        record(path, [0.0], run=make_run(source=str(path)))
    assert path.read_bytes() == b"film"


def test_wrong_names_and_options_are_refused(tmp_path):
    for name in ("a.avi", "a", "-"):
        with pytest.raises(OutputError, match=r"ends in \.mp4, \.mov, \.mkv"):
            VideoSink(str(tmp_path / name))
    with pytest.raises(ConfigError, match="0 to 51"):
        VideoSink(str(tmp_path / "a.mp4"), crf=60)
    with pytest.raises(ConfigError, match="did you mean 'veryfast'"):
        VideoSink(str(tmp_path / "a.mp4"), preset="veryfasst")
    with pytest.raises(ConfigError, match=r"video.scale: expected a number in .*, got 1.5"):
        VideoSink(str(tmp_path / "a.mp4"), scale=1.5)


@pytest.mark.parametrize(
    ("time_base", "gap_s", "stored_s"),
    [
        # Twelve frames last 2**30 - 2**27 ticks of the file's clock at most.
        (Fraction(1, 1_000_000), 3600.0, 939.524),
        (Fraction(1, 90_000), 30_000.0, 10_439.157),
        # FFmpeg's clock is 25 Hz doubled until it has 10 kHz: 12.8 kHz.
        (Fraction(1, 25), 604_800.0, 73_400.32),
        (Fraction(1, 25), 73_000.0, 73_000.0),
    ],
)
def test_a_gap_that_an_mp4_cannot_store_is_shortened(tmp_path, time_base, gap_s, stored_s):
    times = [0.0, 0.04, 0.04 + gap_s, 0.08 + gap_s]
    record(tmp_path / "a.mp4", times, run=make_run(time_base=time_base))
    found = [float(frame.time) for frame in decoded_frames(tmp_path / "a.mp4")]
    assert (found[1], found[3] - found[2]) == pytest.approx((0.04, 0.04), abs=1e-6)
    assert found[2] - found[1] == pytest.approx(stored_s, abs=0.041)


@pytest.mark.parametrize("moving", [False, True])
def test_gaps_after_each_frame(tmp_path, moving):
    image = None if moving else grey(0)
    times = [1800.0 * number for number in range(30)]
    run = make_run(time_base=Fraction(1, 1_000_000))
    record(tmp_path / "a.mp4", times, run=run, image=image)
    assert len(decoded_frames(tmp_path / "a.mp4")) == 30


def test_matroska_stores_any_gap(tmp_path):
    record(tmp_path / "a.mkv", [0.0, 0.04, 1e7], run=make_run(time_base=Fraction(1, 90_000)))
    assert float(decoded_frames(tmp_path / "a.mkv")[-1].time) == 1e7


def test_a_source_that_states_a_frame_a_day(tmp_path):
    run = make_run(fps=Fraction(1, 86_400), time_base=Fraction(1, 90_000))
    record(tmp_path / "a.mp4", [0.0, 0.04], run=run)
    assert len(decoded_frames(tmp_path / "a.mp4")) == 2
