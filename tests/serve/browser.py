"""Debian's Chromium on the page of a server, and what tests look at in it."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")

TIMEOUT_MS = 60_000
WIDE, PHONE = (1600, 1000), (390, 844)
ROOT = Path(__file__).parents[2]


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser, without a download: the one that is installed."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """One tab, with the errors that the browser reports.

    Args:
        browser: The browser.
        size: Width and height in CSS pixels.
        options: Of Playwright's `new_context`.
    """

    def __init__(self, browser: Any, size: tuple[int, int] = WIDE, **options: Any) -> None:
        width, height = size
        self._context = browser.new_context(viewport={"width": width, "height": height}, **options)
        self.page = self._context.new_page()
        self.page.set_default_timeout(TIMEOUT_MS)
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._note)

    def _note(self, message: Any) -> None:
        # Not warnings: there is one about the tests, which read the pixels of canvases.
        if message.type == "error":
            self.problems.append(f"{message.text} {message.location['url']}")

    def close(self) -> None:
        self._context.close()

    def open(self, address: str) -> None:
        try:
            self.page.goto(address)
        except playwright.Error as error:
            # A browser that has just started may abort its first navigation on a busy machine.
            if "ERR_ABORTED" not in str(error):
                raise
            self.page.goto(address)
        until(lambda: self.drawn_frames, lambda count: count > 2)

    @property
    def drawn_frames(self) -> int:
        return int(self.page.evaluate("document.getElementById('stage').dataset.frames ?? 0"))

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).inner_text())

    def wait_for_text(self, selector: str, expected: str) -> None:
        """Waits until an element has a text in it."""
        locator = self.page.locator(selector)
        playwright.expect(locator).to_contain_text(expected, timeout=TIMEOUT_MS)

    def pixels(self, canvas: str) -> str:
        return str(self.page.evaluate(f"document.getElementById('{canvas}').toDataURL()"))

    def colored_pixels(self, canvas: str, variable: str) -> int:
        """Returns how many pixels of a canvas have a colour of the theme."""
        script = """([id, variable]) => {
            const wanted = getComputedStyle(document.documentElement).getPropertyValue(variable)
                .match(/\\d+/g).map(Number);
            const canvas = document.getElementById(id);
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            const isWanted = (n) => wanted.every((value, at) => Math.abs(data[n + at] - value) < 8);
            let count = 0;
            for (let n = 0; n < data.length; n += 4) count += data[n + 3] > 200 && isWanted(n);
            return count;
        }"""
        return int(self.page.evaluate(script, [canvas, variable]))

    def click_at(self, shares: tuple[float, float]) -> None:
        """Clicks in the video, at shares of its width and height."""
        box = self.page.locator("#overlay").bounding_box()
        x, y = shares
        self.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])

    def focus_by_keyboard(self, selector: str) -> None:
        """Presses Tab until an element has the focus, which has to be visible."""
        locator = self.page.locator(selector).first
        for _ in range(80):
            self.page.keyboard.press("Tab")
            if locator.evaluate("node => node === document.activeElement"):
                style = "node => getComputedStyle(node.closest('label') ?? node).outlineStyle"
                assert locator.evaluate(style) != "none", f"{selector}: no visible focus"
                return
        raise AssertionError(f"Tab does not reach {selector}")

    def serious_faults(self) -> list[str]:
        """Returns what axe-core finds; skips where it is not installed."""
        beside = ROOT / "node_modules" / "axe-core" / "axe.min.js"
        path = Path(os.environ.get("AXE_JS", beside))
        if not path.is_file():
            pytest.skip("needs axe-core: npm install axe-core, or AXE_JS=.../axe.min.js")
        self.page.evaluate(path.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{fault['id']}: {json.dumps([node['target'] for node in fault['nodes']])}"
            for fault in found["violations"]
            if fault["impact"] in {"serious", "critical"}
        ]


def until(value: Callable[[], Any], is_there: Callable[[Any], bool], timeout_s: float = 60) -> Any:
    """Returns a value once it is as expected."""
    end = time.monotonic() + timeout_s
    while not is_there(found := value()):
        assert time.monotonic() < end, f"it stays {str(found)[:500]}"
        time.sleep(0.05)
    return found
