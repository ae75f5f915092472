"""Secrets in addresses appear in no message, result, file name, traceback or process list."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli import call
from tests.file_server import Answer, FileServer
from tests.stream_server import FolderServer, MjpegServer, Script
from tracker.cli.main import main
from tracker.config.run import load_config

SECRETS = ("u5er", "pa55", "t0ken", "va1ue", "fra9")
ENVIRONMENT = {"CAM_USER": "u5er", "CAM_PASSWORD": "pa55@/:%", "CAM_PATH": "t0ken"}
TYPED = "http://${CAM_USER}:${CAM_PASSWORD}@HOST/video?channel=va1ue;x=va1ue#fra9"
MOTION = ("--detector", "motion")
RUN = [sys.executable, "-m", "tracker", "run"]


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in the test's folder; returns its exit code, and its output with files."""
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def run_here(*words: object) -> tuple[int, str]:
        code = call("run", *words, "--no-progress")
        texts = list(capsys.readouterr())
        for path in tmp_path.rglob("*"):
            texts.append(path.name)
            if path.suffix in {".jsonl", ".json", ".csv", ".txt"}:
                texts.append(path.read_text())
        return code, "\n".join(texts)

    return run_here


def test_a_run_shows_no_secret(run: Run) -> None:
    server = MjpegServer(Script(user="u5er:pa55@/:%"))
    with server:
        address = TYPED.replace("HOST", f"127.0.0.1:{server.port}")
        outputs = ("--save-dir", "out")
        code, text = run(address, *MOTION, "--max-frames", 3, *outputs, "--debug")
    assert code == 0
    assert f'"source":"http://***@127.0.0.1:{server.port}/video?channel=***;x=***#***"' in text
    assert "video.jsonl" in text
    assert "?channel=va1ue;x=va1ue" in server.requests[0]
    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.slow
def test_process_list_shows_only_variable_names(tmp_path: Path) -> None:
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("needs /proc")
    server = MjpegServer(Script(user="u5er:pa55@/:%"))
    with server:
        address = TYPED.replace("HOST", f"127.0.0.1:{server.port}")
        process = subprocess.Popen(
            [*RUN, address, "--detector", "motion", "--json", "out.jsonl", "--no-progress"],
            cwd=tmp_path, stderr=subprocess.PIPE,
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and server.sent < 3 and process.poll() is None:
            time.sleep(0.01)
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
        process.terminate()
        process.communicate(timeout=60)
    assert server.sent >= 3
    assert address.encode() in words
    assert not any(secret in word for word in words for secret in (b"u5er", b"pa55"))


@pytest.mark.parametrize(
    "script",
    [Script(user="another:one"), Script(status=404), Script(content=b"<html>"), Script(frames=0)],
    ids=["stranger", "not found", "page", "no frame"],
)
@pytest.mark.parametrize("words", [[], ["--debug"]], ids=["one line", "trace"])
def test_refused_address_shows_no_secret(run: Run, script: Script, words: list[str]) -> None:
    with MjpegServer(script) as server:
        address = TYPED.replace("HOST", f"127.0.0.1:{server.port}")
        code, text = run(address, *MOTION, *words)
    assert code == 2
    assert f"http://***@127.0.0.1:{server.port}/video?channel=***;x=***#***: " in text
    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize(
    "words",
    [
        ["rtsp:/u5er:pa55@door/main?channel=va1ue#fra9"],
        ["rtsp:u5er:pa55@door/main"],
        [" rtsp://u5er:pa55@door/main?va1ue"],
        ["rtsp:///u5er:pa55@door/main?channel=va1ue"],
        ["rtsp://u5er:pa55@pa55 pa55@127.0.0.1:1/main"],
        ["rtsp://u5er:pa55"],
        ["rtsp://u5er:pa55/pa55@127.0.0.1:1/main"],
        ["u5er:pa55@door/main"],
        ["ftp://u5er:pa55@door/main?va1ue#fra9"],
        ["file://u5er:pa55@door/main"],
        ["--detector", "rtsp://u5er:pa55@door/main", "in.mp4"],
        ["--detector=rtsp:/u5er:pa55@door/main?va1ue", "in.mp4"],
        ["in.mp4", "--json", "http://u5er:pa55@door/main?a=va1ue"],
        ["in.mp4", "--config", "http://u5er:pa55@door/main?a=va1ue"],
        ["in.mp4", "--set", "rtsp://u5er:pa55@door/main?a=va1ue"],
        ["in.mp4", "--start", "rtsp://u5er:pa55@door/main?a=va1ue"],
        ["rtsp:/u5er:pa55@door", "rtsp://u5er:pa55@127.0.0.1:1/main", "--save-dir", "out"],
    ],
    ids=" ".join,
)
def test_mistyped_address_shows_no_secret(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.mp4").touch()
    for debug in ([], ["--debug"]):
        with pytest.raises(SystemExit) as done:
            main(["run", *words, *debug])
        text = capsys.readouterr().err
        assert done.value.code == 2
        assert "***" in text
        assert not [secret for secret in SECRETS if secret in text]


def test_a_connection_that_breaks_shows_no_secret(run: Run, clip: Path) -> None:
    cut = FolderServer(clip.parent, cut=(2, 2000))
    with cut:
        address = f"{cut.address(clip.name, user='u5er:pa55@')}?token=t0ken#fra9"
        _, text = run(address, *MOTION, "--debug")
    with FileServer(b"", [Answer(status=500)]) as server:
        broken = f"http://u5er:pa55@{server.place}/t.mp4?token=t0ken"
        code, more = run(broken, *MOTION, "--debug")
    assert code == 2
    assert "***" in text + more
    assert not [secret for secret in SECRETS if secret in text + more]


def test_the_recorded_configuration_shows_no_secret() -> None:
    words = [
        "detector.name=https://u5er:pa55@h/model?a=va1ue#fra9",
        "embedder.name=https://h/model?X-Goog-Signature=va1ue",
    ]
    text = str(load_config(overrides=words).to_json())
    assert "https://***@h/model?a=***#***" in text
    assert not [secret for secret in SECRETS if secret in text]


def test_a_long_message_is_not_cut_within_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for length in range(0, 3900, 23):
        with pytest.raises(SystemExit):
            main(["run", f"rtsp:/u5er:{'pa55' * 5}@{'h' * length}/{'x' * 4000}.mp4"])
        text = capsys.readouterr().err
        assert len(text) < 4100
        assert "pa55" not in text
