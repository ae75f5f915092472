"""What is compared: distractors by hand, and random scenes against TrackEval's own reader."""

import contextlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.grids import tracks_of, truth_of, write_mot
from tracker.errors import DataError
from tracker.evaluation.metrics import evaluate
from tracker.evaluation.mot_io import Rules, read_truth
from tracker.evaluation.similarity import compare, id_switches
from tracker.track_files.read import read_tracks


def test_empty() -> None:
    comparison = compare(truth_of([]), tracks_of([]), Rules.MOT17)
    assert comparison.trackeval_data()["num_timesteps"] == 0
    assert (comparison.truth_ids, comparison.track_ids, comparison.overlaps) == ([], [], [])


def test_frames_without_tracks_have_zero_width() -> None:
    comparison = compare(truth_of(["AB", "AB", ".."]), tracks_of(["b.", "..", "a."]), Rules.MOT15)
    assert [o.shape for o in comparison.overlaps] == [(2, 1), (2, 0), (0, 1)]
    assert [ids.tolist() for ids in comparison.truth_ids] == [[0, 1], [0, 1], []]
    assert [ids.tolist() for ids in comparison.track_ids] == [[1], [], [0]]


def test_frames_without_boxes_are_counted_and_cost_nothing() -> None:
    far = 2**31 - 2
    truth, tracks = truth_of(["A", ".", "A"]), tracks_of(["a", ".", "b"])
    comparison = compare(truth, tracks, Rules.MOT15)
    assert comparison.frames.tolist() == [0, 2]
    assert (comparison.frame_count, len(comparison.overlaps)) == (3, 2)
    assert id_switches(comparison)[0].tolist() == [2]
    frames = np.array([0, far], np.int32)
    truth, tracks = replace(truth, frames=frames, frame_count=None), replace(tracks, frames=frames)
    sparse = compare(truth, tracks, Rules.MOT15)
    assert (sparse.frame_count, len(sparse.overlaps)) == (far + 1, 2)
    assert id_switches(sparse)[0].tolist() == [far]
    scores = evaluate({"a": sparse}).combined.values
    assert scores == evaluate({"a": comparison}).combined.values


def test_tracks_on_distractors_go_first() -> None:
    truth = truth_of(["AX", "AX"], distractors="X")
    comparison = compare(truth, tracks_of(["ax", "ax"]), Rules.MOT17)
    assert comparison.removed == 2
    assert (comparison.truth_count, comparison.track_count) == (1, 1)
    assert [o.tolist() for o in comparison.overlaps] == [[[1.0]], [[1.0]]]


def test_mot15_has_no_distractors() -> None:
    comparison = compare(truth_of(["AX"], distractors="X"), tracks_of(["ax"]), Rules.MOT15)
    assert comparison.removed == 0
    assert comparison.overlaps[0].tolist() == [[1.0, 0.0]]


def test_switches_name_frame_and_truth_id() -> None:
    comparison = compare(truth_of(["AB", "AB", "AB"]), tracks_of(["ab", "..", "cb"]), Rules.MOT15)
    frames, ids = id_switches(comparison)
    assert (frames.tolist(), ids.tolist()) == ([2], [ord("A")])


def test_tracks_behind_the_end() -> None:
    with pytest.raises(DataError, match=r"reach frame 3 .* but the sequence has 2"):
        compare(truth_of(["A", "A"]), tracks_of(["a", "a", "a"]), Rules.MOT15)


def random_scene(folder: Path, seed: int, *, classes: bool) -> None:
    """Writes a crowd with all classes and tracks that lie near the boxes, miss, and switch."""
    rng = np.random.default_rng(seed)
    truth, tracks = [], []
    for frame in range(1, 41):
        for number in range(1, 25):
            if rng.random() < 0.15:
                continue
            x, y = 30 * (number % 6) + frame, 50 * (number // 6)
            kind = 1 + number % 13
            scored = int(rng.random() < 0.9) if kind == 1 or not classes else 0
            last = [kind, 1] if classes else [-1, -1, -1]
            truth.append([frame, number, x, y, 40, 80, scored, *last])
            if rng.random() < 0.8:
                shift = rng.uniform(-12, 12, 4)
                shown = number + (100 if rng.random() < 0.1 else 0)
                tracks.append([frame, shown, x + shift[0], y + shift[1], 40 + shift[2], 80, 0.5])
    write_mot(folder / "gt" / "gt.txt", truth)
    # TrackEval reads confidence and class too.
    write_mot(folder.parent / "out" / "data" / "scene.txt", [[*r, -1, -1, -1] for r in tracks])


def trackeval_scores(folder: Path, rules: Rules) -> dict[str, float]:
    """Returns what TrackEval's own reader and preprocessing lead to."""
    with contextlib.redirect_stdout(io.StringIO()):
        from trackeval import metrics
        from trackeval.datasets import MotChallenge2DBox

        dataset = MotChallenge2DBox(
            {
                "GT_FOLDER": str(folder),
                "TRACKERS_FOLDER": str(folder),
                "TRACKERS_TO_EVAL": ["out"],
                "BENCHMARK": rules.value,
                "SEQ_INFO": {"scene": 40},
                "SKIP_SPLIT_FOL": True,
                "PRINT_CONFIG": False,
            }
        )
        raw = dataset.get_raw_seq_data("out", "scene")
        data = dataset.get_preprocessed_seq_data(raw, "pedestrian")
        quiet = {"PRINT_CONFIG": False}
        clear = metrics.CLEAR(quiet).eval_sequence(data)
        hota = metrics.HOTA().eval_sequence(data)
        identity = metrics.Identity(quiet).eval_sequence(data)
    return {
        **{name: clear[name] for name in ("MOTA", "MOTP", "IDSW", "Frag", "MT", "ML")},
        **{name: float(np.mean(hota[name])) for name in ("HOTA", "DetA", "AssA", "LocA")},
        **{name: identity[name] for name in ("IDF1", "IDP", "IDR")},
        "FP": clear["CLR_FP"],
        "FN": clear["CLR_FN"],
    }


@pytest.mark.parametrize("rules", list(Rules))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_equal_to_trackeval_from_the_files_on(tmp_path: Path, rules: Rules, seed: int) -> None:
    random_scene(tmp_path / "scene", seed, classes=rules is not Rules.MOT15)
    truth = read_truth(tmp_path / "scene" / "gt" / "gt.txt", rules)
    tracks = read_tracks(tmp_path / "out" / "data" / "scene.txt")
    comparison = compare(truth, tracks, rules)
    assert (comparison.removed > 0) == (rules is not Rules.MOT15)
    evaluation = evaluate({"scene": comparison})
    values = evaluation.sequences["scene"].values
    for name, expected in trackeval_scores(tmp_path, rules).items():
        assert values[name] == pytest.approx(expected, abs=1e-9), name
    assert values["IDSW"] > 0
    assert len(evaluation.switches["scene"].frames) == values["IDSW"]
