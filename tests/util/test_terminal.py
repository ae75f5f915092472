"""Output of the whole command where the terminal is hostile, and where foreign text is."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli import call
from tests.conftest import moving_square, write_clip

EVIL = "\x1b]0;pwned\x07\r\x9b2J\u202e[red]{x}"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

Bytes = Sequence["str | bytes"]
Run = Callable[[Bytes], tuple[int, bytes]]


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs a command in this process; returns its exit code and all that a terminal would get."""

    def run_here(words: Bytes) -> tuple[int, bytes]:
        code = call(*(os.fsdecode(word) for word in words))
        output = capfdbinary.readouterr()
        return code, output.out + output.err

    return run_here


def command(words: Bytes, shell_suffix: str = "") -> list[bytes]:
    """Returns the command, with redirections of a shell where there are some."""
    program = [sys.executable, "-m", "tracker", *words]
    if shell_suffix:
        program = ["sh", "-c", f'exec "$@" {shell_suffix}', "sh", *program]
    return [os.fsencode(word) for word in program]


def run_apart(words: Bytes, shell_suffix: str = "") -> tuple[int, bytes]:
    """Runs a command in a process of its own; returns what `run` does."""
    done = subprocess.run(
        command(words, shell_suffix), capture_output=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def assert_harmless(output: bytes) -> None:
    text = output.decode()  # strict: UTF-8 throughout
    assert not OBEYED.search(text), repr(text)
    assert "Traceback" not in text, text


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("terminal") / "in.mp4", moving_square(8))


@pytest.mark.parametrize(
    "words",
    [
        ["run", EVIL],
        ["run", b"caf\xe9.mp4"],
        ["run", "a\nb.mp4"],
        ["run", "in.mp4", "--detector", EVIL],
        ["run", "in.mp4", "--classes", EVIL],
        ["run", "in.mp4", "--set", f"{EVIL}=1"],
        ["run", "in.mp4", "--config", EVIL],
        ["run", "in.mp4", "--video", EVIL],
        ["run", f"--{EVIL}"],
        [EVIL],
        ["models", "info", EVIL],
        ["models", "pull", EVIL],
        ["refine", EVIL, "-o", "a.jsonl"],
        ["eval", "--truth", EVIL, "--tracks", ".", "--rules", "MOT17"],
        ["export", EVIL, "-o", "a.tflite"],
        ["bench", EVIL],
        ["train", "labels", EVIL, "--out", EVIL],
    ],
    ids=str,
)
def test_errors_show_foreign_text_without_its_controls(run: Run, words: Bytes) -> None:
    code, output = run(words)
    assert code == 2, output
    assert_harmless(output)
    assert output.count(b"\n") == 1, output


@pytest.mark.slow
def test_names_that_are_no_text_reach_a_terminal_as_text() -> None:
    """In a process of its own: here pytest replaces standard error."""
    code, output = run_apart(["run", b"caf\xe9.mp4"])
    assert code == 2, output
    assert_harmless(output)
    assert b"caf" in output


@pytest.mark.parametrize("name", [EVIL.encode(), b"a\nb", b"caf\xe9", b"[red]x"])
def test_a_summary_shows_names_of_files_without_their_controls(
    run: Run, clip: Path, tmp_path: Path, name: bytes
) -> None:
    folder = os.fsencode(tmp_path)
    source, out = folder + b"/" + name + b".mp4", folder + b"/" + name + b".jsonl"
    out = out.replace(b"{x}", b"{{x}}")
    os.symlink(os.fsencode(clip), source)
    code, output = run(["run", source, "--detector", "motion", "--json", out])
    assert code == 0, output
    assert_harmless(output)
    assert output.count(b"written") == 1
    assert (b"[red]x" in output) == (name == b"[red]x")


def test_names_of_classes_and_keys_of_yaml_are_shown_without_their_controls(
    run: Run, clip: Path, tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("person\n\x1b]0;pwned\x07\u202ecar\n", encoding="utf-8")
    code, output = run(
        ["run", clip, "--detector", "nano", "--names", names, "--classes", "cat"]  # type: ignore[list-item]
    )
    assert code == 2
    assert_harmless(output)
    settings = tmp_path / "settings.yaml"
    settings.write_text(json.dumps({"tracking": {EVIL: EVIL}}), encoding="utf-8")
    code, output = run(["run", str(clip), "--config", str(settings)])
    assert code == 2
    assert b"pwned" in output
    assert_harmless(output)


def test_a_table_shows_names_of_sequences_without_their_controls(run: Run, tmp_path: Path) -> None:
    row = "1,1,10,10,20,20,1,1,1\n"
    for name in (EVIL, "[red]b"):
        (tmp_path / "truth" / name / "gt").mkdir(parents=True)
        (tmp_path / "truth" / name / "gt" / "gt.txt").write_text(row)
        (tmp_path / "tracks").mkdir(exist_ok=True)
        (tmp_path / "tracks" / f"{name}.txt").write_text("1,1,10,10,20,20,1,-1,-1,-1\n")
    words = ["--truth", tmp_path / "truth", "--tracks", tmp_path / "tracks", "--rules", "MOT17"]
    code, output = run(["eval", *map(str, words)])
    assert code == 0, output
    assert_harmless(output)
    assert b"pwned" in output
    assert b"[red]b" in output


@pytest.mark.parametrize("suffix", ["2>&-", "2>/dev/full", "2>&1 >/dev/null | head -c 1"])
@pytest.mark.slow
def test_a_standard_error_that_takes_nothing_changes_no_result(
    run: Run, clip: Path, tmp_path: Path, suffix: str
) -> None:
    plain, out, video = (tmp_path / name for name in ("a.jsonl", "b.jsonl", "b.mp4"))
    words = ["run", str(clip), "--detector", "motion", "--json"]
    assert run([*words, str(plain)])[0] == 0
    script = 'set -e; { "$@" && echo 0 >code || echo $? >code; } ' + suffix
    everything = [*command([*words, str(out), "--video", str(video)])]
    subprocess.run(["sh", "-c", script, "sh", *everything], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "code").read_text() == "0\n"
    assert out.read_bytes() == plain.read_bytes()
    assert b"mdat" in video.read_bytes()


@pytest.mark.parametrize(
    ("words", "code", "suffix"),
    [
        (["run", "missing.mp4"], 2, "2>&-"),
        (["models", "list"], 0, "2>&-"),
        (["models", "info", "nothing"], 2, "2>&-"),
        (["models", "info", "nothing"], 2, "2>/dev/full"),
        (["--version"], 0, "2>&-"),
        (["--help"], 0, "2>/dev/full"),
    ],
    ids=str,
)
@pytest.mark.slow
def test_exit_codes_do_not_depend_on_standard_error(
    words: list[str], code: int, suffix: str
) -> None:
    assert run_apart(words, suffix)[0] == code


@pytest.mark.parametrize("words", [["--help"], ["models", "list"], ["run", "--help"]], ids=str)
@pytest.mark.slow
def test_results_that_cannot_be_written_are_a_failure(words: list[str]) -> None:
    code, output = run_apart(words, ">/dev/full")
    assert (code, output.count(b"\n")) == (1, 1), output
    assert b"cannot write stdout: disk full" in output
    code, output = run_apart(words, "| true")
    assert (code, output) == (0, b"")


@pytest.mark.slow
def test_a_file_never_becomes_standard_error(clip: Path, tmp_path: Path) -> None:
    """Descriptor 2 is free where it was closed; the next file to be opened would get it."""
    out = tmp_path / "out.jsonl"
    code = "import os; from tracker.cli.main import main\n"
    code += "from tracker.sinks.json_lines import JsonLinesSink as Sink\n"
    code += "write = Sink.write\n"
    code += (
        "def noisy(self, result):\n    write(self, result); os.write(2, b'x264 [info]: noise')\n"
    )
    code += "Sink.write = noisy\nmain()"
    words = ["run", str(clip), "--detector", "motion", "--json", str(out)]
    program = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", code, *words]
    assert subprocess.run(program, timeout=60, check=False).returncode == 0
    assert b"x264 [info]" not in out.read_bytes()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_before_the_first_frame_ends_in_order(number: int, code: int) -> None:
    """The program waits for a video in its standard input; nothing has been opened yet."""
    program = command(["run", "-", "--detector", "motion"])
    with subprocess.Popen(program, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdin is not None
        running.stdin.write(b"\0")
        running.stdin.flush()
        while Path(f"/proc/{running.pid}/task").exists() and threads_of(running.pid) < 2:
            pass
        running.send_signal(number)
        _, error = running.communicate(timeout=20)
    assert running.returncode == code, error
    assert error == b"tracker: error: terminated\n"


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


@pytest.mark.slow
def test_a_bar_on_a_terminal_and_lines_above_it(clip: Path, tmp_path: Path) -> None:
    """While it shows a bar, rich puts an object of its own in place of standard error."""
    out = tmp_path / "out.csv"
    out.write_text("old")
    main, terminal = os.openpty()
    words = command(["run", str(clip), "--detector", "motion", "--csv", str(out)])
    with subprocess.Popen(words, stderr=terminal) as running:
        os.close(terminal)
        shown = b""
        with suppress(OSError):  # Linux reports the end of a terminal as an error.
            while data := os.read(main, 65536):
                shown += data
        assert running.wait(30) == 0
    os.close(main)
    assert b"the existing file is replaced" in shown
    assert b"8/8 frames" in shown
    assert b"written     " in shown
    assert len(shown) < 100_000


@pytest.mark.slow
def test_a_terminal_that_goes_away_changes_no_result(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    main, terminal = os.openpty()
    words = command(["run", str(clip), "--detector", "motion", "--json", str(out)])
    with subprocess.Popen(words, stderr=terminal) as running:
        os.close(terminal)
        os.close(main)
        assert running.wait(30) == 0
    assert json.loads(out.read_text().splitlines()[-1])["complete"] is True
