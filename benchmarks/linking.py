"""How well `tracker link` and `--link` find people again, on two cuts of one video.

    python benchmarks/linking.py --cuts /tmp/cuts

The first half of each video (PETS09-S2L1, TUD-Campus, TUD-Stadtmitte) stands for camera A, the
second for camera B. Tracks: those of `tracker run` with its defaults, each given the person of the
truth whose boxes it follows; or `crops`: the true boxes of every n-th frame, one track for each
person and half. Where people of PETS09-S2L1 return under a new id of the truth, `SAME_PEOPLE`
corrects it. Precision and recall are over pairs of a track of A and one of B; `found` counts
the people with tracks in both halves of whom one pair has one id.

Prints a markdown table with a row for each threshold. The recordings are kept in `--cuts`.
"""

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from appearance import TRUTH_WIDTH, samples
from real_video import DATA, SEQUENCES

from tracker.boxes import pairwise_iou, xywh_to_xyxy
from tracker.detections import Detections
from tracker.embedding.crop_embedder import CropEmbedder
from tracker.frames import Frame, VideoInfo
from tracker.linking.offline import global_ids
from tracker.linking.online import Linker
from tracker.linking.settings import LinkSettings
from tracker.linking.tracklets import Tracklets, tracklets_of
from tracker.track_files.read import read_mot_rows, read_recording
from tracker.track_files.recorded_tracks import RecordedTracks
from tracker.tracks import RunInfo, TrackedFrame, Tracks

CUTS = {"PETS09-S2L1": (397, "39.7"), "TUD-Campus": (36, "1.44"), "TUD-Stadtmitte": (90, "3.6")}
"""Frames of the first half, and the time in seconds at which the second begins."""

SAME_PEOPLE = {"PETS09-S2L1": {9: 5, 10: 6, 11: 3, 12: 4, 13: 2, 14: 8, 15: 8, 18: 8, 19: 1}}
"""Ids of the truth that are one person with another id: in PETS09-S2L1 people who leave and return
have a new id. Matched by eye, by their clothes: ten people; ids of one person never overlap in
time."""

THRESHOLDS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
SHARE = 0.5
"""Share of a track's rows that have to follow one person; other tracks are left out."""


@dataclass(frozen=True, slots=True)
class Halves:
    """Tracks of both halves, and the person of each, 0 where none is known."""

    recordings: tuple[RecordedTracks, RecordedTracks]
    people: tuple[dict[int, int], dict[int, int]]


def record(name: str, cuts: Path, data: Path) -> None:
    """Records both halves of a video, unless they are there."""
    count, start = CUTS[name]
    for half, words in (("A", ["--max-frames", str(count)]), ("B", ["--start", start])):
        path = cuts / f"{name}-{half}.jsonl"
        if not path.exists():
            video = str(data / "video" / f"{name}.mp4")
            options = ["--embeddings", "--classes", "person", "--no-progress", *words]
            command = [sys.executable, "-m", "tracker", "run", video, "--json", str(path)]
            subprocess.run([*command, *options], check=True)


def recorded_halves(name: str, cuts: Path, data: Path) -> Halves:
    """Returns the recorded tracks, with the person that each follows."""
    truth = read_mot_rows(data / "mot15" / name / "gt" / "gt.txt")
    truth = truth[truth[:, 6] == 1]
    parts = [read_recording(cuts / f"{name}-{half}.jsonl") for half in "AB"]
    assert parts[0].header is not None
    scale = parts[0].header.width / TRUTH_WIDTH[name]
    for row, person in enumerate(truth[:, 1].tolist()):
        truth[row, 1] = SAME_PEOPLE.get(name, {}).get(int(person), person)
    people = [_people(part.tracks, truth, scale) for part in parts]
    return Halves((parts[0].tracks, parts[1].tracks), (people[0], people[1]))


def _people(tracks: RecordedTracks, truth: np.ndarray, scale: float) -> dict[int, int]:
    votes: dict[int, Counter[int]] = {}
    rows = Counter(tracks.ids[tracks.seen].tolist())
    for frame, here in tracks.select(tracks.seen).by_frame():
        true = truth[truth[:, 0] == frame + 1]
        boxes = xywh_to_xyxy((true[:, 2:6] * scale).astype(np.float32))
        overlap = pairwise_iou(here.boxes.astype(np.float32), boxes)
        for row, track_id in enumerate(here.ids.tolist()):
            if len(true) and overlap[row].max() >= 0.5:
                person = int(true[overlap[row].argmax(), 1])
                votes.setdefault(track_id, Counter())[person] += 1
    found = {number: counts.most_common(1)[0] for number, counts in votes.items()}
    return {n: person for n, (person, count) in found.items() if count >= SHARE * rows[n]}


def true_halves(name: str, data: Path, embedder: CropEmbedder) -> Halves:
    """Returns a track for each person and half: the true boxes of every n-th frame."""
    found = samples(name, data)
    halves = (
        [s for s in found if s.frame.index < CUTS[name][0]],
        [s for s in found if s.frame.index >= CUTS[name][0]],
    )
    recordings, people = [], []
    for half in halves:
        frames = np.concatenate([np.full(len(s.ids), s.frame.index) for s in half])
        embeddings = [embedder.embed(s.frame, s.people).embeddings for s in half]
        ids = np.concatenate([s.ids for s in half])
        recordings.append(_recorded(frames, ids, np.concatenate(embeddings)))
        same = SAME_PEOPLE.get(name, {})
        people.append({number: same.get(number, number) for number in ids.tolist()})
    return Halves((recordings[0], recordings[1]), (people[0], people[1]))


def _recorded(frames: np.ndarray, ids: np.ndarray, embeddings: np.ndarray) -> RecordedTracks:
    return RecordedTracks(
        frames=frames.astype(np.int32),
        ids=ids.astype(np.int64),
        boxes=np.zeros((len(ids), 4)),
        scores=np.ones(len(ids), np.float32),
        classes=np.zeros(len(ids), np.int32),
        seen=np.ones(len(ids), np.bool_),
        embeddings=embeddings,
        class_names=("person",),
        frame_count=None,
        fps=10.0,
    )


def linked_offline(halves: Halves, settings: LinkSettings) -> dict[tuple[int, int], int]:
    """Returns the global id by half and track id, by `tracker link`."""
    unknown = [np.full(len(part), np.nan) for part in halves.recordings]
    found: Tracklets = tracklets_of(halves.recordings, unknown)
    keys = zip(found.sources.tolist(), found.ids.tolist(), strict=True)
    return dict(zip(keys, global_ids(found, settings).tolist(), strict=True))


def linked_online(halves: Halves, settings: LinkSettings) -> dict[tuple[int, int], int]:
    """Returns the last global id by half and track id, by `--link`: A and B side by side."""
    linker = Linker(settings)
    found: dict[tuple[int, int], int] = {}
    parts = [list(part.select(part.seen).by_frame()) for part in halves.recordings]
    for number in range(max(map(len, parts))):
        for half, part in enumerate(parts):
            if number < len(part):
                tracks = linker.link(half, _result(*part[number])).tracks
                keys = [(half, track_id) for track_id in tracks.ids.tolist()]
                found |= zip(keys, tracks.global_ids.tolist(), strict=True)
    alone = iter(range(-2, -100_000, -1))  # a track without an id is nobody else
    return {key: next(alone) if number == -1 else number for key, number in found.items()}


def _result(frame: int, rows: RecordedTracks) -> TrackedFrame:
    count = len(rows)
    tracks = Tracks(
        ids=rows.ids,
        boxes=rows.boxes.astype(np.float32),
        velocities=np.zeros((count, 2), np.float32),
        scores=rows.scores,
        classes=np.zeros(count, np.int32),
        class_scores=rows.scores,
        states=np.ones(count, np.uint8),
        ages=np.ones(count, np.int32),
        misses=np.zeros(count, np.int32),
        detection_index=np.arange(count, dtype=np.int32),
    )
    info = VideoInfo("cut", 8, 8, Fraction(10), Fraction(1, 10))
    boxes = np.tile([0.0, 0, 1, 1], (count, 1))
    detections = Detections.create(boxes, np.ones(count), embeddings=rows.embeddings)
    image = np.zeros((1, 1, 3), np.uint8)
    frame_ = Frame(image, frame, frame / 10, "cut")
    return TrackedFrame(frame_, detections, tracks, {}, RunInfo(info, ("person",)))


def scores(halves: Halves, linked: dict[tuple[int, int], int]) -> tuple[int, int, int, int, int]:
    """Returns right pairs, given pairs, true pairs, people found, and people in both halves."""
    right = given = true = 0
    found, both = set(), set(halves.people[0].values()) & set(halves.people[1].values())
    for first, person in halves.people[0].items():
        for second, other in halves.people[1].items():
            is_given = linked[0, first] == linked[1, second]
            given += is_given
            true += person == other
            if is_given and person == other:
                right += 1
                found.add(person)
    return right, given, true, len(found), len(both)


def table(cases: dict[str, Halves], names: Sequence[str]) -> Iterator[str]:
    """Yields the lines of a markdown table, a row for each threshold."""
    yield "| max_distance | " + " | ".join(names) + " | F1 |"
    yield "|---" * (2 + len(names)) + "|"
    for limit in THRESHOLDS:
        settings = LinkSettings(max_distance=limit)
        cells, sums = [], np.zeros(3)
        for name in names:
            case, _, way = name.partition(", ")
            link = linked_online if way == "on-line" else linked_offline
            halves = cases[case]
            right, given, true, found, both = scores(halves, link(halves, settings))
            sums += right, given, true
            precision, recall = right / max(given, 1), right / max(true, 1)
            cells.append(f"{precision:.2f} / {recall:.2f}, {found} of {both}")
        f1 = 2 * sums[0] / max(sums[1] + sums[2], 1)
        yield f"| {limit:g} | " + " | ".join(cells) + f" | {f1:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of videos and truth")
    parser.add_argument("--cuts", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--only", nargs="+", default=SEQUENCES, help="sequences to take")
    arguments = parser.parse_args()
    if not (arguments.data / "video").is_dir():
        print(f"skipped: no videos in {arguments.data}; name their folder with --data")
        return
    embedder = CropEmbedder.load_builtin(threads=1)
    cases: dict[str, Halves] = {}
    for name in arguments.only:
        record(name, arguments.cuts, arguments.data)
        cases[name] = recorded_halves(name, arguments.cuts, arguments.data)
        cases[f"{name} crops"] = true_halves(name, arguments.data, embedder)
    chosen = [name for name in cases if name.startswith("TUD")]
    measured = [name for name in cases if not name.startswith("TUD")]
    for title, names in (("chosen on", chosen), ("measured on", measured)):
        if names:
            columns = [c for name in names for c in (name, f"{name}, on-line")]
            print(f"\n{title}: precision / recall of pairs, people found\n")
            print("\n".join(table(cases, columns)))


if __name__ == "__main__":
    main()
