"""How well appearance networks tell people apart, and how fast they are.

    python benchmarks/appearance.py --embedder best.keras

Crops cut by truth from every n-th frame of three videos of pedestrians (PETS09-S2L1, TUD-Campus,
TUD-Stadtmitte), a network of this package beside those of Open Model Zoo on the same crops. Rank-1
and the area under the ROC curve take all pairs within a video. Times are medians, one thread,
cutting and resizing included, for 1, 8 and 32 boxes in a frame.

Prints two markdown tables, JSON with `--json`. Missing networks are skipped with a message.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from real_video import DATA, NETWORKS, SEQUENCES, OpenVinoEmbedder

from tracker.boxes import xywh_to_xyxy
from tracker.detections import Detections, Embedder
from tracker.embedding.crop_embedder import CropEmbedder
from tracker.evaluation.appearance import AppearanceScores, appearance_scores
from tracker.frames import Frame
from tracker.sources.files.video_file import VideoFile
from tracker.track_files.read import read_mot_rows
from tracker.util.arrays import IndexArray
from tracker.util.opencv import cv2

STEPS = {"PETS09-S2L1": 10, "TUD-Campus": 4, "TUD-Stadtmitte": 5}
"""Frames from one that is used to the next."""

TRUTH_WIDTH = {"PETS09-S2L1": 768, "TUD-Campus": 640, "TUD-Stadtmitte": 640}
"""Width in pixels of the images that the truth was drawn in."""

COUNTS = (1, 8, 32)
REPEATS = 15


@dataclass(frozen=True, slots=True)
class Sample:
    """The people in one frame.

    Attributes:
        frame: The frame.
        people: Their boxes, in the order of `ids`.
        ids: `(N,)` identities.
    """

    frame: Frame
    people: Detections
    ids: IndexArray


def samples(name: str, data: Path) -> list[Sample]:
    """Returns every n-th frame of a video with its truth, whose frame k is video frame k - 1."""
    rows = read_mot_rows(data / "mot15" / name / "gt" / "gt.txt")
    rows = rows[rows[:, 6] == 1]
    found = []
    with VideoFile(data / "video" / f"{name}.mp4") as source:
        scale = source.info.width / TRUTH_WIDTH[name]
        for number, frame in enumerate(source, 1):
            here = rows[rows[:, 0] == number]
            if (number - 1) % STEPS[name] or not len(here):
                continue
            boxes = xywh_to_xyxy((here[:, 2:6] * scale).astype(np.float32))
            people = Detections.create(boxes, np.ones(len(here)))
            found.append(Sample(frame, people, here[:, 1].astype(np.int64)))
    return found


def judge(embedder: Embedder, found: list[Sample]) -> AppearanceScores:
    """Returns how well an embedder tells the people of a video apart."""
    vectors = [embedder.embed(sample.frame, sample.people).embeddings for sample in found]
    ids = np.concatenate([sample.ids for sample in found])
    return appearance_scores(np.concatenate(vectors), ids)


def times_ms(embedder: Embedder, found: list[Sample]) -> dict[int, float]:
    """Returns the median milliseconds a crop by the number of boxes in a frame."""
    boxes = np.concatenate([sample.people.boxes for sample in found])
    result = {}
    for count in COUNTS:
        people = Detections.create(np.resize(boxes, (count, 4)), np.ones(count))
        embedder.embed(found[0].frame, people)
        taken = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            embedder.embed(found[0].frame, people)
            taken.append((time.perf_counter() - start) * 1e3 / count)
        result[count] = float(np.median(taken))
    return result


def embedders(ours: Path | None, data: Path) -> dict[str, Embedder]:
    """Returns the available embedders by name, and prints which are missing."""
    found: dict[str, Embedder] = {}
    if ours is not None:
        found["ours"] = CropEmbedder.load(ours, threads=1)
    for name, path in NETWORKS.items():
        try:
            found[name] = OpenVinoEmbedder(data / path, threads=1)
        except (ImportError, OSError) as error:
            print(f"{name}: skipped, {error}", file=sys.stderr)
    return found


def scores_table(scores: Mapping[tuple[str, str], AppearanceScores]) -> str:
    """Returns a markdown table by video and embedder."""
    lines = [
        "| sequence | appearance | rank-1 | AUC | distance same | different | best threshold |",
        "|---" * 7 + "|",
    ]
    for (sequence, name), part in scores.items():
        values = (part.rank1, part.auc, part.same, part.different, part.threshold)
        lines.append(f"| {sequence} | {name} | " + " | ".join(f"{v:.3f}" for v in values) + " |")
    return "\n".join(lines)


def times_table(times: Mapping[str, Mapping[int, float]]) -> str:
    """Returns a markdown table, milliseconds a crop."""
    heads = " | ".join(f"{count} in a frame" for count in COUNTS)
    lines = [f"| appearance, ms a crop | {heads} |", "|---" * (1 + len(COUNTS)) + "|"]
    for name, part in times.items():
        lines.append(f"| {name} | " + " | ".join(f"{part[count]:.2f}" for count in COUNTS) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of videos and weights")
    parser.add_argument("--embedder", type=Path, help=".keras file of `tracker train reid`")
    parser.add_argument("--json", type=Path, help="file for the numbers as JSON")
    arguments = parser.parse_args()
    if not (arguments.data / "video").is_dir():
        print(f"skipped: no videos in {arguments.data}; name their folder with --data")
        return
    cv2.setNumThreads(1)
    networks = embedders(arguments.embedder, arguments.data)
    found = {name: samples(name, arguments.data) for name in SEQUENCES}
    scores = {
        (sequence, name): judge(embedder, parts)
        for sequence, parts in found.items()
        for name, embedder in networks.items()
    }
    times = {name: times_ms(embedder, found[SEQUENCES[0]]) for name, embedder in networks.items()}
    for sequence, parts in found.items():
        ids = np.concatenate([sample.ids for sample in parts])
        print(f"{sequence}: {len(ids)} crops of {len(np.unique(ids))} people")
    print(f"\n{scores_table(scores)}\n\n{times_table(times)}")
    if arguments.json is not None:
        rows = [
            {"sequence": sequence, "appearance": name, **dataclasses.asdict(part)}
            for (sequence, name), part in scores.items()
        ]
        arguments.json.write_text(json.dumps({"scores": rows, "ms_a_crop": times}, indent=2) + "\n")


if __name__ == "__main__":
    main()
