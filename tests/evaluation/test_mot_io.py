"""Truth files and folders: what counts, and what is said when something is missing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.grids import tracks_of, write_mot
from tracker.errors import DataError, SourceError
from tracker.evaluation.mot_io import Rules, find_tracks, find_truth, people_only, read_truth


def gt(folder: Path, *rows: tuple[float, ...]) -> Path:
    return write_mot(folder / "gt" / "gt.txt", rows)


def test_empty_truth(tmp_path: Path) -> None:
    for rules in Rules:
        truth = read_truth(gt(tmp_path), rules)
        assert (len(truth), truth.frame_count) == (0, None)


def test_mot15_drops_rows_marked_zero(tmp_path: Path) -> None:
    truth = read_truth(gt(tmp_path, (2, 1, 0, 0, 5, 6, 1), (1, 2, 0, 0, 5, 6, 0)), Rules.MOT15)
    assert (truth.frames.tolist(), truth.ids.tolist()) == ([0, 1], [2, 1])
    assert truth.scored.tolist() == [False, True]
    assert not truth.distractor.any()
    assert truth.boxes[1].tolist() == [0, 0, 5, 6]


@pytest.mark.parametrize(
    ("rules", "distractors"), [(Rules.MOT17, {2, 7, 8, 12}), (Rules.MOT20, {2, 6, 7, 8, 12})]
)
def test_classes(tmp_path: Path, rules: Rules, distractors: set[int]) -> None:
    rows = [(1, kind, 0, 0, 5, 6, 1, kind, 1) for kind in range(1, 14)]
    truth = read_truth(gt(tmp_path, *rows, (1, 14, 0, 0, 5, 6, 0, 1, 1)), rules)
    assert truth.ids[truth.scored].tolist() == [1]
    assert set(truth.ids[truth.distractor].tolist()) == distractors


def test_length_of_the_sequence(tmp_path: Path) -> None:
    path = gt(tmp_path, (5, 1, 0, 0, 5, 6, 1))
    info = tmp_path / "seqinfo.ini"
    info.write_text("[Sequence]\nname=100%\nseqLength=9\n")
    assert read_truth(path, Rules.MOT15).frame_count == 9
    info.write_text("[Sequence]\nseqLength=4\n")
    with pytest.raises(DataError, match=r"has frame 5, but seqinfo.ini says seqLength=4"):
        read_truth(path, Rules.MOT15)
    for content in ("", "[Sequence]\nseqLength=many\n", "[Sequence]\nseqLength=0\n"):
        info.write_text(content)
        with pytest.raises(DataError, match="seqLength"):
            read_truth(path, Rules.MOT15)


def test_truth_that_does_not_fit_the_rules(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="MOT15 rules need 7 or more columns, got 6"):
        read_truth(gt(tmp_path, (1, 1, 0, 0, 5, 6)), Rules.MOT15)
    with pytest.raises(DataError, match="MOT17 rules need 8 or more columns, got 7"):
        read_truth(gt(tmp_path, (1, 1, 0, 0, 5, 6, 1)), Rules.MOT17)
    with pytest.raises(DataError, match="frame 1, id 3: expected a class from 1 to 13"):
        read_truth(gt(tmp_path, (1, 3, 0, 0, 5, 6, 1, -1, -1, -1)), Rules.MOT17)
    with pytest.raises(DataError, match="ids from 0"):
        read_truth(gt(tmp_path, (1, -1, 0, 0, 5, 6, 1)), Rules.MOT15)


@pytest.mark.parametrize(
    ("rows", "rules", "reason"),
    [
        ([], Rules.MOT15, "the file has no rows"),
        (
            [(1, 1, 0, 0, 5, 6, 0), (2, 1, 0, 0, 5, 6, 0)],
            Rules.MOT15,
            "column 7 is 0 in all 2 rows",
        ),
        (
            [(1, 1, 0, 0, 5, 6, 0, 1), (1, 2, 0, 0, 5, 6, 1, 7)],
            Rules.MOT17,
            "class 7; --rules",
        ),
        (
            [(1, 1, 0, 0, 5, 6, 1, 3), (1, 2, 0, 0, 5, 6, 1, 6)],
            Rules.MOT20,
            "class 3, 6; --rules",
        ),
        ([(1, 1, 0, 0, 5, 6, 1, 1), (1, 2, 0, 0, 5, 6, 1, 7)], Rules.MOT17, None),
    ],
)
def test_why_no_row_is_scored(
    tmp_path: Path, rows: list[tuple[float, ...]], rules: Rules, reason: str | None
) -> None:
    truth = read_truth(gt(tmp_path, *rows), rules)
    assert truth.scored.any() == (reason is None)
    assert (reason or "") in truth.why_unscored
    assert bool(truth.why_unscored) == (reason is not None)


def test_folders_of_truth(tmp_path: Path) -> None:
    b, a = gt(tmp_path / "b"), gt(tmp_path / "a")
    assert find_truth(tmp_path) == {"a": a, "b": b}
    assert list(find_truth(tmp_path)) == ["a", "b"]
    assert find_truth(tmp_path / "a") == {"a": a}
    assert find_truth(a) == {"a": a}
    assert find_truth(write_mot(tmp_path / "clip.txt", [])) == {"clip": tmp_path / "clip.txt"}
    with pytest.raises(SourceError, match=r"expected NAME/gt/gt.txt or gt/gt.txt"):
        find_truth(tmp_path / "a" / "gt")
    with pytest.raises(SourceError, match="no ground truth there"):
        find_truth(tmp_path / "none")


def test_folders_of_tracks(tmp_path: Path) -> None:
    for name in ("a.txt", "b.jsonl", "c.json", "other.txt"):
        write_mot(tmp_path / name, [])
    found = find_tracks(tmp_path, ["a", "b", "c"])
    assert [file.name for file in found.values()] == ["a.txt", "b.jsonl", "c.json"]
    assert find_tracks(tmp_path / "other.txt", ["a"]) == {"a": tmp_path / "other.txt"}
    message = r"no tracks for sequence d: .* found a.txt, b.jsonl, c.json, other.txt"
    with pytest.raises(SourceError, match=message):
        find_tracks(tmp_path, ["a", "d"])
    with pytest.raises(SourceError, match=r"the ground truth has 2 sequences \(a, b\)"):
        find_tracks(tmp_path / "a.txt", ["a", "b"])
    with pytest.raises(SourceError, match="no such track file or folder"):
        find_tracks(tmp_path / "none", ["a"])
    write_mot(tmp_path / "a.json", [])
    with pytest.raises(SourceError, match=r"more than one track file .* a.txt, a.json"):
        find_tracks(tmp_path, ["a"])


def test_only_people_count_where_classes_are_known() -> None:
    tracks = tracks_of(["ab"])
    assert people_only(tracks) is tracks
    moving = replace(tracks, class_names=("moving",))
    assert people_only(moving) is moving
    mixed = replace(tracks, class_names=("car", "Person"), classes=np.array([0, 1], np.int32))
    assert people_only(mixed).ids.tolist() == [ord("b")]
