import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from tests.matching import read_truth, recall_and_precision
from tracker.detection.motion import MotionDetector
from tracker.frames import Frame
from tracker.util.stopwatch import Stopwatch

SAMPLES = Path(__file__).parents[1] / "samples"
WIDTH, HEIGHT, FRAMES, PEOPLE = 960, 540, 250, 9


@pytest.fixture(scope="module")
def truth() -> dict[int, np.ndarray]:
    return read_truth(SAMPLES / "plaza-truth.txt")


def one_person(truth: dict[int, np.ndarray], person: int) -> np.ndarray:
    rows = np.vstack(list(truth.values()))
    return rows[rows[:, 1] == person]


def test_the_clip_is_small_and_plays_in_a_browser():
    path = SAMPLES / "plaza.mp4"
    assert path.stat().st_size < 3_000_000
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (WIDTH, HEIGHT, FRAMES)
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 25


def test_truth_fits_the_clip(truth):
    rows = np.vstack(list(truth.values()))
    assert rows.shape[1] == 9
    assert (rows[:, 2:4] >= 0).all()
    assert (rows[:, 4:6] > 0).all()
    assert (rows[:, 2] + rows[:, 4]).max() <= WIDTH
    assert (rows[:, 3] + rows[:, 5]).max() <= HEIGHT
    assert ((rows[:, 8] >= 0) & (rows[:, 8] <= 1)).all()
    assert set(rows[:, 1]) == set(range(1, PEOPLE + 1))
    # The first half second is empty, so that background subtraction can learn.
    assert 12 <= rows[:, 0].min() - 1
    assert rows[:, 0].max() == FRAMES
    for person in range(1, PEOPLE + 1):
        frames = one_person(truth, person)[:, 0]
        assert all(b - a == 1 for a, b in itertools.pairwise(frames))


def test_what_the_read_me_promises_happens(truth):
    centre = {p: one_person(truth, p)[:, 2] + one_person(truth, p)[:, 4] / 2 for p in (4, 5)}
    # 4 and 5 come from the left and the right, meet near the middle and turn back.
    assert centre[4][0] < 40
    assert 380 < centre[4].max() < 480
    assert centre[4][-1] < 180
    assert centre[5][0] > 920
    assert 480 < centre[5].min() < 580
    assert centre[5][-1] > 780
    # 6 stands for a second, feet on the spot.
    rows = one_person(truth, 6)
    standing = rows[(rows[:, 0] > 120) & (rows[:, 0] <= 145)]
    assert np.ptp(standing[:, 3] + standing[:, 5]) <= 3
    assert np.ptp(standing[:, 2] + standing[:, 4] / 2) <= 6
    # 7 is out of sight behind the kiosk for a second, 8 partly behind a tree.
    assert (one_person(truth, 7)[:, 8] < 0.05).sum() >= 20
    assert one_person(truth, 8)[:, 8].min() < 0.6


@pytest.mark.slow
def test_motion_finds_the_people(truth):
    detector, found = MotionDetector(), []
    with av.open(str(SAMPLES / "plaza.mp4")) as file:
        for k, image in enumerate(file.decode(video=0)):
            frame = Frame(image.to_ndarray(format="rgb24"), k, k / 25, "plaza")
            found.append(detector.detect([frame], Stopwatch())[0].boxes)
    recall, precision = recall_and_precision(found, truth, width=WIDTH, height=HEIGHT)
    # Measured: 0.84 and 0.96; what is missed is hidden or merged with a neighbour.
    assert recall > 0.80
    assert precision > 0.92


@pytest.mark.slow
def test_the_script_reproduces_the_truth(tmp_path: Path):
    for path in SAMPLES.glob("*.py"):
        shutil.copy(path, tmp_path)
    subprocess.run([sys.executable, str(tmp_path / "render.py")], check=True, timeout=600)
    fresh = (tmp_path / "plaza-truth.txt").read_text(encoding="ascii")
    assert fresh == (SAMPLES / "plaza-truth.txt").read_text(encoding="ascii")
