"""Options that do nothing without another one are errors, not ignored."""

import inspect
from pathlib import Path

import pytest

from tests.cli import call, failure
from tracker.cli.help_groups import OPTION_GROUPS
from tracker.cli.run.command import run
from tracker.cli.run.dependent_options import CLIPS, CROPS, DRAWN, LIVE, VIDEO

MOTION = ("--detector", "motion", "--max-frames", "3", "--no-progress")
TO_VIDEO = "expected a video to apply to, got none; add --video out.mp4 or --save-dir FOLDER"
TO_DRAW = (
    "expected a video or a window to draw into, got none; add --video out.mp4, --save-dir "
    "FOLDER or --show"
)
NONE_DRAWN = "it changes the video, and none is written or shown"
NO_ZONES = "expected zones or lines, got none; give them with --zones zones.yaml"

TABLE = {
    ("--video-scale", "0.5"): TO_VIDEO,
    ("--video-encoder", "x264"): TO_VIDEO,
    ("--labels", "id"): TO_DRAW,
    ("--color-by", "class"): TO_DRAW,
    ("--boxes", "corners"): TO_DRAW,
    ("--line-scale", "2.0"): TO_DRAW,
    ("--font-scale", "2.0"): TO_DRAW,
    ("--trail", "0.0"): TO_DRAW,
    ("--background", "blur"): NONE_DRAWN,
    ("--blur", "moving"): NONE_DRAWN,
    ("--blur-ids", "3"): NONE_DRAWN,
    ("--segmenter", "a.keras"): "not needed, as the background is kept; give --background",
    ("--crops-per-track", "1"): "expected images of each track, got none; add --crops FOLDER",
    ("--clip-margin", "1.0"): "expected clips of each track, got none; add --clips FOLDER",
    ("--events", "e.csv"): NO_ZONES,
    ("--webhook", "http://127.0.0.1:1/"): NO_ZONES,
    ("--mqtt", "broker/topic"): NO_ZONES,
    ("--reconnect", "3"): "expected a camera or a stream, got none; leave it out",
    ("--weights", "a.weights"): "the motion detector has no model",
    ("--names", "a.names"): "the motion detector has no model",
    ("--slices", "2x2"): "detector 'motion' learns the background of whole frames",
    ("--iou", "0.5"): "the motion detector has no network",
    ("--imgsz", "320"): "the motion detector has no network",
    ("--device", "cpu"): "the motion detector has no network",
    ("--runtime", "litert"): "the motion detector has no network",
}
"""What is said about each option in a run with the motion detector that writes JSON only."""


@pytest.mark.parametrize("option", TABLE, ids=lambda option: option[0])
def test_an_option_without_what_it_applies_to(
    option: tuple[str, str],
    clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    message = failure(capsys, "run", clip, *MOTION, "--json", "a.jsonl", *option)
    assert TABLE[option] in message
    assert option[1] in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--half",), "detector motion has no 16-bit form here"),
        (("--link",), "--link: expected an embedder, got 'none'"),
        (("--embeddings",), "--embeddings: expected an embedder, got 'none'"),
        (("--embeddings", "--csv", "a.csv"), "--embeddings: expected an embedder"),
    ],
)
def test_a_switch_without_what_it_applies_to(
    option: tuple[str, ...], message: str, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in failure(capsys, "run", clip, *MOTION, "--json", "a.jsonl", *option)


def test_a_run_without_files_cannot_be_resumed(
    clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--resume: expected an output file" in failure(capsys, "run", clip, *MOTION, "--resume")


def test_drawing_options_with_a_video(clip: Path, tmp_path: Path) -> None:
    words = ("--labels", "id", "--trail", "0", "--boxes", "none", "--line-scale", "2")
    assert call("run", clip, *MOTION, "--save-dir", tmp_path, *words) == 0


def test_all_drawing_options_are_in_a_table() -> None:
    others = {"background", "segmenter", "blur", "blur_ids"}
    assert {*DRAWN.options, *others} == set(OPTION_GROUPS["run"]["Drawing"])
    assert {option.lstrip("-").replace("-", "_") for option, _ in TABLE} >= others


def test_the_options_of_needs_exist() -> None:
    names = set(inspect.signature(run).parameters)
    for need in (VIDEO, DRAWN, CROPS, CLIPS, LIVE):
        assert set(need.options) <= names
