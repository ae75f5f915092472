"""A video on standard input."""

import gc
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.sources.clips import level, write_clip
from tests.stream_server import jpeg
from tracker.errors import SourceError
from tracker.frames import Frame
from tracker.sources.live.settings import FramePolicy, LiveSettings
from tracker.sources.pipe import Pipe
from tracker.sources.source_kind import SourceKind, source_kind


def levels(frames: list[Frame]) -> list[int]:
    """The numbers that grey levels stand for; the way through YUV takes 0 or 1 from a level."""
    return [(int(frame.image[20, 20, 0]) - level(0) + 1) // 2 for frame in frames]


@contextmanager
def piped(data: bytes, *, ends: bool = True) -> Iterator[BinaryIO]:
    """The reading end of a pipe into which a thread writes."""
    read_end, write_end = os.pipe()
    done = threading.Event()

    def write() -> None:
        with os.fdopen(write_end, "wb") as file:
            file.write(data)
            file.flush()
            if not ends:
                done.wait(20)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(read_end, "rb") as file:
        yield file
        done.set()
        thread.join(5)


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.h264", "start.mp4"])
def test_every_frame_of_a_pipe_is_read(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, count=30, faststart=name == "start.mp4")
    with piped(path.read_bytes()) as file, Pipe(file=file) as pipe:
        assert (pipe.info.source, pipe.info.is_live, pipe.info.frame_count) == ("-", False, None)
        assert (pipe.info.width, pipe.info.height, pipe.info.fps) == (64, 48, 25)
        frames = list(pipe)
        assert pipe.skipped == 0
    assert [f.index for f in frames] == list(range(30))
    assert [f.time_s for f in frames] == pytest.approx([n / 25 for n in range(30)])
    assert levels(frames) == list(range(30))
    assert all(f.captured_s is None and f.wall_time_s is None for f in frames)


def test_frames_one_after_the_other() -> None:
    data = b"".join(jpeg(level(number)) for number in range(12))
    with Pipe(file=io.BytesIO(data)) as pipe:
        frames = list(pipe)
    assert levels(frames) == list(range(12))
    assert [f.time_s for f in frames] == pytest.approx([n / 25 for n in range(12)])


def test_a_file_may_stand_for_the_pipe(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", count=12)  # its index is at its end
    with path.open("rb") as file, Pipe(file=file) as pipe:
        assert levels(list(pipe)) == list(range(12))


def test_an_mp4_with_its_index_at_the_end_has_its_own_message(tmp_path: Path) -> None:
    content = write_clip(tmp_path / "a.mp4", count=12).read_bytes()
    index = content.rindex(b"moov") - 4
    free = (2**21).to_bytes(4, "big") + b"free" + bytes(2**21 - 8)  # more than is kept to go back
    content = content[:index] + free + content[index:]
    with piped(content) as file, pytest.raises(SourceError, match="name the file in place of -"):
        Pipe(file=file)


def test_a_named_pipe_is_read_like_standard_input(tmp_path: Path) -> None:
    data, path = write_clip(tmp_path / "a.ts", count=12).read_bytes(), tmp_path / "pipe"
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    os.mkfifo(path)
    assert source_kind(str(path)) is SourceKind.PIPE
    writer = threading.Thread(target=lambda: path.write_bytes(data))
    writer.start()
    with Pipe(name=str(path)) as pipe:
        assert pipe.info.source == str(path)
        assert levels(list(pipe)) == list(range(12))
    writer.join(5)


def test_with_policy_newest_it_is_live(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.ts", count=12)
    settings = LiveSettings(policy=FramePolicy.NEWEST)
    start_s = time.monotonic()
    with piped(path.read_bytes()) as file, Pipe(settings, file=file) as pipe:
        assert pipe.info.is_live
        frames = list(pipe)
    assert len(frames) == 12
    assert all(start_s <= (f.captured_s or 0) <= time.monotonic() for f in frames)
    assert all((f.wall_time_s or 0) > 1.7e9 for f in frames)


@pytest.mark.parametrize("data", [b"", b"hello world " * 1000])
def test_files_that_are_not_videos_are_refused(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"^-: expected a video, got ") as caught:
        Pipe(file=io.BytesIO(data))
    assert "\n" not in str(caught.value)


def test_a_writer_that_writes_nothing() -> None:
    with pytest.raises(SourceError, match=r"got nothing \(0 bytes\); check the program"):
        Pipe(file=io.BytesIO())


def test_a_file_that_only_the_pipe_holds_stays_open(tmp_path: Path) -> None:
    file = write_clip(tmp_path / "a.mkv", count=12).open("rb")
    with closing(file.raw), Pipe(file=file) as pipe:
        del file
        gc.collect()
        assert len(list(pipe)) == 12


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(5, "the disk is gone"), "^-: reading broke off; check"),
        (RuntimeError("an internal fault"), "^an internal fault$"),
    ],
)
def test_errors_while_reading_reach_the_reader(
    tmp_path: Path, error: Exception, message: str
) -> None:
    data = write_clip(tmp_path / "a.ts", count=50).read_bytes()

    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > len(data) // 2:
                raise error
            return super().read(min(size or 0, 2000))

        def seekable(self) -> bool:
            return False

    kind = SourceError if isinstance(error, OSError) else RuntimeError
    with Pipe(file=Breaking(data)) as pipe, pytest.raises(kind, match=message):
        list(pipe)


def test_frames_begin_at_a_keyframe(tmp_path: Path) -> None:
    data = write_clip(tmp_path / "a.ts", count=60).read_bytes()  # a keyframe every 12 frames
    middle = len(data) * 2 // 5 // 188 * 188
    with Pipe(file=io.BytesIO(data[middle:])) as pipe:
        frames = list(pipe)
    first = levels(frames)[0]
    assert 0 < first < 48
    assert first % 12 == 0
    assert levels(frames) == list(range(first, 60))


def test_closing_ends_the_wait_for_a_writer(tmp_path: Path) -> None:
    data = write_clip(tmp_path / "a.ts", count=80).read_bytes()
    with piped(data, ends=False) as file:
        pipe = Pipe(file=file)
        seen = []
        thread = threading.Thread(target=lambda: seen.extend(pipe))
        thread.start()
        while not seen:
            time.sleep(0.005)
        start = time.monotonic()
        pipe.close()
        thread.join(5)
        assert not thread.is_alive()
        assert time.monotonic() - start < 2


PROGRAM = """
from tracker.sources.pipe import Pipe
with Pipe() as pipe:
    frames = iter(pipe)
    print(len([next(frames) for _ in range(5)]))
"""


@pytest.mark.slow
def test_standard_input_and_leaving_while_the_writer_goes_on(tmp_path: Path) -> None:
    data = write_clip(tmp_path / "a.ts", count=80).read_bytes()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        process.stdin.write(data)
        process.stdin.flush()
        assert process.stdout.read() == b"5\n"
        assert process.wait(10) == 0  # a thread that still reads must not stop Python from ending
        assert process.stderr.read() == b""


def test_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SourceError, match=r"^-: expected a video piped in, got nothing; try: "):
        Pipe()
