"""`tracker bench`: measurements of scripted results, and the command itself."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli import call
from tests.cli.test_main import failure
from tests.sinks.results import make_result, make_run
from tracker.cli.bench.command import BenchRequest, LivePlay, run_bench, runtime_of
from tracker.cli.bench.report import (
    WHOLE,
    Machine,
    load_header,
    measure_file,
    measure_load,
)
from tracker.config.run import DetectorConfig, load_config
from tracker.detection.yolo_detector import DetectorSettings
from tracker.errors import ConfigError
from tracker.inference.runtime_kind import RuntimeKind
from tracker.util.latency import RELATIVE_ERROR

MOTION = ("--detector", "motion")
LIVE = make_run(is_live=True)


def clock_of(*seconds: float):
    """Returns these times, one after the other."""
    times = iter(seconds)
    return lambda: next(times)


def test_single_result_has_no_frame_rate() -> None:
    figures = measure_file([make_result(0)], clock_of(5.0))
    assert (figures.frames, figures.fps) == (1, None)
    assert figures.lines[0] == "frames      1, -"
    row = measure_load([make_result(0, run=LIVE)], clock_of(5.0), load=1)
    assert (row.processed_fps, row.latency, row.trend_s_per_minute) == (None, None, None)
    assert row.line.split() == ["1", "25.0", "-", "0", "(0.0", "%)", *["-"] * 5]
    assert row.to_json()["latency_ms"] is None


def test_stage_times_of_a_file() -> None:
    spent = [{"decode": 0.002, "infer": 0.010}] * 9 + [{"decode": 0.004, "infer": 0.020, "nms": 1}]
    results = [replace(make_result(n), timings_s=times) for n, times in enumerate(spent)]
    figures = measure_file(results, clock_of(*(10 + n / 50 for n in range(10))))
    assert figures.fps == pytest.approx(50)
    assert list(figures.stages) == ["decode", "infer", "nms", WHOLE]
    decode = figures.to_json()["stages_ms"]["decode"]
    expected = {"mean": 2.2, "p50": 2, "p95": 4, "p99": 4, "max": 4}
    assert decode == pytest.approx(expected, rel=RELATIVE_ERROR)
    assert figures.to_json()["stages_ms"][WHOLE]["max"] == 1024
    assert figures.stages["nms"].count == 1  # the stage ran in one frame
    header, first = figures.lines[2].split(), figures.lines[3].split()
    assert header == ["ms", "by", "stage", "mean", "p50", "p95", "p99", "max"]
    assert first[:2] == ["decode", "2.20"]


def test_load_above_capacity() -> None:
    # 101 results in 10 s of a source at 25 fps; ages rise by 1 ms in each 0.1 s.
    results = [
        make_result(n, run=LIVE, time_s=n / 10, age_s=0.05 + n / 1000, dropped=3 * n // 2)
        for n in range(101)
    ]
    row = measure_load(results, clock_of(*(n / 10 for n in range(101))), load=2)
    assert (row.offered_fps, row.frames, row.dropped) == (25, 101, 150)
    assert row.processed_fps == pytest.approx(10)
    record = row.to_json()
    assert record["dropped_share"] == pytest.approx(150 / 251, abs=1e-6)
    assert record["latency_ms"]["p50"] == pytest.approx(100, rel=RELATIVE_ERROR)
    assert record["latency_ms"]["max"] == 150
    assert record["trend_ms_per_minute"] == pytest.approx(600)
    cells = row.line.split()
    assert cells[:6] == ["2", "25.0", "10.0", "150", "(59.8", "%)"]
    assert cells[-2:] == ["150.0", "+600.0"]
    assert len(row.line) == len(load_header())


def test_runtime_of_each_detector() -> None:
    def runtime(name: str, **settings: object) -> str | None:
        return runtime_of(DetectorConfig(name, network=DetectorSettings(**settings)))

    assert runtime("small", device="cpu") == "LiteRT"
    assert runtime("mine.keras", device="gpu") == "XLA"
    assert runtime("yolo.cfg", device="cpu") == "LiteRT"
    assert runtime("yolo-fastest-1.1-body", device="cpu") == "LiteRT"  # a .cfg of the registry
    onnx = {"runtime": RuntimeKind.ONNX_RUNTIME}
    assert runtime("nanodet-m-416", **onnx) == runtime("other.onnx", **onnx) == "ONNX Runtime"
    assert runtime("other.xml") == runtime("small", runtime=RuntimeKind.OPENVINO) == "OpenVINO"
    assert runtime("other.tflite") == "LiteRT"
    assert (
        runtime("fcn")
        == runtime("kerashub:x")
        == runtime("https://x/y")
        == runtime("folder")
        == "TensorFlow"
    )
    assert runtime("motion") is None
    assert runtime_of(DetectorConfig("small", detections="det.txt")) is None


def test_the_lines_about_the_machine() -> None:
    machine = Machine("Deep Thought", 2, 1, "LiteRT", "cpu", 2)
    assert machine.lines == [
        "hardware    Deep Thought, 2 cores, 1 of them usable",
        "runtime     LiteRT, device cpu, threads 2",
    ]
    assert replace(machine, runtime=None).lines[1] == "runtime     no network"


def test_file_as_fast_as_possible(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    assert call("bench", clip, *MOTION, "--json", out) == 0
    output = capsys.readouterr()
    assert output.err == ""
    lines = output.out.splitlines()
    assert lines[0] == f"source      {clip}"
    assert lines[1].startswith("hardware    ")
    assert lines[2] == "runtime     no network"
    assert lines[3].startswith("frames      60, ")
    stages = [line.split("  ")[0].strip() for line in lines[6:]]
    record = json.loads(out.read_text())
    assert list(record["stages_ms"]) == stages
    assert stages[0] == "decode"
    assert stages[-1] == WHOLE
    assert (record["live"], record["frames"], record["detector"]) == (False, 60, "motion")
    assert record["fps"] > 0
    assert record["machine"]["runtime"] is None
    assert record["config"]["detector"]["name"] == "motion"


def test_max_frames_and_set(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--max-frames", 7, "--set", "source.stride=2", "--json", "-")
    assert call("bench", clip, *MOTION, *words) == 0
    output = capsys.readouterr()
    record = json.loads(output.out)  # stdout contains nothing else
    assert record["frames"] == 7
    assert record["config"]["source"]["stride"] == 2
    assert "frames      7, " in output.err


def test_live_loads(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    words = ("--live", "--load", "100,400", "--json", out)  # 60 frames in 24 and in 6 ms
    assert call("bench", clip, *MOTION, *words) == 0
    *_, header, first, second = capsys.readouterr().out.splitlines()
    assert header == load_header()
    assert [row.split()[:2] for row in (first, second)] == [["100", "2500.0"], ["400", "10000.0"]]
    record = json.loads(out.read_text())
    assert (record["live"], record["seconds"]) == (True, None)
    for row in record["loads"]:
        assert row["frames"] + row["dropped"] <= 60
        assert row["frames"] >= 1
        assert 0 < row["latency_ms"]["p50"] <= row["latency_ms"]["max"] * 1.005
    assert record["loads"][0]["offered_fps"] == 2500


class LateClock:
    """A clock far ahead of all due times, whose waits return at once."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def now(self) -> float:
        return self._seconds

    def wall(self) -> float:
        return 1e9

    def wait(self, seconds: float, stop: threading.Event) -> None:
        self._seconds += seconds


def test_seconds_repeat_the_file(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = load_config(overrides=["detector.name=motion", "source.live.policy=all"])
    request = BenchRequest(str(clip), config, LivePlay((1.0, 2.0), seconds=4.0), json="-")
    run_bench(request, LateClock())
    record = json.loads(capsys.readouterr().out)
    # 4 s at 25 and at 50 fps; the clip has 60 frames. Nothing is dropped.
    assert [row["frames"] for row in record["loads"]] == [100, 200]
    assert [row["dropped"] for row in record["loads"]] == [0, 0]
    assert record["seconds"] == 4


def test_early_end_does_not_wait_for_the_next_frame(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    slow = ("--live", "--load", "0.001", "--max-frames", 1)  # the second frame is due after 40 s
    begin = time.monotonic()
    assert call("bench", clip, *MOTION, *slow, "--json", out) == 0
    assert time.monotonic() - begin < 20
    assert json.loads(out.read_text())["loads"][0]["frames"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--load", "2"), "--load 2: without --live a file is read as fast"),
        (("--seconds", 5), "--seconds 5.0: without --live"),
        (("--live", "--load", "1,x"), "--load 1,x: expected numbers with commas between"),
        (("--live", "--load", "1,"), "--load 1,: expected numbers with commas between"),
        (("--live", "--load", "0"), "--load 0: expected comma-separated speeds from 0.001 to 1000"),
        (("--live", "--load", "nan"), "--load nan: expected comma-separated speeds"),
        (("--live", "--seconds", 0), "--seconds 0: expected a number above 0"),
        ((*MOTION, "--imgsz", 320), "--imgsz 320: the motion detector runs no network"),
        ((*MOTION, "--device", "gpu"), "--device gpu: the motion detector runs no network"),
        (
            ("--conf", 0.5, "--set", "detector.detections=det.txt"),
            "--conf 0.5: replaying det.txt runs no network; leave it out",
        ),
        (("--detector", "smal"), "did you mean 'small'?"),
        (("--json", "/"), "cannot write /: it is a directory"),
    ],
)  # fmt: skip
def test_wrong_use(
    clip: Path, capsys: pytest.CaptureFixture[str], words: tuple[object, ...], message: str
) -> None:
    code, text = failure(capsys, "bench", clip, *words)
    assert code == 2
    assert message in text


def test_sources_that_cannot_be_replayed(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        "expected a video file or images, which can be replayed, got a camera"
        in (failure(capsys, "bench", 0, *MOTION)[1])
    )
    message = failure(capsys, "bench", "rtsp://me:s3cret@door/main", *MOTION)[1]
    assert "rtsp://***@door/main: expected a video file" in message
    before = clip.read_bytes()
    assert "it is the source itself" in failure(capsys, "bench", clip, "--json", clip)[1]
    assert clip.read_bytes() == before
    assert "none.mp4: does not exist" in failure(capsys, "bench", "none.mp4", *MOTION)[1]


def test_conf_with_the_motion_detector(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert call("bench", clip, *MOTION, "--conf", 0.7, "--max-frames", 1, "--json", out) == 0
    assert json.loads(out.read_text())["config"]["detector"]["motion"]["confidence"] == 0.7


def test_empty_list_of_loads() -> None:
    with pytest.raises(ConfigError, match="--load : expected comma-separated speeds"):
        LivePlay(())
