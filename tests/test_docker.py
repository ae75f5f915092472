"""The files of examples/docker: commands exist, files are there, the health check answers."""

import importlib.util
import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.test_documents import command_of
from tracker.config.zones import load_zones

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "examples" / "docker"


def compose(name: str) -> dict[str, Any]:
    content = yaml.safe_load((DOCKER / name).read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


@pytest.fixture(scope="module")
def health() -> ModuleType:
    spec = importlib.util.spec_from_file_location("health", DOCKER / "health.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_the_images_copy_exists_and_is_sent_to_the_builder() -> None:
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    sent = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    names = [name for line in copied for name in line.split()]
    assert len(names) == 6
    for name in names:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in sent, name


def test_every_stage_that_is_built_has_a_name() -> None:
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    stages = set(re.findall(r"^FROM .* AS ([\w-]+)$", text, re.MULTILINE))
    used = set(re.findall(r"^COPY --from=([\w-]+)", text, re.MULTILINE))
    assert used < stages
    assert {compose("compose.yaml")["x-tracker"]["build"]["target"]} == {"cpu"}
    assert {compose("compose.gpu.yaml")["x-gpu"]["build"]["target"]} == {"gpu"}
    assert {"cpu", "gpu"} <= stages
    assert re.search(r"^USER \d+", text, re.MULTILINE), "the images run as a user without rights"


def test_commands_of_the_services_have_options_that_exist() -> None:
    services = compose("compose.yaml")["services"]
    ours = [one["command"] for one in services.values() if one.get("image") == "tracker:cpu"]
    assert [words[0] for words in ours] == ["serve", "run"]
    for words in ours:
        command, rest = command_of(words)
        known = {name for param in command.params for name in param.opts}
        for word in rest:
            assert not word.startswith("-") or word.partition("=")[0] in known, word


def test_services_and_files_that_are_named_exist() -> None:
    services = compose("compose.yaml")["services"]
    assert set(compose("compose.gpu.yaml")["services"]) < set(services)
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source == "cache" or (DOCKER / source).exists(), source


def test_the_zones_are_read() -> None:
    zones = load_zones(DOCKER / "zones.yaml")
    assert [line.name for line in zones.lines] == ["middle"]


class _Answers(BaseHTTPRequestHandler):
    """Answers as the server does: 401 without the token, 503 where a source is lost."""

    def do_GET(self) -> None:
        wanted = "Bearer long-enough-secret"
        status = 200 if self.headers["Authorization"] == wanted else 401
        self.send_response(503 if self.server.server_name == "lost" else status)
        self.end_headers()
        self.wfile.write(json.dumps({"path": self.path}).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def written(folder: Path, *words: object) -> Path:
    file = folder / "cmdline"
    file.write_bytes(b"".join(f"{word}\0".encode() for word in words))
    return file


def test_a_server_is_healthy_with_its_token(
    health: ModuleType, server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    command = written(tmp_path, "python", "tracker", "serve", "0", "--port", server.server_port)
    assert health.main(command, {"TRACKER_TOKEN": "long-enough-secret"}) == 0
    assert health.main(command, {}) == 1
    token = tmp_path / "token"
    token.write_text("long-enough-secret\n", encoding="utf-8")
    words = ("tracker", "serve", f"--port={server.server_port}", f"--token-file={token}")
    assert health.main(written(tmp_path, *words), {}) == 0


def test_a_lost_source_and_a_missing_server_are_not_healthy(
    health: ModuleType, server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    command = written(tmp_path, "tracker", "serve", "--port", server.server_port)
    server.server_name = "lost"
    assert health.main(command, {"TRACKER_TOKEN": "long-enough-secret"}) == 1
    assert health.main(written(tmp_path, "tracker", "serve", "--port=1"), {}) == 1


def test_other_commands_are_healthy_while_they_run(health: ModuleType, tmp_path: Path) -> None:
    assert health.main(written(tmp_path, "tracker", "run", "0"), {}) == 0
