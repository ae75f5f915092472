"""Output files of `tracker run` that are locked, exist already, or disappear during the run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from tests.cli import call, lines_of
from tests.conftest import moving_square, write_clip

TRACKER = [sys.executable, "-m", "tracker"]
MOTION = ("--detector", "motion", "--embedder", "none")


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process; returns its exit code and standard error."""

    def run_here(*words: object) -> tuple[int, str]:
        return call(*words), capsys.readouterr().err

    return run_here


def run_in_shell(*words: object, prefix: str) -> tuple[int, str]:
    """Returns the exit code and standard error of a command, run by a shell after `prefix`."""
    command = [*TRACKER, *map(str, words)]
    shell = ["sh", "-c", f'{prefix}exec "$@"', "sh", *command]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def streamed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("streamed") / "in.ts"
    return write_clip(path, moving_square(150)).read_bytes()


@contextmanager
def under_way(
    streamed: bytes, out: Path, *words: object, prefix: str = ""
) -> Iterator["subprocess.Popen[bytes]"]:
    """Returns a run that has written its first frames and waits for more of its video."""
    command = ["sh", "-c", f'{prefix}exec "$@"', "sh", *TRACKER, "run", "-", *MOTION]
    with subprocess.Popen(
        [*command, *map(str, words)], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(streamed[: len(streamed) * 2 // 3])
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (out.exists() and b"frame" in out.read_bytes()):
            assert process.poll() is None
            time.sleep(0.01)
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_second_run_names_the_process_that_writes_the_file(
    run: Run, clip: Path, streamed: bytes, tmp_path: Path
) -> None:
    out, other = tmp_path / "out.jsonl", tmp_path / "other.csv"
    other.write_bytes(b"old")
    (tmp_path / "link.jsonl").symlink_to(out)
    with under_way(streamed, out, "--json", out) as first:
        for words in (
            ("run", clip, *MOTION, "--csv", other, "--json", out),
            ("run", clip, *MOTION, "--mot", tmp_path / "link.jsonl"),
            ("run", clip, clip, *MOTION, "--csv", tmp_path / "{name}.csv", "--json",
             tmp_path / "out{name}.jsonl"),
        ):  # fmt: skip
            if "out{name}" in str(words[-1]):
                (tmp_path / "outsquare.jsonl").symlink_to(out)
            code, error = run(*words)
            assert code == 2, error
            assert error.count("\n") == 1
            assert f"process {first.pid} is writing it" in error
        assert other.read_bytes() == b"old"
        first.communicate(streamed[len(streamed) * 2 // 3 :], timeout=60)
    assert first.returncode == 0
    assert lines_of(out)[-1]["frames"] == 150
    assert run("run", clip, *MOTION, "--json", out)[0] == 0


@pytest.mark.slow
def test_of_two_simultaneous_runs_one_writes(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    words = [*TRACKER, "run", clip, *MOTION, "--json", out]
    both = [subprocess.Popen(words, stderr=subprocess.DEVNULL) for _ in range(2)]
    codes = sorted(process.wait(60) for process in both)
    assert codes in ([0, 0], [0, 2])  # two zeros if the first ended before the second started
    assert lines_of(out)[-1]["kind"] == "footer"


def test_killed_run_leaves_only_its_output(
    run: Run, clip: Path, streamed: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    with under_way(streamed, out, "--json", out) as first:
        first.send_signal(signal.SIGKILL)
        first.wait(60)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.jsonl"]
    code, error = run("run", clip, *MOTION, "--json", out)
    assert code == 0
    assert error.startswith(f"tracker: {out}: the existing file is replaced\n")


def test_an_existing_file_stays_until_the_first_frame(run: Run, clip: Path, tmp_path: Path) -> None:
    out, broken = tmp_path / "out.jsonl", tmp_path / "broken.mp4"
    out.write_bytes(b"old\n")
    broken.write_bytes(b"no video")
    for words in (["missing.mp4"], [broken], [clip, "--start", "1:00:00"]):
        code, error = run("run", *words, *MOTION, "--json", out)
        assert code in (1, 2), error
        assert out.read_bytes() == b"old\n"
        assert "replaced" not in error


@pytest.mark.parametrize("option", ["--json", "--mot", "--csv", "--video", "--save-dir"])
@pytest.mark.slow
def test_no_clobber_keeps_every_kind_of_file(
    run: Run, option: str, clip: Path, tmp_path: Path
) -> None:
    names = {"--save-dir": "square.jsonl", "--video": "x.mp4"}
    existing = tmp_path / names.get(option, "x.jsonl")
    value = tmp_path if option == "--save-dir" else existing
    words = ("run", clip, *MOTION, option, value, "--no-clobber")
    assert run(*words)[0] == 0
    before = existing.read_bytes()
    code, error = run(*words)
    assert code == 2
    assert error.count("\n") == 1
    assert f"cannot write {existing}: it exists" in error
    assert existing.read_bytes() == before


def test_no_clobber_of_many_sources_and_of_refine(run: Run, clip: Path, tmp_path: Path) -> None:
    shutil.copy(clip, tmp_path / "b.mp4")
    (tmp_path / "out-b.jsonl").write_bytes(b"old")
    words = ("run", clip, tmp_path / "b.mp4", *MOTION, "--json", tmp_path / "out-{name}.jsonl")
    code, error = run(*words, "--no-clobber")
    assert (code, "out-b.jsonl: it exists" in error) == (2, True), error
    assert not (tmp_path / "out-square.jsonl").exists()
    assert run(*words)[0] == 0
    refine = ("refine", tmp_path / "out-square.jsonl", "-o", tmp_path / "out-b.jsonl")
    code, error = run(*refine, "--no-clobber")
    assert (code, "out-b.jsonl: it exists" in error) == (2, True), error
    assert lines_of(tmp_path / "out-b.jsonl")[0]["source"] == str(tmp_path / "b.mp4")
    code, error = run(*refine)
    assert (code, "the existing file was replaced" in error) == (0, True), error


@pytest.mark.slow
def test_refine_does_not_replace_a_file_that_a_run_writes(
    run: Run, streamed: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    with under_way(streamed, out, "--json", out) as first:
        code, error = run("refine", out, "-o", out)
        assert (code, f"process {first.pid}" in error) == (2, True), error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--json", "{tmp}/o.x", "--csv", "{tmp}/./sub/../o.x"], "two outputs cannot share"),
        (["--json", "{tmp}/{{nme}}.jsonl"], "expected {{name}}; did you mean 'name'?"),
        (["--save-dir", "{tmp}/{{x}}"], "{{x}} is unknown; expected {{name}}"),
        (["--config", "{tmp}/c.yaml", "--json", "{tmp}/c.yaml"], "the run reads it"),
        (["--names", "{tmp}/c.yaml", "--csv", "{tmp}/c.yaml"], "the run reads it"),
    ],
    ids=str,
)
def test_conflicting_paths_are_one_line_and_code_2(
    run: Run, words: list[str], message: str, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text("seed: 1\n")
    code, error = run("run", clip, *MOTION, *(word.format(tmp=tmp_path) for word in words))
    assert code == 2, error
    assert error.count("\n") == 1
    assert message.format() in error
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.yaml"]


@pytest.mark.slow
def test_a_folder_that_was_removed_is_a_failure(streamed: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    jsonl, kept = folder / "a.jsonl", tmp_path / "kept.txt"
    outputs = ("--json", jsonl, "--video", folder / "a.mkv", "--csv", folder / "a.csv")
    with under_way(streamed, jsonl, *outputs, "--mot", kept, "--save-dir", folder) as process:
        while not all(path.exists() for path in (folder / "a.mkv", folder / "stdin.mp4")):
            assert process.poll() is None
            time.sleep(0.01)
        shutil.rmtree(folder)
        _, error = process.communicate(streamed[len(streamed) * 2 // 3 :], timeout=60)
    assert process.returncode == 1
    assert error.count(b"\n") == 1, error
    assert b"removed while it was being written" in error
    assert f"{kept}: ".encode() in error
    assert b"written  " not in error
    assert not folder.exists()


@pytest.mark.slow
def test_file_size_limit_is_handled_like_a_full_disk(run: Run, clip: Path, tmp_path: Path) -> None:
    """The signal sent at the limit (SIGXFSZ) would kill the program by default."""
    out, mot, video = tmp_path / "out.json", tmp_path / "out.txt", tmp_path / "out.mp4"
    words = ("run", clip, *MOTION, "--json", out, "--mot", mot, "--video", video)
    code, error = run_in_shell(*words, prefix="ulimit -f 8; ")
    assert code == 1, error
    assert error.count("\n") == 1
    assert "the file is larger than the system allows" in error
    assert json.loads(out.read_text(encoding="utf-8"))["header"]["kind"] == "header"
    if video.exists():
        with av.open(str(video)) as container:
            assert next(container.decode(video=0))
    recording = tmp_path / "whole.jsonl"
    assert run("run", clip, *MOTION, "--json", recording)[0] == 0
    before = recording.read_bytes()
    code, error = run_in_shell("refine", recording, "-o", recording, prefix="ulimit -f 1; ")
    assert (code != 0, recording.read_bytes()) == (True, before), error
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_json_to_closed_stdout_is_an_error(clip: Path) -> None:
    words = [*TRACKER, "run", str(clip), *MOTION, "--json", "-"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *words], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert b"cannot write stdout" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.slow
def test_sighup_closes_all_files_and_is_ignored_under_nohup(
    streamed: bytes, tmp_path: Path
) -> None:
    out, video = tmp_path / "out.jsonl", tmp_path / "out.mp4"
    with under_way(streamed, out, "--json", out, "--video", video) as process:
        process.send_signal(signal.SIGHUP)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 129, error
    footer = lines_of(out)[-1]
    assert (footer["kind"], footer["complete"]) == ("footer", False)
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) == footer["frames"]
    os.unlink(out)
    with under_way(streamed, out, "--json", out, prefix="trap '' HUP; ") as process:
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        process.communicate(streamed[len(streamed) * 2 // 3 :], timeout=60)
    assert process.returncode == 0
    assert lines_of(out)[-1]["complete"] is True


def test_scores_replace_neither_truth_nor_tracks_nor_labels(run: Run, tmp_path: Path) -> None:
    truth, tracks, labels = (tmp_path / name for name in ("gt.txt", "a.txt", "coco.json"))
    truth.write_text("1,1,10,10,20,20,1,1,1\n")
    tracks.write_text("1,1,10,10,20,20,1,-1,-1,-1\n")
    labels.write_text("{}")
    scored = ("eval", "--truth", truth, "--tracks", tracks, "--rules", "MOT17")
    for words, kept in (
        ((*scored, "--json", truth), truth),
        ((*scored, "--csv", tracks), tracks),
        (("eval-detector", "--labels", labels, "--detector", "nano", "--json", labels), labels),
    ):
        before = kept.read_bytes()
        code, error = run(*words)
        assert (code, "the run reads it" in error) == (2, True), error
        assert kept.read_bytes() == before
    both = ("--json", tmp_path / "o.x", "--csv", tmp_path / "sub" / ".." / "o.x")
    code, error = run(*scored, *both)
    assert (code, "two outputs cannot share" in error) == (2, True), error
