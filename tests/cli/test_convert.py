"""`tracker convert`: round trips, what is lost, and other programs that read the result."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli import call, failure, lines_of
from tests.cli.test_link import VALIDATOR
from tracker.errors import DataError
from tracker.masks import encode_mask, mask_to_coco
from tracker.track_files.embedding_base64 import encode_embeddings
from tracker.track_files.formats import TrackFormat, VideoDefaults
from tracker.track_files.json_file import Recording
from tracker.track_files.read import read_recording

SIZE = (64, 48)
VIDEO = VideoDefaults(SIZE, 10.0, ("person", "car"))
LOOK = encode_embeddings(np.array([[3.0, 4.0]], np.float32))[0]
EVENT = {"kind": "event", "event": "line_crossed", "line": "door", "id": 1, "time_s": 0.05}


def track(number: int, name: str, box: list[float], **changes: Any) -> dict[str, Any]:
    return {
        **{"id": number, "class": name, "score": 0.8712, "box": box, "state": "confirmed"},
        **{"velocity": [1.5, -2.0], "age": 3, "misses": 0, "class_score": 0.9},
        **changes,
    }


def records() -> list[dict[str, Any]]:
    """Two tracks over five frames: one pauses in frame 2, one changes nothing; frame 4 is empty."""
    pixels = np.zeros((48, 64), bool)
    pixels[10:20, 5:9] = True
    mask = mask_to_coco(encode_mask(pixels))
    header = {
        **{"kind": "header", "schema": "tracker-json/1", "program": "tracker-pipeline 0.1.0"},
        **{"source": "in.mp4", "width": SIZE[0], "height": SIZE[1], "fps": 10.0, "live": False},
        **{"class_names": ["person", "car"], "config": {"seed": 1}, "models": {"m": "0" * 64}},
        "embedding_size": 2,
    }
    person = [
        track(1, "person", [5.25, 10, 9.5, 20.75], mask=mask, embedding=LOOK, global_id=4),
        track(1, "person", [6.5, 10, 10.5, 20], state="lost", misses=1),
        None,
        track(1, "person", [8, 10, 12, 20], age=6),
        None,
    ]
    car = [track(2, "car", [30 + n, 20, 50 + n, 40], score=0.5) for n in range(4)]
    frames = []
    for n in range(5):
        found = [one for one in (person[n], car[n] if n < 4 else None) if one is not None]
        frames.append({"kind": "frame", "frame": n, "time_s": round(0.1 * n, 6), "tracks": found})
    life = {"first_frame": 0, "last_frame": 3, "first_time_s": 0.0, "last_time_s": 0.3}
    lives = [
        {"id": 1, "class": "person", **life, "frames": 3, "path_length": 2.6, "global_id": 4},
        {"id": 2, "class": "car", **life, "frames": 4, "path_length": 3.0},
    ]
    footer = {"kind": "footer", "frames": 5, "ids": 2, "complete": True, "tracks": lives}
    return [header, *frames[:2], EVENT, *frames[2:], footer]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in records()), encoding="utf-8")
    return path


def rows(recording: Recording) -> list[tuple[Any, ...]]:
    """Returns frame, id, class and rounded box of each row."""
    tracks = recording.tracks
    names = [tracks.class_names[c] if tracks.class_names else "" for c in tracks.classes]
    boxes = [tuple(round(value, 2) for value in box) for box in tracks.boxes.tolist()]
    return list(zip(tracks.frames.tolist(), tracks.ids.tolist(), names, boxes, strict=True))


def converted(source: Path, name: str, *words: str) -> Path:
    output = source.with_name(name)
    assert call("convert", source, output, *words) == 0
    return output


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *(("a.json", ()), ("a.csv", ()), ("a.xml", ()), ("a.txt", ())),
        *(("c.json", ("--to", "coco")), ("l.json", ("--to", "label-studio"))),
        ("labels", ("--to", "yolo-track")),
    ],
)
def test_round_trip_of_ids_boxes_and_classes(
    source: Path, name: str, words: tuple[str, ...]
) -> None:
    expected = read_recording(source)
    output = converted(source, name, *words)
    back = read_recording(output, video=VIDEO)
    if name == "a.txt":
        assert [(f, i, b) for f, i, _, b in rows(back)] == [
            (f, i, b) for f, i, _, b in rows(expected)
        ]
        return
    assert rows(back) == rows(expected)
    if name != "a.csv":
        assert [facts.index for facts in back.frames] == [0, 1, 2, 3, 4]
    if name != "l.json":  # one score for each track
        assert back.tracks.scores.tolist() == pytest.approx(expected.tracks.scores.tolist())
    # Into JSON again: what the format lost is derived, and the schema holds.
    again = converted(output, "again.jsonl", *("--size", "64x48", "--class-names", "person,car"))
    for record in lines_of(again):
        if record != EVENT:
            VALIDATOR.validate(record)
    assert rows(read_recording(again)) == rows(expected)


def test_json_to_json_changes_the_form_alone(source: Path) -> None:
    document = converted(source, "a.json")
    whole = json.loads(document.read_text())
    assert whole["events"] == [EVENT]
    assert [whole["header"], *whole["frames"], whole["footer"]] == [
        one for one in records() if one["kind"] != "event"
    ]
    back = lines_of(converted(document, "b.jsonl"))
    *rest, footer = [one for one in records() if one["kind"] != "event"]
    assert back == [*rest, EVENT, footer]


@pytest.mark.parametrize(
    ("name", "words", "lost"),
    [
        (
            "a.txt",
            (),
            "class names, times and frame rate, velocities, which boxes are predictions, frames "
            "without tracks, frame size, embeddings, masks, global ids, configuration of the run, "
            "events",
        ),
        (
            "a.csv",
            (),
            "frames without tracks, frame size, embeddings, masks, global ids, configuration of "
            "the run, events",
        ),
        ("a.xml", (), "times and frame rate, velocities, embeddings, masks, global ids, config"),
        ("y", (), "track ids, scores, times and frame rate, velocities, which boxes are predict"),
        ("c.json", ("--to", "coco"), "velocities, which boxes are predictions, embeddings, global"),
    ],
)
def test_one_line_says_what_is_lost(
    source: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    words: tuple[str, ...],
    lost: str,
) -> None:
    output = converted(source, name, *words)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"{output}: 2 tracks, 7 boxes, 5 frames"
    assert len(told) == 2
    assert f"cannot hold it: {lost}" in told[1]


def test_yolo_labels_for_training(source: Path) -> None:
    folder = converted(source, "set")
    assert (folder / "classes.txt").read_text() == "person\ncar\n"
    first = (folder / "labels" / "frame_000000.txt").read_text().splitlines()
    # The car: centre (40, 30) and size 20 x 20 of 64 x 48.
    assert first[1] == "1 0.625000 0.625000 0.312500 0.416667"
    assert (folder / "labels" / "frame_000004.txt").read_text() == ""
    assert len(list((folder / "labels").iterdir())) == 5


def test_labels_fill_an_empty_folder_behind_a_link_and_touch_no_other(
    source: Path, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    other = tmp_path / "real.part"
    other.mkdir()
    (other / "mine.txt").write_text("kept")
    before = {path.name for path in tmp_path.iterdir()}
    folder = converted(source, "link", "--to", "yolo")
    assert folder.is_symlink()
    assert (tmp_path / "real" / "classes.txt").read_text() == "person\ncar\n"
    assert (other / "mine.txt").read_text() == "kept"
    assert {path.name for path in tmp_path.iterdir()} == before


def test_labels_in_the_current_folder(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert call("convert", source, ".", "--to", "yolo") == 0
    assert Path("classes.txt").read_text() == "person\ncar\n"


def test_cvat_pauses_with_a_box_outside(source: Path) -> None:
    from xml.etree import ElementTree

    root = ElementTree.parse(converted(source, "a.xml")).getroot()
    person = next(one for one in root.iter("track") if one.get("id") == "1")
    places = [(b.get("frame"), b.get("outside"), b.get("occluded")) for b in person.iter("box")]
    assert places == [
        ("0", "0", "0"),
        ("1", "0", "1"),
        ("2", "1", "0"),
        ("3", "0", "0"),
        ("4", "1", "0"),
    ]
    assert read_recording(source.with_name("a.xml")).tracks.seen.tolist() == [
        *(True, True, False, True, True, True, True)
    ]


def test_an_input_or_a_full_folder_is_never_overwritten(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = source.read_bytes()
    assert "it is the source itself" in failure(capsys, "convert", source, source)
    folder = converted(source, "set")
    capsys.readouterr()
    assert "expected a new or empty folder" in failure(capsys, "convert", source, folder)
    there = converted(source, "a.txt")
    capsys.readouterr()
    message = failure(capsys, "convert", source, there, "--no-clobber")
    assert "it exists, and --no-clobber keeps it" in message
    assert source.read_bytes() == before
    broken = source.with_name("broken.xml")
    broken.write_text("<annotations><track/></annotations>")
    content = there.read_bytes()
    assert "id: expected a whole number" in failure(capsys, "convert", broken, there)
    assert there.read_bytes() == content


def test_what_a_format_lacks_is_asked_for(
    source: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mot = converted(source, "a.txt")
    capsys.readouterr()
    output = source.with_name("b.jsonl")
    message = failure(capsys, "convert", mot, output)
    assert "expected a frame size for jsonl, got none; give it with --size" in message
    assert call("convert", mot, output, "--size", "64x48") == 0
    assert "30 frames a second assumed" in capsys.readouterr().err
    assert call("convert", mot, output, "--source", clip, "--class-names", "dog") == 0
    header, *frames = lines_of(output)
    assert (header["width"], header["height"], header["fps"]) == (160, 120, 25.0)
    assert header["config"]["converted"]["from"] == str(mot)
    assert {one["class"] for one in frames[0]["tracks"]} == {"dog"}
    # The car moves by one pixel a frame.
    assert frames[1]["tracks"][1]["velocity"] == [25.0, 0.0]
    assert "expected WIDTHxHEIGHT" in failure(capsys, "convert", mot, output, "--size", "64")
    assert "has 10; omit --fps" in failure(capsys, "convert", source, mot, "--fps", "5")


@pytest.mark.parametrize("command", ["convert", "analyze", "plot"])
def test_an_empty_name_is_not_the_current_folder(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["out.csv"] if command == "convert" else []
    message = failure(capsys, command, "", *words)
    assert "expected the name of a track file, got an empty one" in message


def test_names_of_other_programs_lead_to_convert(capsys: pytest.CaptureFixture[str]) -> None:
    assert "convert" in failure(capsys, "to-coco", "a")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_reads_the_result(source: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")
    found = coco.COCO(str(converted(source, "c.json", "--to", "coco")))
    assert len(found.imgs) == 5
    annotations = found.loadAnns(found.getAnnIds(imgIds=[1]))
    assert [one["track_id"] for one in annotations] == [1, 2]
    assert found.annToMask(annotations[0]).sum() == 40
    assert found.loadCats([2])[0]["name"] == "car"


def test_parquet_keeps_what_json_has(source: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    output = converted(source, "a.parquet")
    assert parquet.read_table(output).column("id").to_pylist() == [1, 2, 1, 2, 2, 1, 2]
    expected, back = read_recording(source), read_recording(output)
    assert rows(back) == rows(expected)
    for name in ("times_s", "velocities", "ages", "misses", "class_scores", "global_ids", "seen"):
        assert np.array_equal(getattr(back.tracks, name), getattr(expected.tracks, name)), name
    np.testing.assert_allclose(back.tracks.embeddings, expected.tracks.embeddings, atol=1e-3)
    assert back.tracks.masks == expected.tracks.masks
    again = converted(output, "b.jsonl")
    for record in lines_of(again):
        VALIDATOR.validate(record)
    first = lines_of(again)[1]["tracks"][0]
    assert first == records()[1]["tracks"][0]


def test_a_broken_parquet_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing more PAR1")
    message = failure(capsys, "convert", tmp_path / "a.parquet", tmp_path / "b.csv")
    assert "a.parquet: expected a Parquet file" in message


def test_to_dataframe_has_times_and_speeds(source: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    table = read_recording(source).tracks.to_dataframe()
    assert isinstance(table, pandas.DataFrame)
    assert list(table.columns) == [
        *("frame", "time_s", "id", "class", "score", "x1", "y1", "x2", "y2", "seen"),
        *("vx", "vy", "speed", "global_id"),
    ]
    assert table.speed.tolist() == [2.5] * 7  # 1.5 and -2
    assert table[table.id == 2].time_s.tolist() == pytest.approx([0, 0.1, 0.2, 0.3])
    mot = read_recording(converted(source, "a.txt")).tracks
    assert np.isnan(mot.to_dataframe().speed).all()
    derived = read_recording(source.with_name("a.txt"), video=VIDEO).tracks.to_dataframe()
    assert derived[derived.id == 2].speed.tolist() == pytest.approx([10.0] * 4)


def test_a_damaged_parquet_file_is_one_line(tmp_path: Path) -> None:
    # The message of the library ends with a line break.
    (tmp_path / "a.parquet").write_bytes(b"\0\0\0\0PAR1")
    with pytest.raises(DataError, match="expected a Parquet file") as caught:
        read_recording(tmp_path / "a.parquet", track_format=TrackFormat.PARQUET)
    assert str(caught.value).isprintable()


def test_a_column_of_a_parquet_file_whose_name_is_no_text_is_one_line(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"qqqq": [1]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"qqqq", b"qq\xe9q"))
    with pytest.raises(DataError, match="expected a Parquet file") as caught:
        read_recording(path, track_format=TrackFormat.PARQUET)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"header": {"class_names": 3}}, "class_names"),
        ({"header": []}, "tracker"),
        ({"class": b"caf\xe9"}, "a value cannot be read: "),
        ({"embedding": ["x"]}, "'embedding': expected numbers"),
        ({"embedding": ["1e99"]}, "'embedding': expected numbers"),
    ],
)
def test_a_wrong_value_of_a_parquet_file_is_one_line(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    named = change.get("class", b"car")
    columns = {name: [1.0] for name in ("frame", "id", "x1", "y1")}
    columns |= {"x2": [9.0], "y2": [9.0], "score": [0.5]}
    text = arrow.StringArray.from_buffers(
        1, arrow.py_buffer(np.array([0, len(named)], np.int32)), arrow.py_buffer(named)
    )
    table = arrow.table(
        {**columns, "class": text, "embedding": [change.get("embedding", ["1"])]}
    ).replace_schema_metadata({"tracker": json.dumps(change.get("header", {"embedding_size": 1}))})
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message) as caught:
        read_recording(tmp_path / "a.parquet", track_format=TrackFormat.PARQUET)
    assert "\n" not in str(caught.value)
