"""The page in a real browser: it shows, counts, is operated by mouse, touch and keyboard."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.conftest import moving_square, write_clip
from tests.serve.browser import PHONE, ROOT, WIDE, Tab, chromium, until
from tests.serve.servers import RunningServer, running

pytestmark = pytest.mark.slow

TOKEN = "a token of enough length"
# Around all places of the square, as shares of the frame; and beside it, where it never comes.
AROUND = [(0.02, 0.3), (0.98, 0.3), (0.98, 0.98), (0.02, 0.98)]
SKY = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.2)]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes at 10 frames a second: a square walks to the right, again and again."""
    path = tmp_path_factory.mktemp("page") / "street.mp4"
    return write_clip(path, moving_square(1200), fps=10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def server(street: Path, tmp_path: Path) -> Iterator[RunningServer]:
    with running(tmp_path, street) as found:
        yield found


@pytest.fixture
def tab(browser: Any, server: RunningServer) -> Iterator[Tab]:
    """The page on the running source; it must leave no error in the console."""
    found = Tab(browser)
    found.open(server.address)
    yield found
    problems = found.problems
    found.close()
    assert problems == []


def zones_of(server: RunningServer) -> dict[str, Any]:
    listed = server.json("/api/sources")["sources"]
    found: dict[str, Any] = server.json(f"/api/zones?source={listed[0]['name']}")
    return found


def answer_late(route: Any) -> None:
    """Passes an answer on a second after the server gave it."""
    answer = route.fetch()
    route.request.frame.page.wait_for_timeout(1000)
    route.fulfill(response=answer)


def draw_zone(tab: Tab, corners: list[tuple[float, float]]) -> None:
    tab.page.click("#new-zone")
    for corner in [*corners, corners[0]]:
        tab.click_at(corner)


def test_images_move_and_charts_grow(tab: Tab) -> None:
    first = tab.pixels("image")
    until(lambda: tab.pixels("image"), lambda now: now != first)
    until(lambda: tab.colored_pixels("rate-chart", "--series-1"), lambda count: count > 0)
    before = tab.colored_pixels("rate-chart", "--series-1")
    until(lambda: tab.colored_pixels("rate-chart", "--series-1"), lambda count: count > before + 40)
    until(lambda: tab.page.locator("#tracks tbody tr").count(), lambda count: count > 0)


def test_a_drawn_zone_counts_and_is_saved(tab: Tab, server: RunningServer) -> None:
    draw_zone(tab, AROUND)
    tab.wait_for_text("#shapes", "1 inside")
    (zone,) = zones_of(server)["zones"]
    assert zone["name"] == "zone 1"
    # The clip has 160x120 pixels; the mouse is within one of the pixels of the screen.
    for corner, share in zip(zone["polygon"], AROUND, strict=True):
        assert corner == pytest.approx([160 * share[0], 120 * share[1]], abs=0.5)
    tab.wait_for_text("#occupancy-legend", "zone 1")
    tab.page.fill("#shapes input", "yard")
    tab.page.keyboard.press("Enter")
    until(lambda: zones_of(server)["zones"][0]["name"], lambda name: name == "yard")
    tab.page.click("#undo")
    until(lambda: zones_of(server)["zones"][0]["name"], lambda name: name == "zone 1")
    tab.page.click("#undo")
    until(lambda: zones_of(server)["zones"], lambda zones: zones == [])


def test_what_is_drawn_stays_where_its_file_is_read_only(
    tab: Tab, server: RunningServer, tmp_path: Path
) -> None:
    file = tmp_path / "street.zones.yaml"
    file.write_text("zones: []\n", encoding="utf-8")
    file.chmod(0o444)
    draw_zone(tab, AROUND)
    tab.wait_for_text("#zones-problem", "Not saved: ")
    assert "cannot be written: it is read-only" in tab.text("#zones-problem")
    assert zones_of(server)["zones"] == []
    file.chmod(0o644)
    draw_zone(tab, SKY)
    until(lambda: len(zones_of(server)["zones"]), lambda count: count == 2)
    tab.problems[:] = [problem for problem in tab.problems if "409" not in problem]


def test_a_corner_is_dragged_and_a_zone_deleted(tab: Tab, server: RunningServer) -> None:
    draw_zone(tab, SKY)
    until(lambda: zones_of(server)["zones"], lambda zones: len(zones) == 1)
    tab.wait_for_text("#shapes", "0 inside")
    tab.page.click("#shapes button[title='Edit the points']")
    box = tab.page.locator("#overlay").bounding_box()
    x, y = box["x"] + SKY[2][0] * box["width"], box["y"] + SKY[2][1] * box["height"]
    tab.page.mouse.move(x, y)
    tab.page.mouse.down()
    tab.page.mouse.move(x - 0.5 * box["width"], y + 0.3 * box["height"], steps=4)
    tab.page.mouse.up()
    moved = pytest.approx([0.48 * 160, 0.5 * 120], abs=0.6)
    until(lambda: zones_of(server)["zones"][0]["polygon"][2], lambda corner: corner == moved)
    tab.page.keyboard.press("Escape")
    tab.page.click("#shapes button[title='Delete']")
    tab.page.click("#confirm-yes")
    until(lambda: zones_of(server)["zones"], lambda zones: zones == [])


def test_a_line_counts_what_crosses_it(tab: Tab, server: RunningServer) -> None:
    tab.page.click("#new-line")
    # Upwards: the square walks from the left to the right of it, which is "in".
    for point in [(0.5, 0.95), (0.5, 0.3), (0.5, 0.3)]:
        tab.click_at(point)
    tab.wait_for_text("#shapes", "1 in, 0 out")
    tab.wait_for_text("#events", "crossed line 1 (in)")
    tab.wait_for_text("#lines-value", "1")
    (line,) = zones_of(server)["lines"]
    tab.page.click("#shapes button[title='Swap in and out']")
    until(lambda: zones_of(server)["lines"][0]["points"], lambda now: now == line["points"][::-1])
    tab.wait_for_text("#shapes", "0 in, 1 out")


def test_all_is_done_by_keyboard(tab: Tab, server: RunningServer) -> None:
    press = tab.page.keyboard.press
    tab.focus_by_keyboard("#new-zone")
    press("Enter")
    # From the middle of the frame to its corners: steps of 20 px, held back at the edges.
    for keys in (["ArrowLeft", "ArrowUp"], ["ArrowDown"], ["ArrowRight"], ["ArrowUp"]):
        for key in keys:
            for _ in range(60):
                press(f"Shift+{key}")
        press("Enter")
    press("Enter")
    until(lambda: zones_of(server)["zones"], lambda zones: len(zones) == 1)
    tab.page.keyboard.type("all of it")
    press("Enter")
    until(lambda: zones_of(server)["zones"][0]["name"], lambda name: name == "all of it")
    corners = [[0, 0], [0, 120], [160, 120], [160, 0]]
    assert zones_of(server)["zones"][0]["polygon"] == corners
    tab.wait_for_text("#shapes", "1 inside")
    tab.focus_by_keyboard("#tracks tbody button")
    press("Enter")
    tab.wait_for_text("#detail-title", "Track")
    tab.wait_for_text("#detail-facts", "Time in view")
    tab.wait_for_text("#detail-votes", "100 %")
    tab.focus_by_keyboard("#detail-close")
    press("Enter")
    assert not tab.page.locator("#detail").is_visible()
    tab.focus_by_keyboard("#pause")
    press("Enter")
    tab.wait_for_text("#source-state", "Paused")
    tab.wait_for_text("#pause", "Resume")
    press("Enter")
    tab.wait_for_text("#source-state", "Running")
    tab.focus_by_keyboard("#show-boxes")
    press("Space")
    assert not tab.page.locator("#show-boxes").is_checked()


def test_the_table_is_sorted(tab: Tab) -> None:
    until(lambda: tab.page.locator("#tracks tbody tr").count(), lambda count: count > 0)
    header = tab.page.locator("#tracks th", has_text="Speed")
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "descending"


def test_an_upload_is_tracked_and_downloaded(
    tab: Tab, server: RunningServer, tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "<b>Straße.mp4", moving_square(90))
    tab.page.set_input_files("#upload-file", path)
    tab.wait_for_text("#source-name", "<b>Straße.mp4")
    tab.wait_for_text("#source-state", "Ended")
    with tab.page.expect_download() as waiting:
        tab.page.click("#downloads a:has-text('JSON')")
    text = Path(waiting.value.path()).read_text(encoding="utf-8")
    schema = json.loads((ROOT / "docs" / "json-format.schema.json").read_text(encoding="utf-8"))
    document = json.loads(text)
    jsonschema.validate(document, schema)
    assert len(document["frames"]) == 90
    assert any(frame["tracks"] for frame in document["frames"])
    names = tab.text("#downloads")
    assert [kind in names for kind in ("CSV", "Video with tracks", "Report")] == [True] * 3
    # Lists that were asked for before the deletion arrive after it.
    tab.page.route("**/api/sources", answer_late)
    with tab.page.expect_request("**/api/sources"):
        pass
    tab.page.click("#downloads button:has-text('Delete')")
    with tab.page.expect_response(lambda answer: answer.request.method == "DELETE"):
        tab.page.click("#confirm-yes")
    tab.wait_for_text("#source-name", "street")
    assert len(server.json("/api/sources")["sources"]) == 1
    for _ in range(2):
        with tab.page.expect_response("**/api/sources"):
            pass
    assert tab.page.locator("#source-list li").count() == 1
    tab.page.unroute("**/api/sources")


def test_a_dropped_text_is_refused_in_words(browser: Any, server: RunningServer) -> None:
    tab = Tab(browser)
    tab.open(server.address)
    drop = """() => {
        const data = new DataTransfer();
        data.items.add(new File(["no video"], "notes.mp4", { type: "video/mp4" }));
        const options = { dataTransfer: data, bubbles: true, cancelable: true };
        dispatchEvent(new DragEvent("drop", options));
    }"""
    tab.page.evaluate(drop)
    tab.wait_for_text("#uploading", "Not uploaded")
    assert "video" in tab.text("#uploading .problem")
    tab.page.click("#uploading button")
    assert tab.page.locator("#uploading li").count() == 0
    assert [problem for problem in tab.problems if "415" not in problem] == []
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_both_themes_and_widths(
    browser: Any, server: RunningServer, size: tuple[int, int], scheme: str
) -> None:
    tab = Tab(browser, size, color_scheme=scheme, has_touch=size == PHONE)
    tab.open(server.address)
    until(lambda: tab.page.locator("#tracks tbody tr").count(), lambda count: count > 0)
    tab.page.locator("#tracks tbody button").first.click()
    tab.wait_for_text("#detail-facts", "Time in view")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    background = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    bright = sum(int(value) for value in background[4:-1].split(", ")) > 3 * 128
    assert bright == (scheme == "light")
    tab.page.click("#theme")  # from the system's theme to the light one
    tab.page.click("#theme")
    assert tab.page.locator("html").get_attribute("data-theme") == "dark"
    tab.page.click("#theme")
    assert tab.problems == []
    tab.close()


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        pytest.param(WIDE, "light", id="wide-light"),
        pytest.param(WIDE, "dark", marks=pytest.mark.long, id="wide-dark"),
        pytest.param(PHONE, "light", marks=pytest.mark.long, id="phone-light"),
        pytest.param(PHONE, "dark", id="phone-dark"),
    ],
)
def test_axe_finds_no_serious_fault(
    browser: Any, server: RunningServer, size: tuple[int, int], scheme: str
) -> None:
    tab = Tab(browser, size, color_scheme=scheme)
    tab.open(server.address)
    draw_zone(tab, AROUND)
    tab.wait_for_text("#shapes", "1 inside")
    tab.page.locator("#tracks tbody button").first.click()
    tab.wait_for_text("#detail-facts", "Time in view")
    tab.page.click("#new-line")
    assert tab.serious_faults() == []
    tab.page.keyboard.press("Escape")
    tab.page.click("#shapes button[title='Delete']")
    assert tab.serious_faults() == []
    tab.close()


def test_a_touch_draws_a_zone_on_a_phone(browser: Any, server: RunningServer) -> None:
    tab = Tab(browser, PHONE, has_touch=True, is_mobile=True)
    tab.open(server.address)
    tab.page.tap("#new-zone")
    box = tab.page.locator("#overlay").bounding_box()
    for x, y in [*AROUND, AROUND[0]]:
        tab.page.touchscreen.tap(box["x"] + x * box["width"], box["y"] + y * box["height"])
    tab.wait_for_text("#shapes", "1 inside")
    assert len(zones_of(server)["zones"]) == 1
    assert tab.problems == []
    tab.close()


def test_the_token_is_asked_for(browser: Any, street: Path, tmp_path: Path) -> None:
    with running(tmp_path, street, token=TOKEN) as server:
        tab = Tab(browser)
        tab.page.goto(server.address)
        tab.page.fill("#token", "not the token at all")
        tab.page.keyboard.press("Enter")
        tab.wait_for_text("#login-problem", "not the token")
        tab.page.fill("#token", TOKEN)
        tab.page.keyboard.press("Enter")
        tab.wait_for_text("#connection", "Connected")
        until(lambda: tab.drawn_frames, lambda count: count > 2)
        assert not tab.page.locator("#login").is_visible()
        assert [problem for problem in tab.problems if "401" not in problem] == []
        tab.close()


def test_the_page_connects_again(browser: Any, street: Path, tmp_path: Path) -> None:
    tab = Tab(browser)
    with running(tmp_path, street) as server:
        tab.open(server.address)
        port = int(server.address.rsplit(":", 1)[1])
    tab.wait_for_text("#offline", "No connection to the server")
    tab.wait_for_text("#connection", "Not connected")
    before = tab.drawn_frames
    with running(tmp_path, street, port=port):
        tab.wait_for_text("#connection", "Connected")
        until(lambda: tab.drawn_frames, lambda count: count > before)
        assert not tab.page.locator("#offline").is_visible()
        tab.close()


def test_full_screen_is_entered_and_left(tab: Tab) -> None:
    tab.page.click("#fullscreen")
    tab.page.click("#leave-fullscreen")
    until(lambda: tab.page.evaluate("document.fullscreenElement"), lambda element: element is None)
