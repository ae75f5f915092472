import os
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.sinks.results import CONFIRMED, make_result, make_tracks
from tracker.detections import Detections
from tracker.errors import OutputError
from tracker.masks import encode_mask
from tracker.sinks.draw_style import DrawStyle, Labels
from tracker.sinks.window import WindowSink, check_display


class FakeScreen:
    """Shows nothing; plays the keys that it was given."""

    def __init__(self, keys, *, closes_after=99):
        self.keys = list(keys)
        self.closes_after = closes_after
        self.shown = []
        self.closed = 0

    def show(self, image):
        self.shown.append(image)

    def key(self):
        return self.keys.pop(0) if self.keys else -1

    def is_open(self):
        return len(self.shown) < self.closes_after

    def close(self):
        self.closed += 1


def show(screen, count):
    tracks = make_tracks((1, (5, 5, 30, 30), CONFIRMED))
    with WindowSink(screen=screen) as sink:
        for index in range(count):
            sink.write(make_result(index, tracks))
    return sink


def test_no_result_shows_nothing():
    screen = FakeScreen([])
    sink = show(screen, 0)
    assert (screen.shown, screen.closed) == ([], 1)
    assert sink.status == "window: 0 frames shown"


def test_frames_are_shown_with_their_tracks():
    screen = FakeScreen([])
    sink = show(screen, 2)
    assert [np.any(image) for image in screen.shown] == [True, True]
    assert not sink.stop_requested


def test_masks_of_the_detections_are_shown():
    screen = FakeScreen([])
    plain = make_result(0, make_tracks((1, (5, 5, 30, 30), CONFIRMED)))
    mask = encode_mask(np.ones((plain.frame.height, plain.frame.width), np.bool_))
    found = Detections.create([[5, 5, 30, 30]], [0.5], masks=[mask])
    style = DrawStyle(labels=Labels.NONE)  # Text may be black, as the image is.
    with WindowSink(screen=screen, style=style) as sink:
        sink.write(plain)
        sink.write(replace(plain, detections=found))
    without, tinted = (np.any(image, axis=2) for image in screen.shown)
    assert not without.all()
    assert tinted.all()


@pytest.mark.parametrize("key", [ord("q"), ord("Q"), 27])
def test_q_and_escape_ask_to_stop(key):
    screen = FakeScreen([-1, key])
    sink = show(screen, 5)
    assert len(screen.shown) == 2
    assert sink.stop_requested
    assert sink.status == "window: 2 frames shown, stopped by the user"


def test_other_keys_do_not():
    assert not show(FakeScreen([ord("x"), ord("y")]), 3).stop_requested


def test_the_close_button_asks_to_stop():
    screen = FakeScreen([], closes_after=1)
    assert show(screen, 3).stop_requested
    assert len(screen.shown) == 1


def test_the_user_can_stop_while_no_frame_comes():
    screen = FakeScreen([-1, -1, ord("q")])
    tracks = make_tracks((1, (5, 5, 30, 30), CONFIRMED))
    with WindowSink(screen=screen) as sink:
        sink.poll()
        assert screen.keys == [-1, -1, ord("q")]  # there is no window yet
        sink.write(make_result(0, tracks))
        sink.poll()
        assert not sink.stop_requested
        sink.poll()
        assert sink.stop_requested
        sink.poll()
    assert len(screen.shown) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays of X and Wayland")
@pytest.mark.parametrize("display", [None, ":987"])
def test_without_a_display_it_says_what_to_do(monkeypatch, display):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(OutputError, match=r"--show needs .*; use --video|--show needs .*headless"):
        WindowSink()


def test_a_headless_build_is_named(monkeypatch, tmp_path):
    (tmp_path / "cv2.py").write_text(
        "def namedWindow(name):\n    raise RuntimeError('The function is not implemented')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    with pytest.raises(OutputError, match="headless build"):
        check_display()
