"""`tracker link`, and `tracker run --link`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from tests.cli import call, failure, lines_of
from tests.sinks.results import CONFIRMED, TENTATIVE, make_result, make_run, make_tracks
from tracker.detections import Detections
from tracker.sinks.json_document import JsonSink
from tracker.sinks.json_lines import JsonLinesSink
from tracker.sinks.json_records import Embeddings
from tracker.track_files.read import read_tracks

SAMPLE = Path(__file__).parents[2] / "samples" / "plaza.mp4"
VALIDATOR = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "docs" / "json-format.schema.json").read_text("utf-8"))
)
RED, BLUE = (1.0, 0.0), (0.0, 1.0)


def recorded(
    path: Path,
    *frames: Mapping[int, Sequence[float]],
    wall_s: float | None = None,
    embeddings: Embeddings = Embeddings.INCLUDE,
    size: int = 2,
) -> Path:
    """Writes a recording; each frame has the embedding of each track by its id."""
    run = make_run(is_live=wall_s is not None)
    sink = JsonSink if path.suffix == ".json" else JsonLinesSink
    with sink(str(path), embeddings=embeddings) as output:
        for index, seen in enumerate(frames):
            boxes = [(0, 0, 10, 20)] * len(seen)
            states = [TENTATIVE if number < 0 else CONFIRMED for number in seen]
            tracks = make_tracks(*zip(seen, boxes, states, strict=True))
            tracks = replace(tracks, detection_index=np.arange(len(seen), dtype=np.int32))
            looks = np.zeros((len(seen), size), np.float32)
            for row, look in enumerate(seen.values()):
                looks[row, : len(look)] = look
            found = Detections.create(boxes, [0.9] * len(seen), embeddings=looks)
            wall = {} if wall_s is None else {"wall_time_s": wall_s + index / 25}
            output.write(replace(make_result(index, tracks, run=run, **wall), detections=found))
    return path


@pytest.fixture
def cameras(tmp_path: Path) -> tuple[Path, Path]:
    """A red person as 1 and a blue one as 2, then in another recording as 2 and 1."""
    return (
        recorded(tmp_path / "a.jsonl", *[{1: RED, 2: BLUE}] * 6),
        recorded(tmp_path / "b.json", *[{-1: RED, 1: BLUE, 2: RED}] * 6),
    )


def objects_of(path: Path) -> tuple[Any, list[Any], Any]:
    """Returns header, frames and footer."""
    if path.suffix == ".json":
        document = json.loads(path.read_text("utf-8"))
        VALIDATOR.validate(document)
        return document["header"], document["frames"], document["footer"]
    header, *frames, footer = lines_of(path)
    for record in (header, *frames, footer):
        VALIDATOR.validate(record)
    return header, frames, footer


def global_ids_of(path: Path) -> dict[int, int | None]:
    """Returns the global id of each track that has the same one in all frames and the footer."""
    _, frames, footer = objects_of(path)
    found: dict[int, set[int | None]] = {}
    for record in (*frames, footer):
        for track in record["tracks"]:
            found.setdefault(track["id"], set()).add(track.get("global_id"))
    return {number: ids.pop() for number, ids in found.items() if len(ids) == 1}


def test_linked_recordings_are_written_beside_each(
    cameras: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = cameras
    assert call("link", first, second) == 0
    linked = [path.with_stem(f"{path.stem}-linked") for path in cameras]
    assert global_ids_of(linked[0]) == {1: 1, 2: 2}
    assert global_ids_of(linked[1]) == {-1: None, 1: 2, 2: 1}
    assert read_tracks(linked[1]).global_ids.tolist() == [2, 1] * 6
    assert read_tracks(second).global_ids.tolist() == [-1] * 12
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"{linked[0]}: 2 tracks, 2 people, 2 of them also elsewhere",
        f"{linked[1]}: 2 tracks, 2 people, 2 of them also elsewhere",
        "all 2 recordings: 4 tracks, 2 people, 2 in several recordings",
        "  person 1: a-linked.jsonl #1; b-linked.json #2",
        "  person 2: a-linked.jsonl #2; b-linked.json #1",
        "times: no common clock (--offsets gives one), so anyone may be in several at once",
    ]


def test_all_but_the_ids_and_the_header_stays_the_same_bytes(
    cameras: tuple[Path, Path], tmp_path: Path
) -> None:
    assert call("link", *cameras, "-o", tmp_path / "out") == 0
    for path in cameras:
        text = (tmp_path / "out" / path.name).read_text("utf-8")
        for number in (1, 2):
            text = text.replace(f',"global_id":{number}', "")
        header = objects_of(tmp_path / "out" / path.name)[0]
        linked = header["config"]["linked"]
        assert linked["recordings"] == [str(one) for one in cameras]
        assert (linked["min_embeddings"], linked["offsets"]) == (5, None)
        added = f',"linked":{json.dumps(linked, separators=(",", ":"))}'
        assert text.replace(added, "") == path.read_text("utf-8")


def test_linking_again_replaces_the_ids(cameras: tuple[Path, Path], tmp_path: Path) -> None:
    assert call("link", *cameras, "-o", tmp_path / "out") == 0
    again = (tmp_path / "out" / "b.json", tmp_path / "out" / "a.jsonl")
    assert call("link", *again, "-o", tmp_path / "again", "--min-embeddings", 7) == 0
    assert global_ids_of(tmp_path / "again" / "b.json") == {-1: None, 1: 1, 2: 2}
    assert global_ids_of(tmp_path / "again" / "a.jsonl") == {1: 3, 2: 4}


def test_a_recording_that_was_cut_off_is_linked_up_to_its_end(
    cameras: tuple[Path, Path], tmp_path: Path
) -> None:
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(b"\n".join(cameras[0].read_bytes().splitlines()[:-1]) + b'\n{"kind":"fo')
    assert call("link", cut, cameras[1], "-o", tmp_path / "out") == 0
    _, *frames = lines_of(tmp_path / "out" / "cut.jsonl")
    assert [track["global_id"] for track in frames[-1]["tracks"]] == [1, 2]
    assert len(frames) == 6


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), {1: 2}),  # at the same time in both
        (("--overlapping-views",), {1: 1}),
        (("--offsets", "0,9"), {1: 1}),
        (("--offsets", "0,0.1"), {1: 2}),
    ],
)
def test_on_a_common_clock_nobody_is_in_two_recordings_at_once(
    tmp_path: Path, words: tuple[str, ...], expected: dict[int, int]
) -> None:
    first = recorded(tmp_path / "a.jsonl", *[{1: RED}] * 6, wall_s=1e9)
    second = recorded(tmp_path / "b.jsonl", *[{1: RED}] * 6, wall_s=1e9 + 0.1)
    assert call("link", first, second, *words) == 0
    assert global_ids_of(tmp_path / "b-linked.jsonl") == expected


def test_recordings_without_embeddings_say_how_to_record_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = recorded(tmp_path / "a.jsonl", {1: RED}, embeddings=Embeddings.OMIT)
    message = failure(capsys, "link", bare)
    assert message == (
        f"{bare}: expected embeddings of the tracks, got none; record them with: tracker run "
        "SOURCE --json NAME.jsonl --embeddings"
    )
    text = tmp_path / "a.txt"
    text.write_text("1,1,0,0,9,9,1\n")
    assert "got MOT text, which cannot hold them" in failure(capsys, "link", text)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "a.txt"]


def test_embeddings_of_different_networks_are_refused(
    cameras: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    longer = recorded(tmp_path / "c.jsonl", {1: RED}, size=3)
    assert "2 values), got unknown embedder, 3 values" in failure(capsys, "link", *cameras, longer)
    named = []
    for name in ("auto", "builtin", "other.onnx"):
        header, *rest = lines_of(cameras[0])
        header["config"] = {"embedder": {"name": name}}
        named.append(tmp_path / f"{Path(name).stem}.jsonl")
        named[-1].write_text("".join(f"{json.dumps(one)}\n" for one in (header, *rest)))
    assert call("link", *named[:2]) == 0
    message = failure(capsys, "link", *named)
    assert "(builtin, 2 values), got other.onnx, 2 values; record all with one" in message


def test_options_that_do_not_fit_are_named(
    cameras: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = cameras
    assert "expected 2 numbers of seconds" in failure(capsys, "link", *cameras, "--offsets", "1")
    assert "comma-separated numbers" in failure(capsys, "link", first, "--offsets", "soon")
    assert "max_distance: expected" in failure(capsys, "link", first, "--max-distance", 3)
    for nameless in ("", ".", "/"):
        assert "expected the names of recordings" in failure(capsys, "link", first, nameless)
    folder = tmp_path / "x"
    folder.mkdir()
    twin = recorded(folder / "a.jsonl", {1: RED})
    message = failure(capsys, "link", first, twin, "-o", tmp_path / "out")
    assert "two recordings are named a.jsonl; leave it out" in message
    assert "two outputs cannot share one file" in failure(capsys, "link", first, first)
    assert "it is the source itself" in failure(capsys, "link", *cameras, "-o", tmp_path)
    assert call("link", first) == 0
    assert "--no-clobber keeps it" in failure(capsys, "link", *cameras, "--no-clobber")
    assert not second.with_stem("b-linked").exists()


def test_run_needs_an_embedder(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("--embedder", "none"), ("--detector", "motion")):
        message = failure(capsys, "run", clip, clip, "--link", *words)
        assert message.startswith("--link: expected an embedder, got 'none'")


def test_run_gives_the_same_people_in_two_sources_the_same_ids(tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(SAMPLE.read_bytes())
    words = ("--link", "--start", 4, "--max-frames", 12, "--imgsz", 416)
    assert call("run", SAMPLE, copy, *words, "--json", tmp_path / "{name}.jsonl") == 0
    last = []
    for name in ("plaza", "copy"):
        header, frames, footer = objects_of(tmp_path / f"{name}.jsonl")
        assert header["config"]["link"] is True
        assert not any("global_id" in track for track in frames[3]["tracks"])
        last.append({t["id"]: t["global_id"] for t in frames[-1]["tracks"] if "global_id" in t})
        in_all = {t["id"]: t.get("global_id") for t in footer["tracks"]}
        assert last[-1].items() <= in_all.items()
    assert last[0] == last[1]
    assert len(set(last[0].values())) == len(last[0]) >= 3
