"""Counts of people and cars on real footage, from ground truth and from a run.

    python benchmarks/counting.py [--recordings DIR] [--detector small]

PETS09-S2L1 and the two TUD videos have ground truth boxes: the counts of their lines and zones are
those of the same analytics on the boxes of the truth. The clip of cars has none; it was counted by
eye. Recordings `NAME.jsonl` in DIR are taken as they are, others are made. Prints a table for each
line and zone: what truth and run count, and the difference.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from tracker.analytics.analyser import Analyser
from tracker.analytics.recorded import analyse_recording
from tracker.analytics.settings import AnalyticsSettings, Anchor, Line, Zone
from tracker.api import track
from tracker.sinks.json_lines import JsonLinesSink
from tracker.track_files.json_file import Recording
from tracker.track_files.read import read_mot_rows, read_recording
from tracker.track_files.recorded_tracks import RecordedTracks

DATA = Path(__file__).parents[2] / "shared" / "data"

PETS = AnalyticsSettings(
    size=(480, 360),
    lines=(
        Line("west", ((190.0, 220.0), (190.0, 100.0))),
        Line("lamp", ((268.0, 270.0), (268.0, 100.0))),
        Line("east", ((400.0, 280.0), (400.0, 90.0))),
    ),
    zones=(Zone("crossing", ((200.0, 100.0), (400.0, 100.0), (400.0, 240.0), (200.0, 240.0))),),
)
CAMPUS = AnalyticsSettings(
    size=(640, 480),
    lines=(
        Line("left", ((240.0, 479.0), (240.0, 300.0))),
        Line("right", ((400.0, 479.0), (400.0, 300.0))),
    ),
    zones=(Zone("middle", ((200.0, 320.0), (450.0, 320.0), (450.0, 470.0), (200.0, 470.0))),),
)
STADTMITTE = AnalyticsSettings(
    size=(640, 480),
    lines=(
        Line("left", ((300.0, 400.0), (300.0, 200.0))),
        Line("right", ((480.0, 400.0), (480.0, 200.0))),
    ),
    zones=(Zone("middle", ((250.0, 220.0), (500.0, 220.0), (500.0, 345.0), (250.0, 345.0))),),
)
CARS = AnalyticsSettings(
    size=(768, 432),
    lines=(Line("road", ((0.0, 250.0), (768.0, 250.0)), classes=("car",), anchor=Anchor.CENTER),),
)

TRUTH = {"PETS09-S2L1": (PETS, 10.0, 0.625), "TUD-Campus": (CAMPUS, 25.0, 1.0),
         "TUD-Stadtmitte": (STADTMITTE, 25.0, 1.0)}  # fmt: skip
"""Settings, frame rate, and pixels of the video in one of the truth."""

CARS_BY_EYE = {"in": 2, "out": 2}
"""Two cars come towards the camera, down the image, and two drive away, up."""


def truth_of(name: str, scale: float, fps: float) -> Recording:
    """Returns the ground truth that counts for scores, in pixels of the video."""
    rows = read_mot_rows(DATA / "mot15" / name / "gt" / "gt.txt")
    rows = rows[rows[:, 6] == 1]
    count = len(rows)
    tracks = RecordedTracks(
        frames=(rows[:, 0] - 1).astype(np.int32),
        ids=rows[:, 1].astype(np.int64),
        boxes=np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]]) * scale,
        scores=np.ones(count, np.float32),
        classes=np.zeros(count, np.int32),
        seen=np.ones(count, np.bool_),
        embeddings=np.zeros((count, 0), np.float32),
        class_names=("person",),
        frame_count=None,
        fps=fps,
    )
    return Recording(tracks, None, (), complete=True)


def recording_of(name: str, folder: Path, detector: str) -> Recording:
    """Returns the recording of a run, made if it is missing."""
    path = folder / f"{name}.jsonl"
    if not path.exists():
        with JsonLinesSink(str(path)) as sink:
            for result in track(str(DATA / "video" / f"{name}.mp4"), detector=detector):
                sink.write(result)
    return read_recording(path)


def people(settings: AnalyticsSettings) -> AnalyticsSettings:
    """Returns the settings for people alone."""
    lines = tuple(Line(one.name, one.points, ("person",)) for one in settings.lines)
    zones = tuple(Zone(one.name, one.polygon, ("person",)) for one in settings.zones)
    return AnalyticsSettings(size=settings.size, lines=lines, zones=zones)


def numbers(analyser: Analyser) -> list[tuple[str, int, int]]:
    """Returns name, ins and outs of all lines and zones."""
    found = []
    for line in analyser.counts.lines.values():
        found.append((f"line {line.name}", sum(line.entered.values()), sum(line.left.values())))
    for zone in analyser.counts.zones.values():
        crossed = [
            sum(how.get("crossed", 0) for how in side.values())
            for side in (zone.entered, zone.left)
        ]
        found.append((f"zone {zone.name}, over its border", crossed[0], crossed[1]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=Path, help="folder of NAME.jsonl")
    parser.add_argument("--detector", default="small")
    options = parser.parse_args()
    folder = options.recordings or Path(tempfile.mkdtemp())
    print("| video | | in: truth | run | out: truth | run |")
    print("|---|---|---|---|---|---|")
    for name, (shapes, fps, scale) in TRUTH.items():
        settings = people(shapes)
        _, true = analyse_recording(truth_of(name, scale, fps), settings)
        _, found = analyse_recording(recording_of(name, folder, options.detector), settings)
        for (label, t_in, t_out), (_, r_in, r_out) in zip(
            numbers(true), numbers(found), strict=True
        ):
            print(f"| {name} | {label} | {t_in} | {r_in} | {t_out} | {r_out} |")
    _, found = analyse_recording(recording_of("car-detection", folder, options.detector), CARS)
    ((label, r_in, r_out),) = numbers(found)
    truth = CARS_BY_EYE
    print(f"| car-detection | {label} | {truth['in']} | {r_in} | {truth['out']} | {r_out} |")


if __name__ == "__main__":
    main()
