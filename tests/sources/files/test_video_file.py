"""Video files: exact numbers and times, colours, orientation, damage, and plain errors."""

import gc
import itertools
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.sources.clips import (
    TOLERANCE,
    cut,
    damage,
    level,
    write_clip,
    write_corner,
    write_planes,
    write_walk,
    write_with_sound,
)
from tracker.errors import SourceError
from tracker.frames import Frame
from tracker.sources.files.video_file import VideoFile

CONTAINERS = ["mp4", "mkv", "ts", "avi"]


def read(path: Path, **arguments: float) -> list[Frame]:
    with VideoFile(path, **arguments) as video:
        return list(video)


def check_levels(frames: list[Frame]) -> None:
    for frame in frames:
        error = np.abs(frame.image.astype(int) - level(frame.index))
        assert error.max() <= TOLERANCE, (frame.index, frame.image[0, 0])


# --- whole files ---


def test_a_clip_of_one_frame(tmp_path: Path) -> None:
    frames = read(write_clip(tmp_path / "a.mp4", count=1))
    assert [(f.index, f.time_s) for f in frames] == [(0, 0.0)]


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_every_frame_comes_once_in_order_with_its_content(tmp_path: Path, suffix: str) -> None:
    path = write_clip(tmp_path / f"a.{suffix}")
    with VideoFile(path) as video:
        frames = list(video)
        assert video.skipped == 0
        assert video.info.fps == 25
        assert (video.info.width, video.info.height) == (64, 48)
        assert not video.info.is_live
    assert [f.index for f in frames] == list(range(50))
    assert [f.time_s for f in frames] == [i / 25 for i in range(50)]
    assert frames[0].source == str(path)
    check_levels(frames)


def test_a_raw_stream_without_time_stamps_is_timed_by_its_rate(tmp_path: Path) -> None:
    frames = read(write_clip(tmp_path / "a.h264"), start_s=1.0)
    assert [f.index for f in frames] == list(range(25, 50))
    assert [f.time_s for f in frames] == [i / 25 for i in range(25, 50)]
    check_levels(frames)


def test_frames_are_read_only_and_not_copied_again(tmp_path: Path) -> None:
    frame = read(write_clip(tmp_path / "a.mp4", count=2))[0]
    assert frame.image.flags.c_contiguous
    assert frame.image.flags.owndata
    assert not frame.image.flags.writeable


def test_time_stamps_can_be_recovered_exactly(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    path = write_clip(tmp_path / "a.mp4", rate=rate, count=60)
    with VideoFile(path) as video:
        assert video.info.fps == rate
        base = video.info.time_base
        ticks = [round(f.time_s / base) for f in video]
    assert [Fraction(t) * base for t in ticks] == [Fraction(i) / rate for i in range(60)]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_variable_rate_keeps_irregular_times(tmp_path: Path, suffix: str) -> None:
    stamps = [0, 1, 2, 10, 11, 30, 31, 32, 33, 60, 61, 99]
    path = write_clip(tmp_path / f"v.{suffix}", pts=stamps, rate=Fraction(50))
    frames = read(path)
    assert [f.time_s for f in frames] == [s / 50 for s in stamps]
    assert [f.index for f in frames] == list(range(12))
    check_levels(frames)
    later = read(path, start_s=31 / 50)
    assert [(f.index, f.time_s) for f in later] == [(i, stamps[i] / 50) for i in range(6, 12)]
    between = read(path, start_s=0.45)
    assert [f.time_s for f in between] == [s / 50 for s in stamps[5:]]


# --- start and stride ---


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("first", [1, 11, 12, 13, 23, 49])
def test_a_start_gives_the_same_frames_as_the_whole_file(
    tmp_path: Path, suffix: str, first: int
) -> None:
    path = write_clip(tmp_path / f"a.{suffix}")
    frames = read(path, start_s=first / 25)
    assert [(f.index, f.time_s) for f in frames] == [(i, i / 25) for i in range(first, 50)]
    check_levels(frames)


def test_stride_counts_from_the_first_frame_delivered(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    with VideoFile(path, start_s=0.2, stride=7) as video:
        assert video.info.fps == Fraction(25, 7)
        assert video.info.frame_count == 7  # ceil((50 - 5) / 7)
        assert video.info.start_s == 0.2
        frames = list(video)
    assert [f.index for f in frames] == [5, 12, 19, 26, 33, 40, 47]
    assert [f.time_s for f in frames] == [i / 25 for i in range(5, 50, 7)]
    check_levels(frames)


def test_frame_count_is_given_where_the_container_declares_it(tmp_path: Path) -> None:
    assert VideoFile(write_clip(tmp_path / "a.mp4")).info.frame_count == 50
    assert VideoFile(write_clip(tmp_path / "a.mkv")).info.frame_count is None


def test_frames_cut_by_an_edit_list_are_not_counted(tmp_path: Path) -> None:
    whole, edited = write_clip(tmp_path / "a.mp4"), tmp_path / "edited.mp4"
    options = {"avoid_negative_ts": "disabled"}
    with av.open(str(whole)) as source, av.open(str(edited), "w", container_options=options) as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        shift = round(20 / 25 / stream.time_base)
        for packet in source.demux(stream):
            if packet.size:
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copy
                out.mux(packet)
    with VideoFile(edited) as video:
        assert video.info.frame_count == 30
        frames = list(video)
        assert video.skipped == 0
    assert [f.index for f in frames] == list(range(30))
    assert abs(int(frames[0].image[0, 0, 0]) - level(20)) <= TOLERANCE


def test_hidden_frames_of_vp8_are_no_frames(tmp_path: Path) -> None:
    path, hidden = write_clip(tmp_path / "a.webm", codec="libvpx"), tmp_path / "hidden.webm"
    with av.open(str(path)) as source, av.open(str(hidden), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for number, packet in enumerate(source.demux(stream)):
            if packet.size:
                data = bytearray(packet)
                if number == 20:
                    data[0] &= 0xEF  # show_frame, RFC 6386 sec. 9.1
                changed = av.Packet(bytes(data))
                changed.pts, changed.dts = packet.pts, packet.dts
                changed.time_base, changed.is_keyframe = packet.time_base, packet.is_keyframe
                changed.stream = copy
                out.mux(changed)
    with VideoFile(hidden) as video:
        assert [f.index for f in video] == list(range(49))
        assert video.skipped == 0


# --- colours and orientation ---

PLANES = (100, 110, 180)


def rgb_of(luma: tuple[float, float], *, full: bool) -> np.ndarray:
    """ITU-R BT.601 / BT.709 / BT.2020: R' = Y' + 2 (1 - Kr) Cr, and so on."""
    kr, kb = luma
    y, cb, cr = PLANES
    if full:
        y, cb, cr = y / 255, (cb - 128) / 255, (cr - 128) / 255
    else:
        y, cb, cr = (y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return 255 * np.array([red, green, blue])


BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)


@pytest.mark.parametrize(
    ("size", "colorspace", "color_range", "luma"),
    [
        ((320, 240), None, None, BT601),  # standard definition by convention
        ((1280, 720), None, None, BT709),  # high definition by convention
        ((320, 240), 1, None, BT709),  # declared
        ((1280, 720), 6, None, BT601),
        ((320, 240), 9, None, BT2020),
        ((320, 240), None, 2, BT601),  # full range
        ((1280, 720), 1, 2, BT709),
    ],
)
def test_colours_follow_matrix_and_range(
    tmp_path: Path,
    size: tuple[int, int],
    colorspace: int | None,
    color_range: int | None,
    luma: tuple[float, float],
) -> None:
    path = write_planes(
        tmp_path / "c.mp4", PLANES, size=size, colorspace=colorspace, color_range=color_range
    )
    pixels = read(path)[1].image.reshape(-1, 3)
    # libswscale's fast path truncates: up to 2 levels low. BT.601 and BT.709 differ by 11 here.
    assert np.abs(pixels - rgb_of(luma, full=color_range == 2)).max() <= 2.5


@pytest.mark.parametrize(
    ("rotation", "mirrored", "shape", "white"),
    [
        (0, False, (32, 85), (0, 0)),
        (90, False, (85, 32), (1, 0)),  # anticlockwise: top left goes to bottom left
        (-90, False, (85, 32), (0, 1)),
        (180, False, (32, 85), (1, 1)),
        (0, True, (32, 85), (0, 1)),
        (90, True, (85, 32), (1, 1)),
    ],
)
def test_the_display_matrix_is_applied(
    tmp_path: Path,
    rotation: float,
    mirrored: bool,
    shape: tuple[int, int],
    white: tuple[int, int],
) -> None:
    path = write_corner(
        tmp_path / "r.mp4", rotation=rotation, mirrored=mirrored, aspect=Fraction(4, 3)
    )
    with VideoFile(path) as video:
        image = next(iter(video)).image
        # Pixels are 4/3 as wide as high: stretched to squares, before the turn.
        turned = shape == (85, 32)
        assert video.info.stored_size == ((32, 64) if turned else (64, 32))
        assert (video.info.height, video.info.width) == shape
    assert image.shape[:2] == shape
    corners = image[np.ix_([8, shape[0] - 8], [8, shape[1] - 8])].mean(axis=2)
    expected = np.zeros((2, 2))
    expected[white] = 255
    assert np.abs(corners - expected).max() <= 2


def test_sound_is_named_with_the_place_where_the_frames_begin(tmp_path: Path) -> None:
    path = write_with_sound(tmp_path / "s.mp4", frames=12)
    info = VideoFile(path, start_s=0.2).info
    assert info.audio_path == str(path)
    assert info.start_s == 0.2
    assert VideoFile(write_clip(tmp_path / "a.mp4", count=2)).info.audio_path is None


def test_the_start_is_on_the_clock_that_the_sound_has(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.ts")  # MPEG-TS written with a first time stamp of 0.08 s
    assert VideoFile(path).info.start_s == 0.08
    assert VideoFile(path, start_s=1.0).info.start_s == pytest.approx(1.08, abs=1e-9)


# --- damage ---


def test_a_truncated_mp4_gives_its_complete_frames(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = write_clip(tmp_path / "a.mp4", size=(320, 240), count=100, faststart=True)
    frames: list[Frame] = []
    with VideoFile(cut(whole, tmp_path / "cut.mp4", 0.7)) as video:
        with pytest.raises(
            SourceError, match=r"ends early, at \d\.\d of 4\.0 s; its end is missing or damaged"
        ):
            frames.extend(video)
        assert video.info.frame_count == 100
        assert video.skipped == 0
    assert 10 < len(frames) < 95
    assert [f.index for f in frames] == list(range(len(frames)))
    check_levels(frames[:-1])  # before the last one, frames are missing that were never stored
    assert abs(int(frames[-1].image[0, 0, 0]) - level(round(frames[-1].time_s * 25))) <= TOLERANCE
    assert not caplog.records


def test_a_truncated_stream_that_declares_nothing_ends_normally(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.ts", size=(320, 240))
    frames = read(cut(whole, tmp_path / "cut.ts", 0.6))
    assert 10 < len(frames) < 45
    check_levels(frames[:-1])  # the last may be half a frame


def test_damage_in_the_middle_leaves_a_gap(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = write_clip(tmp_path / "a.mp4", size=(320, 240), count=100, faststart=True)
    with VideoFile(damage(whole, tmp_path / "bad.mp4", at=0.6, length=300)) as video:
        frames = list(video)
        assert 0 < video.skipped < 20
        assert len(frames) == 100 - video.skipped
    assert frames[-1].index == 99
    assert [f.time_s for f in frames] == [f.index / 25 for f in frames]
    assert len(caplog.records) == 1


def test_a_change_of_size_is_an_error(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "a.h264", count=10)
    second = write_clip(tmp_path / "b.h264", count=10, size=(96, 80))
    both = tmp_path / "both.h264"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    with VideoFile(both) as video, pytest.raises(SourceError, match=r"96x80 .* 64x48"):
        list(video)


def test_joined_recordings_keep_rising_times(tmp_path: Path) -> None:
    part = write_clip(tmp_path / "a.ts", count=20).read_bytes()
    both = tmp_path / "both.ts"
    both.write_bytes(part + part)
    frames = read(both)
    assert len(frames) >= 38
    assert all(b.time_s > a.time_s for a, b in itertools.pairwise(frames))
    assert all(b.index > a.index for a, b in itertools.pairwise(frames))


# --- closing ---


def test_closing_between_frames_ends_the_iteration(tmp_path: Path) -> None:
    video = VideoFile(write_clip(tmp_path / "a.mp4"))
    frames = iter(video)
    assert next(frames).index == 0
    video.close()
    video.close()
    assert list(frames) == []
    assert list(video) == []


def test_an_interrupted_iteration_continues(tmp_path: Path) -> None:
    with VideoFile(write_clip(tmp_path / "a.mp4", count=5)) as video:
        for frame in video:
            if frame.index == 1:
                break
        assert [f.index for f in video] == [2, 3, 4]
        assert list(video) == []


def test_closing_from_another_thread_ends_the_iteration(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", count=400)
    for delay in (0.0, 0.002, 0.01):
        video = VideoFile(path)
        delivered: list[int] = []
        begun = threading.Event()

        def consume(video: VideoFile, delivered: list[int], begun: threading.Event) -> None:
            for frame in video:
                delivered.append(frame.index)
                begun.set()

        thread = threading.Thread(target=consume, args=(video, delivered, begun))
        thread.start()
        begun.wait(5)
        threading.Event().wait(delay)
        video.close()
        thread.join(5)
        assert not thread.is_alive()
        assert delivered == list(range(len(delivered)))


def test_nothing_is_left_open(tmp_path: Path) -> None:
    open_files = Path("/proc/self/fd")
    if not open_files.is_dir():
        pytest.skip("open files can be listed on Linux only")
    path = write_clip(tmp_path / "a.mp4")

    def held() -> int:
        targets = [link.resolve() for link in open_files.iterdir() if link.is_symlink()]
        return sum(target == path.resolve() for target in targets)

    video = VideoFile(path, start_s=0.5)
    assert held() == 0
    frames = iter(video)
    next(frames)
    assert held() == 1
    video.close()
    assert held() == 0
    left = VideoFile(path)
    next(iter(left))
    del left
    gc.collect()
    assert held() == 0


# --- errors ---


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write_clip(tmp_path / "plaza.mp4", count=1)
    with pytest.raises(SourceError, match=r"does not exist; did you mean 'plaza\.mp4'\?"):
        VideoFile(tmp_path / "plazza.mp4")
    with pytest.raises(SourceError, match="neither does its directory"):
        VideoFile(tmp_path / "no" / "plaza.mp4")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.mp4", b"", "empty"),
        ("text.mp4", b"hello, this is text\n" * 50, "got text"),
        ("text.txt", b"hello, this is text\n" * 50, "got text"),
        ("noise.mp4", bytes(range(256)) * 64, "not a video"),
    ],
)
def test_files_that_are_no_videos(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    name: str,
    content: bytes,
    message: str,
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as error:
        VideoFile(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    assert capfd.readouterr().err == ""


def test_an_unfinished_recording_is_called_cut_off(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mp4")
    with pytest.raises(SourceError, match="cut off"):
        VideoFile(cut(whole, tmp_path / "cut.mp4", 0.5))


def test_a_directory_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="got a directory"):
        VideoFile(tmp_path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="got only audio"):
        VideoFile(write_with_sound(tmp_path / "s.mp4", frames=0))


def test_a_file_without_a_decodable_frame(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mp4", count=3)
    data = bytearray(whole.read_bytes())
    start = data.index(b"mdat") + 4
    data[start : data.index(b"moov") - 4] = bytes(data.index(b"moov") - 4 - start)
    whole.write_bytes(data)
    with pytest.raises(SourceError, match="no frame could be decoded"):
        VideoFile(whole)


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", count=1)
    path.chmod(0)
    try:
        path.read_bytes()
    except PermissionError:
        pass
    else:
        pytest.skip("this user may read everything")
    with pytest.raises(SourceError, match="permission denied"):
        VideoFile(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stride": 0}, "stride: expected 1 or more, got 0"),
        ({"start_s": -1.0}, "start_s: expected seconds >= 0"),
        ({"start_s": float("nan")}, "start_s: expected seconds >= 0"),
        ({"start_s": 2.0}, r"cannot start at 2 s: its last frame is at 1\.960 s"),
    ],
)
@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_wrong_starts_and_strides(
    tmp_path: Path, suffix: str, arguments: dict[str, float], message: str
) -> None:
    path = write_clip(tmp_path / f"a.{suffix}")
    with pytest.raises(SourceError, match=message):
        VideoFile(path, **arguments)


def test_names_that_ffmpeg_would_take_for_a_protocol(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", count=2).rename(tmp_path / "http:%03d, é.mp4")
    assert len(read(path)) == 2


# --- clips as cameras and archives have them ---


@pytest.mark.parametrize(
    ("count", "fps", "clip"),
    [
        (795, Fraction(10), {"gop": 64}),
        (71, Fraction(25), {"codec": "mpeg4", "b_frames": 0}),
        (377, Fraction(25, 2), {"gop": 60, "b_frames": 0}),
        (1189, Fraction(179, 6), {"gop": 250, "b_frames": 3}),
    ],
)
@pytest.mark.slow
def test_frames_of_long_clips_have_their_number_and_time(
    tmp_path: Path, count: int, fps: Fraction, clip: dict[str, Any]
) -> None:
    path = write_clip(tmp_path / "a.mp4", count=count, rate=fps, **clip)
    with VideoFile(path, stride=5) as video:
        assert video.info.fps * 5 == fps
        assert (video.info.width, video.info.height) == (64, 48)
        assert video.info.frame_count == -(-count // 5)
        frames = list(video)
        assert video.skipped == 0
    assert [f.index for f in frames] == list(range(0, count, 5))
    wanted = [f.index / float(fps) for f in frames]
    assert [f.time_s for f in frames] == pytest.approx(wanted, abs=1e-9)
    check_levels(frames)


def test_starting_late_gives_the_same_images(tmp_path: Path) -> None:
    path = write_walk(tmp_path / "a.mp4", count=100, fps=10, gop=32)
    with av.open(str(path)) as file:
        packets = [p for p in file.demux(video=0) if p.pts is not None]
    assert [round(p.pts * p.time_base * 10) for p in packets if p.is_keyframe] == [0, 32, 64, 96]
    assert any(p.pts != p.dts for p in packets)  # frames that are predicted from later ones
    whole = {f.index: f.image for f in read(path)}
    late = read(path, start_s=7.0)
    assert [f.index for f in late] == list(range(70, 100))
    for frame in late:
        assert np.array_equal(frame.image, whole[frame.index])
        assert not np.array_equal(frame.image, whole[frame.index - 1])


@pytest.mark.parametrize("missing", [0.5, 0.9])
def test_an_mp4_that_ends_within_its_index_was_cut_off(tmp_path: Path, missing: float) -> None:
    path = write_clip(tmp_path / "a.mp4", count=30)
    data = path.read_bytes()
    index = data.index(b"moov") - 4
    path.write_bytes(data[: len(data) - round(missing * (len(data) - index))])
    with pytest.raises(SourceError, match=r"cut off: its index \(moov box\) is missing or cut"):
        VideoFile(path)
