"""Videos and results in object stores: fsspec's store in memory, and addresses of plain files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli import call, failure
from tests.conftest import moving_square, write_clip
from tracker.cli.batch.jobs import Job, Wanted, check_results_folder, jobs_of
from tracker.cli.batch.work import Outcome, Progress, State, process
from tracker.config.build import build_pipeline
from tracker.config.run import load_config
from tracker.detection.motion import MotionDetector
from tracker.errors import ConfigError, OutputError, SourceError
from tracker.frames import Frame
from tracker.util.remote import exists, matches, reading, upload, write_text

fsspec = pytest.importorskip("fsspec")
SETTINGS = load_config(
    None, ("detector.name=motion", "embedder.name=none", "run.checkpoint_s=0.002")
)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("film") / "in.mp4", moving_square(60))


@pytest.fixture
def store(film: Path) -> Iterator[Any]:
    """A store with two videos and a text."""
    system = fsspec.filesystem("memory")
    for name in ("videos/a/in.mp4", "videos/in.mp4"):
        system.pipe(f"/{name}", film.read_bytes())
    system.pipe("/videos/notes.txt", b"no video")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def worked(job: Job, detector: MotionDetector | None = None) -> tuple[Outcome, list[Progress]]:
    reports: list[Progress] = []
    pipeline = build_pipeline(SETTINGS, detector=detector)
    return process(job, pipeline, SETTINGS, Wanted(), reports.append), reports


def stems(pattern: str) -> dict[str, str]:
    return {job.source: job.stem for job in jobs_of([pattern], "memory://out")}


def test_patterns_and_folders(store: Any) -> None:
    inner, outer = (
        ("memory:///videos/a/in.mp4", "memory://out/a/in.mp4"),
        (*("memory:///videos/in.mp4", "memory://out/in.mp4"),),
    )
    assert stems("memory://videos/**/*.mp4") == dict([inner, outer])
    assert stems("memory://videos") == dict([inner, outer])
    assert stems("memory://videos/in.mp4") == dict([outer])
    with pytest.raises(ConfigError, match="found none"):
        stems("memory://videos/*.avi")


def test_results_are_those_of_a_local_run(store: Any, film: Path, tmp_path: Path) -> None:
    (job,) = jobs_of(["memory://videos/a/*.mp4"], "memory://out")
    outcome, _ = worked(job)
    assert (outcome.state, outcome.frames, outcome.ids) == (State.DONE, 60, 1)
    local = Job(str(film), str(tmp_path / "in.mp4"))
    worked(local)
    expected = Path(f"{local.stem}.jsonl").read_bytes().splitlines()
    found = store.cat("/out/in.mp4.jsonl").splitlines()
    assert found[1:] == expected[1:]
    header = json.loads(found[0])
    assert header.pop("source") == "memory:///videos/a/in.mp4"
    theirs = json.loads(expected[0])
    del theirs["source"]
    assert header == theirs
    assert sorted(store.ls("/out", detail=False)) == [
        *("/out/in.mp4.done.json", "/out/in.mp4.jsonl")
    ]
    assert worked(job)[0].state is State.SKIPPED
    store.pipe("/videos/a/in.mp4", b"\0" * 1000)
    assert worked(job)[0].state is State.FAILED


def test_another_worker_continues_from_the_copied_checkpoint(store: Any) -> None:
    class Breaking(MotionDetector):
        def detect(self, frames, stopwatch=None):  # type: ignore[no-untyped-def]
            if any(isinstance(one, Frame) and one.index == 40 for one in frames):
                raise RuntimeError("broken")
            return super().detect(frames, stopwatch)

    (job,) = jobs_of(["memory://videos/a/*.mp4"], "memory://out")
    outcome, _ = worked(job, Breaking())
    assert (outcome.state, outcome.reason) == (State.FAILED, "RuntimeError: broken")
    assert store.size("/out/in.mp4.jsonl.checkpoint")
    assert not store.exists("/out/in.mp4.done.json")
    after, reports = worked(job)
    assert (after.state, after.frames) == (State.DONE, 60)
    assert reports[0].frames > 5
    assert not store.exists("/out/in.mp4.jsonl.checkpoint")
    (whole,) = jobs_of(["memory://videos/a/*.mp4"], "memory://whole")
    worked(whole)
    assert store.cat("/out/in.mp4.jsonl") == store.cat("/whole/in.mp4.jsonl")


@pytest.mark.parametrize(
    ("videos", "out"), [("memory", "memory"), ("memory", "disk"), ("disk", "memory")]
)
def test_a_split_video_is_joined_in_the_store(
    videos: str, out: str, store: Any, film: Path, tmp_path: Path
) -> None:
    def done(video: str, folder: str) -> Job:
        (job,) = jobs_of([video], folder, 1.0)
        split, _ = worked(job)
        assert (split.state, len(split.pieces)) == (State.SPLIT, 2)
        parts = [job.of_piece(piece) for piece in split.pieces]
        assert [worked(part)[0].state for part in parts] == [State.DONE] * 2
        assert worked(parts[1])[0].state is State.SKIPPED
        outcome, _ = worked(job)
        assert (outcome.state, outcome.frames) == (State.DONE, 60)
        assert worked(job)[0].state is State.SKIPPED
        return job

    local = done(str(film), str(tmp_path / "local"))
    folder = "memory://out" if out == "memory" else str(tmp_path / "out")
    job = done("memory://videos/in.mp4" if videos == "memory" else str(film), folder)
    expected = Path(f"{local.stem}.jsonl").read_bytes().splitlines()
    with reading(f"{job.stem}.jsonl") as file:
        found = file.read().splitlines()
    assert found[1:] == expected[1:]
    header = json.loads(found[0])
    assert header["source"] == (job.source if videos == "memory" else str(film))
    assert header["config"]["split"] == {"piece_s": 1.0, "overlap_s": 0.5}
    assert not exists(f"{job.folder_of_pieces}/0000.jsonl")
    if out == "memory":
        left = sorted(store.ls("/out", detail=False))
        assert left == ["/out/in.mp4.done.json", "/out/in.mp4.jsonl"]


def test_a_stored_video_that_is_none_is_one_line(store: Any) -> None:
    store.pipe("/videos/in.mp4", b"no video" * 100)
    (job,) = jobs_of(["memory://videos/in.mp4"], "memory://out", 1.0)
    outcome, _ = worked(job)
    assert (outcome.state, outcome.reason) == (
        State.FAILED,
        "expected a video, got data that FFmpeg cannot read",
    )


def test_a_store_that_fails_is_one_line(store: Any, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"memory://none\.mp4: there is no such file"):
        with reading("memory://none.mp4"):
            pass
    with pytest.raises(ConfigError, match="expected an address that fsspec knows"):
        exists("nosuchstore://bucket/x")
    with pytest.raises(OutputError, match="locked"):
        upload(tmp_path, f"file://{tmp_path}/locked")
    write_text("memory://text", "å")
    assert store.cat("/text").decode() == "å"
    assert matches("memory://videos/*.txt")[1] == ["memory:///videos/notes.txt"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("rtsp://door/main",), "expected video files, got a stream"),
        (("in.mp4", "--out", "https://host/results"), "an address that cannot be written"),
    ],
)
def test_wrong_use(
    words: tuple[str, ...], message: str, store: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in failure(capsys, "batch", *words)


def test_local_folders_need_no_store() -> None:
    check_results_folder("results")


@pytest.mark.slow
def test_a_batch_on_addresses_of_files(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ("batch", f"file://{film.parent}/*.mp4", "--out", f"file://{out}", "--no-progress")
    assert call(*words, "--detector", "motion", "--workers", 1) == 0
    assert "1 video: 1 done; 60 frames" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == [
        *("batch.json", "in.mp4.done.json", "in.mp4.jsonl", "results.parquet")
    ]
    assert call(*words, "--detector", "motion", "--workers", 1) == 0
    assert "1 skipped" in capsys.readouterr().out
