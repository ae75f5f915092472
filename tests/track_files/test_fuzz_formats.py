"""Every value of a file of another program replaced: tracks, or one short line."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.track_files.mutations import REPLACEMENTS, one_value_replaced, one_word_replaced
from tests.track_files.test_formats import COCO, CVAT, STUDIO
from tests.track_files.test_fuzz import refusals
from tracker.track_files.formats import TrackFormat, VideoDefaults
from tracker.track_files.read import read_recording

pytestmark = pytest.mark.slow

VIDEO = VideoDefaults((64, 48), 10.0)
CSV = [
    "frame,time_s,id,class,score,x1,y1,x2,y2,state,vx,vy,age,misses,seen",
    "3,0.3,1,car,0.5,1,2,3,4,confirmed,0.5,-1,3,0,true",
]
SMALL_COCO: dict[str, Any] = {
    **COCO,
    "images": COCO["images"][:1],
    "annotations": [
        {**COCO["annotations"][0], "segmentation": {"size": [2, 3], "counts": "06"}, "score": 1}
    ],
}


@pytest.mark.parametrize(
    ("track_format", "document"),
    [(TrackFormat.COCO, SMALL_COCO), (TrackFormat.LABEL_STUDIO, STUDIO[0])],
    ids=["coco", "label-studio"],
)
def test_each_value_of_json(tmp_path: Path, track_format: TrackFormat, document: Any) -> None:
    def use(path: Path) -> None:
        read_recording(path, track_format=track_format, video=VIDEO)

    assert len(refusals(tmp_path / "a.json", one_value_replaced(document), use)) > 50


def test_each_attribute_of_cvat(tmp_path: Path) -> None:
    found = re.finditer(r'="([^"]*)"|>([^<\n]+)<', CVAT)
    places = [match.span(match.lastindex or 0) for match in found]
    words = ["", "nan", "-1", "1e999", "9" * 400, "x" * 20_000, "<b/>", "&lol;", "\x00", "\uff11"]
    contents = [f"{CVAT[:start]}{word}{CVAT[end:]}" for start, end in places for word in words]

    def use(path: Path) -> None:
        read_recording(path, track_format=TrackFormat.CVAT)

    assert len(refusals(tmp_path / "a.xml", contents, use)) > 50


def test_each_cell_of_a_table(tmp_path: Path) -> None:
    def use(path: Path) -> None:
        read_recording(path, track_format=TrackFormat.CSV)

    assert len(refusals(tmp_path / "a.csv", one_word_replaced(CSV, ","), use)) > 50


def test_each_word_of_yolo_labels(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()

    def use(path: Path) -> None:
        read_recording(path.parent, video=VIDEO)

    rows = ["1 0.5 0.5 0.2 0.4 0.9 3", "0 0.1 0.1 0.2 0.2 0.5 4"]
    assert len(refusals(folder / "clip_1.txt", one_word_replaced(rows, " "), use)) > 50


def test_any_content_as_any_format(tmp_path: Path) -> None:
    contents = [text.encode("utf-8", "surrogatepass") for text in REPLACEMENTS]
    contents += [json.dumps(COCO).encode(), json.dumps(STUDIO).encode(), CVAT.encode()]
    contents += ["\n".join(CSV).encode(), b"\xff\xfe\x00", b"PAR1", CVAT.encode("utf-16")]
    in_files = [TrackFormat.COCO, TrackFormat.CSV, TrackFormat.CVAT, TrackFormat.LABEL_STUDIO]
    for track_format in in_files:

        def use(path: Path, one: TrackFormat = track_format) -> None:
            read_recording(path, track_format=one, video=VIDEO)

        assert len(refusals(tmp_path / "file", contents, use)) > len(contents) - 8
