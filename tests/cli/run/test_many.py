"""`tracker run` with several sources: names, outputs, and isolation of failures."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tracker
from tests.cli import call, lines_of
from tests.conftest import moving_square, write_clip
from tests.stream_server import MjpegServer
from tracker.cli.run.outputs import Outputs
from tracker.config.build import build_multi_pipeline, build_pipeline
from tracker.config.run import load_config
from tracker.errors import ConfigError, SourceError
from tracker.sinks.json_records import Embeddings

MOTION = ("--detector", "motion")
NO_EMBEDDER = ("--embedder", "none")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of thirty frames of another size than `clip`."""
    images = moving_square(30, size=(160, 240))
    return write_clip(tmp_path_factory.mktemp("large") / "large.mp4", images)


def test_two_files_give_the_same_bytes_as_alone(
    clip: Path, large: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", clip, large, *MOTION, "--json", tmp_path / "{name}.jsonl") == 0
    summary = capsys.readouterr().err
    assert "square.mp4, 160x120" in summary
    assert "large.mp4, 240x160" in summary
    for source, count in ((clip, 60), (large, 30)):
        assert call("run", source, *MOTION, "--json", tmp_path / "alone.jsonl") == 0
        together = tmp_path / f"{source.stem}.jsonl"
        assert together.read_bytes() == (tmp_path / "alone.jsonl").read_bytes()
        assert lines_of(together)[-1]["frames"] == count


def test_shared_network_gives_the_same_results_as_alone(
    clip: Path, large: Path, tmp_path: Path
) -> None:
    """Also with frames of two sizes in a batch, and with `detector.every`."""
    words = ("--max-frames", 6, "--detect-every", 2, "--conf", 0.01, "--imgsz", 256, *NO_EMBEDDER)
    assert call("run", clip, large, *words, "--json", tmp_path / "{name}.jsonl") == 0
    for source in (clip, large):
        assert call("run", source, *words, "--json", tmp_path / "alone.jsonl") == 0
        together = tmp_path / f"{source.stem}.jsonl"
        assert together.read_bytes() == (tmp_path / "alone.jsonl").read_bytes()


def test_save_dir_has_files_of_each_source(clip: Path, large: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert call("run", clip, large, clip, *MOTION, "--save-dir", out, "--max-frames", 2) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        *("large.jsonl", "large.mp4", "square-2.jsonl", "square-2.mp4"),
        *("square.jsonl", "square.mp4"),
    ]
    assert lines_of(out / "square-2.jsonl")[-1]["complete"] is True


def test_name_placeholder_with_one_source(clip: Path, tmp_path: Path) -> None:
    assert call("run", clip, *MOTION, "--csv", tmp_path / "{name}.csv", "--max-frames", 2) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["square.csv"]


def test_missing_source_is_reported_and_the_others_continue(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "{name}.jsonl"
    code = call("run", tmp_path / "none.mp4", clip, *MOTION, "--json", out, "--max-frames", 3)
    assert code == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith("tracker: error: ")
    assert "none.mp4" in stderr.splitlines()[0]
    assert [path.name for path in tmp_path.iterdir()] == ["square.jsonl"]
    assert lines_of(tmp_path / "square.jsonl")[-1]["complete"] is True


def test_no_source_can_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = call("run", tmp_path / "a.mp4", tmp_path / "b.mp4", *MOTION)
    assert code == 2
    *each, last = capsys.readouterr().err.splitlines()
    first, second = sorted(each)  # they are opened in parallel
    assert "a.mp4" in first
    assert "b.mp4" in second
    assert "none of 2 sources can be opened" in last


def test_failed_source_is_in_the_summary_and_the_others_continue(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    from tracker.util.opencv import cv2

    for number, side in enumerate((64, 64, 80)):  # The third has another size.
        cv2.imwrite(str(folder / f"{number}.png"), np.zeros((side, side, 3), np.uint8))
    out = tmp_path / "out"
    code = call("run", folder, clip, *MOTION, "--json", out / "{name}.jsonl")
    assert code == 1
    stderr = capsys.readouterr().err
    failed = [line for line in stderr.splitlines() if line.startswith("failed")]
    assert len(failed) == 1
    assert "80x80" in failed[0]
    broken, whole = lines_of(out / "images.jsonl"), lines_of(out / "square.jsonl")
    assert (broken[-1]["frames"], broken[-1]["complete"]) == (2, False)
    assert (whole[-1]["frames"], whole[-1]["complete"]) == (60, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_ends_the_run_with_one_line_and_code_1(
    clip: Path, large: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "square.jsonl").symlink_to("/dev/full")
    assert call("run", clip, large, *MOTION, "--json", tmp_path / "{name}.jsonl") == 1
    stderr = capsys.readouterr().err
    assert stderr.count("\n") == 1
    assert "square.jsonl: disk full" in stderr


@pytest.mark.slow
def test_ctrl_c_closes_the_outputs_of_all_sources(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_clip(tmp_path / f"{name}.mp4", moving_square(2000))
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tracker", "run", tmp_path / "a.mp4", tmp_path / "b.mp4"),
            *(*MOTION, "--json", tmp_path / "{name}.jsonl"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    outputs = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not all(
        out.exists() and out.read_bytes().count(b"\n") > 5 for out in outputs
    ):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert "Traceback" not in stderr
    for out in outputs:
        footer = lines_of(out)[-1]
        assert footer["complete"] is False
        assert 5 <= footer["frames"] < 2000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--json", "out.jsonl"], "out-{name}.jsonl"),
        (["--json", "-"], "expected {name}"),
        (["--mot", "a/b.txt"], "a/b-{name}.txt"),
        (["--csv", "x"], "x-{name}"),
        (["--video", "v.mp4"], "v-{name}.mp4"),
        (["--json", "{name}", "--csv", "{name}"], "two outputs cannot share"),
        (["--detections", "det.txt"], "expected one source"),
        (["--detect-every", "2"], "detector.every: expected 1 for detector 'motion'"),
        (["--detect-every", "0"], "detector.every: expected >= 1, got 0"),
        (["--half"], "detector.network.half: detector motion"),
        (["--policy", "fast"], "source.live.policy"),
        (["--reconnect", "often"], "--reconnect often: expected a number"),
        (["--reconnect", "-1"], "--reconnect -1: expected a number"),
        (["--set", "batch.wait_s=-1"], "batch.wait_s: expected seconds from 0 to 60"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_one_line_and_code_2(
    words: list[str], message: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detector = () if "--detections" in words else MOTION
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        code = call("run", clip, clip, *detector, *words)
    finally:
        os.chdir(before)
    stderr = capsys.readouterr().err
    assert code == 2
    assert stderr.count("\n") == 1
    assert message in stderr
    assert list(tmp_path.iterdir()) == []


def test_standard_input_is_read_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "-", "-", *MOTION) == 2
    assert "standard input can be read once" in capsys.readouterr().err


def test_no_output_is_the_source_of_another(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "square.mp4"
    other.write_bytes(clip.read_bytes())
    assert (
        call("run", clip, tmp_path / "x.mp4", other, *MOTION, "--video", tmp_path / "{name}.mp4")
        == 2
    )
    assert "it is the source itself" in capsys.readouterr().err
    assert other.read_bytes() == clip.read_bytes()


def test_reconnecting_forever_overrides_a_file(tmp_path: Path) -> None:
    from tracker.config.run import with_reconnect_attempts

    config = load_config(overrides=["source.live.reconnect.attempts=3"])
    assert config.source.live.reconnect.attempts == 3
    assert with_reconnect_attempts(config, None).source.live.reconnect.attempts is None
    assert with_reconnect_attempts(config, 0).source.live.reconnect.attempts == 0


def test_outputs_fill_in_the_name() -> None:
    outputs = Outputs(
        json="{name}/{name}.jsonl", mot="a.txt", save_dir="{name}", embeddings=Embeddings.INCLUDE
    )
    filled = outputs.for_source("door")
    assert filled.save_dir == "door"
    assert (filled.json, filled.mot, filled.csv) == ("door/door.jsonl", "a.txt", None)
    assert filled.embeddings is Embeddings.INCLUDE


def test_header_has_the_effective_confidence(clip: Path, tmp_path: Path) -> None:
    words = (*NO_EMBEDDER, "--max-frames", 1)
    assert call("run", clip, *words, "--json", tmp_path / "own.jsonl") == 0
    own = lines_of(tmp_path / "own.jsonl")[0]["config"]["detector"]["network"]["confidence"]
    assert own == tracker.YoloDetector.load_builtin("small").confidence
    assert call("run", clip, *words, "--conf", 0.6, "--json", tmp_path / "set.jsonl") == 0
    header = lines_of(tmp_path / "set.jsonl")[0]
    assert header["config"]["detector"]["network"]["confidence"] == 0.6


@pytest.mark.parametrize("build", [build_pipeline, build_multi_pipeline])
def test_motion_needs_every_frame(build: Any) -> None:
    config = load_config(overrides=["detector.name=motion", "detector.every=2"])
    with pytest.raises(ConfigError, match="learns the background from all frames, got 2"):
        build(config)


def test_track_many(clip: Path, large: Path) -> None:
    config = load_config(overrides=["detector.name=motion", "source.max_frames=12"])
    events = list(tracker.track_many([clip, str(large)], config=config))
    results = [event for event in events if isinstance(event, tracker.SourceResult)]
    assert [sum(event.index == source for event in results) for source in (0, 1)] == [12, 12]
    ends = [event for event in events if isinstance(event, tracker.SourceEnd)]
    assert sorted(event.index for event in ends) == [0, 1]
    assert all(event.error is None for event in ends)


@pytest.mark.parametrize("begin", [tracker.track, lambda url, **w: tracker.track_many([url], **w)])
def test_source_of_an_unstarted_run_is_closed(begin: Any) -> None:
    def connections() -> int:
        return sum(thread.name == "tracker-stream" for thread in threading.enumerate())

    with MjpegServer() as server:
        results = begin(server.address, detector="motion")
        assert connections() == 1
        del results
        gc.collect()
        deadline = time.monotonic() + 5
        while connections() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert connections() == 0


def test_track_many_needs_existing_sources(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="standard input can be read once"):
        tracker.track_many(["-", "-"])
    for wrong in ([], "rtsp://me:s3cret@door/main", 0, clip):
        with pytest.raises(ConfigError, match="expected a list of at least one source") as caught:
            tracker.track_many(wrong)
        assert "s3cret" not in str(caught.value)
    with pytest.raises(SourceError, match=r"none\.mp4"):
        tracker.track_many([clip, tmp_path / "none.mp4"], detector="motion")
