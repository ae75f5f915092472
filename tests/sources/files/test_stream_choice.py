"""Which of several video streams is decoded, from files, pipes and addresses alike."""

import io
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from av.stream import Disposition

from tests.sources.clips import Stream, write_streams
from tests.stream_server import FolderServer
from tracker.config.build import open_source
from tracker.config.run import load_config
from tracker.errors import ConfigError, SourceError
from tracker.frames import Frame, Source
from tracker.sources.files.decoding import Decoding
from tracker.sources.files.video_file import VideoFile
from tracker.sources.live.stream import NetworkStream
from tracker.sources.pipe import Pipe

DEFAULT = Disposition.default
FILM_GREY = 160
FILM = Stream((96, 64), 12, FILM_GREY)
FLAGGED = Stream((96, 64), 12, FILM_GREY, DEFAULT)


def other(size: tuple[int, int], count: int, flags: Disposition | None = None) -> Stream:
    return Stream(size, count, 60, flags)


def greys(frames: list[Frame]) -> set[int]:
    return {round(float(frame.image.mean()), -1) for frame in frames}


CASES = {
    "a small one comes first": (other((64, 48), 12), FILM),
    "a larger one is not the default": (other((128, 96), 12), FLAGGED),
    "a default thumbnail comes first": (other((64, 48), 1, DEFAULT), FLAGGED),
    "a thumbnail is larger and default": (other((128, 96), 1, DEFAULT), FLAGGED),
    "a thumbnail is larger": (other((128, 96), 1), FILM),
    "a thumbnail alone is default": (other((128, 96), 1, DEFAULT), FILM),
    "the film comes first": (FILM, other((64, 48), 12)),
    "two are default": (other((64, 48), 12, DEFAULT), FLAGGED),
    "of two equal ones the first": (FILM, other(FILM.size, 12)),
}


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "ts"])
@pytest.mark.parametrize("case", CASES)
def test_the_main_film_is_chosen(
    tmp_path: Path, case: str, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    streams = CASES[case]
    if suffix == "ts" and case == "a larger one is not the default":
        pytest.skip("MPEG-TS has no flag for it")
    if suffix in {"mp4", "mov"} and case == "a small one comes first":
        pytest.skip("the first one is flagged as default where none is")
    path = write_streams(tmp_path / f"two.{suffix}", *streams)
    with caplog.at_level(logging.INFO, "tracker"), VideoFile(path) as video:
        assert (video.info.width, video.info.height) == FILM.size
        frames = list(video)
    assert len(frames) == FILM.count
    assert greys(frames) == {FILM_GREY}
    (note,) = caplog.messages
    number = [stream.grey for stream in streams].index(FILM_GREY)
    assert note.startswith(f"{path}: 2 video streams (v:0 ")
    assert f"; took v:{number}, " in note


def test_covers_are_not_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cover = Stream((128, 96), 1, 60, Disposition.attached_pic, "mjpeg")
    path = write_streams(tmp_path / "cover.mp4", cover, FILM)
    with caplog.at_level(logging.INFO, "tracker"), VideoFile(path) as video:
        assert greys(list(video)) == {FILM_GREY}
    assert not caplog.messages


def piped(path: Path, decoding: Decoding) -> Source:
    return Pipe(decoding=decoding, file=io.BytesIO(path.read_bytes()))


def on_disk(path: Path, decoding: Decoding) -> Source:
    return VideoFile(path, decoding=decoding)


@pytest.mark.parametrize("open_", [piped, on_disk])
def test_a_number_chooses(tmp_path: Path, open_: Callable[[Path, Decoding], Source]) -> None:
    path = write_streams(tmp_path / "two.mkv", FLAGGED, other((64, 48), 5))
    with open_(path, Decoding(video_stream=1)) as source:
        assert (source.info.width, source.info.height) == (64, 48)
        assert greys(list(source)) == {60}
    with pytest.raises(SourceError) as raised, open_(path, Decoding(video_stream=2)):
        pass
    assert "expected one of its 2 video streams (v:0 96x64 mpeg4, v:1 64x48 mpeg4), got 2" in str(
        raised.value
    )
    assert raised.value.exit_code == 2


def test_pipes_take_the_film_and_say_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_streams(tmp_path / "two.mkv", other((64, 48), 1, DEFAULT), FLAGGED)
    with caplog.at_level(logging.INFO, "tracker"), piped(path, Decoding()) as pipe:
        assert greys(list(pipe)) == {FILM_GREY}
    assert len(caplog.messages) == 1
    assert "v:0 64x48 mpeg4 thumbnail" in caplog.messages[0]


def test_files_behind_an_address_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_streams(tmp_path / "two.mp4", other((64, 48), 5, DEFAULT), FILM)
    with FolderServer(tmp_path) as server:
        address = server.address("two.mp4")
        with caplog.at_level(logging.INFO, "tracker"), NetworkStream(address) as stream:
            assert greys(list(stream)) == {60}
        assert len(caplog.messages) == 1
        with NetworkStream(address, decoding=Decoding(video_stream=1)) as stream:
            assert greys(list(stream)) == {FILM_GREY}
        with pytest.raises(SourceError, match="v:1 96x64 mpeg4"):
            NetworkStream(address, decoding=Decoding(video_stream=7))


def test_the_setting_reaches_the_source(tmp_path: Path) -> None:
    path = write_streams(tmp_path / "two.mkv", FLAGGED, other((64, 48), 5))
    config = load_config(overrides=["source.video_stream=1"])
    with open_source(str(path), config) as source:
        assert (source.info.width, source.info.height) == (64, 48)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"source\.video_stream needs a video file"):
        open_source(str(tmp_path / "a.png"), config)
    with pytest.raises(ConfigError, match=r"source\.video_stream: expected a number from 0"):
        load_config(overrides=["source.video_stream=-1"])


def test_the_film_after_a_jpeg_thumbnail(tmp_path: Path) -> None:
    thumbnail = Stream((160, 120), 1, 60, codec="mjpeg")
    film = Stream((480, 360), 30, FILM_GREY, DEFAULT, "libx264")
    with VideoFile(write_streams(tmp_path / "two.mp4", thumbnail, film)) as video:
        assert (video.info.width, video.info.height) == film.size
        frames = list(video)
    assert len(frames) == film.count
    assert greys(frames) == {FILM_GREY}


def test_a_stream_without_a_decoder_is_left_out(tmp_path: Path) -> None:
    path = write_streams(tmp_path / "two.mp4", other((128, 96), 12, DEFAULT), FILM)
    content = path.read_bytes()
    at = content.index(b"mp4v")  # the first stream's entry in the table of samples
    esds = content.index(b"esds", at)
    content = content[:at] + b"zzzz" + content[at + 4 : esds] + b"free" + content[esds + 4 :]
    path.write_bytes(content)
    with VideoFile(path) as video:
        assert greys(list(video)) == {FILM_GREY}
    with pytest.raises(SourceError, match=r"cannot decode its video codec.*v:1 96x64 mpeg4"):
        VideoFile(path, decoding=Decoding(video_stream=0))
