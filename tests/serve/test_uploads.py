"""Uploads: what is accepted, where it goes, what comes out, and when it is deleted."""

import csv
import io
import json
import os
import socket
import stat
import time
import zipfile
from pathlib import Path

import av
import httpx
import jsonschema
import pytest

from tests.serve.servers import RunningServer, motion, running
from tracker.errors import OutputError, SourceError
from tracker.serve.upload_files import check_video

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "json-format.schema.json").read_text(encoding="utf-8")
)
NAMES = (
    *("../../etc/passwd", "..%2F..%2Fetc%2Fpasswd", "C:\\Windows\\x.mp4", "a/b/c.mp4", ".", ""),
    *("%00", "%0d%0aSet-Cookie: a=b", "<script>alert(1)</script>.mp4", "x" * 5000, "%ff%fe", "..."),
)


def post(server: RunningServer, content: bytes, name: str = "walk.mp4") -> httpx.Response:
    return server.client.post("/api/uploads", content=content, headers={"x-filename": name})


def uploaded(server: RunningServer, path: Path, name: str = "walk.mp4") -> str:
    answer = post(server, path.read_bytes(), name)
    assert answer.status_code == 201, answer.text
    return answer.json()["name"]


@pytest.mark.slow
def test_a_video_is_processed_and_its_results_downloaded(clip: Path, tmp_path: Path) -> None:
    with running(tmp_path, uploads=str(tmp_path / "up")) as server:
        assert server.json("/api/sources")["sources"] == []
        name = uploaded(server, clip, "my%20walk.mp4")
        entry = server.wait_for(name, lambda e: len(e["downloads"]) == 4)
        assert (entry["title"], entry["kind"], entry["state"]) == ("my walk.mp4", "upload", "ended")
        assert entry["frames"] == 60
        assert str(tmp_path) not in json.dumps(entry)
        document = server.json(f"/api/uploads/{name}/json")
        jsonschema.validate(document, SCHEMA)
        assert document["header"]["source"] == "my walk.mp4"
        assert len(document["frames"]) == 60
        assert document["footer"]["complete"] is True
        table = server.client.get(f"/api/uploads/{name}/csv")
        assert "attachment" in table.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(table.text)))
        assert len(rows) == sum(len(frame["tracks"]) for frame in document["frames"]) > 10
        video = server.client.get(f"/api/uploads/{name}/mp4")
        with av.open(io.BytesIO(video.content)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 60
        report = server.client.get(f"/api/uploads/{name}/report")
        assert "attachment" in report.headers["content-disposition"]
        assert "my walk.mp4" in report.text
        for content in (report.text, json.dumps(document), table.text):
            assert str(tmp_path) not in content


@pytest.mark.slow
def test_an_upload_that_was_processed_plays_its_recording(clip: Path, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        name = uploaded(server, clip)
        server.wait_for(name, lambda e: len(e["downloads"]) == 4)
        assert server.client.post(f"/api/sources/{name}/restart").status_code == 204
        entry = server.wait_for(name, lambda e: e["frames"] == 120)
        assert len(entry["downloads"]) == 4


@pytest.mark.slow
def test_one_after_another_and_while_one_is_processed(clip: Path, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        first, second = uploaded(server, clip), uploaded(server, clip)
        worker = server.context.sites.get(second).worker
        if server.source(first)["state"] != "ended":
            assert server.source(second)["message"] == "waits for its turn"
            answer = server.client.get(f"/api/uploads/{second}/json")
            assert answer.status_code == 409
            assert server.client.post(f"/api/sources/{second}/restart").status_code == 409
        server.wait_for(second, lambda e: len(e["downloads"]) == 4)
        assert not worker.is_recording
        assert server.source(first)["state"] == "ended"


@pytest.mark.slow
def test_folders_are_private_and_removed(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "up"
    with running(tmp_path, uploads=str(folder)) as server:
        name = uploaded(server, clip)
        server.wait_for(name, lambda e: len(e["downloads"]) == 4)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / name / "video").stat().st_mode) == 0o600
        assert server.client.delete(f"/api/uploads/{name}").status_code == 204
        assert server.client.delete(f"/api/uploads/{name}").status_code == 404
        assert server.client.get(f"/api/uploads/{name}/json").status_code == 404
        assert list(folder.iterdir()) == []
        assert server.json("/api/sources")["sources"] == []


def test_a_temporary_folder_goes_with_the_server(clip: Path, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        name = uploaded(server, clip)
        folder = server.context.uploads.get(name).files.folder.parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        server.wait_for_state(name, "ended", "running")
    assert not folder.exists()


@pytest.mark.slow
def test_old_uploads_are_deleted(clip: Path, tmp_path: Path) -> None:
    left = tmp_path / "up" / "upload-00000000"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    other = tmp_path / "up" / "mine"
    other.mkdir()
    os.utime(other, (0, 0))
    with running(tmp_path, uploads=str(tmp_path / "up"), keep_s=0.5) as server:
        assert not left.exists()
        assert other.exists()
        name = uploaded(server, clip)
        server.wait_for(name, lambda e: len(e["downloads"]) == 4)
        time.sleep(0.5)
        server.context.uploads.expire()
        assert server.json("/api/sources")["sources"] == []
        assert not (tmp_path / "up" / name).exists()


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_is_only_shown(clip: Path, tmp_path: Path, name: str) -> None:
    with running(tmp_path, uploads=str(tmp_path / "up")) as server:
        answer = post(server, clip.read_bytes(), name)
        assert answer.status_code == 201
        made = answer.json()["name"]
        assert [path.name for path in (tmp_path / "up").iterdir()] == [made]
        title = server.source(made)["title"]
        assert title
        assert len(title) <= 500
        assert title.isprintable()
        assert "/" not in title
        server.client.delete(f"/api/uploads/{made}")


def test_what_is_no_video_leaves_nothing(clip: Path, tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a", "b")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{clip}\n#EXT-X-ENDLIST\n"
    concat = f"ffconcat version 1.0\nfile '{clip}'\n"
    contents = (
        *(b"", b"text", os.urandom(5000), archive.getvalue(), clip.read_bytes()[:200]),
        *(playlist.encode(), concat.encode(), b"\x89PNG\r\n\x1a\n" + bytes(500)),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    )
    with running(tmp_path, uploads=str(tmp_path / "up")) as server:
        for content in contents:
            answer = post(server, content)
            assert answer.status_code == 415, content[:30]
            assert "expected a video" in answer.json()["error"]
            assert str(tmp_path) not in answer.text
        assert list((tmp_path / "up").iterdir()) == []
        assert server.json("/api/sources")["sources"] == []


def test_play_lists_are_not_followed(clip: Path, tmp_path: Path) -> None:
    """They would read other files of this computer, or addresses that it can reach."""
    concat = tmp_path / "list"
    concat.write_text(f"ffconcat version 1.0\nfile '{clip.name}'\n")
    (tmp_path / clip.name).write_bytes(clip.read_bytes())
    with pytest.raises(SourceError, match="cannot be decoded"):
        check_video(concat)


def test_too_large(clip: Path, tmp_path: Path) -> None:
    size = clip.stat().st_size
    with running(tmp_path, uploads=str(tmp_path / "up"), upload_limit=size - 1) as server:
        assert post(server, clip.read_bytes()).status_code == 413
        assert server.json("/api/sources")["uploads"] == {"max_bytes": size - 1}
        for announced in (size, 10**16, 10**40):
            assert status_of(server, announced) in {400, 413}
        assert list((tmp_path / "up").iterdir()) == []


def status_of(server: RunningServer, announced: int) -> int:
    """The status of an upload that announces so many bytes and sends none."""
    host, _, port = server.address.removeprefix("http://").partition(":")
    lines = ("POST /api/uploads HTTP/1.1", f"Host: {host}:{port}", f"Content-Length: {announced}")
    head = "\r\n".join((*lines, "", ""))
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.encode())
        return int(connection.recv(1000).split()[1])


def test_a_length_is_needed(clip: Path, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        answer = server.client.post("/api/uploads", content=iter([clip.read_bytes()]))
        assert answer.status_code == 411


def test_uploads_that_are_off(clip: Path, tmp_path: Path) -> None:
    with running(tmp_path, clip, upload_limit=0) as server:
        assert server.json("/api/sources")["uploads"] is None
        assert post(server, clip.read_bytes()).status_code == 404


def test_an_upload_with_a_wrong_option_fails_with_its_reason(clip: Path, tmp_path: Path) -> None:
    config = motion("detector.network.classes=[]", "detector.weights=nothing.weights")
    with running(tmp_path, config=config) as server:
        name = uploaded(server, clip)
        entry = server.wait_for_state(name, "failed")
        assert "nothing.weights" in entry["message"]
        assert entry["downloads"] == []
        assert server.client.get(f"/api/uploads/{name}/json").status_code == 404


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="--uploads"),
        running(tmp_path, uploads=str(tmp_path / "file" / "up")),
    ):
        pass
