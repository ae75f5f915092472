"""One video after another with one pipeline."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli import lines_of
from tests.cli.batch.breaking import Breaking
from tests.conftest import moving_square, write_clip
from tracker.cli.batch.jobs import Job, Wanted
from tracker.cli.batch.work import Outcome, Progress, State, process
from tracker.cli.run.one import RunRequest
from tracker.cli.run.one import run as run_one
from tracker.config.build import build_pipeline
from tracker.config.run import Config, load_config

MOTION = ("detector.name=motion", "embedder.name=none", "run.checkpoint_s=0.000001")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("film") / "in.mp4", moving_square(60))


def config(*words: str) -> Config:
    return load_config(None, (*MOTION, *words))


def worked(job: Job, settings: Config) -> tuple[Outcome, list[Progress]]:
    reports: list[Progress] = []
    outcome = process(job, build_pipeline(settings), settings, Wanted(), reports.append)
    return outcome, reports


def test_complete_results_are_skipped_until_something_changes(film: Path, tmp_path: Path) -> None:
    job = Job(str(film), str(tmp_path / "out" / "in.mp4"))
    (first, reports), alone = worked(job, config()), tmp_path / "alone.jsonl"
    assert (first.state, first.frames, first.ids) == (State.DONE, 60, 1)
    assert first.processed == 60
    assert (reports[0].frames, reports[0].of) == (1, 60)
    assert json.loads(Path(job.record).read_bytes())["frames"] == 60
    call_alone(film, alone)
    assert Path(f"{job.stem}.jsonl").read_bytes() == alone.read_bytes()
    again, reports = worked(job, config())
    assert (again.state, again.frames, again.ids, reports) == (State.SKIPPED, 60, 1, [])
    other, _ = worked(job, config("tracking.max_age_s=1"))
    assert other.state is State.DONE


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def overwrite(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"footer", b"f00ter"))


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (cut, "was complete with [0-9]+ bytes and has [0-9]+"),
        (overwrite, "was changed since it was complete"),
        (Path.unlink, "is missing"),
    ],
)
def test_damaged_results_are_made_again_and_that_is_said(
    film: Path, tmp_path: Path, harm: Callable[[Path], None], reason: str
) -> None:
    job = Job(str(film), str(tmp_path / "in.mp4"))
    worked(job, config())
    recording = Path(f"{job.stem}.jsonl")
    whole = recording.read_bytes()
    harm(recording)
    again, _ = worked(job, config())
    assert again.state is State.DONE
    assert re.fullmatch(f"made again: {re.escape(str(recording))} {reason}", again.reason)
    assert recording.read_bytes() == whole
    assert worked(job, config())[0].state is State.SKIPPED


def test_each_file_of_the_results_is_recorded(film: Path, tmp_path: Path) -> None:
    job, wanted = Job(str(film), str(tmp_path / "in{}.mp4")), Wanted(video=True)
    pipeline = build_pipeline(config())
    assert process(job, pipeline, config(), wanted, lambda progress: None).state is State.DONE
    files = json.loads(Path(job.record).read_bytes())["files"]
    assert list(files) == [".jsonl", ".tracks.mp4"]
    video = Path(f"{job.stem}.tracks.mp4")
    assert files[".tracks.mp4"]["bytes"] == video.stat().st_size
    cut(video)
    again = process(job, pipeline, config(), wanted, lambda progress: None)
    assert (again.state, f"{video} was complete" in again.reason) == (State.DONE, True)


def test_a_record_that_is_no_record_is_made_again(film: Path, tmp_path: Path) -> None:
    job = Job(str(film), str(tmp_path / "in.mp4"))
    for text in ("", "[]", '{"identity": {}, "frames": 1, "ids": 1, "files": []}'):
        Path(job.record).write_text(text)
        assert worked(job, config())[0].state is State.DONE


def call_alone(film: Path, out: Path) -> None:
    from tracker.cli.run.outputs import Outputs

    request = RunRequest((str(film),), config(), Outputs(json=str(out)), progress=False)
    assert run_one(request) == 0


def test_a_file_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_bytes(b"no video at all")
    outcome, _ = worked(Job(str(tmp_path / "in.mp4"), str(tmp_path / "out")), config())
    assert outcome.state is State.FAILED
    assert "expected a video, got text" in outcome.reason
    missing, _ = worked(Job(str(tmp_path / "gone.mp4"), str(tmp_path / "gone")), config())
    assert missing.state is State.FAILED


def test_a_record_that_cannot_be_written_fails_its_video_alone(film: Path, tmp_path: Path) -> None:
    job = Job(str(film), str(tmp_path / "in.mp4"))
    Path(f"{job.record}.part").mkdir()
    outcome, _ = worked(job, config())
    assert outcome.state is State.FAILED
    assert "Is a directory" in outcome.reason


def test_an_interrupted_video_continues(film: Path, tmp_path: Path) -> None:
    job, settings = Job(str(film), str(tmp_path / "in")), config()
    broken = build_pipeline(settings, detector=Breaking())
    outcome = process(job, broken, settings, Wanted(), lambda progress: None)
    assert (outcome.state, outcome.reason) == (State.FAILED, "RuntimeError: broken")
    assert Path(f"{job.stem}.jsonl.checkpoint").stat().st_size
    after, reports = worked(job, settings)
    assert after.state is State.DONE
    assert reports[0].frames > 30
    # Frames a second are of the frames of this run.
    assert after.processed == 60 - (reports[0].frames - 1) < after.frames
    lines = lines_of(Path(f"{job.stem}.jsonl"))
    assert [line["frame"] for line in lines if line["kind"] == "frame"] == list(range(60))
    assert lines[-1]["complete"] is True


def test_a_checkpoint_of_other_settings_starts_over(film: Path, tmp_path: Path) -> None:
    job = Job(str(film), str(tmp_path / "in"))
    Path(f"{job.stem}.jsonl.checkpoint").write_bytes(b"of another version")
    outcome, reports = worked(job, config())
    assert (outcome.state, outcome.frames, reports[0].frames) == (State.DONE, 60, 1)
