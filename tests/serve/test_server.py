"""The page's server on a running source: every endpoint, viewers, state, end."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.conftest import moving_square, write_clip
from tests.serve.servers import RunningServer, decoded, frames, messages, motion, running, until
from tests.stream_server import MjpegServer
from tracker.errors import ConfigError, SourceError
from tracker.serve.server import listening_socket
from tracker.serve.settings import ServeSettings


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of a square that walks to the right again and again."""
    return write_clip(tmp_path_factory.mktemp("serve") / "walk.mp4", moving_square(200))


@pytest.fixture(scope="module")
def server(walk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose source is paused on a frame with a track."""
    folder = tmp_path_factory.mktemp("server")
    with running(folder, walk) as started:
        until(lambda: started.json("/api/tracks"), lambda value: bool(value["tracks"]))
        started.client.post("/api/sources/walk/pause")
        yield started


def test_the_list_of_sources(server: RunningServer) -> None:
    value = server.json("/api/sources")
    (entry,) = value["sources"]
    assert (entry["name"], entry["title"], entry["kind"]) == ("walk", "walk.mp4", "file")
    assert (entry["width"], entry["height"], entry["duration_s"]) == (160, 120, 8.0)
    assert (entry["state"], entry["detecting"], entry["has_image"]) == ("paused", True, True)
    assert entry["classes"] == ["moving"]
    assert value["uploads"] == {"max_bytes": 2_000_000_000}


def test_tracks_and_one_of_them(server: RunningServer) -> None:
    value = server.json("/api/tracks?source=walk")
    track = value["tracks"][0]
    x1, y1, x2, y2 = track["box"]
    assert 0 <= x1 < x2 <= 160
    assert y1 == pytest.approx(40, abs=12)
    assert y2 == pytest.approx(80, abs=12)
    assert (track["class"], track["speed_unit"]) == ("moving", "px/s")
    one = server.json(f"/api/tracks/walk/{track['id']}")
    assert one["votes"] == {"moving": 1.0}
    assert one["first_s"] == track["first_s"] <= one["last_s"]
    x, y, time_s = one["trail"][-1]
    assert (x, y) == (pytest.approx((x1 + x2) / 2, abs=0.1), pytest.approx(y2, abs=0.1))
    assert time_s == pytest.approx(value["time_s"], abs=0.01)


def test_the_image_of_a_track_is_its_box(server: RunningServer) -> None:
    track = server.json("/api/tracks")["tracks"][0]
    path = until(lambda: server.json(f"/api/tracks/walk/{track['id']}")["crop"], bool)
    answer = server.client.get(path)
    assert answer.headers["content-type"] == "image/jpeg"
    pixels = decoded(answer.content)
    height, width = pixels.shape[:2]
    middle = pixels[height // 2, width // 2].astype(int)
    assert np.abs(middle - (240, 200, 40)).max() < 60


def test_snapshots_clean_and_annotated(server: RunningServer) -> None:
    clean, drawn = (
        decoded(server.client.get(path).content).astype(int)
        for path in ("/api/snapshot.jpg", "/api/snapshot.jpg?source=walk&overlay=1")
    )
    assert clean.shape == drawn.shape == (120, 160, 3)
    assert np.abs(clean - drawn).max() > 60


@pytest.mark.slow
def test_one_point_of_the_charts_a_second(server: RunningServer) -> None:
    value = until(lambda: server.json("/api/stats"), lambda v: len(v["times"]) >= 2)
    assert value["source"] == "walk"
    count = len(value["times"])
    for name in ("fps", "latency_ms", "tracks"):
        assert len(value[name]) == count, name
    assert sum(value["fps"]) > 0
    assert value["occupancy"] == value["counts"] == {}


def test_metrics_are_those_of_prometheus(server: RunningServer) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    answer = server.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {f.name: f for f in text_string_to_metric_families(answer.text)}
    (frames_total,) = families["tracker_frames"].samples
    entry = server.source("walk")
    assert frames_total.labels == {"source": "walk"}
    assert frames_total.value == entry["frames"] > 0
    buckets = [s for s in families["tracker_latency_seconds"].samples if s.name.endswith("bucket")]
    assert buckets[-1].value == entry["frames"]
    assert {"tracker_viewers", "tracker_uploads", "tracker_tracks"} <= set(families)
    states = {s.labels["state"]: s.value for s in families["tracker_source_state"].samples}
    assert states["paused"] == 1.0
    assert sum(states.values()) == 1.0


@pytest.mark.parametrize(
    "path",
    [
        *("/api/tracks?source=other", "/api/tracks/other/1", "/api/tracks/walk/999999"),
        *("/api/crops/walk/999999.jpg", "/api/crops/walk/99999999999999999999999.jpg"),
        *("/api/snapshot.jpg?source=x", "/stream/other.mjpg", "/api/events?source=x"),
        *("/nothing", "/static/nothing.js", "/static/../settings.py", "/static/%2e%2e%2fapp.py"),
        *("/api/uploads/upload-0/json", "/api/uploads/..%2f..%2fetc/json", "/api/stats?source=x"),
    ],
)
def test_what_is_unknown_is_one_line_of_json(server: RunningServer, path: str) -> None:
    answer = server.client.get(path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}


def test_a_viewer_gets_state_frames_and_images(walk: Path, tmp_path: Path) -> None:
    with running(tmp_path, walk) as server, server.socket("walk") as viewer:
        first = json.loads(viewer.recv(20))
        assert (first["kind"], first["entry"]["name"]) == ("state", "walk")
        seen = frames(viewer, 5)
        numbers = [message["frame"] for message, _ in seen]
        assert numbers == sorted(set(numbers))
        message, image = seen[-1]
        assert image is not None
        assert decoded(image).shape == (120, 160, 3)
        assert message["time_s"] == pytest.approx(message["frame"] / 25, abs=1e-6)
        assert abs(message["wall_time"] - time.time()) < 10
        assert server.source("walk")["viewers"] == 1
    assert message["image"] is True


@pytest.mark.slow
def test_ten_viewers_cost_one_encoding_and_nobody_none(walk: Path, tmp_path: Path) -> None:
    from contextlib import ExitStack

    with running(tmp_path, walk) as server, ExitStack() as stack:
        hub = server.context.sites.all()[0].worker.hub
        server.wait_for("walk", lambda entry: entry["frames"] > 10)
        assert hub.pictures.encodes == 0
        viewers = [stack.enter_context(server.socket("walk")) for _ in range(10)]
        seen = [frames(viewer, 8) for viewer in viewers]
        published = hub.meters.totals().frames
        assert 8 <= hub.pictures.encodes <= published
        images: dict[int, set[bytes | None]] = {}
        for message, image in (pair for own in seen for pair in own):
            images.setdefault(message["frame"], set()).add(image)
        assert max(map(len, images.values())) == 1


def test_a_client_that_never_reads_slows_nothing_and_stores_nothing(
    walk: Path, tmp_path: Path
) -> None:
    with running(tmp_path, walk) as server, server.socket("walk") as silent:
        hub = server.context.sites.all()[0].worker.hub
        with server.socket("walk") as viewer:
            frames(viewer, 12)
        assert hub.meters.totals().frames >= 12
        held = [message for message in _waiting(silent) if b'"kind":"frame"' in message]
        assert 1 <= len(held) <= 2


def _waiting(connection: object) -> list[bytes]:
    """The messages that wait to be read."""
    found = []
    while True:
        try:
            content = connection.recv(0.2)  # type: ignore[attr-defined]
        except TimeoutError:
            return found
        if isinstance(content, str) and '"kind": "state"' not in content:
            found.append(content.encode())
        if len(found) > 50:
            return found


@pytest.mark.slow
def test_pause_resume_restart_and_the_end(walk: Path, tmp_path: Path) -> None:
    with running(tmp_path, walk) as server:
        server.wait_for_state("walk", "running")
        assert server.client.post("/api/sources/walk/resume").status_code == 409
        assert server.client.post("/api/sources/walk/pause").status_code == 204
        assert server.client.post("/api/sources/walk/pause").status_code == 409
        time.sleep(0.3)
        first = server.source("walk")
        time.sleep(0.3)
        assert server.source("walk")["frames"] == first["frames"]
        assert first["state"] == "paused"
        assert server.client.post("/api/sources/walk/resume").status_code == 204
        server.wait_for("walk", lambda entry: entry["frames"] > first["frames"])
        assert server.client.post("/api/sources/walk/restart").status_code == 204
        server.wait_for("walk", lambda e: e["state"] == "running" and e["position_s"] < 1)
        assert server.client.post("/api/sources/walk/other").status_code == 404
        assert server.client.get("/api/sources/walk/pause").status_code == 405


def test_an_ended_file_keeps_its_last_frame_and_plays_again(clip: Path, tmp_path: Path) -> None:
    with running(tmp_path, clip, paced=False) as server:
        entry = server.wait_for_state("square", "ended")
        assert (entry["frames"], entry["position_s"]) == (60, pytest.approx(59 / 25))
        with server.socket("square") as viewer:
            ((message, image),) = frames(viewer, 1)
            assert message["frame"] == 59
            assert image is not None
        server.client.post("/api/sources/square/restart")
        entry = server.wait_for("square", lambda e: e["frames"] == 120)


@pytest.mark.slow
def test_files_play_at_their_own_rate(clip: Path, tmp_path: Path) -> None:
    """2.4 seconds of video: much faster would show that nothing waits."""
    with running(tmp_path, clip) as server:
        server.wait_for("square", lambda e: e["frames"] > 0)
        begin = time.monotonic()
        server.wait_for_state("square", "ended")
        assert time.monotonic() - begin > 1.2


@pytest.mark.slow
def test_a_stream_that_is_lost_comes_back(tmp_path: Path) -> None:
    quick = ("source.live.reconnect.first_s=0.1", "source.live.reconnect.longest_s=0.2")
    camera = MjpegServer()
    with camera:
        address = camera.address.replace("http://", "http://me:secret@")
        with running(tmp_path, address, config=motion(*quick)) as server:
            (entry,) = server.json("/api/sources")["sources"]
            name = entry["name"]
            server.wait_for_state(name, "running")
            camera.stop()
            entry = server.wait_for_state(name, "lost")
            assert server.client.get("/api/health").status_code == 503
            assert entry["message"]
            camera.start()
            server.wait_for_state(name, "running")
            everything = " ".join(
                server.client.get(path).text
                for path in ("/api/sources", "/api/health", "/metrics", "/api/stats")
            )
            assert "secret" not in everything


def test_a_stream_that_cannot_be_opened_yet_is_waited_for(tmp_path: Path) -> None:
    quick = ("source.live.reconnect.first_s=0.1", "source.live.reconnect.longest_s=0.2")
    camera = MjpegServer()
    with camera:
        camera.stop()
        with running(tmp_path, camera.address, config=motion(*quick)) as server:
            name = server.json("/api/sources")["sources"][0]["name"]
            assert server.wait_for_state(name, "lost")["message"]
            camera.start()
            server.wait_for_state(name, "running")


def test_mjpeg_is_a_row_of_annotated_images(walk: Path, tmp_path: Path) -> None:
    with running(tmp_path, walk) as server:
        with server.client.stream("GET", "/stream/walk.mjpg") as answer:
            assert answer.headers["content-type"].startswith("multipart/x-mixed-replace")
            content = b""
            for chunk in answer.iter_bytes():
                content += chunk
                if content.count(b"--frame\r\n") > 3:
                    break
        parts = content.split(b"--frame\r\n")[1:-1]
        for part in parts:
            head, _, body = part.partition(b"\r\n\r\n")
            length = int(head.split(b"Content-Length: ")[1])
            assert decoded(body[:length]).shape == (120, 160, 3)


def test_the_end_is_quick_with_clients_of_all_kinds(walk: Path, tmp_path: Path) -> None:
    with running(tmp_path, walk) as server:
        with server.socket("walk") as viewer:
            messages(viewer, ["frame"])
            with (
                httpx.stream("GET", f"{server.address}/stream/walk.mjpg", timeout=20) as images,
                httpx.stream("GET", f"{server.address}/api/events", timeout=20) as events,
            ):
                next(images.iter_bytes())
                next(events.iter_bytes())
                assert server.end() < 5  # two seconds on a machine that does nothing else


def test_a_missing_file_is_an_error_before_the_server_starts(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nothing\.mp4"), running(tmp_path, "nothing.mp4"):
        pass


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}: .*in use; choose another"):
            listening_socket(ServeSettings(port=port))


def test_link_is_refused(clip: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="no global ids"),
        running(tmp_path, clip, config=motion("link=true")),
    ):
        pass


def test_the_page_is_served_from_memory(server: RunningServer) -> None:
    answer = server.client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for name, media_type in (("app.js", "text/javascript"), ("icons.svg", "image/svg+xml")):
        answer = server.client.get(f"/static/{name}")
        assert answer.headers["content-type"].startswith(media_type)
        tag = answer.headers["etag"]
        again = server.client.get(f"/static/{name}", headers={"if-none-match": tag})
        assert (again.status_code, again.content) == (304, b"")
