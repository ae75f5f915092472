"""`tracker run --video` with its settings."""

import sys
from pathlib import Path

import av
import pytest

from tests.cli import call

MOTION = ("--detector", "motion", "--embedder", "none", "--max-frames", "12", "--no-progress")


def sizes(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as container:
        return [(frame.width, frame.height) for frame in container.decode(video=0)]


def test_a_video_of_half_the_size(clip: Path, tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.mp4", tmp_path / "half.mp4"
    assert call("run", clip, *MOTION, "--video", whole) == 0
    assert call("run", clip, *MOTION, "--video", half, "--video-scale", "0.5") == 0
    ((width, height),) = set(sizes(whole))
    assert sizes(half) == [(2 * round(width / 4), 2 * round(height / 4))] * 12


def test_an_encoder_that_does_not_work_here(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = "vaapi" if sys.platform == "darwin" else "videotoolbox"
    out = tmp_path / "a.mp4"
    assert call("run", clip, *MOTION, "--video", out, "--video-encoder", missing) == 2
    assert f"video.encoder {missing}: it does not work here" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_results_has_a_video_to_scale(clip: Path, tmp_path: Path) -> None:
    assert call("run", clip, *MOTION, "--save-dir", tmp_path, "--video-scale", "0.5") == 0
    ((width, height),) = {size for path in tmp_path.glob("*.mp4") for size in sizes(path)}
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        whole = (stream.codec_context.width, stream.codec_context.height)
    assert (width, height) == tuple(2 * round(side / 4) for side in whole)
