"""What the page downloads and uploads, and a source that is lost, in a real browser."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from tests.conftest import moving_square, write_clip
from tests.serve.browser import Tab, chromium, until
from tests.serve.servers import decoded, motion, running
from tests.stream_server import MjpegServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def street(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "street.mp4", moving_square(600), fps=10)


def downloaded(tab: Tab, selector: str) -> Path:
    with tab.page.expect_download() as waiting:
        tab.page.click(selector)
    return Path(waiting.value.path())


def test_all_results_of_an_upload_are_downloaded(
    browser: Any, street: Path, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "walk.mp4", moving_square(60))
    with running(tmp_path, street) as server:
        tab = Tab(browser)
        tab.open(server.address)
        tab.page.set_input_files("#upload-file", clip)
        tab.wait_for_text("#source-state", "Ended")
        table = downloaded(tab, "#downloads a:has-text('CSV')")
        rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
        assert {row["class"] for row in rows} == {"moving"}
        assert max(int(row["frame"]) for row in rows) == 59
        with av.open(str(downloaded(tab, "#downloads a:has-text('Video with tracks')"))) as video:
            assert sum(1 for _ in video.decode(video=0)) == 60
        report = tmp_path / "report.html"
        report.write_bytes(downloaded(tab, "#downloads a:has-text('Report')").read_bytes())
        page = browser.new_page()
        page.goto(report.as_uri())
        assert "walk.mp4" in page.content()
        until(lambda: page.locator("img, svg").count(), lambda count: count > 2)
        page.close()
        assert tab.problems == []
        tab.close()


def test_the_snapshot_is_the_annotated_frame(browser: Any, street: Path, tmp_path: Path) -> None:
    with running(tmp_path, street) as server:
        tab = Tab(browser)
        tab.open(server.address)
        until(lambda: tab.page.locator("#tracks tbody tr").count(), lambda count: count > 0)
        tab.page.click("#pause")
        tab.wait_for_text("#source-state", "Paused")
        clean = decoded(server.client.get("/api/snapshot.jpg").content)
        drawn = decoded(downloaded(tab, "#snapshot").read_bytes())
        assert drawn.shape == clean.shape == (120, 160, 3)
        # The outline of the square: far from the frame without it in some hundred pixels.
        assert 50 < (abs(drawn.astype(int) - clean).max(axis=2) > 100).sum() < 5000
        tab.close()


def test_an_upload_is_cancelled(browser: Any, street: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    large.write_bytes(street.read_bytes() + bytes(60_000_000))
    uploads = tmp_path / "uploads"
    with running(tmp_path, street, uploads=str(uploads)) as server:
        tab = Tab(browser)
        tab.open(server.address)
        # Slow enough for a click: two megabytes a second.
        network = {"offline": False, "latency": 0, "downloadThroughput": -1}
        session = tab.page.context.new_cdp_session(tab.page)
        session.send("Network.enable")
        limits = {**network, "uploadThroughput": 2_000_000}
        session.send("Network.emulateNetworkConditions", limits)
        tab.page.set_input_files("#upload-file", large)
        tab.wait_for_text("#uploading", "large.mp4")
        tab.page.click("#uploading button:has-text('Cancel')")
        assert tab.page.locator("#uploading li").count() == 0
        # The server deletes what it had received.
        until(
            lambda: [path for path in uploads.rglob("*") if path.is_file()], lambda found: not found
        )
        assert len(server.json("/api/sources")["sources"]) == 1
        tab.wait_for_text("#source-name", "street")
        assert tab.problems == []
        tab.close()


def test_a_source_that_is_lost_comes_back(browser: Any, tmp_path: Path) -> None:
    quick = ("source.live.reconnect.first_s=0.1", "source.live.reconnect.longest_s=0.2")
    camera = MjpegServer()
    with camera, running(tmp_path, camera.address, config=motion(*quick)) as server:
        tab = Tab(browser)
        tab.open(server.address)
        tab.wait_for_text("#source-state", "Running")
        camera.stop()
        tab.wait_for_text("#source-state", "Lost")
        seen = tab.drawn_frames
        camera.start()
        tab.wait_for_text("#source-state", "Running")
        until(lambda: tab.drawn_frames, lambda count: count > seen + 5)
        assert tab.problems == []
        tab.close()
