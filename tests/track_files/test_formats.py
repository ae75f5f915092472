"""Formats of other programs, each read from a file written by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.track_files.test_read import FOOTER, HEADER, frame, lines, track
from tracker.errors import ConfigError, DataError
from tracker.track_files.derived import centre_velocities
from tracker.track_files.formats import (
    TrackFormat,
    VideoDefaults,
    format_named,
    format_of_content,
    format_of_name,
)
from tracker.track_files.read import read_recording, read_tracks

COCO: dict[str, Any] = {
    "videos": [{"id": 1, "name": "in.mp4", "fps": 10}],
    "images": [
        {"id": 5, "file_name": "000002.jpg", "width": 64, "height": 48, "time_s": 0.1},
        {"id": 4, "file_name": "000001.jpg", "width": 64, "height": 48, "time_s": 0.0},
    ],
    "categories": [{"id": 3, "name": "car"}, {"id": 1, "name": "person"}],
    "annotations": [
        {"id": 1, "image_id": 5, "category_id": 1, "bbox": [1, 2, 3, 4], "track_id": 7},
        {"id": 2, "image_id": 4, "category_id": 3, "bbox": [0, 0, 2, 2], "score": 0.5}
        | {"attributes": {"track_id": 8}},
        {"id": 3, "image_id": 4, "category_id": 3, "bbox": [0, 0, 60, 40], "iscrowd": 1},
    ],
}
CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><size>8</size><labels><label><name>car</name></label></labels>
<original_size><width>64</width><height>48</height></original_size></task>
<source>in.mp4</source></meta>
<track id="0" label="car" source="manual">
  <box frame="1" xtl="0" ytl="0" xbr="10" ybr="10" outside="0" occluded="1" keyframe="1"/>
  <box frame="3" xtl="4" ytl="2" xbr="14" ybr="12" outside="0" occluded="0" keyframe="1"/>
  <box frame="4" xtl="4" ytl="2" xbr="14" ybr="12" outside="1" occluded="0" keyframe="1"/>
  <box frame="6" xtl="8" ytl="2" xbr="18" ybr="12" outside="0" occluded="0" keyframe="1">
    <attribute name="score">0.5</attribute></box>
</track>
<track id="1" label="car" source="manual">
  <polygon frame="0" points="1,2;3,4" outside="0" occluded="0" keyframe="1"/></track>
</annotations>
"""


def key(number: int, x: float, *, enabled: bool) -> dict[str, Any]:
    place = {"x": x, "y": 25.0, "width": 10.0, "height": 50.0}
    return {"frame": number, "enabled": enabled, "rotation": 0, **place}


STUDIO = [
    {
        "data": {"video": "in.mp4"},
        "annotations": [
            {
                "result": [
                    {"type": "choices", "value": {"choices": ["sunny"]}},
                    {
                        "id": "ymGJxO",
                        "type": "videorectangle",
                        "value": {
                            "framesCount": 9,
                            "labels": ["Man"],
                            "sequence": [
                                key(1, 10, enabled=True),
                                key(3, 20, enabled=False),
                                key(6, 20, enabled=True),
                            ],
                        },
                    },
                ]
            }
        ],
    }
]


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_coco_has_names_times_and_ids_also_in_attributes(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path / "a.json", COCO))
    tracks = recording.tracks
    assert tracks.frames.tolist() == [0, 1]  # numbers of file names count from 1
    assert tracks.ids.tolist() == [8, 7]
    assert [tracks.class_names[c] for c in tracks.classes] == ["car", "person"]
    assert tracks.boxes.tolist() == [[0, 0, 2, 2], [1, 2, 4, 6]]
    assert tracks.scores.tolist() == [0.5, 1]
    assert tracks.times_s.tolist() == [0, 0.1]
    assert tracks.fps == 10
    assert recording.header is not None
    assert (recording.header.width, recording.header.source) == (64, "in.mp4")


def changed_coco(**changes: Any) -> dict[str, Any]:
    return {**COCO, "annotations": [{**COCO["annotations"][0], **changes}]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (changed_coco(track_id="x"), "'id': expected a whole number from 0"),
        ({**COCO, "annotations": [{"image_id": 5}]}, r"annotations\[0\]: expected 'track_id'"),
        (changed_coco(image_id=9), "expected an image_id and a category_id of the file"),
        (changed_coco(bbox=[1, 2, 3]), "expected a bbox of 4 numbers"),
        ({**COCO, "images": [{**COCO["images"][0], "id": "x"}]}, "expected an id of its own"),
        (
            {**COCO, "images": [{**one, "video_id": n} for n, one in enumerate(COCO["images"])]},
            "expected the images of one video, got 2",
        ),
    ],
)
def test_coco_that_is_malformed(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_tracks(write(tmp_path / "a.json", document))


def test_cvat_interpolates_between_keyframes_until_outside(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path / "a.xml", CVAT))
    tracks = recording.tracks
    assert tracks.frames.tolist() == [1, 2, 3, 6]
    assert tracks.boxes[:, 0].tolist() == [0, 2, 4, 8]
    assert tracks.boxes[1].tolist() == [2, 1, 12, 11]
    assert tracks.seen.tolist() == [True, False, True, True]
    assert tracks.scores.tolist() == [1, 1, 1, 0.5]
    assert tracks.class_names == ("car",)
    assert [facts.index for facts in recording.frames] == list(range(8))
    assert recording.header is not None
    assert (recording.header.height, recording.header.source) == (48, "in.mp4")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<annotations>", "<!DOCTYPE a><annotations>", "got a document type or entities"),
        ("</annotations>", "", "expected XML: no element found"),
        ('xtl="0"', 'xtl="left"', "track 0, frame 1: xtl: expected a number, got 'left'"),
        ('frame="3"', 'frame="1"', "expected one box in a frame, got two in frame 1"),
        ('frame="3"', 'frame="900000000"', "expected at most 200000 frames between"),
        ('track id="0"', 'track id="a"', "id: expected a whole number, got 'a'"),
        ("<width>64<", "<width>wide<", "original_size: expected pixels"),
    ],
)
def test_cvat_that_is_malformed(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_tracks(write(tmp_path / "a.xml", CVAT.replace(old, new, 1)))


def test_cvat_for_images_has_no_tracks(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", "<annotations><image id='0' name='a.jpg'/></annotations>")
    with pytest.raises(DataError, match="export the task as 'CVAT for video'"):
        read_tracks(path)
    with pytest.raises(DataError, match="expected <annotations> as CVAT writes it, got <html>"):
        read_tracks(write(tmp_path / "b.xml", "<html/>"))


def test_label_studio_in_percent_with_a_pause(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", STUDIO)
    recording = read_recording(path, video=VideoDefaults((200, 100), 25.0))
    tracks = recording.tracks
    # Frames count from 1; the second keyframe switches the object off until the third.
    assert tracks.frames.tolist() == [0, 1, 2, 5]
    assert tracks.boxes.tolist() == [
        *([20, 25, 40, 75], [30, 25, 50, 75], [40, 25, 60, 75], [40, 25, 60, 75])
    ]
    assert tracks.seen.tolist() == [True, False, True, True]
    assert (tracks.ids.tolist(), tracks.class_names, tracks.fps) == ([2 - 1] * 4, ("Man",), 25.0)
    assert len(recording.frames) == 9
    with pytest.raises(DataError, match="expected a frame size for boxes in percent"):
        read_tracks(path)
    with pytest.raises(DataError, match="expected one task, got 2"):
        read_tracks(write(tmp_path / "b.json", STUDIO * 2), size=(2, 1))
    wrong = json.dumps(STUDIO).replace('"x": 10', '"x": null')
    with pytest.raises(DataError, match="'x': expected a finite number"):
        read_tracks(write(tmp_path / "c.json", wrong), size=(2, 1))


def test_yolo_labels_of_a_tracker(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    write(folder / "clip_1.txt", "1 0.5 0.5 0.2 0.4 0.9 3\n0 0.1 0.1 0.2 0.2 0.5 4\n")
    write(folder / "clip_3.txt", "1 0.6 0.5 0.2 0.4 0.8 3\n\n")
    write(tmp_path / "data.yaml", "names: {0: person, 1: car}\n")
    for path in (tmp_path, folder):
        tracks = read_tracks(path, size=(100, 50), fps=10)
        assert tracks.frames.tolist() == [0, 0, 2]
        assert tracks.ids.tolist() == [3, 4, 3]
        np.testing.assert_allclose(tracks.boxes[0], [40, 15, 60, 35])
        assert [tracks.class_names[c] for c in tracks.classes] == ["car", "person", "car"]
        assert tracks.scores.tolist() == pytest.approx([0.9, 0.5, 0.8])
    with pytest.raises(DataError, match="expected a frame size for YOLO's shares"):
        read_tracks(tmp_path)
    write(folder / "clip_4.txt", "1 0.6 0.5 0.2\n")
    with pytest.raises(DataError, match=r"clip_4.txt, line 1: expected 5 to 7 numbers"):
        read_tracks(tmp_path, size=(100, 50))


def test_yolo_labels_without_ids_are_detections(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "0 0.5 0.5 0.2 0.4 0.75\n")
    with pytest.raises(DataError, match="expected a track id at the end of each line"):
        read_tracks(tmp_path, size=(10, 10))
    write(tmp_path / "a.txt", "0 0.5 0.5 0.2 0.4 12\n")
    assert read_tracks(tmp_path, size=(10, 10)).ids.tolist() == [12]
    (tmp_path / "a.txt").unlink()
    with pytest.raises(DataError, match=r"one .txt for each frame, found none"):
        read_tracks(tmp_path, size=(10, 10))


def test_a_table_of_another_program(tmp_path: Path) -> None:
    text = (
        '"id","frame","x1","y1","x2","y2","class","note"\n3,0,1,2,3,4,car,"a, b"\n3,1.0,2,2,4,4,,\n'
    )
    tracks = read_tracks(write(tmp_path / "a.csv", text))
    assert tracks.frames.tolist() == [0, 1]
    assert tracks.boxes[1].tolist() == [2, 2, 4, 4]
    assert [tracks.class_names[c] for c in tracks.classes] == ["car", "object"]
    with pytest.raises(DataError, match="line 3: x1: expected a number, got 'left'"):
        read_tracks(write(tmp_path / "a.csv", text.replace("1.0,2,", "1.0,left,")))
    with pytest.raises(DataError, match="got no y1, x2, y2"):
        read_tracks(write(tmp_path / "a.csv", "frame,time_s,id,x1\n"))
    with pytest.raises(DataError, match="line 2: expected a value for id"):
        read_tracks(write(tmp_path / "a.csv", text.replace("3,0,1", ",0,1")))


def test_events_are_kept_apart_from_tracks(tmp_path: Path) -> None:
    event = {"kind": "event", "event": "line_crossed", "line": "door", "id": 1, "time_s": 0.02}
    path = lines(tmp_path / "a.jsonl", HEADER, frame(0, track()), event, frame(1, track()), FOOTER)
    recording = read_recording(path)
    assert recording.events == (event,)
    assert len(recording.tracks) == 2
    document = {"header": HEADER, "frames": [frame(0, track())], "events": [event]}
    assert read_recording(write(tmp_path / "a.json", document)).events == (event,)


def test_velocities_ages_and_times_of_json(tmp_path: Path) -> None:
    motion = {"velocity": [3, -4], "age": 9, "misses": 2, "class_score": 0.75}
    path = lines(tmp_path / "a", HEADER, frame(0, track(1, **motion), track(2)), frame(2, track(2)))
    tracks = read_tracks(path)
    assert tracks.velocities[0].tolist() == [3, -4]
    assert np.isnan(tracks.velocities[1:]).all()
    assert (tracks.ages.tolist(), tracks.misses.tolist()) == ([9, 0, 0], [2, -1, -1])
    filled = tracks.with_derived_columns()
    assert filled.ages.tolist() == [9, 1, 3]
    assert filled.misses.tolist() == [2, 0, 0]
    assert filled.class_scores.tolist() == [0.75, 1, 1]
    assert filled.velocities.tolist() == [[3, -4], [0, 0], [0, 0]]
    assert filled.times_s.tolist() == [0, 0, 0.08]


def test_velocities_need_rising_times() -> None:
    boxes = np.array([[0, 0, 2, 2], [4, 0, 6, 2], [0, 0, 1, 1]], float)
    ids = np.array([1, 1, 2])
    assert np.isnan(centre_velocities(ids, np.array([1.0, 1.0, 1.0]), boxes)[:2]).all()
    assert np.isnan(centre_velocities(ids, np.full(3, np.nan), boxes)).all()
    assert centre_velocities(ids, np.array([1.0, 1.5, 1.0]), boxes).tolist() == [
        *([8, 0], [8, 0], [0, 0])
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"PAR1....", TrackFormat.PARQUET),
        (b"\xef\xbb\xbf <annotations/>", TrackFormat.CVAT),
        (b"[{}]", TrackFormat.LABEL_STUDIO),
        (b'{"kind": "header"}\n', TrackFormat.JSON_LINES),
        (b'{\n "header": {}', TrackFormat.JSON),
        (b'{"frames": [], "header": {}}', TrackFormat.JSON),
        (b'{"annotations": [], "images": []}', TrackFormat.COCO),
        (b'{"id": 1, "data": {}, "predictions": []}', TrackFormat.LABEL_STUDIO),
        (b'{"id": 1', TrackFormat.JSON),
        (b"frame,time_s,id,class,score,x1,y1\n", TrackFormat.CSV),
        (b"1,1,0,0,2,3\n", TrackFormat.MOT),
        (b"", TrackFormat.MOT),
    ],
)
def test_formats_by_content(content: bytes, expected: TrackFormat) -> None:
    assert format_of_content(content) is expected


def test_formats_by_name() -> None:
    assert format_of_name("a.b/OUT.JSONL") is TrackFormat.JSON_LINES
    assert format_of_name("labels.v2/") is TrackFormat.YOLO
    assert format_named("label-studio") is TrackFormat.LABEL_STUDIO
    with pytest.raises(ConfigError, match=r"ends with .jsonl, .*, or a folder, got .mp4"):
        format_of_name("out.mp4")
    with pytest.raises(ConfigError, match=r"expected a format.*did you mean 'coco'"):
        format_named("cocoo")
