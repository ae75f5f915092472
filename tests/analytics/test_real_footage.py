"""Counts on PETS09 and the TUD videos: truth boxes against an independent count of their paths."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tracker.analytics.recorded import analyse_recording
from tracker.analytics.settings import AnalyticsSettings, Line

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from counting import DATA, TRUTH, truth_of  # noqa: E402

NAMES = sorted(TRUTH)
pytestmark = pytest.mark.skipif(
    not (DATA / "mot15").is_dir(), reason="../shared/data/mot15 is missing"
)


def turn(a: np.ndarray, b: np.ndarray, p: np.ndarray) -> bool:
    return bool(np.cross(np.append(b - a, 0), np.append(p - a, 0))[2] > 0)


def crossings(path: np.ndarray, line: Line) -> tuple[int, int]:
    """Ins and outs of a path, every crossing counted, by the signs of four triangles."""
    found = [0, 0]
    for p, q in pairwise(path):
        for a, b in pairwise(np.array(line.points)):
            if turn(a, b, p) != turn(a, b, q) and turn(p, q, a) != turn(p, q, b):
                found[0 if turn(a, b, q) else 1] += 1
    return found[0], found[1]


@pytest.mark.parametrize("name", NAMES)
def test_counts_of_truth_are_exact(name: str) -> None:
    rules, fps, scale = TRUTH[name]
    recording = truth_of(name, scale, fps)
    tracks = recording.tracks
    boxes = np.rint(tracks.boxes.astype(np.float32).astype(float) * 100) / 100
    feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
    expected = {
        line.name: np.sum([crossings(feet[tracks.ids == n], line) for n in set(tracks.ids)], axis=0)
        for line in rules.lines
    }
    assert sum(np.sum(both) for both in expected.values()) > 0
    for hysteresis in (0.0, rules.hysteresis):
        same = AnalyticsSettings(
            size=rules.size, lines=rules.lines, hysteresis=hysteresis, lost_after_s=1e6
        )
        _, analyser = analyse_recording(recording, same)
        for line in rules.lines:
            counts = analyser.counts.lines[line.name]
            ins, outs = sum(counts.entered.values()), sum(counts.left.values())
            if not hysteresis:
                assert (ins, outs) == tuple(expected[line.name])
            # Hysteresis leaves out pairs of crossings there and back, never a single one.
            assert ins - outs == expected[line.name][0] - expected[line.name][1]
            assert ins <= expected[line.name][0]
