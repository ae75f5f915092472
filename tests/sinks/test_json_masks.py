"""Masks in JSON: written for what was seen, fit for the schema, read and replayed."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from faster_coco_eval.core import mask as coco

from tests.sinks.results import CONFIRMED, LOST, TENTATIVE, make_result, make_tracks
from tracker.detections import Detections
from tracker.masks import empty_mask, encode_mask, mask_from_coco, mask_to_coco
from tracker.sinks.json_document import JsonSink
from tracker.sinks.json_lines import JsonLinesSink

DOCS = Path(__file__).parents[2] / "docs"
VALIDATOR = jsonschema.Draft202012Validator(
    json.loads((DOCS / "json-format.schema.json").read_text("utf-8"))
)
SIZE = (48, 64)


def block(left, top, right, bottom):
    pixels = np.zeros(SIZE, np.bool_)
    pixels[top:bottom, left:right] = True
    return encode_mask(pixels)


def seen_as(index, tracks, places, masks):
    """A result whose tracks took the detections at `places` (-1: none) of those with `masks`."""
    count = len(places) if masks is None else len(masks)
    found = Detections.create([[0, 0, 10, 20]] * count, [0.9] * count, masks=masks)
    tracks = replace(tracks, detection_index=np.array(places, np.int32))
    return replace(make_result(index, tracks), detections=found)


FIRST = make_tracks((1, (0, 0, 10, 20), CONFIRMED), (2, (5, 0, 15, 20), CONFIRMED))
SECOND = make_tracks(
    (-1, (5, 5, 6, 6), TENTATIVE), (1, (3, 4, 13, 24), LOST), (2, (5, 0, 15, 20), CONFIRMED)
)
LEFT, RIGHT = block(0, 0, 10, 20), block(5, 0, 64, 48)  # they overlap and touch the borders
RESULTS = [
    seen_as(0, FIRST, [1, 0], [RIGHT, LEFT]),
    seen_as(1, SECOND, [0, -1, 1], [block(5, 5, 6, 6), empty_mask(SIZE)]),
    seen_as(2, make_tracks(), [], []),
]


def write(path, results, *, kind=JsonLinesSink):
    with kind(str(path)) as sink:
        for result in results:
            sink.write(result)
    if kind is JsonSink:
        document = json.loads(path.read_text("utf-8"))
        VALIDATOR.validate(document)
        return [document["header"], *document["frames"], document["footer"]]
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("kind", [JsonLinesSink, JsonSink])
def test_tracks_that_were_seen_have_the_mask_of_their_detection(tmp_path, kind):
    header, *frames, footer = write(tmp_path / "a", RESULTS, kind=kind)
    for record in (header, *frames, footer):
        VALIDATOR.validate(record)
    masks = [[track.get("mask") for track in frame["tracks"]] for frame in frames]
    assert masks == [
        [mask_to_coco(LEFT), mask_to_coco(RIGHT)],
        [mask_to_coco(block(5, 5, 6, 6)), None, None],  # one pixel; lost; an empty mask
        [],
    ]
    assert "mask" not in json.dumps([header, footer])
    assert list(frames[0]["tracks"][0])[-1] == "mask"


def test_without_masks_not_a_byte_changes(tmp_path):
    with_masks = write(tmp_path / "a", RESULTS)
    blind = [replace(result, detections=result.detections.with_masks(None)) for result in RESULTS]
    write(tmp_path / "b", blind)
    for record in with_masks[1:-1]:
        for track in record["tracks"]:
            track.pop("mask", None)
    lines = [json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in with_masks]
    assert (tmp_path / "b").read_text("utf-8") == "".join(line + "\n" for line in lines)
    assert b"mask" not in (tmp_path / "b").read_bytes()


def test_the_same_run_gives_the_same_bytes(tmp_path):
    for name in "ab":
        write(tmp_path / name, RESULTS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_schema_refuses_other_masks():
    (track,) = example()["tracks"]
    VALIDATOR.validate(example())
    for wrong in (
        {"size": [48], "counts": "01"},
        {"size": [48, 0], "counts": "01"},
        {"size": [48, 64], "counts": [0, 3072]},
        {"size": [48, 64], "counts": ""},
        {"size": [48, 64], "counts": "0p"},
        {"counts": "01"},
        {"size": [48, 64], "counts": "01", "area": 1},
        None,
    ):
        frame = {**example(), "tracks": [{**track, "mask": wrong}]}
        assert not VALIDATOR.is_valid(frame), wrong


def example():
    text = (DOCS / "json-format.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith('{"kind"') and "mask" in line]
    assert len(lines) == 1
    return json.loads(lines[0])


def test_the_example_in_the_documentation_is_what_it_says():
    frame = example()
    VALIDATOR.validate(frame)
    pixels = coco.decode(frame["tracks"][0]["mask"])
    expected = np.zeros((480, 640), np.uint8)
    expected[50:54, 100:103] = 1
    np.testing.assert_array_equal(pixels, expected)
    assert mask_from_coco(frame["tracks"][0]["mask"]) == encode_mask(expected == 1)
