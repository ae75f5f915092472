"""`tracker batch` as a whole, with real processes."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.cli import call
from tests.conftest import moving_square, write_clip
from tracker.cli.batch.jobs import Wanted, jobs_of
from tracker.cli.batch.local import Pool, cores_of
from tracker.cli.batch.run import table_lines
from tracker.cli.batch.table import write_table
from tracker.cli.batch.work import Outcome, Progress, State
from tracker.config.run import load_config
from tracker.errors import DataError, ModelError

MOTION = ("--detector", "motion", "--set", "run.checkpoint_s=0.01", "--no-progress")
SETTINGS = ("detector.name=motion", "embedder.name=none", "run.checkpoint_s=0.01")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    for name, count in (("a/in.mp4", 60), ("b/in.mp4", 300), ("c.mp4", 45)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_clip(folder / name, moving_square(count))
    (folder / "broken.mp4").write_bytes(b"\0" * 1000)
    return folder


@pytest.mark.slow
def test_a_folder_with_a_broken_video(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    words = ("batch", videos, "--out", out, "--workers", 2, *MOTION)
    assert call(*words) == 1
    table = capsys.readouterr().out.splitlines()
    assert table[-1] == "4 videos: 3 done, 1 failed; 405 frames"
    broken = next(line for line in table if "broken.mp4" in line)
    assert "not a video" in broken
    names = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert names == [
        *("a/in.mp4.done.json", "a/in.mp4.jsonl", "b/in.mp4.done.json", "b/in.mp4.jsonl"),
        *("batch.json", "c.mp4.done.json", "c.mp4.jsonl", "results.parquet"),
    ]
    assert {one["state"] for one in json.loads((out / "batch.json").read_bytes())} == {
        *("done", "failed")
    }
    (videos / "broken.mp4").unlink()
    assert call(*words) == 0
    assert "3 videos: 3 skipped; 405 frames" in capsys.readouterr().out


@pytest.mark.slow
def test_a_video_of_a_process_that_was_killed_is_taken_up_again(
    videos: Path, tmp_path: Path
) -> None:
    settings = load_config(None, SETTINGS)
    jobs = jobs_of([str(videos / "b")], str(tmp_path / "out"))
    alone = jobs_of([str(videos / "b")], str(tmp_path / "alone"))
    assert [one.state for one in Pool(settings, Wanted(), 1).run(alone, print, _never())] == [
        "done"
    ]
    pool, killed, seen = Pool(settings, Wanted(), 2), [], []

    def kill_once(progress: Progress) -> None:
        seen.append(progress.frames)
        saved = Path(f"{jobs[0].stem}.jsonl.checkpoint")
        deadline = time.monotonic() + 20
        while not killed and time.monotonic() < deadline:
            if saved.exists() and saved.stat().st_size:
                worker = next(one for one in pool._workers if one.job is not None)
                os.kill(worker.process.pid or 0, signal.SIGKILL)
                killed.append(worker.process.pid)

    outcomes = list(pool.run(jobs, kill_once, _never()))
    assert killed
    assert [(one.state, one.frames) for one in outcomes] == [(State.DONE, 300)]
    recording = Path(f"{jobs[0].stem}.jsonl").read_bytes()
    assert recording == Path(f"{alone[0].stem}.jsonl").read_bytes()
    assert seen[-1] > 1


def _never() -> threading.Event:
    return threading.Event()


@pytest.mark.slow
def test_ctrl_c_leaves_what_the_next_run_continues(videos: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tracker", "batch", str(videos / "b"), *MOTION]
    command += ["--out", str(tmp_path / "out"), "--workers", "1"]
    saved = tmp_path / "out/in.mp4.jsonl.checkpoint"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (saved.exists() and saved.stat().st_size):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        table = process.stdout.read()
    assert process.returncode == 130
    assert "1 stopped" in table
    assert saved.stat().st_size
    assert subprocess.run(command, check=True, capture_output=True, text=True).returncode == 0
    assert not saved.exists()


@pytest.mark.slow
def test_a_pipeline_that_cannot_be_built_ends_at_once(videos: Path, tmp_path: Path) -> None:
    settings = load_config(None, ["detector.name=missing.onnx"])
    jobs = jobs_of([str(videos)], str(tmp_path / "out"))
    with pytest.raises(ModelError, match=r"missing\.onnx"):
        list(Pool(settings, Wanted(), 2).run(jobs, print, _never()))


class EndsWorkers(threading.Event):
    """Is set while the pool learns that its process has ended, as by a signal to all of them."""

    def is_set(self) -> bool:
        for process in multiprocessing.active_children():
            process.terminate()
            process.join()
            self.set()
        return super().is_set()


@pytest.mark.slow
def test_a_signal_to_all_processes_while_they_start_is_no_lack_of_memory(
    videos: Path, tmp_path: Path
) -> None:
    jobs = jobs_of([str(videos / "c.mp4")], str(tmp_path / "out"))
    outcomes = list(Pool(load_config(None, SETTINGS), Wanted(), 1).run(jobs, print, EndsWorkers()))
    assert [one.state for one in outcomes] == [State.STOPPED]


def test_the_table_of_all_tracks_and_events(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    track = {"id": 1, "class": "car", "score": 0.5, "box": [1, 2, 3, 4], "state": "confirmed"}
    track |= {"velocity": [5, 6], "age": 2, "misses": 0, "class_score": 1}
    event = {"kind": "event", "event": "zone_entered", "zone": "yard", "id": 1, "time_s": 0.5}
    records = [
        {"kind": "header"},
        {"kind": "frame", "frame": 7, "time_s": 0.28, "tracks": [track]},
        {**event, "class": "car", "how": "crossed"},
        {"kind": "footer"},
    ]
    lines = tmp_path / "in.jsonl"
    lines.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    assert write_table(tmp_path / "results.parquet", [("in.mp4", str(lines))])
    rows = parquet.read_table(tmp_path / "results.parquet").to_pylist()
    assert [row["kind"] for row in rows] == ["track", "event"]
    assert (rows[0]["video"], rows[0]["frame"], rows[0]["x2"], rows[0]["vy"]) == ("in.mp4", 7, 3, 6)
    assert (rows[1]["zone"], rows[1]["how"], rows[1]["frame"]) == ("yard", "crossed", None)


def test_a_damaged_recording_is_named(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    lines = tmp_path / "in.jsonl"
    lines.write_bytes(b'{"kind":"header"}\n' + b"\0" * 100 + b"\n")
    with pytest.raises(DataError, match=r"in\.jsonl, line 2: expected a record"):
        write_table(tmp_path / "results.parquet", [("in.mp4", str(lines))])
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_the_summary_names_the_reason() -> None:
    lines = table_lines(
        [
            Outcome("a.mp4", State.DONE, 50, 3, 2.0, processed=40),
            Outcome("long/b.mp4", State.FAILED, reason="b.mp4: cut off"),
        ]
    )
    assert lines == [
        "video       state     frames  tracks     fps",
        "a.mp4       done          50       3    20.0",
        "long/b.mp4  failed         0       0       -  b.mp4: cut off",
        "2 videos: 1 done, 1 failed; 50 frames",
    ]


def test_processes_share_the_cores() -> None:
    assert cores_of(0, 1) == ()
    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) >= 2:
        assert not set(cores_of(0, 2)) & set(cores_of(1, 2))
