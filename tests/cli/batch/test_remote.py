"""Videos and results in object stores: fsspec's store in memory, and addresses of plain files."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.cli import call, failure
from tests.cli.batch.breaking import Breaking
from tests.conftest import moving_square, write_clip
from tracker.cli.batch import remote_work, scratch
from tracker.cli.batch.jobs import Job, Wanted, check_results_folder, jobs_of
from tracker.cli.batch.run import BatchRequest, table_lines, write_tables
from tracker.cli.batch.scratch import scratch_folder
from tracker.cli.batch.work import Outcome, Progress, State, process
from tracker.config.build import build_pipeline
from tracker.config.run import load_config
from tracker.detection.motion import MotionDetector
from tracker.errors import ConfigError, OutputError, OutputTakenError, SourceError
from tracker.util.remote import exists, matches, reading, upload, write_text

fsspec = pytest.importorskip("fsspec")
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem  # noqa: E402

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


class Nas(MemoryFileSystem):
    """A store whose paths are without the host, as those of SFTP and FTP are."""

    protocol = "nas"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    def __init__(self, host: str = "", **options: Any) -> None:
        super().__init__(host=host, **options)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        inner = f"/{path.partition('://')[2].partition('/')[2]}" if "://" in path else path
        return inner.rstrip("/")

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        return {"host": path.partition("://")[2].partition("/")[0]}


class Web(MemoryFileSystem):
    """A store that knows files by their whole address, as that of the web does."""

    protocol = "http"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path


@pytest.fixture
def other_stores(film: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    known = sys.modules["fsspec.registry"]._registry
    for store in (Nas, Web):
        monkeypatch.setitem(known, store.protocol, store)
    fsspec.filesystem("nas").pipe("/videos/in.mp4", film.read_bytes())
    yield
    for store in (Nas, Web):
        store.store.clear()


def test_the_host_of_a_store_stays_in_the_address(other_stores: None) -> None:
    for pattern in ("nas://me:pw@disk/videos/*.mp4", "nas://me:pw@disk/videos/in.mp4"):
        assert stems(pattern) == {"nas://me:pw@disk/videos/in.mp4": "memory://out/in.mp4"}


def test_a_query_is_no_pattern_and_no_part_of_the_name() -> None:
    address = "https://me:pw@host/a/in.mp4?sig=a/b*&x=[1]#t"
    assert stems(address) == {address: "memory://out/in.mp4"}
    assert stems("http://[::1]:80/in.mp4") == {"http://[::1]:80/in.mp4": "memory://out/in.mp4"}


def test_secrets_of_addresses_are_in_no_file_and_no_line(
    other_stores: None, film: Path, tmp_path: Path
) -> None:
    address = "http://user:s3cret@host/in.mp4?sig=s3cret"
    Web().store[address] = MemoryFile(Web(), address, film.read_bytes())
    Web().store[address].modified = None
    (job,) = jobs_of([address], str(tmp_path))
    outcome, _ = worked(job)
    assert (outcome.state, outcome.reason) == (State.DONE, "")
    request = BatchRequest([job], SETTINGS, str(tmp_path), Wanted(), 1)
    write_tables(request, [outcome])
    lines = [*table_lines([outcome]), *(path.read_text("latin-1") for path in tmp_path.iterdir())]
    assert len(lines) > 5
    assert [line for line in lines if "s3cret" in line] == []
    header = json.loads((tmp_path / "in.mp4.jsonl").read_bytes().splitlines()[0])
    assert header["source"] == "http://***@host/in.mp4?sig=***"
    Web().store[address] = MemoryFile(Web(), address, b"no video at all")
    failed, _ = worked(job)
    assert failed.state is State.FAILED
    assert "s3cret" not in failed.reason


def test_results_of_an_earlier_run_without_the_video_are_started_over(store: Any) -> None:
    (job,) = jobs_of(["memory://videos/a/*.mp4"], "memory://out")
    assert worked(job, Breaking())[0].state is State.FAILED
    assert store.size("/out/in.mp4.jsonl.checkpoint")
    pipeline, wanted = build_pipeline(SETTINGS), Wanted(video=True)
    outcome = process(job, pipeline, SETTINGS, wanted, lambda _: None)
    assert (outcome.state, outcome.frames, outcome.reason) == (State.DONE, 60, "")
    assert store.exists("/out/in.mp4.tracks.mp4")


def test_a_worker_that_is_lost_while_it_copies_results_back_spoils_nothing(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the name of the video in its header the recording is longer than when it was run."""
    (job,) = jobs_of(["memory://videos/a/*.mp4"], "memory://out")
    assert worked(job, Breaking())[0].state is State.FAILED

    def lost(path: str) -> None:
        raise KeyboardInterrupt(path)

    with monkeypatch.context() as patched:
        patched.setattr(remote_work, "remove", lost)  # as the checkpoint is about to be removed
        with pytest.raises(KeyboardInterrupt):
            worked(job)
    assert store.exists("/out/in.mp4.jsonl.checkpoint")
    again, _ = worked(job)
    assert (again.state, again.frames) == (State.DONE, 60)
    lines = [json.loads(line) for line in store.cat("/out/in.mp4.jsonl").splitlines()]
    assert [one["frame"] for one in lines if one["kind"] == "frame"] == list(range(60))


def test_a_folder_for_copies_is_of_one_job_and_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "_PATIENCE_S", 0.2)
    job = Job("memory://videos/in.mp4", "results/in.mp4")
    (tmp_path / "elsewhere").mkdir()
    with scratch_folder(job) as folder:
        (folder / "file").touch()
        assert folder.parent.stat().st_mode & 0o077 == 0
        with pytest.raises(OutputTakenError, match="another process on this machine"):
            with scratch_folder(job):
                pass
        with monkeypatch.context() as other:
            other.chdir(tmp_path / "elsewhere")  # The same words there are other results.
            with scratch_folder(job) as theirs:
                assert theirs != folder
        assert (folder / "file").exists()
    assert list(folder.parent.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="a folder for each user")
def test_a_folder_that_another_made_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "theirs").mkdir()
    (tmp_path / f"tracker-batch-{os.getuid()}").symlink_to(tmp_path / "theirs")
    with pytest.raises(OutputError, match="belongs to another user"):
        with scratch_folder(Job("memory://in.mp4", "memory://out/in.mp4")):
            pass


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
