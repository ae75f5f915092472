"""The common format of network files, with a test description."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tracker.errors import ModelError
from tracker.models.files.described_network import (
    NetworkFile,
    check_class_count,
    check_described_backbone,
    check_long_side,
)
from tracker.models.files.detector_file import DETECTOR_FILE, DetectorDescription
from tracker.models.files.reid_file import REID_FILE, ReidDescription
from tracker.models.files.segmenter_file import SEGMENTER_FILE, SegmenterDescription
from tracker.models.yolo_shape import YoloSize


@dataclass(frozen=True)
class Depth:
    name: str
    metres: float


DEPTHS = NetworkFile(
    what="depth network",
    format="tracker depth",
    command="tracker train depth",
    to_record=asdict,
    from_record=lambda record: Depth(record["name"], float(record["metres"])),
    described=lambda depth: depth.name,
    version=3,
)
PATH = Path("d.keras")


def test_description_is_parsed_from_its_text() -> None:
    text = DEPTHS.text(Depth("Straße", 80.0))
    assert text == (
        '{\n  "format": "tracker depth",\n  "version": 3,\n  "name": "Straße",\n'
        '  "metres": 80.0\n}\n'
    )
    assert DEPTHS.parse(PATH, text.encode()) == Depth("Straße", 80.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"format": "tracker reid"},
            "depth network d.keras: expected a file that `tracker train depth` wrote, got a "
            "'tracker reid' file",
        ),
        (
            {"version": 2},
            "depth network d.keras: expected version 3, got 2; use the release that wrote it, or "
            "train again",
        ),
        ({"metres": "far"}, "depth network d.keras: tracker.json in it is malformed: ValueError"),
        ({"metres": []}, "depth network d.keras: tracker.json in it is malformed: TypeError"),
    ],
)
def test_another_kind_version_or_content_is_named(changes: dict[str, object], message: str) -> None:
    record = json.loads(DEPTHS.text(Depth("street", 80.0))) | changes
    with pytest.raises(ModelError, match=re.escape(message)):
        DEPTHS.parse(PATH, json.dumps(record).encode())


def test_a_number_too_large_for_an_integer_is_malformed() -> None:
    text = REID_FILE.text(ReidDescription(128)).replace('"dimension": 128', '"dimension": 1e999')
    with pytest.raises(ModelError, match=r"tracker\.json in it is malformed: OverflowError"):
        REID_FILE.parse(PATH, text.encode())


def test_the_texts_of_the_three_kinds() -> None:
    """Byte by byte as in earlier releases, so that equal networks still give equal files."""
    assert REID_FILE.text(ReidDescription(128)) == (
        '{\n  "format": "tracker reid",\n  "version": 1,\n  "input_size": [\n'
        "    128,\n    64\n  ],\n"
        '  "dimension": 128,\n  "backbone": "residual"\n}\n'
    )
    assert DETECTOR_FILE.text(DetectorDescription(YoloSize.NANO, ("é",), 64)) == (
        '{\n  "format": "tracker detector",\n  "version": 1,\n  "size": "nano",\n'
        '  "backbone": "cross-stage",\n  "heads": "anchor-free",\n'
        '  "strides": [\n    8,\n    16,\n    32\n  ],\n  "long_side": 64,\n'
        '  "confidence": 0.25,\n  "class_names": [\n    "é"\n  ]\n}\n'
    )
    assert SEGMENTER_FILE.text(SegmenterDescription(("a", "b"), 32, "xception")) == (
        '{\n  "format": "tracker segmenter",\n  "version": 1,\n  "head": "fcn-8s",\n'
        '  "backbone": "xception",\n  "size": "small",\n  "long_side": 32,\n'
        '  "class_names": [\n    "a",\n    "b"\n  ]\n}\n'
    )


def test_checks_that_descriptions_share() -> None:
    check_long_side(64)
    with pytest.raises(ModelError, match="positive multiple of 32, got -32"):
        check_long_side(-32)
    check_described_backbone("a", ["a"])
    with pytest.raises(ModelError, match="got 'b'; known: a"):
        check_described_backbone("b", ["a"])
    check_class_count(1, ("a",))
    with pytest.raises(ModelError, match="expected 2 as the network has, got 1"):
        check_class_count(2, ("a",))
