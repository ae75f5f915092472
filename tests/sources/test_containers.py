"""Containers are opened whatever the encoding of their titles and comments."""

from pathlib import Path

import av
import pytest

from tests.sinks.clips import hear
from tests.sinks.results import make_result, make_run
from tests.sources.clips import write_with_sound
from tracker.sinks.video_file import VideoSink
from tracker.sources.containers import open_container
from tracker.sources.files.video_file import VideoFile

LATIN = "Gr\u00fc\u00dfe".encode("latin-1")


@pytest.fixture
def titled(tmp_path: Path) -> Path:
    """A clip whose comment is in Latin-1, as cameras and old programs write it."""
    plain = write_with_sound(tmp_path / "plain.mkv", frames=12)
    path = tmp_path / "titled.mkv"
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        target.metadata["comment"] = "#" * len(LATIN)
        streams = {one.index: target.add_stream_from_template(one) for one in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    content = path.read_bytes()
    assert content.count(b"#" * len(LATIN)) == 1
    path.write_bytes(content.replace(b"#" * len(LATIN), LATIN))
    return path


def test_a_comment_that_is_not_utf_8(titled: Path) -> None:
    with open_container(str(titled)) as container:
        assert len(container.metadata["COMMENT"]) == len(LATIN)
    with VideoFile(str(titled)) as video:
        assert sum(1 for _ in video) == 12


def test_the_sound_of_such_a_file_is_copied(titled: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    run = make_run(audio_path=str(titled))
    with VideoSink(str(out)) as sink:
        for index in range(12):
            sink.write(make_result(index, run=run))
    assert sink.status == f"{out}: 12 frames"
    assert hear(out)[0] == "aac"


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(av.FFmpegError):
        open_container(str(tmp_path / "none.mp4"))
