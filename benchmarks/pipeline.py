"""Frames a second, and where the time of a frame goes, for a source and a detector.

    python benchmarks/pipeline.py in.mp4 --detector yolo.cfg --weights yolo.weights --imgsz 640

Passes over the same frames, in turn, `--rounds` of each: tracks as JSON Lines only, then an
annotated video as well. The table has the medians. What a video needs is then measured alone,
without a network beside it: drawing, conversion to YUV, and encoding; CPU time counts all threads.
"Not inference" is the share of the first pass's wall time in which no network ran: what decoding,
preparing, suppression, tracking and writing cost beyond what overlaps with inference.
"""

import argparse
import io
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import av
from rich.console import Console
from rich.table import Table

from tracker.config.build import build_pipeline, open_source
from tracker.config.run import Config, load_config, overlay
from tracker.sinks.annotated import annotated_image
from tracker.sinks.draw_trails import Trails
from tracker.sinks.encoders import Encoder, add_video_stream
from tracker.sinks.json_lines import JsonLinesSink
from tracker.sinks.scaled import scaled_result
from tracker.sinks.video_encoder import keyframe_interval
from tracker.sinks.video_file import VideoSink
from tracker.sinks.yuv import YuvConverter
from tracker.tracks import Sink, TrackedFrame

STAGES = (
    "decode",
    "preprocess",
    "infer",
    "nms",
    "embed",
    "camera",
    "track",
    "write",
    "video",
)
ALONE_FRAMES = 60
"""Frames that are kept to measure drawing and encoding alone."""

Pass = tuple[int, float, dict[str, float]]


def measure(source_name: str, config: Config, *, video: bool) -> Pass:
    """Returns frames, wall seconds and seconds by stage of one pass.

    "video" is the time of the caller's thread: drawing, and waiting for the encoder where that is
    slower than all else.
    """
    seconds = dict.fromkeys(STAGES, 0.0)
    frames, start = 0, 0.0
    pipeline = build_pipeline(config)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_source(source_name, config) as source,
        JsonLinesSink(str(Path(folder) / "out.jsonl")) as json_sink,
    ):
        sinks: dict[str, Sink] = {"write": json_sink}
        if video:
            path = str(Path(folder) / "out.mp4")
            settings = config.video
            sinks["video"] = VideoSink(
                path,
                style=config.draw,
                crf=settings.crf,
                preset=settings.preset,
                scale=settings.scale,
            )
        for result in islice(pipeline.run(source), config.source.max_frames):
            if not frames:  # loading and compiling are not the loop
                start = time.perf_counter() - sum(result.timings_s.values())
            frames += 1
            for stage, spent in result.timings_s.items():
                seconds[stage] += spent
            for name, sink in sinks.items():
                clock = time.perf_counter()
                sink.write(result)
                seconds[name] += time.perf_counter() - clock
        if video:
            sinks["video"].close()
        wall = time.perf_counter() - start
    return frames, wall, seconds


def alone(source_name: str, config: Config) -> dict[str, tuple[float, float]]:
    """Returns wall and CPU milliseconds a frame of what a video needs, each measured alone."""
    pipeline = build_pipeline(config)
    with open_source(source_name, config) as source:
        most = min(config.source.max_frames or ALONE_FRAMES, ALONE_FRAMES)
        results = list(islice(pipeline.run(source), most))
    trails = Trails(config.draw.trail_s)
    small: list[TrackedFrame] = []
    images = [result.frame.image.copy() for result in results]

    def draw(index: int) -> None:
        result = small[index]
        trails.update(result.tracks, result.frame.time_s)
        annotated_image(result, trails, config.draw, None, images[index])

    rows = {}
    scale = config.video.scale
    rows["scale"] = timed(lambda i: small.append(scaled_result(results[i], scale)), len(results))
    images = [result.frame.image.copy() for result in small]
    rows["draw"] = timed(draw, len(results))
    converter = YuvConverter(images[0].shape, reuse=True)
    rows["convert"] = timed(lambda i: converter.frame(images[i]), len(results))
    rows["encode"] = encoding(images, results[0].run.video.fps, config)
    return rows


def encoding(images: Sequence[Any], fps: Any, config: Config) -> tuple[float, float]:
    """Returns wall and CPU milliseconds a frame of x264, with the settings of the configuration."""
    converter = YuvConverter(images[0].shape, reuse=False)
    frames = [converter.frame(image) for image in images]
    encoder = Encoder.x264(config.video.crf, config.video.preset, images[0].shape[:2])
    with av.open(io.BytesIO(), "w", format="mp4") as container:
        stream = add_video_stream(container, encoder, fps, converter.size)
        stream.codec_context.gop_size = keyframe_interval(fps)

        def encode(index: int) -> None:
            frame = frames[index] if index < len(frames) else None
            for packet in stream.encode(frame):
                container.mux(packet)

        wall, cpu = timed(encode, len(frames) + 1)
    return wall * (len(frames) + 1) / len(frames), cpu * (len(frames) + 1) / len(frames)


def timed(work: Callable[[int], object], count: int) -> tuple[float, float]:
    """Returns mean wall and CPU milliseconds of `work(0)`, `work(1)`, ..."""
    wall, cpu = time.perf_counter(), time.process_time()
    for index in range(count):
        work(index)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return 1000 * wall / count, 1000 * cpu / count


def median_pass(passes: Sequence[Pass]) -> Pass:
    """Returns the pass with the median wall time."""
    ordered = sorted(passes, key=lambda one: one[1])
    return ordered[len(ordered) // 2]


def report(console: Console, passes: dict[str, Pass]) -> None:
    table = Table(title="milliseconds a frame")
    table.add_column("stage")
    for name in passes:
        table.add_column(name, justify="right")
    for stage in STAGES:
        cells = [f"{1000 * seconds[stage] / frames:.2f}" for frames, _, seconds in passes.values()]
        table.add_row(stage, *cells)
    table.add_section()
    rows = {
        "wall": [f"{1000 * wall / frames:.2f}" for frames, wall, _ in passes.values()],
        "frames a second": [f"{frames / wall:.1f}" for frames, wall, _ in passes.values()],
        "not inference": [
            f"{100 * (1 - seconds['infer'] / wall):.1f} %" for _, wall, seconds in passes.values()
        ],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    console.print(table)


def report_alone(console: Console, rows: dict[str, tuple[float, float]]) -> None:
    table = Table(title="a video's parts alone, milliseconds a frame")
    for heading in ("part", "wall", "CPU"):
        table.add_column(heading, justify="left" if heading == "part" else "right")
    for name, (wall, cpu) in rows.items():
        table.add_row(name, f"{wall:.2f}", f"{cpu:.2f}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("--detector", default="motion")
    parser.add_argument("--weights")
    parser.add_argument("--imgsz", type=int)
    parser.add_argument("--max-frames", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    words = parser.parse_args()
    config = overlay(
        load_config(overrides=words.set),
        {
            "detector.name": words.detector,
            "detector.weights": words.weights,
            "detector.network.input_size": words.imgsz,
            "source.max_frames": words.max_frames,
        },
    )
    console = Console()
    console.print(
        f"{platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
        f"Python {platform.python_version()}; {words.source}, {words.detector}, "
        f"imgsz {words.imgsz or 'default'}"
    )
    kinds = {"JSON only": False, "JSON and video": True}
    rounds: dict[str, list[Pass]] = {name: [] for name in kinds}
    for _ in range(words.rounds):
        for name, video in kinds.items():
            rounds[name].append(measure(words.source, config, video=video))
    report(console, {name: median_pass(passes) for name, passes in rounds.items()})
    speeds = [[frames / wall for frames, wall, _ in rounds[name]] for name in kinds]
    shares = [with_video / without for without, with_video in zip(*speeds, strict=True)]
    console.print(
        f"frame rate with a video, relative to JSON only: median {statistics.median(shares):.2f} "
        f"({', '.join(f'{share:.2f}' for share in shares)})"
    )
    report_alone(console, alone(words.source, config))


if __name__ == "__main__":
    main()
