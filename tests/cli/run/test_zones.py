"""`tracker run --zones` and `tracker analyze`: events in every output, the same off-line."""

import csv
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from tests.cli import call, failure, lines_of
from tests.conftest import write_clip
from tracker.sources.files.video_file import VideoFile

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "docs" / "json-format.schema.json").read_text(encoding="utf-8")
)
FRAMES = 40

ZONES = """\
lines:
  - name: door
    points: [[80, 119], [80, 0]]
zones:
  - name: yard
    polygon: [[100, 20], [159, 20], [159, 119], [100, 119]]
    dwell_s: 0.2
"""


@pytest.fixture
def walk(tmp_path: Path) -> tuple[Path, Path]:
    """A grey clip, detections of one object that walks to the right, and zones.yaml beside it."""
    rows = [
        f"{n},-1,{20 + 3 * n},30,24,60,0.9,-1,-1,-1\n" for n in range(1, FRAMES + 1) if n % 9 != 5
    ]
    det = tmp_path / "det.txt"
    det.write_text("".join(rows))
    (tmp_path / "zones.yaml").write_text(ZONES)
    images = [np.full((120, 160, 3), 90, np.uint8)] * FRAMES
    return write_clip(tmp_path / "walk.mp4", images), det


def run(walk: tuple[Path, Path], *words: object) -> int:
    clip, det = walk
    zones = clip.with_name("zones.yaml")
    return call("run", clip, "--detections", det, "--no-progress", "--zones", zones, *words)


def events_in(path: Path) -> list[dict]:
    return [record for record in lines_of(path) if record["kind"] == "event"]


@pytest.mark.slow
def test_events_and_counts_in_json_are_those_of_the_recording(
    walk: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, table, again = tmp_path / "out.jsonl", tmp_path / "out.csv", tmp_path / "again.jsonl"
    assert run(walk, "--json", out, "--events", table) == 0
    assert "line door: in 1, out 0" in capsys.readouterr().err
    records = lines_of(out)
    for record in records:
        jsonschema.validate(record, SCHEMA)
    events = events_in(out)
    kinds = [event["event"] for event in events]
    for kind in ("track_started", "line_crossed", "zone_entered", "dwell_exceeded", "track_ended"):
        assert kinds.count(kind) == 1, kind
    crossed = events[kinds.index("line_crossed")]
    # The foot is at 32 + 3 n - 1 in frame n - 1 of 25 a second; MOT counts pixels from 1.
    assert crossed["time_s"] == pytest.approx((80 - 31) / 3 / 25 - 1 / 25, abs=0.05)
    footer = records[-1]
    assert footer["lines"][0]["in"] == {"person": 1}
    assert footer["zones"][0]["inside"] == {"person": 1}
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["event"] for row in rows] == kinds
    assert rows[kinds.index("line_crossed")]["direction"] == "in"
    # Off-line, with the zones that the recording has, and with the file.
    for words in ((), ("--zones", tmp_path / "zones.yaml")):
        assert call("analyze", out, "--events", again, *words) == 0
        assert lines_of(again) == events
        assert capsys.readouterr().out.startswith("line door: in 1, out 0")


def test_a_document_has_a_list_of_events(walk: tuple[Path, Path], tmp_path: Path) -> None:
    lines, document = tmp_path / "out.jsonl", tmp_path / "out.json"
    assert run(walk, "--json", lines) == 0
    assert run(walk, "--json", document) == 0
    whole = json.loads(document.read_text(encoding="utf-8"))
    jsonschema.validate(whole, SCHEMA)
    assert whole["events"] == events_in(lines)
    again = tmp_path / "again.jsonl"
    assert call("analyze", document, "--events", again) == 0
    assert lines_of(again) == whole["events"]


def test_coasted_frames_give_the_same_events_off_line(
    walk: tuple[Path, Path], tmp_path: Path
) -> None:
    out, again = tmp_path / "out.jsonl", tmp_path / "again.jsonl"
    assert run(walk, "--json", out, "--set", "detector.every=3") == 0
    assert call("analyze", out, "--events", again) == 0
    assert lines_of(again) == events_in(out) != []


@pytest.mark.parametrize(
    ("name", "rate"),
    [("other.csv", ()), ("other.coco.json", ("--fps", 25)), ("other.xml", ("--fps", 25))],
)
def test_recordings_in_other_formats_have_the_same_crossings(
    name: str, rate: tuple[object, ...], walk: tuple[Path, Path], tmp_path: Path
) -> None:
    out, other, again = tmp_path / "out.jsonl", tmp_path / name, tmp_path / "again.jsonl"
    assert run(walk, "--json", out) == 0
    assert call("convert", out, other) == 0
    assert call("analyze", other, "--zones", tmp_path / "zones.yaml", "--events", again, *rate) == 0
    wanted, got = (
        {e["event"]: e["time_s"] for e in es} for es in (events_in(out), lines_of(again))
    )
    for kind in ("line_crossed", "zone_entered"):
        assert got[kind] == pytest.approx(wanted[kind], abs=0.01)


def test_counts_as_json(
    walk: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(walk, "--json", tmp_path / "out.jsonl") == 0
    capsys.readouterr()
    assert call("analyze", tmp_path / "out.jsonl", "--json", "-") == 0
    counts = json.loads(capsys.readouterr().out)
    footer = lines_of(tmp_path / "out.jsonl")[-1]
    assert counts == {"zones": footer["zones"], "lines": footer["lines"]}


def test_zones_are_drawn_into_the_video(walk: tuple[Path, Path], tmp_path: Path) -> None:
    plain, drawn = tmp_path / "plain.mp4", tmp_path / "drawn.mp4"
    clip, det = walk
    assert call("run", clip, "--detections", det, "--no-progress", "--video", plain) == 0
    assert run(walk, "--video", drawn) == 0
    with VideoFile(str(plain)) as a, VideoFile(str(drawn)) as b:
        for before, after in zip(a, b, strict=True):
            # The lower end of the line at x = 80, where nothing else is drawn.
            patches = [f.image[100:115, 76:85].astype(int) for f in (before, after)]
            assert np.abs(patches[0] - patches[1]).max() > 60


def test_what_is_wrong_is_said_in_one_line(
    walk: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, det = walk
    zones = tmp_path / "zones.yaml"
    words = ("run", clip, "--detections", det, "--no-progress", "--zones", zones)
    words += ("--json", tmp_path / "o.jsonl")
    cases = {
        "lines: []": "expected zones, lines or a calibration, got none of them",
        "linse: []": "unknown key linse; did you mean 'lines'?",
        "lines: [{name: a, pionts: []}]": "unknown key lines.0.pionts; did you mean 'points'?",
        "calibration: {imge: []}": "unknown key calibration.imge; did you mean 'image'?",
        "lines: [{name: a, points: [[0, 5], [9, 5]], classes: [prson]}]": "did you mean 'person'?",
    }
    for text, message in cases.items():
        zones.write_text(text)
        assert message in failure(capsys, *words)
    assert not (tmp_path / "o.jsonl").exists()
    assert "--events" in failure(
        capsys, "run", clip, "--detections", det, "--events", tmp_path / "e.csv"
    )
    call("run", clip, "--detections", det, "--no-progress", "--json", tmp_path / "plain.jsonl")
    capsys.readouterr()
    assert "give them with --zones" in failure(capsys, "analyze", tmp_path / "plain.jsonl")


@pytest.mark.slow
def test_a_dead_webhook_costs_events_and_no_frames(
    walk: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    assert run(walk, "--json", out, "--webhook", "http://me:secret@127.0.0.1:9/hook") == 0
    message = capsys.readouterr().err
    assert "refused" in message
    assert f"{len(events_in(out)) + 1} dropped" in message  # the counts are sent, too
    assert "secret" not in message
    assert len([r for r in lines_of(out) if r["kind"] == "frame"]) == FRAMES
    assert "expected zones or lines" in failure(capsys, "run", walk[0], "--webhook", "http://a/b")


def test_colours_by_zone_need_zones_and_give_each_object_that_of_its_zone(
    walk: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, det = walk
    words = ("--video", tmp_path / "out.mp4", "--color-by", "zone", "--labels", "none")
    line = failure(capsys, "run", clip, "--detections", det, *words)
    assert line.startswith("--color-by zone: expected zones, got none")
    assert run(walk, *words, "--trail", 0, "--line-scale", 3) == 0
    with VideoFile(str(tmp_path / "out.mp4")) as video:
        images = [frame.image for frame in video]
    # The upper edge of the box, in its middle: before the zone, and inside it.
    before, inside = images[10][30, 20 + 3 * 11 + 12], images[32][30, 20 + 3 * 33 + 12]
    assert np.ptp(before.astype(int)) < 25, "grey"
    assert np.ptp(inside.astype(int)) > 40, "the colour of the zone"
