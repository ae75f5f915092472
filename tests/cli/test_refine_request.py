"""`run_refine`: rows derived by hand, and outputs that are complete or unchanged.

`test_refine.py` has the command as a user types it.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracker.cli.refine import RefineRequest, run_refine
from tracker.errors import (
    ConfigError,
    DataError,
    OutputError,
    OutputTakenError,
    SourceError,
    TrackerError,
)
from tracker.sinks.place import Existing, claimed
from tracker.track_files.embedding_base64 import encode_embeddings
from tracker.tracking.offline.refine import RefineSettings

EXACT = RefineSettings(noise=None, lead_in=0, min_seen=1)
"""No smoothing; gaps are interpolated linearly."""


def walk(*frames: int, track: int = 1, y: int = 50, score: float = 0.5) -> list[str]:
    """Rows of MOT text, numbered from 1: boxes of 20 x 40 pixels that move 4 pixels per frame."""
    return [f"{n + 1},{track},{10 + 4 * n},{y},20,40,{score},-1,-1,-1" for n in frames]


def text_file(path: Path, *rows: str) -> str:
    path.write_text("".join(row + "\n" for row in rows))
    return str(path)


def table(path: Path) -> Any:
    """Frame, id and box of each row."""
    return np.loadtxt(path, delimiter=",", ndmin=2)[:, :6]


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def recording(path: Path, frames: list[dict[str, Any]], **header: Any) -> str:
    """A JSON Lines recording at 10 frames per second."""
    first = {"kind": "header", "schema": "tracker-json/1", "fps": 10, "width": 400, "height": 300,
             "source": "in.mp4", "class_names": ["person", "car"], **header}  # fmt: skip
    records = [first, *({"kind": "frame", "tracks": [], **frame} for frame in frames)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


# --- rows by hand ---


def test_gap_is_interpolated_linearly(tmp_path: Path) -> None:
    """Three frames are missing: boxes at 26, 30 and 34 pixels."""
    source = text_file(tmp_path / "in.txt", *walk(0, 1, 2, 3, 7, 8, 9))
    summary = run_refine(RefineRequest(source, str(tmp_path / "out.txt"), EXACT))
    assert summary == (
        f"{tmp_path}/out.txt: 1 tracks of 1; split at 0 gaps, 0 joined, 0 false tracks removed, "
        "3 boxes interpolated"
    )
    expected = [[n + 1, 1, 10 + 4 * n, 50, 20, 40] for n in range(10)]
    np.testing.assert_allclose(table(tmp_path / "out.txt"), expected, atol=0.01)


def test_track_with_too_few_detections_is_removed(tmp_path: Path) -> None:
    rows = walk(*range(10)) + walk(4, 5, track=2, y=200)
    settings = RefineSettings(noise=None, lead_in=0, min_seen=3)
    summary = run_refine(
        RefineRequest(text_file(tmp_path / "in.txt", *rows), str(tmp_path / "out.txt"), settings)
    )
    assert ": 1 tracks of 2; split at 0 gaps, 0 joined, 1 false tracks removed, 0 boxes" in summary
    assert set(table(tmp_path / "out.txt")[:, 1]) == {1}
    assert len(table(tmp_path / "out.txt")) == 10


def test_two_fragments_are_joined_under_the_first_id(tmp_path: Path) -> None:
    rows = walk(*range(10), track=3) + walk(*range(15, 25), track=8)
    summary = run_refine(
        RefineRequest(text_file(tmp_path / "in.txt", *rows), str(tmp_path / "out.txt"), EXACT)
    )
    assert ": 1 tracks of 2; split at 0 gaps, 1 joined, 0 false tracks removed, 5 boxes" in summary
    expected = [[n + 1, 3, 10 + 4 * n, 50, 20, 40] for n in range(25)]
    np.testing.assert_allclose(table(tmp_path / "out.txt"), expected, atol=0.01)


def test_frame_rate_applies_to_limits_in_seconds(tmp_path: Path) -> None:
    """A gap of 20 frames: 0.7 s at 30 fps (joined), 4 s at 5 fps (more than 3 s)."""
    rows = walk(*range(10)) + walk(*range(29, 39), track=2)
    source = text_file(tmp_path / "in.txt", *rows)
    for fps, joined in ((None, 1), (30.0, 1), (5.0, 0)):
        summary = run_refine(RefineRequest(source, str(tmp_path / "out.txt"), EXACT, fps=fps))
        assert f", {joined} joined" in summary


def test_boxes_without_area_are_omitted_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [*walk(0, 1, 3), "3,1,18,50,0,40,0.5,-1,-1,-1", "5,1,26,50,20,0,0.5,-1,-1,-1"]
    source = text_file(tmp_path / "in.txt", *rows)
    run_refine(RefineRequest(source, str(tmp_path / "out.txt"), EXACT))
    expected = [[n + 1, 1, 10 + 4 * n, 50, 20, 40] for n in range(4)]
    np.testing.assert_allclose(table(tmp_path / "out.txt"), expected, atol=0.01)
    (message,) = [record.getMessage() for record in caplog.records]
    assert message == f"{source}: 2 boxes without width or height left out"


def test_json_keeps_frames_times_and_header(tmp_path: Path) -> None:
    """Frame 2 has no track, frame 1 is coasted; timestamps are uneven; the drop count is kept."""
    box = {"id": 1, "class": "car", "score": 0.5, "state": "confirmed"}
    frames = [
        {"frame": 0, "time_s": 0.0, "tracks": [{**box, "box": [10, 50, 30, 90]}]},
        {"frame": 1, "time_s": 0.11, "coasted": True},
        {"frame": 2, "time_s": 0.19},
        {"frame": 3, "time_s": 0.3, "tracks": [{**box, "box": [22, 50, 42, 90]}]},
    ]
    source = recording(tmp_path / "in.jsonl", frames, config={"seed": 7}, models={"a": "b"})
    run_refine(RefineRequest(source, str(tmp_path / "out.jsonl"), EXACT))
    header, *found, footer = json_lines(tmp_path / "out.jsonl")
    assert (header["source"], header["fps"], header["models"]) == ("in.mp4", 10, {"a": "b"})
    assert (header["config"]["seed"], header["config"]["refined"]["min_seen"]) == (7, 1)
    assert [f["time_s"] for f in found] == [0.0, 0.11, 0.19, 0.3]
    assert [f.get("coasted", False) for f in found] == [False, True, False, False]
    assert [f["tracks"][0]["state"] for f in found] == ["confirmed", "lost", "lost", "confirmed"]
    assert [f["tracks"][0]["misses"] for f in found] == [0, 1, 2, 0]
    assert [f["tracks"][0]["age"] for f in found] == [1, 2, 3, 4]
    assert {f["tracks"][0]["class"] for f in found} == {"car"}
    np.testing.assert_allclose(
        [f["tracks"][0]["box"] for f in found],
        [[10 + 4 * n, 50, 30 + 4 * n, 90] for n in range(4)],
        atol=0.01,
    )
    assert (footer["ids"], footer["frames"]) == (1, 4)


@pytest.mark.parametrize("stride", [1, 3])
def test_time_comes_from_stamps_not_from_frame_numbers(stride: int, tmp_path: Path) -> None:
    """Each third frame of 30 a second, a box that moves 100 pixels a second; one frame dropped."""
    box = {"id": 1, "class": "car", "score": 0.5, "state": "confirmed"}
    frames = [
        {
            "frame": stride * n,
            "time_s": n / 10,
            "tracks": [{**box, "box": [10.0 * n, 50, 10.0 * n + 20, 90]}],
        }
        for n in range(20)
        if n != 7
    ]
    source = recording(tmp_path / "in.jsonl", frames)
    run_refine(RefineRequest(source, str(tmp_path / "out.jsonl"), EXACT))
    _, *found, footer = json_lines(tmp_path / "out.jsonl")
    assert [one["frame"] for one in found] == [one["frame"] for one in frames]
    speeds = [one["tracks"][0]["velocity"] for one in found]
    np.testing.assert_allclose(speeds, [[100, 0]] * 19, atol=0.1)
    assert (footer["ids"], footer["tracks"][0]["first_frame"]) == (1, 0)


def test_nothing_is_joined_across_a_pause_of_the_recording(tmp_path: Path) -> None:
    """Frames 9 and 10 follow each other by number, half a minute apart."""
    box = {"class": "car", "score": 0.5, "state": "confirmed"}
    frames = [
        {
            "frame": n,
            "time_s": n / 10 + (30 if n >= 10 else 0),
            "tracks": [{**box, "id": 1 + n // 10, "box": [4 * n, 50, 4 * n + 20, 90]}],
        }
        for n in range(20)
    ]
    source = recording(tmp_path / "in.jsonl", frames)
    assert "2 tracks of 2; split at 0 gaps, 0 joined" in run_refine(
        RefineRequest(source, str(tmp_path / "out.jsonl"), EXACT)
    )
    for frame in frames:
        frame["time_s"] = frame["frame"] / 10
    source = recording(tmp_path / "in.jsonl", frames)
    assert "1 tracks of 2; split at 0 gaps, 1 joined" in run_refine(
        RefineRequest(source, str(tmp_path / "out.jsonl"), EXACT)
    )


def test_a_recording_that_is_incomplete_is_refined_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = recording(tmp_path / "in.jsonl", [{"frame": 0, "time_s": 0.0}])
    run_refine(RefineRequest(source, str(tmp_path / "out.jsonl"), EXACT))
    assert "incomplete: its run did not come to its end" in caplog.text


def test_embeddings_stay_with_matched_boxes(tmp_path: Path) -> None:
    (look,) = encode_embeddings(np.array([[3, 4]], np.float32) / 5)
    track = {"id": 1, "class": "person", "score": 0.5, "state": "confirmed", "embedding": look}
    frames = [
        {"frame": 0, "tracks": [{**track, "box": [10, 50, 30, 90]}]},
        {"frame": 1},
        {"frame": 2, "tracks": [{**track, "box": [18, 50, 38, 90]}]},
    ]
    source = recording(tmp_path / "in.jsonl", frames, embedding_size=2)
    run_refine(RefineRequest(source, str(tmp_path / "out.jsonl"), EXACT))
    header, *found, _ = json_lines(tmp_path / "out.jsonl")
    assert header["embedding_size"] == 2
    assert [f["tracks"][0].get("embedding") for f in found] == [look, None, look]


# --- outputs are complete or unchanged ---


def test_the_source_may_be_the_output(tmp_path: Path) -> None:
    source = text_file(tmp_path / "a.txt", *walk(0, 1, 4, 5))
    run_refine(RefineRequest(source, source, EXACT))
    once = Path(source).read_bytes()
    assert len(table(tmp_path / "a.txt")) == 6
    run_refine(RefineRequest(source, source, EXACT))
    assert Path(source).read_bytes() == once
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("content", "output", "kind", "message"),
    [
        ("1,1,x,0,1,1\n", "out.txt", DataError, "line 1: expected numbers"),
        ("1,1,0,0,1,1,1,-1,-1,-1\n", "out.csv", ConfigError, r"\.txt, \.jsonl, \.json, got \.csv"),
        ("1,1,0,0,1,1,1,-1,-1,-1\n", "out", ConfigError, "got no ending"),
        ("1,1,0,0,1,1,1,-1,-1,-1\n", "out.json", ConfigError, "does not contain the frame size"),
        ("", "out.jsonl", DataError, "expected tracks, got an empty file"),
        (None, "out.txt", SourceError, "does not exist"),
    ],
)
def test_failure_keeps_the_old_output(
    tmp_path: Path, content: str | None, output: str, kind: type[TrackerError], message: str
) -> None:
    source, target = tmp_path / "in.txt", tmp_path / output
    if content is not None:
        source.write_text(content)
    target.write_text("old")
    with pytest.raises(kind, match=message) as caught:
        run_refine(RefineRequest(str(source), str(target)))
    assert "\n" not in str(caught.value)
    assert target.read_text() == "old"
    assert {p.name for p in tmp_path.iterdir()} <= {"in.txt", output}


def test_outputs_that_cannot_be_written(tmp_path: Path) -> None:
    source = text_file(tmp_path / "in.txt", *walk(0, 1))
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "file").touch()
    for output, message in (("folder.txt", "folder.txt"), ("file/out.txt", "out.txt")):
        with pytest.raises(OutputError, match=message) as caught:
            run_refine(RefineRequest(source, str(tmp_path / output)))
        assert "\n" not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.txt", "in.txt"]


def test_existing_or_locked_output_is_not_replaced(tmp_path: Path) -> None:
    source, output = text_file(tmp_path / "in.txt", *walk(0, 1)), tmp_path / "out.txt"
    output.write_text("old")
    with pytest.raises(OutputTakenError, match=r"out\.txt"):
        run_refine(RefineRequest(source, str(output), existing=Existing.REFUSE))
    with claimed(str(output), Existing.REPLACE), pytest.raises(OutputTakenError):
        run_refine(RefineRequest(source, str(output)))
    assert output.read_text() == "old"
    run_refine(RefineRequest(source, str(output), EXACT))
    assert len(table(output)) == 2


def test_fps_option_of_json_is_an_error(tmp_path: Path) -> None:
    source = recording(tmp_path / "in.jsonl", [{"frame": 0}])
    with pytest.raises(ConfigError, match=r"--fps 25: .* has 10 in its header; omit --fps"):
        run_refine(RefineRequest(source, str(tmp_path / "out.jsonl"), fps=25.0))
    assert not (tmp_path / "out.jsonl").exists()
