"""`--crops` and `--clips` of `tracker run`."""

import csv
from pathlib import Path

import pytest

from tests.cli import call, failure

MOTION = ("--detector", "motion", "--no-progress")


def test_a_run_writes_crops_and_clips(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--crops", tmp_path / "crops" / "{name}", "--clips", tmp_path / "clips")
    assert call("run", clip, *MOTION, *words, "--clip-margin", "0.2") == 0
    told = capsys.readouterr().err
    assert "images of" in told
    assert "clips, " in told
    crops, clips = tmp_path / "crops" / "square", tmp_path / "clips"
    with (crops / "crops.csv").open() as file:
        images = [row["file"] for row in csv.DictReader(file)]
    with (clips / "clips.csv").open() as file:
        films = [row["file"] for row in csv.DictReader(file)]
    assert images
    assert len(images) == len(films)
    assert sorted(path.name for path in crops.iterdir()) == sorted([*images, "crops.csv"])
    assert sorted(path.name for path in clips.iterdir()) == sorted([*films, "clips.csv"])


def test_what_does_not_go_together(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def message(*words: object) -> str:
        return failure(capsys, "run", *words, *MOTION)

    folder = tmp_path / "out"
    assert "expected a video file to cut, got 0 (camera)" in message("0", "--clips", folder)
    hidden = message(clip, "--clips", folder, "--blur", "object")
    assert "clips show the source as it is, and --blur hides objects" in hidden
    same = message(clip, "--clips", folder, "--crops", folder)
    assert "two outputs cannot share one file" in same
    assert "expected {name} in it" in message(clip, clip, "--crops", folder)
    assert "--crops-per-track: expected 1 to 100" in message(
        clip, "--crops", folder, "--crops-per-track", "0"
    )
    assert not folder.exists()
