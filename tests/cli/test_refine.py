"""`tracker run --detections` and `tracker refine`: the commands."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from tests.cli import call, lines_of
from tests.cli.test_main import failure
from tests.sources.files.test_blank import sequence
from tracker.masks import encode_mask, mask_to_coco
from tracker.track_files.embedding_base64 import encode_embeddings

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "json-format.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FRAMES = 40
HIDDEN = range(15, 22)


@pytest.fixture
def walker(tmp_path: Path) -> tuple[Path, Path]:
    """A sequence without images and its detections: one person, occluded for 7 frames."""
    folder = sequence(tmp_path / "S", seqLength=str(FRAMES), imWidth="400", imHeight="300")
    det = tmp_path / "det.txt"
    rows = [f"{n + 1},-1,{20 + 4 * n},50,20,40,0.9,-1,-1,-1" for n in range(FRAMES)]
    det.write_text("\n".join(row for n, row in enumerate(rows) if n not in HIDDEN))
    return folder, det


def mot_rows(path: Path) -> Any:
    return np.loadtxt(path, delimiter=",", ndmin=2)


def test_replay_without_images(walker: tuple[Path, Path], tmp_path: Path) -> None:
    folder, det = walker
    out = tmp_path / "out.txt"
    lines = tmp_path / "out.jsonl"
    assert call("run", folder, "--detections", det, "--mot", out, "--json", lines) == 0
    rows = mot_rows(out)
    assert set(rows[:, 1]) == {1}
    assert set(rows[:, 0] - 1) <= set(range(FRAMES)) - set(HIDDEN)
    header = lines_of(lines)[0]
    assert header["config"]["detector"]["detections"] == str(det)
    assert list(header["models"]) == ["det.txt"]
    assert (header["width"], header["height"], header["fps"]) == (400, 300, 10)
    again = tmp_path / "again.txt"
    assert call("run", folder, "--detections", lines, "--mot", again) == 0  # JSON of this package
    assert set(mot_rows(again)[:, 1]) == {1}


@pytest.mark.parametrize(
    "words",
    [("--detector", "yolo.cfg"), ("--weights", "w"), ("--names", "n"), ("--conf", "0.5"),
     ("--set", "detector.name=yolo.cfg")],
)  # fmt: skip
def test_replay_and_a_detector_exclude_each_other(
    walker: tuple[Path, Path], capsys: pytest.CaptureFixture[str], words: tuple[str, str]
) -> None:
    folder, det = walker
    code, message = failure(capsys, "run", folder, "--detections", det, *words)
    assert code == 2
    assert "leave one out" in message


def test_outputs_never_replace_the_detections(
    walker: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, det = walker
    before = det.read_bytes()
    code, message = failure(capsys, "run", folder, "--detections", det, "--mot", det)
    assert code == 2
    assert "it is the source itself" in message
    assert det.read_bytes() == before


def test_sequence_without_images_needs_detections(
    walker: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    code, message = failure(capsys, "run", walker[0])
    assert code == 2
    assert "does not exist" in message


@pytest.fixture
def recording(walker: tuple[Path, Path], tmp_path: Path) -> Path:
    out = tmp_path / "out.jsonl"
    mot = tmp_path / "out.txt"
    call("run", walker[0], "--detections", walker[1], "--json", out, "--mot", mot, "--no-progress")
    return out


@pytest.mark.parametrize("name", ["smooth.jsonl", "smooth.json"])
def test_refine_fills_the_gap_and_keeps_the_header(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    out = tmp_path / name
    assert call("refine", recording, "-o", out) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert (
        "1 tracks of 1; split at 0 gaps, 0 joined, 0 false tracks removed, 8 boxes" in captured.err
    )
    if name.endswith("json"):
        document = json.loads(out.read_text())
        VALIDATOR.validate(document)
        header, *frames, footer = document["header"], *document["frames"], document["footer"]
    else:
        header, *frames, footer = lines_of(out)
        for record in (header, *frames, footer):
            VALIDATOR.validate(record)
    before, *old_frames, _ = lines_of(recording)
    refined = header["config"].pop("refined")
    assert refined["join"]["max_gap_s"] == 3
    assert refined["program"] == before["program"]
    assert header == before
    assert [f["time_s"] for f in frames] == [f["time_s"] for f in old_frames]
    hidden = [frame["tracks"][0] for frame in frames if frame["frame"] in HIDDEN]
    assert [track["misses"] for track in hidden] == list(range(1, 8))
    assert {track["state"] for track in hidden} == {"lost"}
    for frame, track in zip(HIDDEN, hidden, strict=True):
        left, top = 20 + 4 * frame, 50
        np.testing.assert_allclose(track["box"], [left, top, left + 20, top + 40], atol=2)
        np.testing.assert_allclose(track["velocity"], [40, 0], atol=4)
    assert footer["complete"] is True
    assert footer["ids"] == 1


def test_refining_twice_starts_from_matched_boxes(recording: Path, tmp_path: Path) -> None:
    once, twice = tmp_path / "once.jsonl", tmp_path / "twice.jsonl"
    call("refine", recording, "-o", once, "--no-smooth")
    call("refine", once, "-o", twice, "--no-smooth")
    assert [f["tracks"] for f in lines_of(once)[1:-1]] == [
        f["tracks"] for f in lines_of(twice)[1:-1]
    ]


def test_refine_reads_and_writes_mot_text(recording: Path, tmp_path: Path) -> None:
    mot, out, other = tmp_path / "out.txt", tmp_path / "a.txt", tmp_path / "b.txt"
    assert call("refine", mot, "-o", out, "--fps", 10) == 0
    assert call("refine", recording, "-o", other) == 0
    np.testing.assert_allclose(mot_rows(out), mot_rows(other), atol=0.011)
    assert call("refine", mot, "-o", mot, "--fps", 10) == 0  # named explicitly: replaced
    assert mot.read_bytes() == out.read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_options_reach_the_settings(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    call("refine", recording, "-o", out, "--max-gap-s", 0.5)
    assert len(set(mot_rows(out)[:, 1])) == 2
    call("refine", recording, "-o", out, "--min-seen", 100)
    assert out.read_bytes() == b""


def test_a_recording_that_was_cut_off_stays_incomplete(recording: Path, tmp_path: Path) -> None:
    text = recording.read_text()
    cut = tmp_path / "cut.jsonl"
    cut.write_text(text[: text.index('{"kind":"frame","frame":30') + 20])
    call("refine", cut, "-o", tmp_path / "x.jsonl")
    footer = lines_of(tmp_path / "x.jsonl")[-1]
    assert (footer["complete"], footer["frames"]) == (False, 30)


def test_an_empty_mot_file_stays_empty(tmp_path: Path) -> None:
    (tmp_path / "in.txt").touch()
    assert call("refine", tmp_path / "in.txt", "-o", tmp_path / "out.txt") == 0
    assert (tmp_path / "out.txt").read_bytes() == b""


def test_refine_errors(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mot = tmp_path / "out.txt"
    capsys.readouterr()
    bad = tmp_path / "bad.txt"
    bad.write_text("1,1,x,0,1,1\n")
    header = tmp_path / "header.jsonl"
    header.write_text(recording.read_text().splitlines()[0] + "\n")
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "empty.txt").touch()
    (tmp_path / "folder").mkdir()
    for words, message in [
        ((tmp_path / "empty.jsonl", "-o", tmp_path / "o.txt"), "empty.jsonl: expected a header"),
        ((tmp_path / "empty.txt", "-o", tmp_path / "o.json"), "expected tracks, got an empty file"),
        ((tmp_path / "folder", "-o", tmp_path / "o.txt"), "folder: expected YOLO labels, one .txt"),
        (("-", "-o", tmp_path / "o.txt"), "-: standard input is read by `tracker run` alone"),
        ((mot, "-o", tmp_path / "o.txt", "--max-gap-s", 1e9), "expected at most 100000 frames"),
        (
            (mot, "-o", tmp_path / "o.txt", "--fps", "inf"),
            "fps: expected a number from 1e-06 to 1e+06",
        ),
        ((mot, "-o", tmp_path / "o.jsonl"), "does not contain the frame size"),
        ((mot, "-o", tmp_path / "o.csv"), "expected a name that ends with .txt, .jsonl, .json"),
        ((recording, "-o", tmp_path / "o.txt", "--fps", 9), "has 10 in its header"),
        ((tmp_path / "no.txt", "-o", tmp_path / "o.txt"), "does not exist"),
        ((bad, "-o", tmp_path / "o.txt"), "line 1: expected numbers"),
        ((header, "-o", tmp_path / "o.txt"), "expected at least one frame"),
        ((mot, "-o", tmp_path / "o.txt", "--max-gap-s", 0), "max_gap_s: expected a number > 0"),
        ((mot, "-o", tmp_path / "o.txt", "--fps", 0), "fps: expected a number from 1e-06 to 1e+06"),
    ]:
        code, text = failure(capsys, "refine", *words)
        assert code == 2
        assert message in text
        assert not (tmp_path / "o.txt").exists()


@pytest.fixture
def changed_places(tmp_path: Path) -> tuple[Path, Path]:
    """Two people side by side, occluded for 12 frames, who reappear with places exchanged."""
    folder = sequence(tmp_path / "S", seqLength=str(FRAMES), imWidth="400", imHeight="300")
    embedded = encode_embeddings(np.array([[1, 0, 0, 0], [0, 0, 1, 1]], np.float32))
    header = {"kind": "header", "schema": "tracker-json/1", "fps": 10, "class_names": ["person"],
              "embedding_size": 4}  # fmt: skip
    records = [header]
    for n in range(FRAMES):
        places = (100, 140) if n < 14 else (140, 100)
        tracks = [
            {
                "id": i,
                "class": "person",
                "score": 0.9,
                "box": [x, 50, x + 20, 90],
                "embedding": embedding,
            }
            for i, (x, embedding) in enumerate(zip(places, embedded, strict=True))
            if not 14 <= n < 26
        ]
        records.append({"kind": "frame", "frame": n, "time_s": n / 10, "tracks": tracks})
    path = tmp_path / "embedded.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder, path


def ids_by_place(frames: list[dict[str, Any]]) -> list[dict[int, int]]:
    """Returns the left edge of each id, rounded to 40 px, in the first and the last frame."""
    return [
        {t["id"]: 20 + 40 * round((t["box"][0] - 20) / 40) for t in frames[n]["tracks"]}
        for n in (5, -1)
    ]


def test_replayed_embeddings_are_used(changed_places: tuple[Path, Path], tmp_path: Path) -> None:
    folder, embedded = changed_places
    out = tmp_path / "out.jsonl"
    assert call("run", folder, "--detections", embedded, "--json", out, "--embeddings") == 0
    header, *frames, _ = lines_of(out)
    assert header["embedding_size"] == 4
    for record in (header, *frames):
        VALIDATOR.validate(record)
    assert all("embedding" in track for frame in frames for track in frame["tracks"])
    assert ids_by_place(frames)[0] == {1: 100, 2: 140}
    after = ids_by_place(frames)[1]
    assert after.get(1) != 100  # no id is switched ...
    assert after.get(2) != 140
    records = [json.loads(line) for line in embedded.read_text().splitlines()]
    for record in records[1:]:
        for track in record["tracks"]:
            del track["embedding"]
    blind = {k: v for k, v in records[0].items() if k != "embedding_size"}
    embedded.write_text("".join(json.dumps(record) + "\n" for record in [blind, *records[1:]]))
    assert call("run", folder, "--detections", embedded, "--json", out) == 0
    assert (
        ids_by_place(lines_of(out)[1:-1]) == [{1: 100, 2: 140}] * 2
    )  # ... as it is by motion alone


def test_refine_joins_by_appearance_and_keeps_embeddings(
    changed_places: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, embedded = changed_places
    out, refined, blind = (tmp_path / name for name in ("out.jsonl", "fine.jsonl", "blind.jsonl"))
    short = (
        "--set",
        "tracking.max_age_frames=5",
    )  # on-line, both tracks are deleted while occluded
    assert call("run", folder, "--detections", embedded, "--json", out, "--embeddings", *short) == 0
    assert lines_of(out)[-1]["ids"] == 4
    assert call("refine", out, "-o", refined) == 0
    header, *frames, footer = lines_of(refined)
    assert (header["embedding_size"], footer["ids"]) == (4, 2)
    for record in (header, *frames, footer):
        VALIDATOR.validate(record)
    assert ids_by_place(frames) == [{1: 100, 2: 140}, {1: 140, 2: 100}]
    old = {t["embedding"] for frame in lines_of(out)[1:-1] for t in frame["tracks"]}
    states = {(t["state"], t.get("embedding")) for frame in frames for t in frame["tracks"]}
    assert states == {("lost", None), *(("confirmed", text) for text in old)}

    call("run", folder, "--detections", embedded, "--json", blind, *short)  # no --embeddings
    call("refine", blind, "-o", blind)
    assert ids_by_place(lines_of(blind)[1:-1]) == [{1: 100, 2: 140}, {1: 100, 2: 140}]
    strict = ("--max-appearance-distance", 1e-9, "--appearance-gap-s", 0.5)
    assert call("refine", out, "-o", refined, *strict) == 0
    assert lines_of(refined)[-1]["ids"] == 4


def test_masks_are_replayed_and_kept_by_refine(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "S", seqLength=str(FRAMES), imWidth="400", imHeight="300")
    header = {"kind": "header", "schema": "tracker-json/1", "fps": 10, "class_names": ["person"]}
    records, masks = [header], {}
    for n in range(FRAMES):
        pixels = np.zeros((300, 400), np.bool_)
        pixels[50:90, 100 + 2 * n : 120 + 2 * n] = True
        masks[n] = mask_to_coco(encode_mask(pixels))
        track = {"id": 1, "class": "person", "score": 0.9, "mask": masks[n],
                 "box": [100 + 2 * n, 50, 120 + 2 * n, 90]}  # fmt: skip
        records.append({"kind": "frame", "frame": n, "time_s": n / 10, "tracks": [track]})
    path, out, refined = (tmp_path / name for name in ("in.jsonl", "out.jsonl", "fine.jsonl"))
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert call("run", folder, "--detections", path, "--json", out) == 0
    written = {
        frame["frame"]: track["mask"]
        for frame in lines_of(out)[1:-1]
        for track in frame["tracks"]
        if track["state"] == "confirmed"
    }
    assert len(written) > FRAMES - 5  # all but the first, in which the track is tentative
    assert all(masks[n] == mask for n, mask in written.items())
    for record in lines_of(out):
        VALIDATOR.validate(record)
    assert call("refine", out, "-o", refined) == 0
    header, *frames, footer = lines_of(refined)
    assert footer["ids"] == 1
    for record in (header, *frames, footer):
        VALIDATOR.validate(record)
    found = {frame["frame"]: frame["tracks"][0] for frame in frames if frame["tracks"]}
    assert {n: t["mask"] for n, t in found.items() if t["state"] == "confirmed"} == written
    filled = [track for track in found.values() if track["state"] == "lost"]
    assert filled  # the frames before the track was confirmed
    assert not any("mask" in track for track in filled)
    call("refine", out, "-o", tmp_path / "fine.txt")  # a format without masks
    assert len(mot_rows(tmp_path / "fine.txt")) == len(found)


def test_joined_tracks_keep_the_masks_of_their_parts(tmp_path: Path) -> None:
    """Two objects cross, each with two ids; one has no mask in every third frame."""
    header = {"kind": "header", "schema": "tracker-json/1", "fps": 10, "class_names": ["person"],
              "source": "in.mp4", "width": 400, "height": 300}  # fmt: skip
    records, masks = [header], {}
    for n in range(FRAMES):
        tracks = []
        for person, left in ((0, 20 + 6 * n), (1, 260 - 6 * n)):
            track_id = (1, 2)[person] if n < 10 else (4, 3)[person]
            track = {"id": track_id, "class": "person", "score": 0.9,
                     "box": [left, 50 + 80 * person, left + 20, 90 + 80 * person]}  # fmt: skip
            if person == 0 or n % 3:
                pixels = np.zeros((300, 400), np.bool_)
                pixels[50 + 80 * person : 90, left : left + 20] = True
                pixels[50 + 80 * person : 90 + 80 * person, left + 4 : left + 16] = True
                track["mask"] = masks[n, person] = mask_to_coco(encode_mask(pixels))
            if not 10 <= n < 13:
                tracks.append(track)
        records.append({"kind": "frame", "frame": n, "time_s": n / 10, "tracks": tracks})
    path, out = tmp_path / "in.jsonl", tmp_path / "out.json"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert call("refine", path, "-o", out) == 0
    document = json.loads(out.read_text())
    VALIDATOR.validate(document)
    assert [life["id"] for life in document["footer"]["tracks"]] == [1, 2]
    for n, frame in enumerate(document["frames"]):
        for person, track in enumerate(frame["tracks"]):
            is_seen = not 10 <= n < 13
            assert track.get("mask") == (masks.get((n, person)) if is_seen else None)


def live_recording(path: Path, *, coasted: int = 2, **changes: object) -> Path:
    """Recorded tracks of a live source; the detector ran in every `coasted`-th frame."""
    header = {"kind": "header", "schema": "tracker-json/1", "fps": 10, "class_names": ["person"],
              "source": "0", "width": 400, "height": 300, "live": True}  # fmt: skip
    records: list[dict[str, Any]] = [header]
    for n in range(FRAMES):
        # As reported by the tracker: while coasting, a track stays confirmed without misses.
        shift = 0 if n % coasted == 0 else 3
        track = {"id": 1, "class": "person", "score": 0.9, "state": "confirmed", "misses": 0,
                 "box": [20 + 4 * n + shift, 50, 40 + 4 * n + shift, 90]}  # fmt: skip
        record = {"kind": "frame", "frame": n, "time_s": n / 10, "wall_time": 1e9 + n / 10,
                  "age_s": (n + 1) / 100, "dropped": n // 4, "tracks": [track]}  # fmt: skip
        if n % coasted:
            record["coasted"] = True
        records.append(record | changes)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_refine_keeps_the_keys_of_live_frames(tmp_path: Path) -> None:
    path, out = live_recording(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    assert call("refine", path, "-o", out) == 0
    _, *frames, footer = lines_of(out)
    for record in (*frames, footer):
        VALIDATOR.validate(record)
    kept = ("wall_time", "age_s", "dropped", "coasted")
    for before, after in zip(lines_of(path)[1:], frames, strict=True):
        assert {k: after.get(k) for k in kept} == {k: before.get(k) for k in kept}
    assert footer["dropped"] == (FRAMES - 1) // 4
    assert footer["latency_s"]["max"] == 0.4
    assert footer["latency_s"]["p50"] == pytest.approx(0.2, rel=0.005)


def test_boxes_of_coasted_frames_are_interpolated(tmp_path: Path) -> None:
    path, out = live_recording(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    assert call("refine", path, "-o", out, "--no-smooth") == 0
    for n, frame in enumerate(lines_of(out)[1:-2]):  # the last frame is coasted, with none after it
        (track,) = frame["tracks"]
        assert track["state"] == ("lost" if n % 2 else "confirmed")
        left = 20 + 4 * n  # not the prediction, which is 3 px off
        np.testing.assert_allclose(track["box"], [left, 50, left + 20, 90], atol=0.011)
    assert lines_of(out)[-2]["tracks"] == []


@pytest.mark.parametrize("key", ["wall_time", "age_s", "dropped"])
def test_live_frames_with_wrong_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    out = tmp_path / "out.jsonl"
    for wrong in (-1, "soon", True):
        path = live_recording(tmp_path / "in.jsonl", **{key: wrong})
        code, text = failure(capsys, "refine", path, "-o", out)
        assert (code, out.exists()) == (2, False)
        assert f"frame 0: '{key}': expected a number of 0 or more, got {wrong!r}" in text


def test_embeddings_that_cannot_be_written_are_an_error(
    walker: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, det = walker
    out = tmp_path / "out.jsonl"
    for words, message in [
        (("--detections", det, "--mot", tmp_path / "o.txt"), "name a JSON output with --json"),
        (("--embedder", "none", "--json", out), "expected an embedder, got 'none'"),
        (("--detections", det, "--json", out), "the detections have none"),
        (("--detections", det, "--save-dir", tmp_path / "all"), "the detections have none"),
    ]:
        code, text = failure(capsys, "run", folder, "--embeddings", *words)
        assert code == 2
        assert message in text
        assert not out.exists()
        assert not (tmp_path / "all").exists()
