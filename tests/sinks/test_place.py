"""Places of outputs: existing files, locks between processes and sinks, files that disappear."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.sinks.results import make_result
from tracker.errors import OutputError, OutputTakenError
from tracker.sinks.csv_table import CsvSink
from tracker.sinks.json_document import JsonSink
from tracker.sinks.json_lines import JsonLinesSink
from tracker.sinks.mot_text import MotTextSink
from tracker.sinks.place import Existing, Place, claimed
from tracker.sinks.video_file import VideoSink

HOLD = """
import sys
from tracker.sinks.place import Place
place = Place(sys.argv[1])
file = place.open() if sys.argv[2] == "open" else None
print("held", flush=True)
sys.stdin.read()
"""
SINKS = [JsonLinesSink, JsonSink, MotTextSink, CsvSink, VideoSink]
AnySink = Callable[..., "JsonLinesSink | JsonSink | MotTextSink | CsvSink | VideoSink"]


def path_of(kind: AnySink, folder: Path) -> Path:
    return folder / ("out.mp4" if kind is VideoSink else "out.json")


def test_nothing_is_made_before_it_is_opened(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "x" / "a"))
    place.release()
    place.release()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", ["wait", "open"])
def test_another_process_that_writes_the_file_is_named(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    program = [sys.executable, "-c", HOLD, str(path), how]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        before = path.read_bytes()
        with pytest.raises(OutputTakenError, match=f"process {holder.pid} is writing it"):
            Place(str(path))
        assert path.read_bytes() == before
        holder.kill()
    Place(str(path)).release()  # the system freed it
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_file_that_another_one_began_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    first, second = Place(str(path)), Place(str(path))
    with first.open() as file:
        file.write(b"1")
        with pytest.raises(OutputTakenError, match="this program itself is writing it"):
            second.open()
        assert path.read_bytes() == b"1"
    with second.open():
        assert path.read_bytes() == b""


def test_a_place_that_is_dropped_is_free(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    Place(str(path))
    Place(str(path)).release()


def test_what_exists_is_replaced_with_a_line_or_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(OutputTakenError, match="it exists, and --no-clobber keeps it"):
        Place(str(path), Existing.REFUSE)
    place = Place(str(path))
    assert path.read_bytes() == b"old"
    assert not caplog.messages
    place.open().close()
    assert path.read_bytes() == b""
    assert caplog.messages == [f"{path}: the existing file is replaced"]


def test_a_file_that_appears_meanwhile_is_refused_as_well(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "a"), Existing.REFUSE)
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(OutputTakenError, match="it exists"):
        place.open()
    assert (tmp_path / "a").read_bytes() == b"old"


def test_devices_are_neither_locked_nor_refused() -> None:
    first, second = (Place(os.devnull, Existing.REFUSE) for _ in range(2))
    with first.open(), second.open() as file:
        file.write(b"x")
        second.check_in_place(file)


def test_a_block_that_replaces_a_file_keeps_others_away(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with claimed(str(path)), pytest.raises(OutputTakenError), claimed(str(path)):
        pass
    with pytest.raises(OutputTakenError, match="it exists"), claimed(str(path), Existing.REFUSE):
        pass


@pytest.mark.parametrize("kind", SINKS)
def test_every_sink_keeps_what_exists_where_it_shall(kind: AnySink, tmp_path: Path) -> None:
    path = path_of(kind, tmp_path)
    path.write_bytes(b"old")
    with pytest.raises(OutputTakenError, match="it exists"):
        kind(str(path), existing=Existing.REFUSE)
    with kind(str(path)), pytest.raises(OutputTakenError, match="is writing it"):
        kind(str(path))
    with kind(str(path)):
        pass
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("at_once", [True, False], ids=["while writing", "before closing"])
@pytest.mark.parametrize("kind", SINKS)
def test_a_file_that_was_removed_is_not_written(
    kind: AnySink, tmp_path: Path, at_once: bool
) -> None:
    path = path_of(kind, tmp_path)
    sink = kind(str(path))
    sink.write(make_result(0))
    path.unlink()
    end = partial(sink.write, make_result(1)) if at_once else sink.close
    with pytest.raises(OutputError, match="it was removed while it was being written"):
        end()
    sink.close()
    assert "lost" in sink.status
    assert not path.exists()


@pytest.mark.parametrize("kind", SINKS)
def test_a_file_that_was_renamed_is_not_at_its_place(kind: AnySink, tmp_path: Path) -> None:
    path = path_of(kind, tmp_path)
    sink = kind(str(path))
    for index in range(3):
        sink.write(make_result(index))
    path.rename(tmp_path / "elsewhere")
    path.write_bytes(b"of another program")
    with pytest.raises(OutputError, match="it was renamed while it was being written"):
        sink.close()
    assert "lost" in sink.status
    assert path.read_bytes() == b"of another program"
