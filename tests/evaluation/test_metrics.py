"""Scores of hand-drawn scenes, and equality with TrackEval's own figures."""

import json
from fractions import Fraction
from math import sqrt
from pathlib import Path

import pytest

from tests.evaluation.grids import tracks_of, truth_of
from tracker.errors import DataError
from tracker.evaluation.metrics import Scores, evaluate
from tracker.evaluation.mot_io import Rules, read_truth
from tracker.evaluation.similarity import compare
from tracker.track_files.read import read_tracks


def score(truth: list[str], tracks: list[str]) -> Scores:
    comparison = compare(truth_of(truth), tracks_of(tracks), Rules.MOT15)
    evaluation = evaluate({"a": comparison})
    assert evaluation.switches["a"].frame_count == len(truth)
    assert len(evaluation.switches["a"].frames) == evaluation.sequences["a"].values["IDSW"]
    return evaluation.sequences["a"]


def check(scores: Scores, expected: dict[str, float | Fraction]) -> None:
    for name, value in expected.items():
        assert scores.values[name] == pytest.approx(float(value), abs=1e-12), name


def test_empty_truth_and_no_tracks() -> None:
    scores = score(["..", ".."], ["..", ".."])
    check(scores, {"TP": 0, "FP": 0, "FN": 0, "IDSW": 0, "HOTA": 0, "MOTA": 0, "IDF1": 0})


def test_no_tracks_at_all() -> None:
    scores = score(["AB", "AB", "A."], ["..", "..", ".."])
    check(scores, {"TP": 0, "FP": 0, "FN": 5, "ML": 2, "HOTA": 0, "MOTA": 0, "IDFN": 5})


def test_empty_truth() -> None:
    scores = score(["..", ".."], ["a.", "ab"])
    check(scores, {"TP": 0, "FP": 3, "FN": 0, "HOTA": 0, "IDFP": 3, "IDTP": 0})


def test_everything_is_missed_by_tracks_elsewhere() -> None:
    scores = score(["A.", "A."], [".a", ".a"])
    # (TP - FP - IDSW) / truth = (0 - 2 - 0) / 2
    check(scores, {"TP": 0, "FP": 2, "FN": 2, "MOTA": -1, "HOTA": 0, "IDF1": 0, "ML": 1})


def test_perfect() -> None:
    scores = score(["AB", "AB", "AB"], ["ab", "ab", "ab"])
    ones = dict.fromkeys(("HOTA", "DetA", "AssA", "LocA", "MOTA", "MOTP", "IDF1", "IDP", "IDR"), 1)
    check(scores, {**ones, "TP": 6, "FP": 0, "FN": 0, "IDSW": 0, "Frag": 0, "MT": 2, "ML": 0})


def test_one_switch() -> None:
    # A is followed by a for 3 frames, then by b for 1.
    scores = score(["A", "A", "A", "A"], ["a", "a", "a", "b"])
    # Association of a matched pair: frames shared / frames of either; a: 3 of 4, b: 1 of 4.
    ass_a = (3 * Fraction(3, 4) + Fraction(1, 4)) / 4
    expected = {"TP": 4, "IDSW": 1, "MOTA": Fraction(3, 4), "DetA": 1, "AssA": ass_a}
    # Identity keeps the better pair: 3 right, 1 missed, 1 false.
    check(scores, {**expected, "HOTA": sqrt(ass_a), "IDF1": Fraction(6, 8), "Frag": 0})


def test_a_gap_is_a_fragment_and_no_switch() -> None:
    # In the third frame only B is found, in the fourth nothing at all is reported.
    scores = score(["AB", "AB", "AB", "AB", "AB"], ["ab", "ab", ".b", "..", "ab"])
    # A: 3 of 5 frames, B: 4 of 5, which is not more than 80 %: both partly tracked.
    check(scores, {"TP": 7, "FN": 3, "FP": 0, "IDSW": 0, "Frag": 1, "MT": 0, "PT": 2, "ML": 0})
    check(scores, {"MOTA": Fraction(7, 10), "IDF1": Fraction(14, 17), "IDR": Fraction(7, 10)})


def test_two_that_swap_ids() -> None:
    scores = score(["AB", "AB", "AB", "AB"], ["ab", "ab", "ba", "ba"])
    check(scores, {"TP": 8, "IDSW": 2, "MOTA": Fraction(6, 8), "IDF1": Fraction(1, 2)})
    check(scores, {"AssA": Fraction(2, 6), "DetA": 1})


def test_combined_weighs_boxes() -> None:
    good = compare(truth_of(["AB", "AB"]), tracks_of(["ab", "ab"]), Rules.MOT15)
    bad = compare(truth_of(["A"]), tracks_of(["."]), Rules.MOT15)
    evaluation = evaluate({"good": good, "bad": bad})
    check(evaluation.combined, {"MOTA": Fraction(4, 5), "DetA": Fraction(4, 5), "AssA": 1})
    check(evaluation.combined, {"IDF1": Fraction(8, 9), "MT": 2, "ML": 1, "TP": 4, "FN": 1})
    assert list(evaluation.sequences) == ["good", "bad"]
    assert evaluation.alphas.tolist() == pytest.approx([n / 20 for n in range(1, 20)])


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    score(["A"], ["a"])
    assert capfd.readouterr() == ("", "")


def test_no_sequences() -> None:
    with pytest.raises(DataError, match="one sequence or more"):
        evaluate({})


@pytest.mark.parametrize("rules", [Rules.MOT15, Rules.MOT17])
def test_equal_to_the_golden_figures(data: Path, rules: Rules) -> None:
    golden = json.loads((data / "golden" / "metrics.json").read_text())[rules.value]
    folder = data / rules.value.lower()
    comparisons = {}
    for name in golden.keys() - {"COMBINED_SEQ"}:
        reference = folder / name / "reference_tracks.txt"
        tracks = reference if rules is Rules.MOT15 else folder / "results" / f"{name}.txt"
        truth = read_truth(folder / name / "gt" / "gt.txt", rules)
        comparisons[name] = compare(truth, read_tracks(tracks), rules)
    evaluation = evaluate(comparisons)
    for name, expected in golden.items():
        scores = evaluation.combined if name == "COMBINED_SEQ" else evaluation.sequences[name]
        for key, value in expected.items():
            assert scores.values[key.removeprefix("CLR_")] == pytest.approx(value, abs=1e-6)
    for name, switches in evaluation.switches.items():
        assert len(switches.frames) == golden[name]["IDSW"]
