"""Zones drawn with a real mouse in a real window, on a display in memory."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import write_clip
from tracker.cli.zones.drawing import Drawing, picture
from tracker.config.zones import load_zones

TOOLS = ("Xvfb", "xdotool")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(TOOLS)}"),
]
WIDTH, HEIGHT = 320, 240


@pytest.fixture
def display(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Yields the environment of a new X display of 1000x800, whose pixels are in a file."""
    read, write = os.pipe()
    words = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1000x800x24", "-nolisten", "tcp"]
    words += ["-fbdir", str(tmp_path)]
    server = subprocess.Popen(words, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    kept = {name: value for name, value in os.environ.items() if "WAYLAND" not in name}
    yield kept | {"DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb"}
    server.terminate()
    server.wait()


class Hand:
    """Mouse and keyboard of someone who looks at the screen, and repeats what had no effect."""

    def __init__(self, environment: dict[str, str], pixels: Path) -> None:
        self._environment = environment
        self._pixels = pixels
        self._window = self._xdotool("search", "--sync", "--name", "tracker zones").split()[-1]
        self._xdotool("windowfocus", "--sync", self._window)
        self._settled()
        text = self._xdotool("getwindowgeometry", "--shell", self._window)
        found = dict(line.split("=") for line in text.splitlines())
        self._size = int(found["WIDTH"]), int(found["HEIGHT"])

    def click(self, x: float, y: float, picture: tuple[int, int]) -> None:
        """Clicks a place of the picture, which the window shows as large as it can."""
        scale = min(self._size[0] / picture[0], self._size[1] / picture[1])
        left, top = ((a - b * scale) / 2 for a, b in zip(self._size, picture, strict=True))
        place = f"{left + x * scale:.0f}", f"{top + y * scale:.0f}"
        self._xdotool("mousemove", "--window", self._window, *place)
        self._until_seen("click", "1")

    def press(self, key: str) -> None:
        """Presses a key that changes the picture."""
        self._until_seen("key", key)

    def _until_seen(self, *words: str) -> None:
        before = self._settled()
        for _ in range(6):
            self._xdotool(*words)
            end = time.monotonic() + 5
            while time.monotonic() < end:
                time.sleep(0.05)
                if self._pixels.read_bytes() != before:
                    return
        raise AssertionError(f"the picture did not change after {words}")

    def _settled(self) -> bytes:
        """Returns the pixels once they stay: the pointer is one of them."""
        seen = b""
        while seen != (seen := self._pixels.read_bytes()):
            time.sleep(0.2)
        return seen

    def _xdotool(self, *words: str) -> str:
        done = subprocess.run(
            ["xdotool", *words],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout


def test_a_zone_and_a_line_are_drawn_with_the_mouse(
    display: dict[str, str], tmp_path: Path
) -> None:
    frame = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    video = write_clip(tmp_path / "in.mp4", [frame] * 2)
    output = tmp_path / "zones.yaml"
    words = [sys.executable, "-m", "tracker", "zones", str(video), "-o", str(output)]
    program = subprocess.Popen(words, env=display, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        hand = Hand(display, tmp_path / "Xvfb_screen0")
        # Below the frame there are two lines of text.
        height, width = picture(frame, Drawing()).shape[:2]
        shown = width, height
        polygon = [(60, 40), (260, 60), (240, 200), (40, 180)]
        for x, y in polygon:
            hand.click(x, y, shown)
        hand.press("Return")
        for x, y in [(160, 220), (160, 20)]:
            hand.click(x, y, shown)
        hand.press("s")  # The line is not finished: nothing is saved yet, and the window says so.
        assert program.poll() is None
        hand.press("l")
        hand.press("s")
        _, errors = program.communicate(timeout=60)
    finally:
        program.kill()
    assert program.returncode == 0, errors
    settings = load_zones(str(output))
    assert settings.size == (WIDTH, HEIGHT)
    assert [zone.name for zone in settings.zones] == ["zone-1"]
    np.testing.assert_allclose(settings.zones[0].polygon, polygon, atol=2.5)
    np.testing.assert_allclose(settings.lines[0].points, [(160, 220), (160, 20)], atol=2.5)
