"""Every value of a valid label file replaced: labels, or one short line."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.track_files.mutations import one_value_replaced, one_word_replaced, whole_files
from tracker.errors import TrackerError
from tracker.evaluation.labels import read_coco_labels, read_yolo_labels
from tracker.training.segmenter.coco import CocoMasks

COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 20}],
    "annotations": [
        {
            **{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4.5], "iscrowd": 0},
            "segmentation": [[0, 0, 5, 0, 5, 5]],
        }
    ],
    "categories": [{"id": 3, "name": "car"}],
}


def check(
    path: Path, contents: Iterable[str | bytes], read: Callable[[], object]
) -> tuple[int, int]:
    """Returns how many contents were read and refused; each message is one short line."""
    done, messages = 0, []
    for content in contents:
        data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        path.write_bytes(data)
        done += 1
        try:
            read()
        except TrackerError as error:
            messages.append(str(error).replace(str(path.parent), ""))
    assert [text for text in messages if not text.isprintable() or len(text) > 400] == []
    return done - len(messages), len(messages)


@pytest.mark.parametrize("reader", [read_coco_labels, CocoMasks])
@pytest.mark.slow
def test_each_value_of_coco_json(tmp_path: Path, reader: Callable[..., object]) -> None:
    path = tmp_path / "coco.json"
    whole = json.dumps(COCO, indent=1).encode()
    for contents in (one_value_replaced(COCO), whole_files(whole)):
        good, bad = check(path, contents, lambda: reader(path, tmp_path))
        assert good
        assert bad


def test_each_word_of_yolo_labels(tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    (tmp_path / "images" / "a.png").touch()
    path = tmp_path / "labels" / "a.txt"
    rows = ["0 0.5 0.5 0.25 1", "1 0.5 0.5 0.5 0.5"]
    whole = "\n".join(rows).encode()
    for contents in (one_word_replaced(rows, " "), whole_files(whole)):
        good, bad = check(path, contents, lambda: read_yolo_labels(tmp_path / "labels"))
        assert good
        assert bad
