"""What `tracker batch` must not destroy, repeat for ever, or end for."""

import json
import logging
import os
import shutil
from pathlib import Path

import pytest

from tests.cli import lines_of
from tests.cli.batch.breaking import Breaking
from tests.conftest import moving_square, write_clip
from tracker.cli.batch.engine import ATTEMPTS, JobQueue
from tracker.cli.batch.jobs import Job, Wanted, check_results_folder, jobs_of
from tracker.cli.batch.pieces import Piece
from tracker.cli.batch.run import BatchRequest, run_batch, write_tables
from tracker.cli.batch.table import write_table
from tracker.cli.batch.work import Outcome, State, process
from tracker.config.build import build_pipeline
from tracker.config.run import Config, load_config
from tracker.errors import ConfigError

SETTINGS = load_config(
    None, ("detector.name=motion", "embedder.name=none", "run.checkpoint_s=0.000001")
)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("film") / "in.mp4", moving_square(130))


def worked(
    job: Job,
    settings: Config = SETTINGS,
    wanted: Wanted = Wanted(),  # noqa: B008
    *,
    breaks: bool = False,
) -> Outcome:
    pipeline = build_pipeline(settings, detector=Breaking(at=110) if breaks else None)
    return process(job, pipeline, settings, wanted, lambda _: None)


def test_a_command_that_fails_at_its_start_leaves_complete_results(
    film: Path, tmp_path: Path
) -> None:
    job = Job(str(film), str(tmp_path / "in.mp4"))
    worked(job)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    zone = "analytics.zones=[{name: a, polygon: [[0, 0], [9, 0], [9, 9]], classes: [unicorn]}]"
    wrong = load_config(None, ("detector.name=motion", "embedder.name=none", zone))
    outcome = worked(job, wrong)
    assert (outcome.state, "unicorn" in outcome.reason) == (State.FAILED, True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert worked(job).state is State.SKIPPED


def test_results_of_another_video_are_not_replaced(film: Path, tmp_path: Path) -> None:
    other = write_clip(tmp_path / "in.mp4", moving_square(20))
    worked(Job(str(film), str(tmp_path / "out")))
    before = (tmp_path / "out.jsonl").read_bytes()
    outcome = worked(Job(str(other), str(tmp_path / "out")))
    assert outcome.state is State.FAILED
    assert f"the results there are of another video, {film}" in outcome.reason
    assert (tmp_path / "out.jsonl").read_bytes() == before


def test_a_video_that_was_moved_is_the_same_video(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked(Job(str(film), str(tmp_path / "out")))
    moved = shutil.copy(film, tmp_path / "moved.mp4")
    assert worked(Job(str(moved), str(tmp_path / "out"))).state is State.SKIPPED
    monkeypatch.chdir(film.parent)
    assert worked(Job("./in.mp4", str(tmp_path / "out"))).state is State.SKIPPED


def test_a_video_that_changed_in_its_place_is_made_again(film: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    shutil.copy(film, source)
    job = Job(str(source), str(tmp_path / "out"))
    worked(job)
    write_clip(source, moving_square(20))
    again = worked(job)
    assert (again.state, again.frames) == (State.DONE, 20)


@pytest.mark.parametrize("harm", ["cut", "removed", "changed", "video removed"])
def test_an_interrupted_video_whose_files_were_harmed_starts_over(
    harm: str, film: Path, tmp_path: Path
) -> None:
    wanted = Wanted(video=harm == "video removed")
    job = Job(str(film), str(tmp_path / "in.mp4"))
    assert worked(job, wanted=wanted, breaks=True).state is State.FAILED
    assert Path(f"{job.stem}.jsonl.checkpoint").stat().st_size
    recording = Path(f"{job.stem}.jsonl")
    if harm == "cut":
        os.truncate(recording, 500)
    elif harm == "removed":
        recording.unlink()
    elif harm == "changed":
        recording.write_bytes(recording.read_bytes().replace(b'"frame":9,', b'"frame":8,'))
    else:
        Path(f"{job.stem}.tracks.mp4").unlink()
    outcome = worked(job, wanted=wanted)
    assert (outcome.state, outcome.frames, outcome.processed) == (State.DONE, 130, 130)
    frames = [one["frame"] for one in lines_of(recording) if one["kind"] == "frame"]
    assert frames == list(range(130))


def test_pieces_that_an_earlier_split_has_left_are_removed(film: Path, tmp_path: Path) -> None:
    job = Job(str(film), str(tmp_path / "in.mp4"), split_s=1.0)
    worked(job.of_piece(Piece(0, 0.0, 0.0, 1.0)))
    assert Path(job.folder_of_pieces).is_dir()
    assert worked(Job(str(film), job.stem)).state is State.DONE
    assert not Path(job.folder_of_pieces).exists()


@pytest.mark.parametrize("text", ['{"ids": null}', "[" * 100_000, '{"frames": true}'])
def test_a_record_of_wrong_values_is_made_again(text: str, film: Path, tmp_path: Path) -> None:
    job = Job(str(film), str(tmp_path / "in.mp4"))
    worked(job)
    record = json.loads(Path(job.record).read_bytes())
    wrong = text if text[0] == "[" else json.dumps({**record, **json.loads(text)})
    Path(job.record).write_text(wrong, encoding="utf-8")
    assert worked(job).state is State.DONE


def test_a_video_that_others_have_stopped_is_put_back() -> None:
    job = Job("in.mp4", "out/in.mp4")
    queue, stopped = JobQueue(), Outcome("in.mp4", State.STOPPED)
    assert list(queue.ended(job, stopped, is_stopping=True)) == [stopped]
    for _ in range(ATTEMPTS - 1):
        assert list(queue.ended(job, stopped, is_stopping=False)) == []
        assert queue.take() is job
    (given_up,) = queue.ended(job, stopped, is_stopping=False)
    assert (given_up.state, "stopped by a signal" in given_up.reason) == (State.FAILED, True)


def request(out: Path, *jobs: Job) -> BatchRequest:
    return BatchRequest(jobs, SETTINGS, str(out), Wanted(), 1, progress=False)


def test_the_table_stays_where_a_command_was_stopped_or_nothing_is_complete(
    film: Path, tmp_path: Path
) -> None:
    job = Job(str(film), str(tmp_path / "in.mp4"))
    done, table = worked(job), tmp_path / "results.parquet"
    write_tables(request(tmp_path, job), [done])
    before = table.read_bytes()
    other = Job("other.mp4", str(tmp_path / "other.mp4"))
    write_tables(request(tmp_path, job, other), [done, Outcome("other.mp4", State.STOPPED)])
    write_tables(request(tmp_path, job), [Outcome(str(film), State.FAILED)])
    assert table.read_bytes() == before


def test_a_recording_that_is_gone_costs_no_table(
    film: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("pyarrow.parquet")
    job = Job(str(film), str(tmp_path / "in.mp4"))
    worked(job)
    recordings = [("gone.mp4", str(tmp_path / "gone.jsonl")), (str(film), f"{job.stem}.jsonl")]
    with caplog.at_level(logging.WARNING):
        assert write_table(tmp_path / "results.parquet", recordings)
    assert "lacks" in caplog.text
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(tmp_path / "results.parquet").to_pylist()
    assert {row["video"] for row in rows} == {str(film)}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="names are bytes")
def test_names_that_are_not_utf8_and_tables_that_cannot_be_written(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = os.path.join(os.fsencode(tmp_path), b"caf\xe9.mp4")
    shutil.copy(film, source)
    out = tmp_path / "out"
    jobs = jobs_of([os.fsdecode(source)], str(out))
    assert run_batch(request(out, *jobs)) == 0
    assert "caf\\xe9.mp4" in capsys.readouterr().out
    (row,) = json.loads((out / "batch.json").read_bytes())
    assert os.fsencode(row["source"]) == source
    (out / "batch.json").unlink()
    (out / "batch.json").mkdir()
    assert run_batch(request(out, *jobs)) == 1
    captured = capsys.readouterr()
    assert "1 skipped" in captured.out
    assert "warning" in captured.err


def test_a_folder_that_links_to_itself_is_searched_once(film: Path, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    shutil.copy(film, tmp_path / "videos" / "in.mp4")
    (tmp_path / "videos" / "loop").symlink_to(".")
    (tmp_path / "videos" / "other.mp4").symlink_to("in.mp4")
    for pattern in (tmp_path / "videos", tmp_path / "videos" / "**" / "*.mp4"):
        stems = [job.stem for job in jobs_of([str(pattern)], "out")]
        assert stems == ["out/in.mp4", "out/other.mp4"]


def test_names_that_differ_by_case_are_two_where_the_folder_tells_them_apart(
    film: Path, tmp_path: Path
) -> None:
    shutil.copy(film, tmp_path / "one.mp4")
    if (tmp_path / "ONE.mp4").exists():
        pytest.skip("a file system that ignores case")
    shutil.copy(film, tmp_path / "ONE.mp4")
    assert len(jobs_of([str(tmp_path / "*.mp4")], str(tmp_path / "out"))) == 2


def test_an_empty_folder_of_results_is_refused() -> None:
    with pytest.raises(ConfigError, match="--out: expected a folder, got an empty name"):
        check_results_folder("")
