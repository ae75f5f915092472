"""Recorded results in the page, with their video and without, and without any network."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli import call
from tests.conftest import write_clip
from tests.serve.servers import frames, running
from tracker.errors import DataError, SourceError

FRAMES = 50


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recording with a zone, and its video; one object walks 3 pixels a frame."""
    folder = tmp_path_factory.mktemp("recorded")
    rows = [f"{n},-1,{3 * n},30,24,60,0.9,-1,-1,-1\n" for n in range(1, FRAMES + 1)]
    (folder / "det.txt").write_text("".join(rows))
    (folder / "zones.yaml").write_text("lines: [{name: door, points: [[80, 119], [80, 0]]}]")
    ground = np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype(np.uint8)
    clip = write_clip(folder / "in.mp4", [ground] * FRAMES)
    words = ("--detections", folder / "det.txt", "--zones", folder / "zones.yaml")
    assert call("run", clip, *words, "--no-progress", "--json", folder / "out.jsonl") == 0
    return folder / "out.jsonl", clip


def tracks_by_frame(path: Path) -> dict[int, list]:
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {r["frame"]: r["tracks"] for r in records if r["kind"] == "frame"}


@pytest.mark.slow
def test_a_recording_plays_with_its_video(recorded: tuple[Path, Path], tmp_path: Path) -> None:
    expected = tracks_by_frame(recorded[0])
    with running(tmp_path, *recorded) as server:
        (entry,) = server.json("/api/sources")["sources"]
        assert (entry["name"], entry["title"], entry["kind"]) == ("out", "out.jsonl", "recorded")
        assert (entry["detecting"], entry["has_image"]) == (False, True)
        with server.socket("out") as viewer:
            for message, image in frames(viewer, 8):
                assert image is not None
                own = expected[message["frame"]]
                assert [t["box"] for t in message["tracks"]] == [t["box"] for t in own]
                assert [t["id"] for t in message["tracks"]] == [t["id"] for t in own]
        entry = server.wait_for_state("out", "ended")
        assert (entry["frames"], entry["dropped"], entry["duration_s"]) == (FRAMES, 0, 2.0)
        assert entry["classes"] == ["person"]
        assert server.json("/api/stats")["counts"] == {"door": {"in": {"person": 1}, "out": {}}}
        assert server.json("/api/zones")["lines"][0]["name"] == "door"
        track = server.json("/api/tracks/out/1")
        assert track["votes"] == {"person": 1.0}
        assert len(track["trail"]) > 40
        assert server.client.get(track["crop"]).status_code == 200


def test_a_recording_alone_has_no_images(recorded: tuple[Path, Path], tmp_path: Path) -> None:
    with running(tmp_path, recorded[0]) as server:
        entry = server.wait_for("out", lambda e: e["frames"] > 5)
        assert entry["has_image"] is False
        assert (entry["width"], entry["height"]) == (160, 120)
        with server.socket("out") as viewer:
            message, image = frames(viewer, 3)[-1]
        assert image is None
        assert message["tracks"]
        assert server.client.get("/api/snapshot.jpg").status_code == 404


@pytest.mark.slow
def test_a_recording_can_be_paused_and_played_again(
    recorded: tuple[Path, Path], tmp_path: Path
) -> None:
    with running(tmp_path, *recorded) as server:
        server.wait_for_state("out", "running")
        assert server.client.post("/api/sources/out/pause").status_code == 204
        assert server.client.post("/api/sources/out/restart").status_code == 204
        server.wait_for_state("out", "ended")
        assert server.json("/api/stats")["counts"]["door"]["in"] == {"person": 1}


def test_the_video_of_another_size_is_refused(recorded: tuple[Path, Path], tmp_path: Path) -> None:
    other = write_clip(tmp_path / "other.mp4", [np.zeros((48, 64, 3), np.uint8)] * 3)
    with running(tmp_path, recorded[0], other) as server:
        entry = server.wait_for_state("out", "failed")
        assert "expected frames of 160x120 as in the recording, got 64x48" in entry["message"]


def test_wrong_files_are_errors_at_the_start(recorded: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("{}")
    with pytest.raises(DataError, match=r"bad\.jsonl"), running(tmp_path, tmp_path / "bad.jsonl"):
        pass
    with (
        pytest.raises(SourceError, match=r"none\.mp4"),
        running(tmp_path, recorded[0], tmp_path / "none.mp4"),
    ):
        pass


@pytest.mark.slow
def test_a_recording_loads_no_network(recorded: tuple[Path, Path], tmp_path: Path) -> None:
    arguments = f"Path({str(tmp_path)!r}), *{[*map(str, recorded)]!r}, config=Config()"
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.serve.servers import running\n"
        "from tracker.config.run import Config\n"
        f"with running({arguments}) as s:\n"
        "    s.wait_for('out', lambda e: e['frames'] > 3)\n"
        "heavy = {'tensorflow', 'keras', 'ai_edge_litert', 'onnxruntime', 'openvino'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
