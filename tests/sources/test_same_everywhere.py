"""Each frame has one number and one time: in a whole run, after a start, and through a pipe."""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tracker.errors import SourceError
from tracker.frames import Frame
from tracker.sources.files.video_file import VideoFile
from tracker.sources.pipe import Pipe

EVEN = tuple(range(24))
VARIABLE = (0, 1, 2, 6, 7, 9, 10, 11, 15, 16, 17, 20, 24, 25, 26, 30, 31, 33, 36, 37, 38, 40)


@dataclass(frozen=True)
class Kind:
    """How a small file is made: stamps are in 1/25 s."""

    suffix: str
    codec: str
    b_frames: int = 0
    stamps: tuple[int, ...] = EVEN
    sound: str | None = None
    pixels: str = "yuv420p"
    noise: bool = False

    def __str__(self) -> str:
        rate = "even" if self.stamps == EVEN else "variable"
        return f"{self.suffix}-{self.codec}-b{self.b_frames}-{rate}-{self.sound}"


SANE = [
    Kind("mp4", "libx264", 2),
    Kind("mp4", "libx264", 0, sound="aac"),
    Kind("mp4", "libx264", 2, VARIABLE, "aac"),
    Kind("mp4", "mpeg4", 2),
    Kind("mp4", "libx265", 2),
    Kind("mov", "libx264", 2, VARIABLE),
    Kind("mov", "mjpeg", pixels="yuvj420p"),
    Kind("mkv", "libx264", 2, sound="aac"),
    Kind("mkv", "libx264", 2, VARIABLE),
    Kind("mkv", "libx265", 2),
    Kind("mkv", "ffv1"),
    Kind("mkv", "mpeg4", 2),
    Kind("webm", "libvpx", sound="libopus"),
    Kind("webm", "libvpx-vp9", stamps=VARIABLE),
    Kind("avi", "mpeg4"),
    Kind("avi", "mpeg4", 2, sound="libmp3lame"),
    Kind("avi", "mpeg4", 0, VARIABLE),
    Kind("avi", "mjpeg", 0, VARIABLE, pixels="yuvj420p"),
    Kind("avi", "libx264", 2),
    Kind("ts", "libx264", 2, sound="aac"),
    Kind("ts", "libx264", 0, VARIABLE),
    Kind("ts", "mpeg2video", 2),
    Kind("mpg", "mpeg2video", 2, sound="mp2"),
    Kind("mpg", "libx264", 2),
    Kind("flv", "libx264", 2, sound="aac"),
    Kind("flv", "flv", 0, VARIABLE),
    Kind("h264", "libx264", 2),
    Kind("mjpeg", "mjpeg", pixels="yuvj420p"),
]
JOINABLE = [kind for kind in SANE if kind.suffix in {"ts", "mpg"}]


def frames(kind: Kind) -> Iterator[av.VideoFrame]:
    for number, stamp in enumerate(kind.stamps):
        image = np.full((48, 64, 3), 20 + 9 * number, np.uint8)
        image[number : number + 10, 20:40] = 255
        if kind.noise:  # frames that outweigh the headers
            image = np.random.default_rng(number).integers(0, 256, image.shape, np.uint8)
        frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=kind.pixels)
        frame.pts, frame.time_base = stamp, Fraction(1, 25)
        yield frame


def make(folder: Path, kind: Kind) -> Path:
    """Writes the file; its moov box, if it has one, comes first, so that a pipe can read it."""
    path = folder / f"a.{kind.suffix}"
    options = {"movflags": "faststart"} if kind.suffix in {"mp4", "mov"} else {}
    with av.open(str(path), "w", container_options=options) as container:
        quiet = {"x265-params": "log-level=none"} if kind.codec == "libx265" else {}
        video = container.add_stream(kind.codec, rate=25, options=quiet)
        video.width, video.height, video.pix_fmt = 64, 48, kind.pixels
        video.codec_context.gop_size = 8
        if kind.codec not in {"libvpx", "libvpx-vp9"}:
            video.codec_context.max_b_frames = kind.b_frames
        sound = container.add_stream(kind.sound, rate=48000) if kind.sound else None
        for frame in frames(kind):
            container.mux(video.encode(frame))
            if sound is not None:
                container.mux(sound.encode(silence(sound, frame.pts)))
        container.mux(video.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))
    return path


def silence(sound: av.AudioStream, stamp: int) -> av.AudioFrame:
    """Returns the sound beside a frame, 40 ms of it."""
    frame = av.AudioFrame(format=sound.format, layout=sound.layout, samples=1920)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.sample_rate, frame.pts, frame.time_base = 48000, 1920 * stamp, Fraction(1, 48000)
    return frame


class Once(io.BytesIO):
    """Bytes that can be read once, as from a pipe."""

    def seekable(self) -> bool:
        return False


def outline(frames: list[Frame]) -> list[tuple[int, float, bytes]]:
    return [(frame.index, round(frame.time_s, 6), frame.image.tobytes()) for frame in frames]


def whole(path: Path) -> list[tuple[int, float, bytes]]:
    with VideoFile(path) as video:
        frames = list(video)
        assert video.skipped == 0
    return outline(frames)


def check_same_everywhere(path: Path) -> list[tuple[int, float, bytes]]:
    """Returns the frames of a whole run, after comparing a pipe's and those of later starts."""
    frames = whole(path)
    assert [index for index, *_ in frames] == list(range(len(frames)))
    assert all(later > time_s for (_, time_s, _), (_, later, _) in itertools.pairwise(frames))
    with Pipe(file=Once(path.read_bytes())) as pipe:
        assert outline(list(pipe)) == frames
        assert pipe.skipped == 0
    for first in {1, len(frames) // 3, len(frames) // 2, 2 * len(frames) // 3, len(frames) - 1}:
        with VideoFile(path, start_s=frames[first][1] - 1e-4) as video:
            assert outline(list(video)) == frames[first:], first
            assert video.skipped == 0
    return frames


@pytest.mark.parametrize("kind", SANE, ids=str)
def test_sane_files(tmp_path: Path, kind: Kind) -> None:
    frames = check_same_everywhere(make(tmp_path, kind))
    assert len(frames) == len(kind.stamps)
    if kind.suffix in {"h264", "mjpeg"}:  # raw: counted by their rate
        return
    expected = [stamp / 25 for stamp in kind.stamps]
    assert [time_s for _, time_s, _ in frames] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize("kind", JOINABLE, ids=str)
def test_joined_recordings_go_on(tmp_path: Path, kind: Kind, parts: int) -> None:
    path = make(tmp_path, kind)
    path.write_bytes(path.read_bytes() * parts)
    times = [time_s for _, time_s, _ in check_same_everywhere(path)]
    length = kind.stamps[-1] + 1
    expected = [(part * length + stamp) / 25 for part in range(parts) for stamp in kind.stamps]
    assert times == pytest.approx(expected, abs=1e-3)


def shifted(path: Path, target: Path, seconds: float) -> Path:
    """Writes a transport stream whose clock is later by so many seconds."""
    options = {"mpegts_copyts": "1"}
    with av.open(str(path)) as source, av.open(str(target), "w", container_options=options) as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                packet.pts += round(90_000 * seconds)
                packet.dts += round(90_000 * seconds)
                packet.stream = copy
                out.mux(packet)
    return target


WRAP_S = 2**33 / 90_000


@pytest.mark.parametrize(
    ("first_s", "second_s"),
    [
        (3600.0, 0.0),  # lower: libavformat takes it for a clock that wrapped around
        (WRAP_S - 0.5, 0.0),
        (0.0, WRAP_S - 0.5),
        (0.3, 0.1),
    ],
)
def test_parts_that_begin_anywhere(tmp_path: Path, first_s: float, second_s: float) -> None:
    path = make(tmp_path, Kind("ts", "libx264", 2))
    first = shifted(path, tmp_path / "first.ts", first_s).read_bytes()
    second = shifted(path, tmp_path / "second.ts", second_s).read_bytes()
    both = tmp_path / "both.ts"
    both.write_bytes(first + second)
    times = [time_s for _, time_s, _ in check_same_everywhere(both)]
    assert times == pytest.approx([n / 25 for n in range(48)], abs=1e-4)


def test_a_clock_that_wraps_around(tmp_path: Path) -> None:
    path = make(tmp_path, Kind("ts", "libx264", 2))
    times = check_same_everywhere(shifted(path, tmp_path / "wrap.ts", WRAP_S - 0.5))
    assert [time_s for _, time_s, _ in times] == pytest.approx([n / 25 for n in range(24)])


@pytest.mark.parametrize(("gap_s", "is_reported"), [(5.0, False), (7200.0, True)])
def test_a_clock_that_jumps_forward_keeps_its_gap(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, gap_s: float, is_reported: bool
) -> None:
    path = make(tmp_path, Kind("ts", "libx264", 2))
    both = tmp_path / "both.ts"
    both.write_bytes(path.read_bytes() + shifted(path, tmp_path / "b.ts", gap_s).read_bytes())
    frames = whole(both)
    assert [index for index, *_ in frames] == list(range(48))
    assert frames[24][1] == pytest.approx(gap_s, abs=0.2)
    assert ("its clock jumps forward by 2.0 hours" in caplog.text) == is_reported


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg", "libx264"])
def test_an_avi_whose_slots_are_not_all_filled(tmp_path: Path, codec: str) -> None:
    # A camera that dropped frames, or whose packets count 0, 2, 4 in half of their interval.
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    for stamps in ((0, 1, 2, 10, 11, 12, 20), tuple(range(0, 30, 2))):
        path = make(tmp_path, Kind("avi", codec, stamps=stamps, pixels=pixels))
        times = [time_s for _, time_s, _ in check_same_everywhere(path)]
        assert times == pytest.approx([stamp / 25 for stamp in stamps])


CUT = [
    Kind("mp4", "libx264", 2, sound="aac"),
    Kind("mov", "mjpeg", pixels="yuvj420p"),
    Kind("mkv", "libx264", 2),
    Kind("webm", "libvpx"),
    Kind("avi", "mpeg4"),
    Kind("avi", "libx264", 2),
    Kind("flv", "flv"),
]


@pytest.mark.parametrize("kind", CUT, ids=str)
def test_a_truncated_file_reports_where(tmp_path: Path, kind: Kind) -> None:
    path = make(tmp_path, replace(kind, noise=True))
    data = path.read_bytes()
    expected = len(whole(path))
    path.write_bytes(data[: len(data) * 6 // 10])
    frames: list[Frame] = []
    said = r"ends early, at 0\.\d of 1\.0 s"
    with VideoFile(path) as video, pytest.raises(SourceError, match=said):
        frames.extend(video)
    assert 2 < len(frames) < expected
    assert video.skipped == 0
    piped: list[Frame] = []
    with Pipe(file=Once(path.read_bytes())) as pipe, pytest.raises(SourceError, match=said):
        piped.extend(pipe)
    assert outline(piped) == outline(frames)


@pytest.mark.parametrize("kind", JOINABLE, ids=str)
def test_files_without_a_declared_length_are_never_called_truncated(
    tmp_path: Path, kind: Kind
) -> None:
    path = make(tmp_path, replace(kind, noise=True))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 10])
    with VideoFile(path) as video:
        assert 0 < len(list(video)) < len(kind.stamps)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_sound_that_lasts_longer_than_the_frames_is_no_early_end(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("libmp3lame", rate=48000)
        for frame in frames(Kind(suffix, "mpeg4")):
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for stamp in range(75):
            container.mux(sound.encode(silence(sound, stamp)))
        container.mux(sound.encode(None))
    assert len(whole(path)) == 24
    data = path.read_bytes()
    if suffix != "mp4":  # there the index, at the end, is needed
        path.write_bytes(data[:-60])
        assert len(whole(path)) == 24


def test_a_fragmented_file_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    options = {"movflags": "frag_keyframe+empty_moov"}
    with av.open(str(path), "w", container_options=options) as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.gop_size = 8
        for frame in frames(Kind("mp4", "mpeg4")):
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    data = path.read_bytes()
    assert len(whole(path)) == 24
    second = data.index(b"moof", data.index(b"moof") + 4)
    path.write_bytes(data[: second + 20])
    with VideoFile(path) as video, pytest.raises(SourceError, match=r"ends early, at 0\.3 s"):
        list(video)


def test_a_slow_time_lapse_is_no_clock_that_jumps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "lapse.avi"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mjpeg", rate=Fraction(1, 900))
        video.width, video.height, video.pix_fmt = 64, 48, "yuvj420p"
        for frame in itertools.islice(frames(Kind("avi", "mjpeg", pixels="yuvj420p")), 6):
            frame.time_base = Fraction(900)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    times = [time_s for _, time_s, _ in check_same_everywhere(path)]
    assert times == [900.0 * n for n in range(6)]
    assert not caplog.messages


def test_a_damaged_avi_starts_where_a_whole_run_is_at_that_time(tmp_path: Path) -> None:
    path = make(tmp_path, Kind("avi", "mjpeg", pixels="yuvj420p", noise=True))
    data = bytearray(path.read_bytes())
    damage = range(len(data) // 2, len(data) // 2 + len(data) // 6)
    data[damage.start : damage.stop] = bytes(len(damage))  # the index still names its frames
    path.write_bytes(data)
    with VideoFile(path) as video:
        frames = outline(list(video))
    assert len(frames) < 24
    with VideoFile(path, start_s=frames[-3][1] - 1e-4) as video:
        assert [frame[:2] for frame in outline(list(video))] == [f[:2] for f in frames[-3:]]


def test_damaged_matroska_that_ends_before_its_length_says_so(tmp_path: Path) -> None:
    slow = tuple(range(0, 96, 4))
    path = make(tmp_path, Kind("mkv", "mpeg4", 0, slow, noise=True))
    assert len(whole(path)) == 24
    data = bytearray(path.read_bytes())
    damage = range(round(0.75 * len(data)), round(0.95 * len(data)))
    data[damage.start : damage.stop] = bytes(len(damage))
    path.write_bytes(data)
    frames: list[Frame] = []
    with (
        VideoFile(path) as video,
        pytest.raises(SourceError, match=r"ends early, at \d\.\d of 3\.7"),
    ):
        frames.extend(video)
    assert 12 < len(frames) < 20


def test_a_last_frame_that_stands_long_is_no_early_end(tmp_path: Path) -> None:
    path = make(tmp_path, Kind("mkv", "mpeg4", 0, (*range(23), 150), "aac", noise=True))
    with VideoFile(path) as video:
        assert [frame.time_s for frame in video][-1] == pytest.approx(6.0, abs=1e-3)
