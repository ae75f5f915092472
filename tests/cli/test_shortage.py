"""Errors that a lack of memory, files or threads has caused."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tracker.cli.main import main
from tracker.cli.shortage import shortage_text


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


LONG = "x" * 300


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError(), "out of memory; try a smaller"),
        (MemoryError("1 GB"), "out of memory (1 GB); try"),
        (OSError(12, "Cannot allocate memory"), "out of memory ([Errno 12]"),
        (ImportError("a.so: failed to map segment from shared object"), "out of memory (a.so"),
        (OSError(24, "Too many open files", "x.py"), "too many open files ([Errno 24]"),
        (ImportError("lib.so: cannot open shared object file: Too many open files"), "too many"),
        (caused(ImportError("numpy"), OSError(24, "Too many open files")), "too many open files"),
        (RuntimeError("can't start new thread"), "no new thread can be started"),
        (OSError(2, "No such file"), None),
        (RuntimeError("other"), None),
    ],
    ids=repr,
)
def test_the_message_says_what_is_short(error: Exception, text: str | None) -> None:
    found = shortage_text(error)
    assert (found is None) if text is None else (found or "").startswith(text)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize("most", [9, pytest.param(14, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_few_descriptors_give_one_line(most: int, clip: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    words = ["run", str(clip), "--detector", "motion", "--json", str(tmp_path / "out.jsonl")]
    done = subprocess.run(
        [sys.executable, "-m", "tracker", *words],
        preexec_fn=limit, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        assert "Traceback" not in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["run", LONG],
        ["run", "in.mp4", "--json", f"{LONG}/out.jsonl"],
        ["run", "in.mp4", "--detector", f"{LONG}.onnx"],
        ["refine", LONG, "-o", "out.jsonl"],
        ["convert", LONG, "out.csv"],
        ["analyze", LONG],
        ["models", "info", LONG],
    ],
    ids=lambda words: f"{words[0]} {len(words)}",
)
def test_a_path_that_the_system_does_not_look_at_is_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "Traceback" not in message
