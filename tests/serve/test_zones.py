"""Zones and lines drawn in the page: checked, saved, effective, and kept for the next server."""

import dataclasses
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from tests.conftest import moving_square, write_clip
from tests.serve.servers import RunningServer, messages, running, until
from tracker.analytics.settings import AnalyticsSettings, Calibration, Line, Units, Zone
from tracker.config.zones import load_zones
from tracker.errors import ConfigError, OutputError
from tracker.frames import VideoInfo
from tracker.serve.zone_files import ZoneFile, document, zones_of_document

DOOR = {"name": "door", "points": [[60, 119], [60, 0]]}
YARD = {"name": "yard", "polygon": [[0, 0], [160, 0], [160, 120], [0, 120]], "dwell_s": 0.2}
FORMAT = {"units": "pixels", "size": [160, 120]}
INFO = VideoInfo("in.mp4", 160, 120, Fraction(25), Fraction(1, 25))


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("zones") / "walk.mp4", moving_square(130))


@pytest.fixture
def server(walk: Path, tmp_path: Path) -> Iterator[RunningServer]:
    with running(tmp_path, walk) as started:
        started.wait_for("walk", lambda entry: entry["frames"] > 0)
        yield started


def test_what_is_put_is_saved_and_counts(server: RunningServer, tmp_path: Path) -> None:
    assert server.json("/api/zones") == {**FORMAT, "zones": [], "lines": []}
    server.client.post("/api/sources/walk/restart")
    answer = server.client.put("/api/zones?source=walk", json={"lines": [DOOR], "zones": [YARD]})
    assert answer.status_code == 200
    assert (
        answer.json() == server.json("/api/zones") == {**FORMAT, "lines": [DOOR], "zones": [YARD]}
    )
    saved = load_zones(tmp_path / "walk.zones.yaml")
    assert saved.lines[0].points == ((60.0, 119.0), (60.0, 0.0))
    assert saved.zones[0].dwell_s == 0.2
    with server.socket("walk") as viewer:
        seen = until(
            lambda: [m for m in messages(viewer, ["frame"]) if m["kind"] == "frame"][-1],
            lambda message: message["counts"]["door"]["in"].get("moving", 0) > 0,
        )
    assert seen["occupancy"]["yard"] >= 0
    stats = until(
        lambda: server.json("/api/stats"), lambda value: max(value["occupancy"]["yard"]) > 0
    )
    assert stats["counts"]["door"]["in"] == {"moving": 1}


def test_the_next_server_has_them(walk: Path, tmp_path: Path) -> None:
    with running(tmp_path, walk) as server:
        server.wait_for("walk", lambda entry: entry["frames"] > 0)
        server.client.put("/api/zones", json={"lines": [DOOR]})
    with running(tmp_path, walk) as server:
        server.wait_for("walk", lambda entry: entry["frames"] > 0)
        assert server.json("/api/zones")["lines"] == [DOOR]
        assert server.client.put("/api/zones", json={}).status_code == 200
    with running(tmp_path, walk) as server:  # A file without any zones is no error here.
        assert server.json("/api/zones")["lines"] == []


def test_what_was_written_by_hand_stays(tmp_path: Path) -> None:
    path = tmp_path / "zones.yaml"
    text = (
        "# By Ann\nunits: pixels\nzones:\n- name: a  # old\n  polygon: [[0, 0], [9, 0], [9, 9]]\n"
    )
    path.write_text(text, encoding="utf-8")
    zones = ZoneFile(path, AnalyticsSettings())
    settings = zones.load()
    zones.save(dataclasses.replace(settings, size=(160, 120)))
    assert path.read_text(encoding="utf-8") == text + "size: [160, 120]\n"
    assert zones.load().size == (160, 120)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark_of_a_file_stay(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "zones.yaml"
    text = f"{mark}# by hand\r\nlines:\r\n- name: door  # first\r\n  points: [[0, 0], [3, 3]]\r\n"
    path.write_bytes(text.encode())
    file = ZoneFile(path, AnalyticsSettings())
    file.save(AnalyticsSettings(lines=(Line("door", ((0, 0), (3, 4))),)))
    assert path.read_bytes().decode() == text.replace("[3, 3]", "[3, 4]").replace(
        "[0, 0], [3, 4]", "[0.0, 0.0], [3.0, 4.0]"
    )
    assert [one.name for one in tmp_path.iterdir()] == ["zones.yaml"]


@pytest.mark.parametrize(
    "entry",
    [
        "points: [[0, 0], [3, 3]]",
        "name: [a]",
        "5",
        "name: &a [*a]",
        "name: " + "[" * 500 + "]" * 500,
    ],
    ids=["no name", "a list as name", "a number", "a part of itself", "too deep"],
)
def test_a_file_damaged_since_it_was_read_is_replaced(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "zones.yaml"
    path.write_text(f"lines:\n- {entry}\n", encoding="utf-8")
    zones = AnalyticsSettings(lines=(Line("door", ((0, 0), (3, 4))),))
    ZoneFile(path, AnalyticsSettings()).save(zones)
    assert load_zones(path) == zones


def test_a_text_that_cannot_be_changed_stays_beside_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "zones.yaml"
    points = "[[0, 0], [9, 0], [9, 9]]"
    text = f"zones:\n- &a {{name: a, polygon: {points}}}\n- {{<<: *a, name: b}}  # the same\n"
    path.write_text(text, encoding="utf-8")
    zones = ZoneFile(path, AnalyticsSettings())
    settings = zones.load()
    moved = dataclasses.replace(settings.zones[0], polygon=((1.0, 1.0), (9.0, 0.0), (9.0, 9.0)))
    zones.save(dataclasses.replace(settings, zones=(moved, settings.zones[1])))
    assert zones.load().zones == (moved, settings.zones[1])
    kept = path.with_name("zones.yaml.bak")
    assert "# the same" in path.read_text("utf-8") or kept.read_text("utf-8") == text


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"zones": [{"name": "a", "polygon": [[0, 0], [9, 9]]}]}, "3 or more points"),
        ({"zones": [{"name": "a", "polygon": [[0, 0], [9, 9], [5, 5]]}]}, "all on one line"),
        ({"lines": [DOOR, DOOR]}, "different names"),
        ({"lines": [{**DOOR, "classes": ["dog"]}]}, "'dog' is no class of the detector"),
        ({"lines": [{**DOOR, "colour": 3}]}, "colour"),
        ({"zone": []}, "zone"),
        ({"zones": 3}, "zones"),
        ({"zones": [{**YARD, "max_speed_kmh": 3}]}, "needs a calibration"),
        ({"lines": [{"name": "\u001b[31m", "points": DOOR["points"]}]}, "printable"),
    ],
)
def test_what_is_wrong_is_one_line_and_changes_nothing(
    server: RunningServer, tmp_path: Path, tree: dict, message: str
) -> None:
    answer = server.client.put("/api/zones", json=tree)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert not (tmp_path / "walk.zones.yaml").exists()


def test_numbers_that_json_does_not_have(server: RunningServer) -> None:
    content = json.dumps({"lines": [{"name": "a", "points": [[float("nan"), 0], [1, 1]]}]})
    assert server.client.put("/api/zones", content=content).status_code == 400


def test_a_file_that_cannot_be_written(walk: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with running(tmp_path, walk, zones=str(tmp_path / "file" / "zones.yaml")) as server:
        answer = server.client.put("/api/zones", json={"lines": [DOOR]})
        assert answer.status_code == 409
        assert "cannot be written" in answer.json()["error"]
        assert server.json("/api/zones")["lines"] == []


def test_a_read_only_file_stays_and_is_one_line(walk: Path, tmp_path: Path) -> None:
    path = tmp_path / "zones.yaml"
    text = "# By Ann\nlines: []\n"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o444)
    with running(tmp_path, walk, zones=str(path)) as server:
        answer = server.client.put("/api/zones", json={"lines": [DOOR]})
        assert answer.status_code == 409
        assert answer.json() == {
            "error": f"{path}: cannot be written: it is read-only; allow it with chmod u+w, or "
            "name another file with --zones"
        }
        assert server.json("/api/zones")["lines"] == []
        assert path.read_text(encoding="utf-8") == text
        path.chmod(0o644)
        assert server.client.put("/api/zones", json={"lines": [DOOR]}).status_code == 200
    assert sorted(path.name for path in tmp_path.iterdir()) == ["zones.yaml"]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_and_the_file_behind_it_is_replaced(tmp_path: Path, is_there: bool) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "site.yaml", tmp_path / "zones.yaml"
    link.symlink_to(target)
    if is_there:
        target.write_text("# By Ann\nlines: []\n", encoding="utf-8")
        target.chmod(0o640)
    file = ZoneFile(link, AnalyticsSettings())
    file.save(AnalyticsSettings(zones=(Zone("a", ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0))),)))
    assert link.is_symlink()
    assert load_zones(target).zones[0].name == file.load().zones[0].name == "a"
    assert ("# By Ann" in target.read_text(encoding="utf-8")) is is_there
    assert not is_there or target.stat().st_mode & 0o777 == 0o640
    target.chmod(0o444)
    with pytest.raises(OutputError, match=f"{link}: cannot be written: it is read-only"):
        file.save(AnalyticsSettings())
    assert load_zones(target).zones[0].name == "a"
    assert sorted(path.name for path in (tmp_path / "real").iterdir()) == ["site.yaml"]


def test_a_link_to_a_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    link = tmp_path / "zones.yaml"
    link.symlink_to(tmp_path / "gone" / "zones.yaml")
    with pytest.raises(OutputError, match=f"{link}: cannot be written: No such file"):
        ZoneFile(link, AnalyticsSettings()).save(AnalyticsSettings())
    assert link.is_symlink()


def test_sources_with_one_file_share_its_zones(walk: Path, clip: Path, tmp_path: Path) -> None:
    with running(tmp_path, walk, clip, zones=str(tmp_path / "all.yaml")) as server:
        server.wait_for("walk", lambda entry: entry["frames"] > 0)
        server.client.put("/api/zones?source=walk", json={"lines": [DOOR]})
        assert server.json("/api/zones?source=square")["lines"] == [DOOR]


def test_events_come_as_server_sent_events_and_go_on(walk: Path, tmp_path: Path) -> None:
    (tmp_path / "walk.zones.yaml").write_text("lines: [{name: door, points: [[60, 119], [60, 0]]}]")
    with running(tmp_path, walk) as server:
        found = []
        with server.client.stream("GET", "/api/events?source=walk") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                found.append(line)
                if line.startswith("data") and "line_crossed" in line:
                    break
        kinds = [line.removeprefix("event: ") for line in found if line.startswith("event: ")]
        numbers = [int(line.removeprefix("id: ")) for line in found if line.startswith("id: ")]
        assert kinds[0] == "track_started"
        assert kinds[-1] == "line_crossed"
        assert numbers == list(range(1, len(numbers) + 1))
        crossed = json.loads(found[-1].removeprefix("data: "))
        assert (crossed["line"], crossed["direction"]) == ("door", "in")
        headers = {"last-event-id": "1"}
        with server.client.stream("GET", "/api/events", headers=headers) as answer:
            again = [line for line, _ in zip(answer.iter_lines(), range(4), strict=False)]
        assert "id: 2" in again


def test_events_come_in_the_websocket_too(walk: Path, tmp_path: Path) -> None:
    (tmp_path / "walk.zones.yaml").write_text("lines: [{name: door, points: [[60, 119], [60, 0]]}]")
    with running(tmp_path, walk) as server, server.socket("walk") as viewer:
        found = messages(viewer, ["state", "frame", "event"])
        event = found[-1]
        assert (event["event"], event["class"]) == ("track_started", "moving")


def test_shares_and_other_sizes_become_pixels_of_the_frame() -> None:
    zone = Zone("a", ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0)), direction=((0.0, 0.0), (1.0, 0.5)))
    line = Line("b", ((0.25, 0.0), (0.25, 1.0)))
    ground = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    calibration = Calibration(image=ground, ground=ground)
    shares = AnalyticsSettings(
        units=Units.SHARE, zones=(zone,), lines=(line,), calibration=calibration
    )
    tree = document(shares, INFO)
    assert tree["size"] == [160, 120]
    assert tree["zones"][0]["polygon"] == [[0, 0], [80, 0], [80, 120]]
    assert tree["zones"][0]["direction"] == [[0, 0], [160, 60]]
    assert tree["lines"][0]["points"] == [[40, 0], [40, 120]]
    assert tree["calibration"]["image"] == [[0, 0], [160, 0], [160, 120], [0, 120]]
    assert tree["calibration"]["ground"] == [list(point) for point in ground]
    back = zones_of_document(tree, INFO, None)
    assert document(back, INFO) == tree


def test_stored_pixels_that_are_not_square_become_square_ones() -> None:
    """A file of 80x120 stored pixels that is shown as 160x120."""
    info = VideoInfo("dv", 160, 120, Fraction(25), Fraction(1, 25), stored_size=(80, 120))
    stored = AnalyticsSettings(lines=(Line("b", ((40.0, 0.0), (40.0, 120.0))),))
    assert document(stored, info)["lines"][0]["points"] == [[80, 0], [80, 120]]


def test_a_malformed_file_is_named(walk: Path, tmp_path: Path) -> None:
    path = tmp_path / "zones.yaml"
    path.write_text("zonen: []")
    with pytest.raises(ConfigError, match=r"zones\.yaml: .*zonen"):
        ZoneFile(path, AnalyticsSettings()).load()
    with (
        pytest.raises(ConfigError, match=r"zones\.yaml"),
        running(tmp_path, walk, zones=str(path)),
    ):
        pass
