import base64
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sinks.results import CONFIRMED, LOST, TENTATIVE, make_result, make_run, make_tracks
from tracker.detections import Detections
from tracker.errors import DataError, OutputError
from tracker.sinks.csv_table import CsvSink
from tracker.sinks.json_document import JsonSink
from tracker.sinks.json_lines import JsonLinesSink
from tracker.sinks.json_records import Embeddings, Timings
from tracker.sinks.mot_text import MotTextSink

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "json-format.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

# Two tracks that cross, one of them lost on the way, and noise that was never believed.
FIRST = make_tracks((1, (0, 0, 10, 20), CONFIRMED), (2, (30, 0, 40, 20), CONFIRMED, 1))
SECOND = make_tracks(
    (-1, (5, 5, 6, 6), TENTATIVE), (1, (3, 4, 13, 24), LOST, 1), (2, (27, 0, 37, 20), CONFIRMED, 1)
)
THIRD = make_tracks((1, (6, 8, 16, 28), CONFIRMED))


def write(sink, *tracks, run=None, complete=True):
    for index, one in enumerate(tracks):
        sink.write(make_result(index, one, run=run))
    sink.close(complete=complete)
    return sink


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("kind", [JsonLinesSink, JsonSink, MotTextSink, CsvSink])
def test_no_result_leaves_nothing(kind, tmp_path):
    with kind(str(tmp_path / "x" / "a")) as sink:
        pass
    assert list(tmp_path.iterdir()) == []
    assert sink.status.endswith("a: nothing written")


@pytest.mark.parametrize("kind", [JsonLinesSink, JsonSink, MotTextSink, CsvSink])
def test_closing_twice_is_closing_once(kind, tmp_path):
    sink = write(kind(str(tmp_path / "a")), FIRST)
    size = (tmp_path / "a").stat().st_size
    sink.close(complete=False)
    assert (tmp_path / "a").stat().st_size == size
    assert sink.status == f"{tmp_path / 'a'}: 1 frame"


def test_a_frame_without_tracks_has_an_empty_list(tmp_path):
    write(JsonLinesSink(str(tmp_path / "a")), None)
    header, frame, footer = lines(tmp_path / "a")
    assert header["schema"] == "tracker-json/1"
    assert header["models"] == {"m.tflite": "0" * 64}
    assert frame == {"kind": "frame", "frame": 0, "time_s": 0.0, "tracks": []}
    assert footer == {"kind": "footer", "frames": 1, "ids": 0, "complete": True, "tracks": []}


def test_only_tracks_with_a_global_id_have_the_key(tmp_path):
    tracks = replace(FIRST, global_ids=np.array([12, -1], np.int64))
    write(JsonLinesSink(str(tmp_path / "a")), tracks, FIRST)
    for record in lines(tmp_path / "a"):
        VALIDATOR.validate(record)
    _, linked, plain, footer = lines(tmp_path / "a")
    assert [track.get("global_id") for track in linked["tracks"]] == [12, None]
    assert [track.get("global_id") for track in footer["tracks"]] == [12, None]
    for track in linked["tracks"]:
        track.pop("global_id", None)
    assert linked["tracks"] == plain["tracks"]


def test_one_track_is_rounded_as_documented(tmp_path):
    tracks = make_tracks((7, (1.005, 2.999, 10.123456, 20), CONFIRMED, 1))
    write(JsonLinesSink(str(tmp_path / "a")), tracks)
    assert lines(tmp_path / "a")[1]["tracks"] == [
        {
            "id": 7,
            "class": "Fußgänger, zu Fuß",
            "score": 0.8765,
            "box": [1.0, 3.0, 10.12, 20.0],
            "state": "confirmed",
            "velocity": [1.5, 0.0],
            "age": 3,
            "misses": 0,
            "class_score": 1.0,
        }
    ]
    text = (tmp_path / "a").read_bytes()
    assert "Fußgänger".encode() in text
    assert b"-0.0" not in text


def test_crossing_tracks_are_summed_up(tmp_path):
    write(JsonLinesSink(str(tmp_path / "a")), FIRST, SECOND, THIRD)
    footer = lines(tmp_path / "a")[-1]
    assert (footer["frames"], footer["ids"]) == (3, 2)
    first, second = footer["tracks"]
    # Track 1 was seen twice as class 0, once as class 1; it moved twice by (3, 4).
    assert first == {
        "id": 1,
        "class": "person",
        "first_frame": 0,
        "last_frame": 2,
        "first_time_s": 0.0,
        "last_time_s": 0.08,
        "frames": 3,
        "path_length": 10.0,
    }
    assert (second["last_frame"], second["frames"], second["path_length"]) == (1, 2, 3.0)


def test_a_tie_of_classes_goes_to_the_lower_index(tmp_path):
    write(JsonLinesSink(str(tmp_path / "a")), SECOND, THIRD)
    assert lines(tmp_path / "a")[-1]["tracks"][0]["class"] == "person"


@pytest.mark.parametrize("run", [make_run(), make_run(is_live=True, fps=Fraction(30000, 1001))])
@pytest.mark.parametrize("timings", list(Timings))
def test_both_forms_fit_the_schema_and_say_the_same(tmp_path, run, timings):
    write(JsonLinesSink(str(tmp_path / "a"), timings=timings), FIRST, SECOND, None, run=run)
    write(JsonSink(str(tmp_path / "b"), timings=timings), FIRST, SECOND, None, run=run)
    records = lines(tmp_path / "a")
    for record in records:
        VALIDATOR.validate(record)
    document = json.loads((tmp_path / "b").read_text("utf-8"))
    VALIDATOR.validate(document)
    assert [document["header"], *document["frames"], document["footer"]] == records
    assert ("timings_ms" in records[1]) == (timings is Timings.INCLUDE)
    for record in records[1:]:
        assert ("dropped" in record) == run.video.is_live


def seen_as(index, tracks, places, *, looks):
    """A result whose tracks took the detections at `places` (-1: none) of those with `looks`."""
    boxes = [[0, 0, 10, 20]] * len(looks)
    found = Detections.create(boxes, [0.9] * len(looks), None, np.reshape(looks, (-1, 2)))
    tracks = replace(tracks, detection_index=np.array(places, np.int32))
    return replace(make_result(index, tracks), detections=found)


@pytest.mark.parametrize("kind", [JsonLinesSink, JsonSink])
def test_embeddings_are_told_of_tracks_that_were_seen(tmp_path, kind):
    with kind(str(tmp_path / "a"), embeddings=Embeddings.INCLUDE) as sink:
        sink.write(seen_as(0, FIRST, [1, 0], looks=[[0, 1], [3, 4]]))  # made unit vectors
        sink.write(seen_as(1, SECOND, [0, -1, 1], looks=[[1, 0], [0, 0]]))
        sink.write(seen_as(2, THIRD, [-1], looks=[]))
    if kind is JsonSink:
        document = json.loads((tmp_path / "a").read_text("utf-8"))
        VALIDATOR.validate(document)
        records = [document["header"], *document["frames"], document["footer"]]
    else:
        records = lines(tmp_path / "a")
        for record in records:
            VALIDATOR.validate(record)
    header, *frames, footer = records
    assert header["embedding_size"] == 2
    texts = [[track.get("embedding") for track in frame["tracks"]] for frame in frames]
    assert [[bool(text) for text in row] for row in texts] == [
        [True, True],
        [True, False, False],  # lost; zeros, which say nothing
        [False],
    ]
    first = np.frombuffer(base64.b64decode(texts[0][0]), "<f2")
    np.testing.assert_allclose(first, [0.6, 0.8], atol=5e-4)
    assert "embedding" not in json.dumps(footer)


@pytest.mark.parametrize("kind", [JsonLinesSink, JsonSink])
def test_embeddings_that_are_not_there_are_an_error_and_leave_nothing(tmp_path, kind):
    sink = kind(str(tmp_path / "a"), embeddings=Embeddings.INCLUDE)
    with pytest.raises(DataError, match="the detections have none; choose an embedder"):
        sink.write(make_result(0, None))
    sink.close()
    assert not list(tmp_path.iterdir())


def test_embeddings_are_left_out_unless_asked_for(tmp_path):
    with JsonLinesSink(str(tmp_path / "a")) as sink:
        sink.write(seen_as(0, THIRD, [0], looks=[[0, 1]]))
    assert b"embedding" not in (tmp_path / "a").read_bytes()


LIVE = make_run(is_live=True)


def test_live_frames_tell_the_time_of_day_their_age_and_the_loss(tmp_path):
    with JsonLinesSink(str(tmp_path / "a")) as sink:
        sink.write(make_result(4, run=LIVE, wall_time_s=1.7e9 + 0.25, age_s=0.06128, dropped=3))
        sink.write(make_result(5, run=LIVE, dropped=4))
    _, frame, unknown, footer = lines(tmp_path / "a")
    assert list(frame) == ["kind", "frame", "time_s", "wall_time", "age_s", "dropped", "tracks"]
    assert (frame["wall_time"], frame["age_s"], frame["dropped"]) == (1700000000.25, 0.0613, 3)
    assert (unknown["wall_time"], unknown["age_s"], unknown["dropped"]) == (None, None, 4)
    assert footer["dropped"] == 4
    assert set(footer["latency_s"].values()) == {0.0613}
    for record in (frame, unknown, footer):
        VALIDATOR.validate(record)


@pytest.mark.parametrize("kind", [JsonLinesSink, JsonSink])
def test_the_footer_of_a_live_source_sums_up_its_ages(tmp_path, kind):
    with kind(str(tmp_path / "a")) as sink:
        for n in range(100):
            sink.write(make_result(n, run=LIVE, age_s=(n + 1) / 1000, dropped=n // 10))
    text = (tmp_path / "a").read_text("utf-8")
    footer = lines(tmp_path / "a")[-1] if kind is JsonLinesSink else json.loads(text)["footer"]
    VALIDATOR.validate(footer)
    assert list(footer)[:6] == ["kind", "frames", "ids", "complete", "dropped", "latency_s"]
    assert footer["dropped"] == 9
    expected = {"p50": 0.05, "p95": 0.095, "p99": 0.099, "max": 0.1}
    assert list(footer["latency_s"]) == list(expected)
    assert footer["latency_s"] == pytest.approx(expected, rel=0.006)  # and rounded


def test_ages_that_nobody_knows_are_null(tmp_path):
    write(JsonLinesSink(str(tmp_path / "a")), FIRST, run=LIVE)
    footer = lines(tmp_path / "a")[-1]
    assert (footer["dropped"], footer["latency_s"]) == (0, None)
    VALIDATOR.validate(footer)


def test_a_coasted_frame_says_so_and_no_other_does(tmp_path):
    with JsonLinesSink(str(tmp_path / "a")) as sink:
        sink.write(make_result(0, FIRST))
        sink.write(make_result(1, FIRST, is_coasted=True))
        sink.write(make_result(2, FIRST, run=LIVE, is_coasted=True))
    _, first, second, third, footer = lines(tmp_path / "a")
    assert [frame.get("coasted") for frame in (first, second, third)] == [None, True, True]
    for record in (first, second, third, footer):
        VALIDATOR.validate(record)


def test_a_file_says_what_it_said_before_there_were_ages(tmp_path):
    # Byte for byte as version 0.1 wrote it, whatever a result knows of ages.
    with JsonLinesSink(str(tmp_path / "a")) as sink:
        sink.write(make_result(0, age_s=0.1, wall_time_s=1e9))
    _, frame, footer = (tmp_path / "a").read_bytes().splitlines()
    assert frame == b'{"kind":"frame","frame":0,"time_s":0.0,"tracks":[]}'
    assert footer == b'{"kind":"footer","frames":1,"ids":0,"complete":true,"tracks":[]}'


def test_live_files_from_before_there_were_ages_fit_the_schema():
    old = {"kind": "frame", "frame": 0, "time_s": 0, "wall_time": 1.0, "dropped": 0, "tracks": []}
    VALIDATOR.validate(old)
    VALIDATOR.validate({"kind": "footer", "frames": 1, "ids": 0, "complete": True, "tracks": []})


def test_the_schema_refuses_what_is_wrong():
    frame = {"kind": "frame", "frame": 0, "time_s": 0, "tracks": []}
    live = {"wall_time": 1.0, "dropped": 0}
    footer = {"kind": "footer", "frames": 1, "ids": 0, "complete": True, "tracks": []}
    ages = {"p50": 0.1, "p95": 0.1, "p99": 0.1, "max": 0.1}
    for right in (frame | live | {"age_s": 0.1}, footer | {"dropped": 0, "latency_s": ages}):
        VALIDATOR.validate(right)
    for wrong in (
        {},
        frame | {"frame": -1},
        {"kind": "x"},
        frame | {"age_s": 0.1},
        frame | live | {"age_s": -0.1},
        frame | {"coasted": False},
        footer | {"dropped": 0},
        footer | {"dropped": 0, "latency_s": {"p50": 0.1}},
    ):
        assert not VALIDATOR.is_valid(wrong)


def test_the_example_in_the_documentation_fits_the_schema():
    text = (Path(__file__).parents[2] / "docs" / "json-format.md").read_text("utf-8")
    examples = [json.loads(line) for line in text.splitlines() if line.startswith('{"kind"')]
    assert [example["kind"] for example in examples] == [
        *("header", "frame", "frame", "footer"),
        *("frame", "footer"),  # live
        *("event", "event"),
        "frame",  # with a mask
    ]
    for example in examples:
        VALIDATOR.validate(example)


def test_the_same_run_gives_the_same_bytes(tmp_path):
    for name in "ab":
        write(JsonLinesSink(str(tmp_path / name)), FIRST, SECOND, THIRD)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failure_or_an_early_stop_is_not_complete(tmp_path):
    sink = JsonLinesSink(str(tmp_path / "a"))
    sink.write(make_result(0, FIRST))
    sink.__exit__(KeyError, KeyError(), None)
    assert lines(tmp_path / "a")[-1]["complete"] is False


def test_a_name_that_is_not_utf8_survives(tmp_path):
    source = os.fsdecode(b"caf\xe9.mp4")
    for kind in (JsonLinesSink, JsonSink):
        write(kind(str(tmp_path / kind.__name__)), None, run=make_run(source=source))
    assert lines(tmp_path / "JsonLinesSink")[0]["source"] == "caf\udce9.mp4"


@pytest.mark.parametrize("kind", [JsonLinesSink, JsonSink, MotTextSink, CsvSink])
def test_what_is_not_finite_or_has_no_name_is_refused_and_nothing_torn_is_left(kind, tmp_path):
    sink = kind(str(tmp_path / "a"))
    sink.write(make_result(0, FIRST))
    before = (tmp_path / "a").read_bytes()
    with pytest.raises(DataError, match="finite"):
        sink.write(make_result(1, make_tracks((1, (0, 0, np.nan, 1), CONFIRMED))))
    with pytest.raises(DataError, match="class 5 has no name"):
        sink.write(make_result(1, make_tracks((1, (0, 0, 1, 1), CONFIRMED, 5))))
    assert (tmp_path / "a").read_bytes() == before
    sink.close()


def test_a_time_that_is_not_finite_is_refused(tmp_path):
    with JsonLinesSink(str(tmp_path / "a")) as sink, pytest.raises(DataError, match="JSON frame"):
        sink.write(make_result(0, time_s=float("nan")))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("kind", [JsonLinesSink, JsonSink, MotTextSink, CsvSink])
def test_the_source_stays_whole(kind, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"film")
    with pytest.raises(OutputError, match="the source itself"):
        write(kind(str(path)), FIRST, run=make_run(source=str(path)))
    assert path.read_bytes() == b"film"


def test_mot_rows_count_frames_from_one_and_leave_out_tentative_tracks(tmp_path):
    write(MotTextSink(str(tmp_path / "a")), None, SECOND)
    assert (tmp_path / "a").read_text() == (
        "2,1,3.00,4.00,10.00,20.00,0.8765,-1,-1,-1\n2,2,27.00,0.00,10.00,20.00,0.8765,-1,-1,-1\n"
    )


def test_mot_without_tracks_is_an_empty_file(tmp_path):
    write(MotTextSink(str(tmp_path / "a")), None, None)
    assert (tmp_path / "a").read_bytes() == b""


def test_csv_has_a_header_and_quotes_what_needs_it(tmp_path):
    write(CsvSink(str(tmp_path / "a")), None, SECOND)
    text = (tmp_path / "a").read_text("utf-8")
    rows = list(csv.reader(text.splitlines()))
    assert text.splitlines()[0] == "frame,time_s,id,class,score,x1,y1,x2,y2,state,vx,vy,age,misses"
    assert len(rows) == 4
    assert rows[2] == [
        *("1", "0.04", "1", "Fußgänger, zu Fuß", "0.8765", "3.0", "4.0", "13.0", "24.0"),
        *("lost", "1.5", "0.0", "3", "0"),
    ]


numbers = st.floats(-1e4, 1e4, width=32)


@given(st.lists(st.tuples(numbers, numbers, numbers, numbers), max_size=6))
def test_any_finite_boxes_fit_the_schema_and_keep_two_decimals(boxes):
    tracks = make_tracks(*[(i + 1, box, CONFIRMED) for i, box in enumerate(boxes)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")
        write(JsonLinesSink(str(path)), tracks)
        _, frame, _ = lines(path)
    VALIDATOR.validate(frame)
    found = np.array([track["box"] for track in frame["tracks"]]).reshape(-1, 4)
    assert np.abs(found - tracks.boxes.astype(np.float64)).max(initial=0) <= 0.005 + 1e-9


FULL = """
import resource, sys
sys.path.insert(0, sys.argv[3])
from tests.sinks.results import *
from tracker.errors import OutputError
from tracker.sinks.json_document import JsonSink
from tracker.sinks.json_lines import JsonLinesSink
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
sink = (JsonSink if sys.argv[2] == "document" else JsonLinesSink)(sys.argv[1])
tracks = make_tracks((1, (0, 0, 1, 1), CONFIRMED))
try:
    with sink:
        for index in range(100):
            sink.write(make_result(index, tracks))
except OutputError:
    print(sink.status)
"""


@pytest.mark.parametrize("form", ["document", "lines"])
def test_a_full_disk_leaves_whole_frames(form, tmp_path):
    pytest.importorskip("resource", reason="needs limits on the size of files")
    here = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", FULL, str(tmp_path / "a"), form, here]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    if form == "document":
        document = json.loads((tmp_path / "a").read_text())
        VALIDATOR.validate(document)
        assert document["footer"] is None
        count = len(document["frames"])
    else:
        count = len(lines(tmp_path / "a")) - 1
    assert count > 3
    assert f"cut short after {count} frames" in done.stdout


def test_stdout_gets_the_same_lines_as_a_file(tmp_path, capfdbinary):
    write(JsonLinesSink(str(tmp_path / "a")), FIRST, SECOND)
    write(JsonLinesSink("-"), FIRST, SECOND)
    assert capfdbinary.readouterr().out == (tmp_path / "a").read_bytes()


def test_a_stdout_in_memory_gets_the_lines_too(tmp_path, capsysbinary):
    sink = write(JsonLinesSink("-"), FIRST)
    assert capsysbinary.readouterr().out.count(b"\n") == 3
    assert sink.status == "stdout: 1 frame"


@pytest.mark.slow
def test_a_frame_of_ten_tracks_costs_little(tmp_path):
    tracks = make_tracks(*[(i + 1, (i, i, i + 5, i + 9), CONFIRMED) for i in range(10)])
    result = make_result(0, tracks)
    with JsonLinesSink(str(tmp_path / "a")) as sink:
        begin = time.process_time()
        for _ in range(2000):
            sink.write(result)
        spent = time.process_time() - begin
    assert spent / 2000 < 1e-3  # 0.1 to 0.2 ms on the slow machine this was measured on
