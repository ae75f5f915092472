"""Frames a second, and where the time of a frame goes, for a source and a detector.

    python benchmarks/pipeline.py in.mp4 --detector yolo.cfg --weights yolo.weights --imgsz 640

Two passes over the same frames: tracks as JSON Lines only, then an annotated video as well.
"Not inference" is the share of the first pass's wall time in which no network ran: what decoding,
preparing, suppression, tracking and writing cost beyond what overlaps with inference.
"""

import argparse
import os
import platform
import tempfile
import time
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tracker.config.build import build_pipeline, open_source
from tracker.config.run import Config, load_config, overlay
from tracker.sinks.draw import draw_tracks
from tracker.sinks.draw_trails import Trails
from tracker.sinks.json_lines import JsonLinesSink
from tracker.sinks.video_file import VideoSink
from tracker.tracks import Sink

STAGES = (
    "decode",
    "preprocess",
    "infer",
    "nms",
    "embed",
    "camera",
    "track",
    "draw",
    "encode",
    "write",
)


def measure(
    source_name: str, config: Config, *, video: bool
) -> tuple[int, float, dict[str, float]]:
    """Returns frames, wall seconds and seconds by stage of one pass."""
    seconds = dict.fromkeys(STAGES, 0.0)
    frames, start = 0, 0.0
    pipeline = build_pipeline(config)
    trails = Trails(config.draw.trail_s)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_source(source_name, config) as source,
        JsonLinesSink(str(Path(folder) / "out.jsonl")) as json_sink,
    ):
        video_sink: Sink | None = None
        if video:
            video_sink = VideoSink(str(Path(folder) / "out.mp4"), style=config.draw)
        for result in islice(pipeline.run(source), config.source.max_frames):
            if not frames:  # loading and compiling are not the loop
                start = time.perf_counter() - sum(result.timings_s.values())
            frames += 1
            for stage, spent in result.timings_s.items():
                seconds[stage] += spent
            clock = time.perf_counter()
            json_sink.write(result)
            seconds["write"] += time.perf_counter() - clock
            if video_sink is not None:
                clock = time.perf_counter()
                trails.update(result.tracks, result.frame.time_s)
                draw_tracks(
                    result.frame.image,
                    result.tracks,
                    class_names=result.run.class_names,
                    trails=trails,
                    style=config.draw,
                )
                drawn = time.perf_counter() - clock
                clock = time.perf_counter()
                video_sink.write(result)  # draws again, then encodes
                seconds["draw"] += drawn
                seconds["encode"] += time.perf_counter() - clock - drawn
        # What the sink draws was drawn once more to time it.
        wall = time.perf_counter() - start - seconds["draw"]
        if video_sink is not None:
            video_sink.close()
    return frames, wall, seconds


def report(console: Console, passes: dict[str, tuple[int, float, dict[str, float]]]) -> None:
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("--detector", default="motion")
    parser.add_argument("--weights")
    parser.add_argument("--imgsz", type=int)
    parser.add_argument("--max-frames", type=int)
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
    passes = {
        "JSON only": measure(words.source, config, video=False),
        "JSON and video": measure(words.source, config, video=True),
    }
    report(console, passes)


if __name__ == "__main__":
    main()
