"""`tracker serve`: options, start, messages, end."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.cli import call
from tracker.cli.serve import byte_count, read_token, seconds_of
from tracker.errors import ConfigError, SourceError

MOTION = ("--detector", "motion")


def started(*words: object, folder: Path, **variables: str) -> tuple[subprocess.Popen[str], str]:
    """Starts the command; returns it and the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tracker", "serve", *map(str, words), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **variables},
    )
    assert process.stderr is not None
    for line in process.stderr:
        found = re.search(r"http://\S+", line)
        if found:
            return process, found[0]
    raise AssertionError("it printed no address")


@pytest.mark.slow
def test_a_run_from_start_to_ctrl_c(clip: Path, tmp_path: Path) -> None:
    process, address = started(clip, *MOTION, folder=tmp_path)
    assert httpx.get(address, timeout=20).status_code == 200
    assert httpx.get(f"{address}api/sources", timeout=20).json()["sources"][0]["name"] == "square"
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - begin < 15  # two seconds where nothing else runs
    assert process.returncode == 130
    assert errors == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_token_of_the_environment_and_another_address(clip: Path, tmp_path: Path) -> None:
    token = "a token of enough length"
    words = (clip, *MOTION, "--host", "0.0.0.0")
    process, address = started(*words, folder=tmp_path, TRACKER_TOKEN=token)
    port = address.rstrip("/").rpartition(":")[2]
    url = f"http://127.0.0.1:{port}/api/health"
    try:
        assert httpx.get(url, timeout=20).status_code == 401
        headers = {"authorization": f"Bearer {token}"}
        assert httpx.get(url, headers=headers, timeout=20).status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert token not in errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing.mp4",), "nothing.mp4"),
        (("--host", "0.0.0.0"), "a token is needed: set TRACKER_TOKEN"),
        (("--port", "99999"), "--port 99999: expected 0 to 65535"),
        (("--upload-limit", "much"), "--upload-limit much: expected a size"),
        (("--keep", "0h"), "--keep 0h: expected a time"),
        (("--jpeg-quality", "0"), "--jpeg-quality 0: expected 1 to 100"),
        (("--host", "no.such.name.invalid", "--token-file", "token"), "cannot listen at"),
        (("--set", "tracking.nothing=1"), "nothing"),
        (("--zones", "{other}.yaml", "--port", "0"), "{other}"),
    ],
)
def test_mistakes_are_one_line(
    words: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRACKER_TOKEN", raising=False)
    (tmp_path / "token").write_text("a token of enough length")
    assert call("serve", "--port", 0, *words, *MOTION) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_secrets_of_a_source_are_not_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("serve", "rtspx://me:s3cret@door/main", "--port", 0, *MOTION) == 2
    assert "s3cret" not in capsys.readouterr().err


def test_tokens_of_files(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("  some token \n")
    assert read_token(str(path)) == "some token"
    path.write_text("\n")
    with pytest.raises(ConfigError, match="got an empty file"):
        read_token(str(path))
    with pytest.raises(SourceError, match="--token-file"):
        read_token(str(tmp_path / "nothing"))


def test_sizes_and_times() -> None:
    assert [byte_count(text) for text in ("0", "12", "1.5 kB", "3m")] == [0, 12, 1500, 3_000_000]
    assert [seconds_of(text) for text in ("5", "90s", "1.5h", "7d")] == [5, 90, 5400, 604_800]
    for wrong in ("", "-1", "GB", "1XB"):
        with pytest.raises(ConfigError):
            byte_count(wrong)
        with pytest.raises(ConfigError):
            seconds_of(wrong)


def test_a_missing_extra_is_one_line_with_the_command(tmp_path: Path) -> None:
    """The library is made unfindable in a process of its own."""
    program = (
        "import sys\n"
        "sys.modules['starlette'] = None\n"
        "from tracker.cli.main import main\n"
        "main(['serve'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "pip install 'tracker-pipeline[serve]'" in line
