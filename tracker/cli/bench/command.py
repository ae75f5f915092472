"""`tracker bench`: runs a recorded source through the pipeline and reports its speed."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tracker.cli.bench.report import (
    LoadFigures,
    Machine,
    core_count,
    load_header,
    measure_file,
    measure_load,
)
from tracker.cli.text_output import check_text_output, write_text
from tracker.config.build import build_pipeline, open_source
from tracker.config.build_detector import FCN, KERAS_HUB, MOTION
from tracker.config.run import Config, DetectorConfig
from tracker.detection.runtimes.base import choose_runtime
from tracker.detection.third_party_runtime import runtimes_of
from tracker.errors import ConfigError
from tracker.frames import Source
from tracker.inference.devices import Device, tensorflow_device
from tracker.inference.litert import available_cores
from tracker.inference.runtime_kind import RuntimeKind
from tracker.models.files.tflite import is_exported
from tracker.pipeline.single import Pipeline
from tracker.registry.builtin import DETECTORS
from tracker.registry.entries import DARKNET
from tracker.registry.models import read_registry
from tracker.sinks.output_file import STDOUT, check_not_source
from tracker.sources.live.simulated import FASTEST, SLOWEST, Clock, PacedSource, Repeat, SystemClock
from tracker.sources.source_kind import SourceKind, source_kind
from tracker.tracks import TrackedFrame
from tracker.util.address import shown_address
from tracker.util.machine import cpu_model
from tracker.util.terminal import print_results, print_status
from tracker.version import PROGRAM

_LITERT, _XLA, _TENSORFLOW = "LiteRT", "XLA", "TensorFlow"
_ONNX, _OPENVINO = "ONNX Runtime", "OpenVINO"
_FASTER = f"{_ONNX} or {_OPENVINO}, the faster"
_NAMES = {
    RuntimeKind.LITERT: _LITERT,
    RuntimeKind.XLA: _XLA,
    RuntimeKind.ONNX_RUNTIME: _ONNX,
    RuntimeKind.OPENVINO: _OPENVINO,
}


@dataclass(frozen=True, slots=True)
class LivePlay:
    """How a file is played as a live source.

    Attributes:
        loads: Playback speeds, run one after the other; 1 = as recorded.
        seconds: Duration of each run, repeating the file; `None` plays the file once.

    Raises:
        ConfigError: A speed or the time is out of range, or there is no speed.
    """

    loads: tuple[float, ...] = (1.0,)
    seconds: float | None = None

    def __post_init__(self) -> None:
        if not self.loads or not all(SLOWEST <= load <= FASTEST for load in self.loads):
            got = ",".join(f"{load:g}" for load in self.loads)
            raise ConfigError(
                f"--load {got}: expected comma-separated speeds from {SLOWEST:g} to "
                f"{FASTEST:g}, e.g. 0.5,1,2"
            )
        if self.seconds is not None and not 0 < self.seconds < 1e9:
            raise ConfigError(f"--seconds {self.seconds:g}: expected a number above 0, below 1e+09")


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """Source, configuration and outputs of `tracker bench`.

    Attributes:
        source: A video file or images, as the user typed it.
        config: The resolved configuration.
        live: How the file is played as a live source; `None` processes it as fast as possible.
        json: File for the measurements as JSON, "-" for stdout; `None` for none.
    """

    source: str
    config: Config
    live: LivePlay | None = None
    json: str | None = None


def run_bench(request: BenchRequest, clock: Clock | None = None) -> None:
    """Measures speed and latency, and prints and writes the results.

    The table goes to stdout, or to stderr where JSON goes to stdout. Models are loaded and
    compiled before the measurement starts.

    Args:
        request: What to measure.
        clock: Clock of the simulated source and of the measurement.

    Raises:
        ConfigError: The source is a camera or a stream, or the configuration is wrong.
        OutputError: The JSON cannot be written.
        TrackerError: A stage failed.
    """
    clock = clock or SystemClock()
    kind = source_kind(request.source)
    if kind not in (SourceKind.VIDEO_FILE, SourceKind.IMAGES):
        raise ConfigError(
            f"{shown_address(request.source)}: expected a video file or images, which can be "
            f"replayed, got a {kind.value}; `tracker run` reports its latency"
        )
    if request.json is not None:
        _check_json(request.json, request.source)
    print_lines = print_status if request.json == STDOUT else print_results
    pipeline = build_pipeline(request.config)
    _warm_up(request, pipeline)
    machine = machine_of(request.config)
    print_lines(f"source      {request.source}", *machine.lines)
    if request.live is None:
        figures = _bench_file(request, pipeline, print_lines, clock)
    else:
        figures = _bench_live(request, request.live, pipeline, print_lines, clock)
    if request.json is not None:
        _write_json(request, machine, figures)


def _check_json(path: str, source: str) -> None:
    """Checks the output path before the measurement, so that no result is lost.

    Raises:
        OutputError: The path cannot be written, or is the source itself.
    """
    check_text_output(path)
    if path != STDOUT:
        check_not_source(path, source)


def _warm_up(request: BenchRequest, pipeline: Pipeline) -> None:
    """Processes one frame, so that networks are compiled and files are in the system's cache."""
    with (
        open_source(request.source, request.config) as source,
        _results(request, pipeline, source) as results,
    ):
        next(results)


def _bench_file(
    request: BenchRequest, pipeline: Pipeline, print_lines: Callable[..., None], clock: Clock
) -> dict[str, Any]:
    with (
        open_source(request.source, request.config) as source,
        _results(request, pipeline, source) as results,
    ):
        figures = measure_file(results, clock.now)
    print_lines(*figures.lines)
    return figures.to_json()


def _bench_live(
    request: BenchRequest,
    live: LivePlay,
    pipeline: Pipeline,
    print_lines: Callable[..., None],
    clock: Clock,
) -> dict[str, Any]:
    """Returns the measurements of all loads; each is printed as soon as it is complete."""
    print_lines("", load_header())
    rows: list[LoadFigures] = []
    for load in live.loads:
        with (
            _paced(request, live, load, clock) as source,
            _results(request, pipeline, source) as results,
        ):
            rows.append(measure_load(results, clock.now, load=load))
        print_lines(rows[-1].line)
    return {"seconds": live.seconds, "loads": [row.to_json() for row in rows]}


def _paced(request: BenchRequest, live: LivePlay, load: float, clock: Clock) -> PacedSource:
    def reopen() -> Source:
        return open_source(request.source, request.config)

    repeat = None if live.seconds is None else Repeat(live.seconds, reopen)
    return PacedSource(reopen(), speed=load, repeat=repeat, clock=clock)


@contextmanager
def _results(
    request: BenchRequest, pipeline: Pipeline, source: Source
) -> Iterator[Iterator[TrackedFrame]]:
    settings = request.config.source
    results = pipeline.run(source, policy=settings.live.policy)
    try:
        yield islice(results, settings.max_frames)
    finally:
        source.close()  # Otherwise a reader that waits for its next frame would not end.
        results.close()


def _write_json(request: BenchRequest, machine: Machine, figures: dict[str, Any]) -> None:
    record = {
        "program": PROGRAM,
        "source": request.source,
        "detector": request.config.detector.name,
        "machine": asdict(machine),
        "live": request.live is not None,
        **figures,
        "config": request.config.to_json(),
    }
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
    write_text(request.json or STDOUT, text)


def machine_of(config: Config) -> Machine:
    """Returns the hardware and the runtime that a configuration is measured on."""
    network = config.detector.network
    runtime = runtime_of(config.detector)
    device = None
    if runtime in {_LITERT, _OPENVINO, _FASTER}:
        device = "cpu"
    elif runtime == _ONNX:
        device = network.device
    elif runtime is not None:
        device = tensorflow_device(Device.parse(network.device)).strip("/").lower()
    usable = available_cores()
    threads = None if runtime is None else network.threads or usable
    return Machine(cpu_model(), core_count(), usable, runtime, device, threads)


def runtime_of(choice: DetectorConfig) -> str | None:
    """Returns the name of the runtime of a detector's network; `None` where there is no network."""
    if choice.detections is not None or choice.name == MOTION:
        return None
    name, is_ours = choice.name, choice.name in DETECTORS
    if not is_ours and name in (entries := read_registry().entries):
        is_ours = entries[name].layout == DARKNET
        name = entries[name].files[0].name
    suffix = Path(name).suffix.lower()
    if is_ours or suffix in {".cfg", ".keras"} or (suffix == ".tflite" and is_exported(name)):
        chosen = choose_runtime(choice.network.runtime, Device.parse(choice.network.device))
        return _NAMES[chosen]
    if name == FCN or name.startswith((KERAS_HUB, "https://")):
        return _TENSORFLOW
    runtimes = runtimes_of(name, choice.network)
    if len(runtimes) > 1:
        return _FASTER
    return _NAMES[runtimes[0]] if runtimes else _TENSORFLOW
