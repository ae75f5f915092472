"""What `--resume`, and a run that fails, must not destroy or take for something else."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli import lines_of
from tests.cli.run.resuming import (
    config,
    interrupted,
    outputs,
    stamps,
    texts,
    whole,
    with_zones,
)
from tests.conftest import moving_square, write_clip
from tracker.analytics.settings import AnalyticsSettings
from tracker.cli.run.outputs import Outputs
from tracker.config.run import Config
from tracker.errors import ConfigError, NotResumableError, OutputError
from tracker.sinks.csv_table import CsvSink


@pytest.fixture
def cut(film: Path, tmp_path: Path) -> Outputs:
    """The outputs of a run that was interrupted, with a checkpoint."""
    out = outputs(tmp_path, video=None)
    interrupted(film, config(), out, 91, resume=False)
    assert Path(f"{out.json}.checkpoint").stat().st_size
    return out


def lose_a_line(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:20], *lines[21:], *lines[-40:]]))


def change_a_digit(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"frame":31,', b'"frame":13,'))


def grow_the_header(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"schema":', b'"note":"mine","schema":', 1))


@pytest.mark.parametrize("harm", [lose_a_line, change_a_digit, grow_the_header])
def test_text_that_was_changed_since_is_not_continued(
    harm: Callable[[Path], None], cut: Outputs, film: Path, tmp_path: Path
) -> None:
    harm(Path(str(cut.json)))
    before = texts(tmp_path)
    with pytest.raises(NotResumableError, match="its content was changed since"):
        whole(film, config(), cut, resume=True)
    assert texts(tmp_path) == before


def test_an_output_that_was_moved_away_may_be_put_back(
    cut: Outputs, film: Path, tmp_path: Path
) -> None:
    for name in ("out.jsonl", "out.txt", "out.csv"):
        (tmp_path / name).rename(tmp_path / f"{name}.kept")
    with pytest.raises(NotResumableError, match="No such file or directory; put it back"):
        whole(film, config(), cut, resume=True)
    for name in ("out.jsonl", "out.txt", "out.csv"):
        (tmp_path / f"{name}.kept").rename(tmp_path / name)
    assert whole(film, config(), cut, resume=True) == 0
    assert lines_of(Path(str(cut.json)))[-1]["frames"] == 160


def far_zone(settings: Config) -> Config:
    """Zones for a class that the detector does not have: an error at the first result."""
    zones = with_zones().analytics.zones
    far = AnalyticsSettings(zones=tuple(replace(zone, classes=("unicorn",)) for zone in zones))
    return replace(settings, analytics=far)


def test_a_run_that_fails_at_its_start_leaves_the_checkpoint(
    cut: Outputs, film: Path, tmp_path: Path
) -> None:
    before = texts(tmp_path)
    with pytest.raises(ConfigError, match="unicorn"):
        whole(film, far_zone(config()), cut)
    assert texts(tmp_path) == before
    assert whole(film, config(), cut, resume=True) == 0


def test_a_run_that_fails_at_its_start_leaves_no_checkpoint_beside_complete_results(
    film: Path, tmp_path: Path
) -> None:
    out = outputs(tmp_path, video=None)
    assert whole(film, config(), out) == 0
    before = texts(tmp_path)
    with pytest.raises(ConfigError, match="unicorn"):
        whole(film, far_zone(config()), out)
    assert texts(tmp_path) == before


def test_a_run_that_breaks_within_its_first_result_starts_over_with_resume(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON has the first frame, and then the memory is used up."""
    out = outputs(tmp_path, video=None)

    def fail(sink: CsvSink, result: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(CsvSink, "write", fail)
        with pytest.raises(MemoryError):
            whole(film, config(), out)
    assert Path(str(out.json)).exists()
    assert Path(f"{out.json}.checkpoint").read_bytes() == b""
    assert whole(film, config(), out, resume=True) == 0
    assert lines_of(Path(str(out.json)))[-1]["frames"] == 160


def test_a_link_stays_a_link_through_two_interruptions(film: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out.mp4").symlink_to(tmp_path / "real" / "o.mp4")
    (tmp_path / "alone").mkdir()
    out, alone = outputs(tmp_path), outputs(tmp_path / "alone")
    interrupted(film, config(), out, 91, resume=False)
    interrupted(film, config(), out, 140, resume=True)
    assert whole(film, config(), out, resume=True) == 0
    assert whole(film, config(), alone) == 0
    assert (tmp_path / "out.mp4").is_symlink()
    assert stamps(tmp_path / "real" / "o.mp4") == stamps(tmp_path / "alone" / "out.mp4")
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["o.mp4"]


@pytest.mark.parametrize("name", ["csv", "video"])
def test_files_that_do_not_say_whether_they_are_complete_are_not_called_so(
    name: str, film: Path, tmp_path: Path
) -> None:
    out = Outputs(**{name: str(tmp_path / ("out.csv" if name == "csv" else "out.mp4"))})
    assert whole(film, config(), out) == 0
    with pytest.raises(NotResumableError, match="can be told of runs with --json only"):
        whole(film, config(), out, resume=True)


def test_a_document_says_whether_it_is_complete_and_of_what(film: Path, tmp_path: Path) -> None:
    out = Outputs(json=str(tmp_path / "out.json"))
    assert whole(film, config("source.max_frames=12"), out) == 0
    assert whole(film, config("source.max_frames=12"), out, resume=True) == 0
    with pytest.raises(NotResumableError, match=r"config\.source\.max_frames is 13 now and was 12"):
        whole(film, config("source.max_frames=13"), out, resume=True)
    path = Path(str(out.json))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(NotResumableError, match="it is not complete"):
        whole(film, config("source.max_frames=12"), out, resume=True)


def test_a_source_that_was_replaced_after_a_complete_run_is_seen(
    film: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.mp4", Outputs(json=str(tmp_path / "out.jsonl"))
    shutil.copy(film, source)
    os.utime(source, (1e9, 1e9))
    assert whole(source, config(), out) == 0
    assert whole(source, config(), out, resume=True) == 0
    write_clip(source, moving_square(20))
    later = os.stat(str(out.json)).st_mtime + 5
    os.utime(source, (later, later))
    with pytest.raises(NotResumableError, match=r"in\.mp4 was changed after it"):
        whole(source, config(), out, resume=True)


def test_a_video_by_another_name_is_the_same_video(
    cut: Outputs, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(film.parent)
    assert whole(Path("in.mp4"), config(), cut, resume=True) == 0


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="a system with /dev/fd")
def test_pipes_and_devices_are_written_without_checkpoints(film: Path, tmp_path: Path) -> None:
    with (tmp_path / "got").open("wb") as file:
        out = Outputs(json=f"/dev/fd/{file.fileno()}", csv=str(tmp_path / "out.csv"))
        assert whole(film, config("source.max_frames=12"), replace(out, json=os.devnull)) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["got", "out.csv"]
    reader, writer = os.pipe()
    try:
        out = Outputs(json=f"/dev/fd/{writer}")
        assert whole(film, config("source.max_frames=3"), out) == 0
        first = json.loads(os.read(reader, 1 << 20).splitlines()[0])
        assert first["kind"] == "header"
    finally:
        os.close(reader)
        os.close(writer)


def test_a_run_goes_on_where_no_checkpoint_can_be_written(
    film: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = Outputs(json=str(tmp_path / f"{'x' * 244}.jsonl"))
    assert whole(film, config("source.max_frames=12"), out) == 0
    assert [record.message[:14] for record in caplog.records] == ["no checkpoints"]
    assert lines_of(Path(str(out.json)))[-1]["frames"] == 12


@pytest.mark.parametrize("ending", [".earlier", ".part"])
def test_files_that_are_made_beside_an_output_are_never_its_source(
    ending: str, film: Path, tmp_path: Path
) -> None:
    source = tmp_path / f"out.mp4{ending}"
    shutil.copy(film, source)
    with pytest.raises(OutputError, match="cannot write"):
        whole(source, config(), Outputs(video=str(tmp_path / "out.mp4")))
    assert source.read_bytes() == film.read_bytes()


def test_no_output_has_the_name_of_a_checkpoint(film: Path, tmp_path: Path) -> None:
    out = Outputs(json=str(tmp_path / "o.jsonl"), csv=str(tmp_path / "o.jsonl.checkpoint"))
    with pytest.raises(ConfigError, match="two outputs cannot share one file"):
        whole(film, config(), out)
