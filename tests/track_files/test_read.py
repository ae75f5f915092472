"""Files of tracks read back: what the sinks wrote, what others wrote, and what is broken."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sinks.results import CONFIRMED, LOST, TENTATIVE, make_result, make_tracks
from tracker.errors import DataError, SourceError
from tracker.masks import mask_from_coco
from tracker.sinks.json_document import JsonSink
from tracker.sinks.json_lines import JsonLinesSink
from tracker.sinks.mot_text import MotTextSink
from tracker.track_files.embedding_base64 import encode_embeddings
from tracker.track_files.read import read_mot_rows, read_recording, read_tracks
from tracker.track_files.recorded_tracks import RecordedTracks

HEADER = {"kind": "header", "schema": "tracker-json/1", "fps": 25.0, "class_names": ["person"]}
FOOTER = {"kind": "footer", "frames": 2, "ids": 1, "complete": True, "tracks": []}


def track(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {"id": number, "class": "person", "score": 0.5, "box": [1, 2, 3, 4.5], **changes}


def frame(index: int, *found: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "frame", "frame": index, "time_s": 0.04 * index, "tracks": list(found)}


def lines(path: Path, *records: Any, ending: str = "") -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in records) + ending, encoding="utf-8")
    return path


def text(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def test_an_empty_file_is_a_mot_file_without_tracks(tmp_path: Path) -> None:
    path = text(tmp_path / "a.txt", "\n")
    assert read_mot_rows(path).shape == (0, 10)
    recorded = read_tracks(path)
    assert len(recorded) == 0
    assert (recorded.class_names, recorded.frame_count, recorded.fps) == ((), None, None)
    assert recorded.boxes.shape == (0, 4)


def test_tracks_read_together_are_those_read_one_by_one(tmp_path: Path) -> None:
    def motion(n: int) -> dict[str, Any]:
        more = {"velocity": [n, -0.25], "age": n, "misses": n % 2, "class_score": 0.75}
        return {"class": f"class {n % 3}", "state": "lost" if n == 4 else "confirmed", **more}

    frames = [frame(n, track(1, **motion(n)), track(2, **motion(n + 1))) for n in range(6)]
    frames[3]["coasted"] = True
    together = read_tracks(lines(tmp_path / "a", HEADER, *frames))
    # Another order of the keys in one object, and objects are read one by one.
    frames[5]["tracks"][1] = dict(reversed(frames[5]["tracks"][1].items()))
    single = read_tracks(lines(tmp_path / "b", HEADER, *frames))
    assert together.class_names == single.class_names == ("person", "class 0", "class 1", "class 2")
    names = [one for one in RecordedTracks.__dataclass_fields__ if one not in {"masks", "fps"}]
    for name in names:
        np.testing.assert_array_equal(getattr(together, name), getattr(single, name), name)
    assert together.seen.tolist() == [True, False, False, True, True, False] + [False] * 4 + [
        False,
        True,
    ]


def test_the_first_fault_is_named_wherever_the_second_is(tmp_path: Path) -> None:
    path = lines(tmp_path / "a", HEADER, frame(0, track(score="high")), {"kind": "frame"})
    with pytest.raises(DataError, match="line 2, id 1: 'score'"):
        read_tracks(path)
    path = lines(tmp_path / "b", HEADER, frame(0, track(box=[1, 2, 3, 10**400])), ending="{}\n")
    with pytest.raises(DataError, match="line 2, id 1: 'box'"):
        read_tracks(path)


def test_json_without_tracks(tmp_path: Path) -> None:
    recorded = read_tracks(lines(tmp_path / "a", HEADER, frame(0), frame(1), FOOTER))
    assert (len(recorded), recorded.frame_count, recorded.fps) == (0, 2, 25.0)
    assert recorded.class_names == ("person",)


def test_mot_frames_count_from_one_and_rows_are_sorted(tmp_path: Path) -> None:
    path = text(tmp_path / "a.jsonl", "3,2,10,20,5,6,0.5,-1,-1,-1\n1,7,0,0,1,1,1,-1,-1,-1\r\n\n")
    recorded = read_tracks(path)
    assert recorded.frames.tolist() == [0, 2]
    assert recorded.ids.tolist() == [7, 2]
    assert recorded.boxes.tolist() == [[0, 0, 1, 1], [10, 20, 15, 26]]
    assert recorded.scores.tolist() == [1, 0.5]
    assert recorded.classes.tolist() == [0, 0]
    assert read_mot_rows(path)[0].tolist() == [3, 2, 10, 20, 5, 6, 0.5, -1, -1, -1]


def test_mot_with_spaces_and_six_columns(tmp_path: Path) -> None:
    recorded = read_tracks(text(tmp_path / "a", "\ufeff1 1 10 20 5 6\n2\t1\t11\t20\t5\t6\n"))
    assert recorded.scores.tolist() == [1, 1]
    assert recorded.boxes[1].tolist() == [11, 20, 16, 26]


@pytest.mark.parametrize(
    "row",
    ["1,1,10,20,5,6,", "1, 1, 10, 20, 5, 6 ,\r", "1.0,1e0,1e1,2e1,5,6, ", "1 \t1 10  20\t5 6"],
)
def test_a_comma_at_the_end_and_other_spellings(tmp_path: Path, row: str) -> None:
    path = text(tmp_path / "a.txt", f"{row}\n2{row[1:].replace('.0', '', 1)}\n")
    recorded = read_tracks(path)
    assert recorded.frames.tolist() == [0, 1]
    assert recorded.boxes.tolist() == [[10, 20, 15, 26]] * 2
    assert read_mot_rows(path).shape == (2, 6)


def test_detections_may_share_the_id_minus_one(tmp_path: Path) -> None:
    path = text(tmp_path / "det.txt", "1,-1,0,0,5,6,1\n1,-1,9,0,5,6,1\n")
    assert len(read_mot_rows(path)) == 2
    with pytest.raises(DataError, match="expected tracks, got rows with negative ids"):
        read_tracks(path)


@pytest.mark.parametrize("ending", ["", '{"kind":"frame","fra', '{"kind":"frame","frame":2,"tr'])
def test_json_lines_that_were_cut_off(tmp_path: Path, ending: str) -> None:
    recorded = read_tracks(
        lines(tmp_path / "a.txt", HEADER, frame(0), frame(1, track()), ending=ending)
    )
    assert recorded.frames.tolist() == [1]
    assert recorded.frame_count is None
    assert recorded.boxes.tolist() == [[1, 2, 3, 4.5]]


def test_tentative_tracks_are_left_out_and_gaps_stay(tmp_path: Path) -> None:
    path = lines(tmp_path / "a", HEADER, frame(4, track(-3), track(2)), frame(9, track(1)), FOOTER)
    recorded = read_tracks(path)
    assert (recorded.frames.tolist(), recorded.ids.tolist()) == ([4, 9], [2, 1])


def test_a_class_that_the_header_does_not_name(tmp_path: Path) -> None:
    found = [track(1), track(2, **{"class": "car"})]
    recorded = read_tracks(lines(tmp_path / "a", HEADER, frame(0, *found)))
    assert recorded.class_names == ("person", "car")
    assert recorded.classes.tolist() == [0, 1]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_document_however_it_is_laid_out(tmp_path: Path, indent: int | None) -> None:
    document = {"header": HEADER, "frames": [frame(0, track()), frame(1)], "footer": FOOTER}
    path = text(tmp_path / "a", json.dumps(document, indent=indent))
    recorded = read_tracks(path)
    assert (recorded.ids.tolist(), recorded.frame_count) == ([1], 2)
    document["footer"] = None
    assert read_tracks(text(path, json.dumps(document))).frame_count is None


def test_what_the_sinks_write_is_read_alike(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    box = (1.25, 2.5, 20.75, 40.125)
    found = make_tracks((-1, box, TENTATIVE), (4, box, CONFIRMED, 1), (5, (-3, 0, 9, 9), LOST))
    sinks = [JsonLinesSink(str(paths[0])), JsonSink(str(paths[1])), MotTextSink(str(paths[2]))]
    for sink in sinks:
        with sink:
            for index in range(3):
                sink.write(make_result(index, found))
    first, second, third = map(read_tracks, paths)
    assert first.ids.tolist() == [4, 5] * 3
    assert first.classes.tolist() == [1, 0] * 3
    assert (first.fps, first.class_names) == (25.0, ("person", "Fußgänger, zu Fuß"))
    assert first.frame_count == second.frame_count == 3
    for other in (second, third):
        assert np.array_equal(first.frames, other.frames)
        assert np.array_equal(first.ids, other.ids)
        assert np.allclose(first.boxes, other.boxes, atol=0.011)
        assert np.allclose(first.scores, other.scores, atol=1e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,1,0,0,5,6\n1,2,0,0,5\n", "line 2: expected 6 to 10 columns"),
        ("1,1,0,0,5,6,1,1,1,1,1\n", "line 1: expected 6 to 10 columns .* got 11"),
        ("1,1,0,0,5,6\n2,1,0,0,5,6,1\n", "line 2: expected 6 columns as in the rows before, got 7"),
        ("1,1,nan,0,5,6\n", "line 1: expected finite numbers"),
        ("1,1,0,0,inf,6\n", "line 1: expected finite numbers"),
        ("\n1,1,0,,5,6\n", "line 2: expected numbers, got '1,1,0,,5,6'"),
        ("frame,id,x,y,w,h\n", "line 1: expected numbers"),
        ("frame,id,x,y,w,h\n", "got 'frame,id,x,y,w,h'; leave out the line of headings"),
        ("frame,time_s,id,class\n", "leave out the line of headings"),
        ("1;1;0;0;5;6\n", "got '1;1;0;0;5;6'; expected commas or white space"),
        ("hello\n", "got 'hello'; a track file is MOT text, or JSON"),
        ("1_0,1,0,0,5,6\n", "line 1: expected numbers"),
        ("1,1,0,0,5,6,,\n", "line 1: expected numbers"),
        ("1,1,1e300,0,5,6\n", "line 1: left: expected at most 1e[+]09, got 1e[+]300"),
        ("0,1,0,0,5,6\n", "line 1: expected a whole frame number from 1, got 0"),
        ("1.5,1,0,0,5,6\n", "whole frame number"),
        ("1e12,1,0,0,5,6\n", "whole frame number"),
        ("1,1.5,0,0,5,6\n", "line 1: expected a whole number as id, got 1.5"),
        ("1,1,0,0,-5,6\n", "width and height of 0 or more, got -5x6"),
        (
            "1,4,0,0,5,6\n2,4,0,0,5,6\n1,4,9,0,5,6\n",
            "line 3: id 4 occurs twice in frame 1, first in",
        ),
    ],
)
def test_broken_mot(tmp_path: Path, content: str, message: str) -> None:
    path = text(tmp_path / "bad.txt", content)
    with pytest.raises(DataError, match=message):
        read_mot_rows(path)
    with pytest.raises(DataError, match=r"bad\.txt, line"):
        read_tracks(path)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{**HEADER, "schema": "tracker-json/9"}], "line 1: expected schema 'tracker-json/1', got"),
        ([frame(0)], "line 1: expected schema"),
        ([HEADER, {"kind": "fram"}], "line 2: expected an object of kind 'frame'"),
        ([HEADER, [1]], "line 2: expected an object"),
        ([HEADER, frame(-1)], "line 2: 'frame': expected a whole number from 0, got -1"),
        ([HEADER, frame(2**31)], "line 2: 'frame': expected at most"),
        (
            [HEADER, {**frame(0), "frame": 10**400}],
            "'frame': expected .* got a number of about 401 digits",
        ),
        ([HEADER, frame(0, track(box=[1, 2, 3, 10**400]))], "'box': .* of about 401 digits"),
        ([HEADER, frame(0, track(misses="0"))], "id 1: 'misses': expected a whole number"),
        ([HEADER, frame(0, {"id": 1, "score": 1, "box": [0, 0, 1, 1]})], "'class': expected text"),
        ([{**HEADER, "class_names": "person"}], "line 1: expected a list under 'class_names'"),
        ([{**HEADER, "width": "640"}], "line 1: 'width': expected a whole number"),
        ([{**HEADER, "config": [1]}], "line 1: 'config': expected an object"),
        ([{**HEADER, "embedding_size": 10**12}], "'embedding_size': expected at most 16384"),
        ([HEADER, FOOTER, frame(1)], "line 3: expected nothing after the footer"),
        ([HEADER, {**frame(0), "tracks": None}], "line 2: expected a list under 'tracks'"),
        ([HEADER, frame(0, track(box=[1, 2, 3]))], "id 1: expected a box of 4 numbers"),
        ([HEADER, frame(0, track(box=[1, 2, 3, None]))], "'box': expected a finite number"),
        ([HEADER, frame(0, track(box=[1, 2, 3, float("nan")]))], "'box': expected a finite"),
        ([HEADER, frame(0, track(score="high"))], "'score': expected a finite number"),
        ([HEADER, frame(0, track(id=True))], "'id': expected a whole number"),
        ([HEADER, frame(0, track(), track())], "id 1 occurs twice in frame 0"),
        ([{**HEADER, "fps": 0}], "'fps': expected a number above 0"),
        ([{"header": HEADER}], "expected keys 'header' and 'frames'"),
    ],
)
def test_broken_json(tmp_path: Path, records: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_tracks(lines(tmp_path / "a", *records))


def test_a_broken_line_in_the_middle(tmp_path: Path) -> None:
    path = lines(tmp_path / "a", HEADER, frame(0), ending='{"kind":\n')
    with pytest.raises(DataError, match="line 3: expected an object"):
        read_tracks(path)


def test_frames_in_any_order(tmp_path: Path) -> None:
    path = lines(tmp_path / "a", HEADER, frame(5, track()), frame(2), frame(5, track(2)), FOOTER)
    recording = read_recording(path)
    assert [facts.index for facts in recording.frames] == [2, 5]
    assert recording.tracks.ids.tolist() == [1, 2]
    assert recording.complete


def test_lines_are_counted_from_the_start_of_the_file(tmp_path: Path) -> None:
    path = text(tmp_path / "a", f"\n\n{json.dumps(HEADER)}\n\n{{}}\n")
    with pytest.raises(DataError, match="line 5: expected an object of kind"):
        read_tracks(path)


def test_a_header_that_was_cut_off_behind_an_empty_line(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b'\n{"kind"')
    with pytest.raises(DataError, match=r"out\.jsonl, line 2: expected an object"):
        read_tracks(path)


def test_a_document_that_was_cut_off(tmp_path: Path) -> None:
    path = text(tmp_path / "a", '{"header":{},"frames":[\n{"kind":"frame"')
    with pytest.raises(DataError, match="cut off or malformed; JSON Lines"):
        read_tracks(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        read_tracks(tmp_path / "none")
    with pytest.raises(SourceError, match="expected a file, got a directory"):
        read_mot_rows(tmp_path)
    with pytest.raises(SourceError, match="-: standard input is read by `tracker run` alone"):
        read_tracks("-")
    for name in ("a.json", "a.jsonl"):
        with pytest.raises(DataError, match="got an empty file"):
            read_tracks(text(tmp_path / name, "\n"))
    (tmp_path / "image").write_bytes(b"\x89PNG\xff")
    with pytest.raises(DataError, match="bytes that are not text"):
        read_tracks(tmp_path / "image")


def test_embeddings_and_what_was_not_seen(tmp_path: Path) -> None:
    look = encode_embeddings(np.array([[3.0, 4.0]], np.float32))[0]
    path = lines(
        tmp_path / "a",
        {**HEADER, "embedding_size": 2},
        frame(0, track(2), track(1, embedding=look, state="confirmed", misses=0)),
        frame(1, track(1, state="lost", misses=1), track(3, misses=2)),
    )
    recorded = read_tracks(path)
    assert recorded.ids.tolist() == [1, 2, 1, 3]
    assert recorded.seen.tolist() == [True, True, False, False]
    np.testing.assert_allclose(recorded.embeddings, [[0.6, 0.8], *[[0, 0]] * 3], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(recorded.embeddings[0]), 1, rtol=1e-6)
    assert recorded.select(recorded.seen).ids.tolist() == [1, 2]
    empty = read_tracks(lines(tmp_path / "b", {**HEADER, "embedding_size": 2}, frame(0)))
    assert empty.embeddings.shape == (0, 2)
    assert read_tracks(lines(tmp_path / "c", HEADER, frame(0, track()))).embeddings.shape == (1, 0)


def test_nothing_is_seen_in_coasted_frames(tmp_path: Path) -> None:
    live = {"wall_time": 1e9, "age_s": 0.05, "dropped": 3}
    path = lines(
        tmp_path / "a",
        HEADER,
        {**frame(0, track(state="confirmed", misses=0)), **live},
        {**frame(1, track(state="confirmed", misses=0)), **live, "coasted": True},
        {**FOOTER, "dropped": 3, "latency_s": {"p50": 0.1, "p95": 0.1, "p99": 0.1, "max": 0.1}},
    )
    recorded = read_tracks(path)
    assert recorded.seen.tolist() == [True, False]
    assert recorded.frame_count == 2


@pytest.mark.parametrize(
    ("size", "text", "message"),
    [
        (None, "ADwAAA==", "line 2, id 1: 'embedding': expected 'embedding_size' in the header"),
        (3, "ADwAAA==", r"line 2, id 1: 'embedding': expected 3 float16 values .*, got 4 bytes"),
        (2, 5, "line 2, id 1: 'embedding': expected base64 text, got 5"),
        (-1, None, "line 1: 'embedding_size': expected a whole number"),
    ],
)
def test_bad_embeddings_are_refused(
    tmp_path: Path, size: int | None, text: object, message: str
) -> None:
    header = HEADER if size is None else {**HEADER, "embedding_size": size}
    found = track() if text is None else track(embedding=text)
    with pytest.raises(DataError, match=message):
        read_tracks(lines(tmp_path / "a", header, frame(0, found)))


def test_masks_of_some_rows(tmp_path: Path) -> None:
    full, half = {"size": [2, 3], "counts": "06"}, {"size": [2, 3], "counts": "33"}
    path = lines(
        tmp_path / "a",
        HEADER,
        frame(0, track(3, mask=full), track(1), track(2, mask=half), track(-1, mask=full)),
    )
    recorded = read_tracks(path)
    assert recorded.masks == (None, mask_from_coco(half), mask_from_coco(full))
    assert recorded.select(recorded.ids != 2).masks == (None, mask_from_coco(full))
    assert read_tracks(lines(tmp_path / "b", HEADER, frame(0, track()))).masks is None
    with pytest.raises(DataError, match=r"RecordedTracks\.masks: expected 3, got 1"):
        replace(recorded, masks=(None,))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (None, "line 2, id 1: 'mask': expected an object with 'size' and 'counts', got 'None'"),
        ({"size": [2, 3], "counts": "07"}, "id 1: 'mask': .*expected runs over 2 x 3 = 6 pixels"),
        ({"size": [2, 4], "counts": "8"}, "masks of one frame size, got .*2, 3.*2, 4.*"),
    ],
)
def test_bad_masks_are_refused(tmp_path: Path, mask: object, message: str) -> None:
    other = track(2, mask={"size": [2, 3], "counts": "6"})
    with pytest.raises(DataError, match=message):
        read_tracks(lines(tmp_path / "a", HEADER, frame(0, track(mask=mask), other)))


def test_arrays_are_checked_and_read_only() -> None:
    def make(frames: list[int], ids: list[int], box: float = 0.0) -> RecordedTracks:
        count = len(ids)
        return RecordedTracks(
            frames=np.array(frames, np.int32),
            ids=np.array(ids, np.int64),
            boxes=np.full((count, 4), box),
            scores=np.ones(count, np.float32),
            classes=np.zeros(count, np.int32),
            seen=np.ones(count, np.bool_),
            embeddings=np.zeros((count, 0), np.float32),
            class_names=(),
            frame_count=None,
            fps=None,
        )

    assert not make([0], [1]).boxes.flags.writeable
    for frames, ids in (([0, 0], [1, 1]), ([-1], [1]), ([0, 1], [1])):
        with pytest.raises(DataError, match="RecordedTracks"):
            make(frames, ids)
    with pytest.raises(DataError, match="finite"):
        make([0], [1], np.nan)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(content=st.binary(max_size=60) | st.text('{}[]":,0123456789.-\n e', max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "a"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with contextlib.suppress(DataError):
        read_tracks(path)


def test_rows_by_frame(tmp_path: Path) -> None:
    path = tmp_path / "tracks.txt"
    path.write_text("4,2,0,0,5,5,1\n1,7,0,0,5,5,1\n4,1,9,9,5,5,1\n")
    rows = [(frame, tracks.ids.tolist()) for frame, tracks in read_tracks(path).by_frame()]
    assert rows == [(0, [7]), (3, [1, 2])]
    path.write_text("")
    assert list(read_tracks(path).by_frame()) == []
