"""`tracker draw`: recorded tracks in the frames of their video."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from tests.cli import call, failure
from tests.conftest import moving_square, write_clip
from tracker.track_files.read import read_recording

GREEN_ISH = 60
"""Least difference of the colours of a drawn line from the frame."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("film") / "in.mp4", moving_square(40))


@pytest.fixture(scope="module")
def tracks(film: Path) -> Path:
    path = film.with_name("tracks.jsonl")
    assert call("run", film, "--detector", "motion", "--json", path, "--no-progress") == 0
    return path


def frames_of(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [
            (float(frame.time), frame.to_ndarray(format="rgb24").astype(int))
            for frame in container.decode(video=0)
        ]


def is_drawn_at(before: np.ndarray, after: np.ndarray, box: list[float]) -> bool:
    """Whether most pixels along the left side of a box differ."""
    x, top, bottom = round(box[0]), round(box[1]) + 4, round(box[3]) - 4
    column = np.abs(after - before)[top:bottom, max(x - 1, 0) : x + 2].max(axis=(1, 2))
    return bool((column > GREEN_ISH).mean() > 0.6)


@pytest.mark.parametrize("as_mot", [False, True])
def test_boxes_are_drawn_where_they_are_in_every_frame(
    as_mot: bool, film: Path, tracks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """MOT text does not have the first frames, in which there is nothing."""
    source, out = tracks, tmp_path / "out.mp4"
    if as_mot:
        source = tmp_path / "tracks.txt"
        assert call("convert", tracks, source) == 0
        capsys.readouterr()
    assert call("draw", source, film, "-o", out, "--labels", "none", "--trail", 0) == 0
    assert capsys.readouterr().err == f"{out}: 40 frames\n"
    plain, drawn = frames_of(film), frames_of(out)
    assert [time_s for time_s, _ in drawn] == [time_s for time_s, _ in plain]
    recorded = read_recording(tracks).tracks
    seen = 0
    for number, ((_, before), (_, after)) in enumerate(zip(plain, drawn, strict=True)):
        boxes = recorded.boxes[recorded.frames == number]
        assert all(is_drawn_at(before, after, box) for box in boxes.tolist()), number
        seen += len(boxes)
        if not len(boxes):
            assert np.abs(after - before).max() < GREEN_ISH
    assert seen > 20


def test_only_frames_that_were_processed_are_drawn(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "third.jsonl", tmp_path / "out.mp4"
    words = ("--detector", "motion", "--stride", 3, "--json", path, "--no-progress")
    assert call("run", film, *words) == 0
    assert call("draw", path, film, "-o", out, "--start", 0.5, "--max-frames", 4) == 0
    assert "4 frames" in capsys.readouterr().err
    assert len(frames_of(out)) == 4


def test_zones_are_counted(
    film: Path, tracks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zones = tmp_path / "zones.yaml"
    zones.write_text(
        "zones: [{name: yard, polygon: [[1, 1], [150, 1], [150, 110], [1, 110]]}]", "utf-8"
    )
    assert call("draw", tracks, film, "-o", tmp_path / "out.mp4", "--zones", zones) == 0
    assert "yard" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{tracks}", "{film}"), "expected something to draw into; add -o out.mp4 or --show"),
        (("{tracks}", "rtsp://door", "-o", "{out}"), "expected a video file or images, got a live"),
        (("{tracks}", "{film}", "-o", "{film}"), "it is the source itself"),
        (("{tracks}", "{other}", "-o", "{out}"), "expected frames of 160x120"),
        (("{late}", "{film}", "-o", "{out}"), "got none of the same number"),
        (("{film}", "{film}", "-o", "{out}"), "in.mp4"),
    ],
)
def test_wrong_use(
    words: tuple[str, ...],
    message: str,
    film: Path,
    tracks: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = write_clip(tmp_path / "other.mp4", moving_square(3, size=(60, 80)))
    late = tmp_path / "late.jsonl"
    header = json.loads(tracks.read_bytes().splitlines()[0])
    frame = {"kind": "frame", "frame": 900, "time_s": 36.0, "tracks": []}
    late.write_text(f"{json.dumps(header)}\n{json.dumps(frame)}\n", "utf-8")
    names = {"film": film, "tracks": tracks, "out": tmp_path / "o.mp4", "other": other}
    given = [word.format(late=late, **names) for word in words]
    before = film.read_bytes()
    assert message in failure(capsys, "draw", *given)
    assert film.read_bytes() == before
    assert not (tmp_path / "o.mp4").exists()
