"""Downloads from a web server on this machine that fails in every way it can."""

import base64
import dataclasses
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from http.client import HTTPMessage
from pathlib import Path

import pytest

from tests.file_server import Answer, FileServer
from tracker.errors import DownloadError, OutputError
from tracker.registry.download import RetryPolicy, pull
from tracker.registry.entries import FileEntry, ModelEntry, Task
from tracker.registry.http import Resume, _request, _tag, redirect_problem
from tracker.registry.models import model_folder

CONTENT = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
HALF = len(CONTENT) // 2
QUICK = RetryPolicy(timeout_s=5.0, attempts=3, first_wait_s=0.0)
RESUMED = f"bytes={HALF}-"


class Log:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.lines: list[str] = []

    def update(self, completed: int) -> None:
        self.counts.append(completed)

    def line(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def entry_at(address: str, content: bytes = CONTENT, *, name: str = "model.bin") -> ModelEntry:
    digest = hashlib.sha256(content).hexdigest()
    file = FileEntry(name, address, digest, len(content))
    return ModelEntry("m", Task.EMBEDDER, (file,), licence="-", note="-")


def names_in(cache: Path) -> set[str]:
    folder = model_folder("m", cache)
    return {path.name for path in folder.iterdir()} - {".lock"} if folder.exists() else set()


def pulled(cache: Path, *answers: Answer, retries: RetryPolicy = QUICK) -> FileServer:
    """Returns a server after a download that must give the content."""
    with FileServer(CONTENT, answers or (Answer(),)) as server:
        resolved = pull(entry_at(server.address), Log(), cache_dir=cache, retries=retries)
    assert [path.read_bytes() for path in resolved.paths] == [CONTENT]
    assert names_in(cache) == {"model.bin"}
    return server


def refused(cache: Path, *answers: Answer, retries: RetryPolicy = QUICK) -> tuple[FileServer, str]:
    """Returns a server and the message of a download that must fail and leave no model."""
    with FileServer(CONTENT, answers) as server:
        with pytest.raises(DownloadError) as told:
            pull(entry_at(server.address), Log(), cache_dir=cache, retries=retries)
    assert "model.bin" not in names_in(cache)
    assert "\n" not in str(told.value)
    return server, str(told.value)


def test_one_file_and_then_nothing_more(tmp_path: Path) -> None:
    log = Log()
    with FileServer(CONTENT) as server:
        entry = entry_at(server.address)
        pull(entry, log, cache_dir=tmp_path, retries=QUICK)
        again = pull(entry, Log(), cache_dir=tmp_path, retries=QUICK)
    assert again.paths[0].read_bytes() == CONTENT
    assert server.ranges() == [None]
    assert log.counts == sorted(log.counts)
    assert log.counts[-1] == len(CONTENT)
    assert log.lines == []


def test_two_files_count_together(tmp_path: Path) -> None:
    log = Log()
    with FileServer(CONTENT) as server:
        one = entry_at(server.address)
        files = (*one.files, dataclasses.replace(one.files[0], name="second.bin"))
        entry = dataclasses.replace(one, files=files)
        resolved = pull(entry, log, cache_dir=tmp_path, retries=QUICK)
    assert [path.name for path in resolved.paths] == ["model.bin", "second.bin"]
    assert log.counts == sorted(log.counts)
    assert log.counts[-1] == 2 * len(CONTENT)


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', None])
def test_a_cut_download_goes_on_where_it_ended(tmp_path: Path, tag: str | None) -> None:
    server = pulled(tmp_path, Answer(cut_at=HALF, etag=tag), Answer(etag=tag))
    assert server.ranges() == [None, RESUMED]
    # A weak tag must not be sent as a condition; it is compared instead.
    assert server.requests[1][1].get("If-Range") == (tag if tag == '"1"' else None)


@pytest.mark.parametrize("answer", [Answer(chunked=True), Answer(has_length=False)])
def test_a_server_that_tells_no_length(tmp_path: Path, answer: Answer) -> None:
    server = pulled(tmp_path, dataclasses.replace(answer, cut_at=HALF), answer)
    (first, second) = server.ranges()
    assert first is None
    # Of chunks, the line with their size counts as well where the cut is.
    assert second is not None
    assert HALF - 10 <= int(second.removeprefix("bytes=").removesuffix("-")) <= HALF


def test_a_silent_server_counts_as_a_cut(tmp_path: Path) -> None:
    retries = RetryPolicy(timeout_s=0.3, attempts=2, first_wait_s=0.0)
    server = pulled(tmp_path, Answer(cut_at=HALF, stalls=True), Answer(), retries=retries)
    assert server.ranges() == [None, RESUMED]


def test_a_server_that_ignores_ranges_gives_the_whole_file(tmp_path: Path) -> None:
    server = pulled(tmp_path, Answer(cut_at=HALF), Answer(ranges=False))
    assert server.ranges() == [None, RESUMED]


@pytest.mark.parametrize("tag", ['"%d"', 'W/"%d"', None])
def test_a_file_that_changes_between_the_parts_is_fetched_anew(
    tmp_path: Path, tag: str | None
) -> None:
    old, new = (None if tag is None else tag % version for version in (1, 2))
    server = pulled(tmp_path, Answer(content=OTHER, cut_at=HALF, etag=old), Answer(etag=new))
    # A strong tag makes the server send the whole file at once; otherwise the mix is noticed by
    # the tag or by the sha256, and thrown away.
    assert server.ranges() == ([None, RESUMED] if tag == '"%d"' else [None, RESUMED, None])


@pytest.mark.parametrize("answer", [Answer(shift=1), Answer(status=416), Answer(status=206)])
def test_a_confused_server_is_asked_for_the_whole_file(tmp_path: Path, answer: Answer) -> None:
    server = pulled(tmp_path, Answer(cut_at=HALF), answer, Answer())
    if answer.status != 206:
        assert server.ranges() == [None, RESUMED, None]


def test_a_part_that_nobody_asked_for_is_not_taken(tmp_path: Path) -> None:
    assert pulled(tmp_path, Answer(status=206), Answer()).ranges() == [None, None]


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_busy_server_is_asked_again(tmp_path: Path, status: int) -> None:
    pulled(tmp_path, Answer(status=status), Answer())


def test_attempts_are_bounded_and_the_part_stays(tmp_path: Path) -> None:
    server, message = refused(tmp_path, *(Answer(cut_at=size) for size in (9, 8, 7)))
    assert server.ranges() == [None, "bytes=9-", "bytes=17-"]
    assert (
        "cut at 24 of 300000 bytes; gave up after 3 attempts; 24 of 300000 bytes are kept"
        in message
    )
    assert names_in(tmp_path) == {"model.bin.part", "model.bin.part.json"}
    server = pulled(tmp_path)
    assert server.ranges() == ["bytes=24-"]


def test_waits_double(tmp_path: Path) -> None:
    log = Log()
    retries = RetryPolicy(timeout_s=5.0, attempts=3, first_wait_s=0.05)
    started = time.monotonic()
    with FileServer(CONTENT, [Answer(status=500)]) as server, pytest.raises(DownloadError):
        pull(entry_at(server.address), log, cache_dir=tmp_path, retries=retries)
    assert time.monotonic() - started >= 0.15
    assert [line.rpartition("; ")[2] for line in log.lines] == ["again in 0.05 s", "again in 0.1 s"]


@pytest.mark.parametrize("status", [404, 403, 410, 501])
def test_a_refusal_is_final(tmp_path: Path, status: int) -> None:
    server, message = refused(tmp_path, Answer(status=status))
    assert len(server.requests) == 1
    assert f"the server answers {status} " in message


@pytest.mark.parametrize("length", [len(CONTENT) - 1, len(CONTENT) + 1, 0])
def test_another_length_is_refused_before_anything_is_written(tmp_path: Path, length: int) -> None:
    server, message = refused(tmp_path, Answer(length=length))
    assert len(server.requests) == 1
    assert f"expected 300000 bytes, the server has {length}: another file" in message
    assert names_in(tmp_path) == set()


def test_another_length_of_the_rest_is_refused(tmp_path: Path) -> None:
    _, message = refused(tmp_path, Answer(cut_at=HALF), Answer(total=300_001))
    assert "expected 300000 bytes, the server has 300001" in message


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    _, message = refused(tmp_path, Answer(content=CONTENT + b"x", has_length=False))
    assert "expected 300000 bytes, got more" in message
    assert names_in(tmp_path) == set()


def test_a_wrong_file_of_the_right_size_is_refused_and_thrown_away(tmp_path: Path) -> None:
    server, message = refused(tmp_path, Answer(content=OTHER))
    assert len(server.requests) == 1
    assert f"got {hashlib.sha256(OTHER).hexdigest()}" in message
    assert names_in(tmp_path) == set()


def test_what_was_in_the_cache_survives_a_failure_and_is_replaced_by_a_success(
    tmp_path: Path,
) -> None:
    target = model_folder("m", tmp_path) / "model.bin"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"damaged")
    with FileServer(CONTENT, [Answer(content=OTHER), Answer()]) as server:
        with pytest.raises(DownloadError):
            pull(entry_at(server.address), Log(), cache_dir=tmp_path, retries=QUICK)
        assert target.read_bytes() == b"damaged"
        pull(entry_at(server.address), Log(), cache_dir=tmp_path, retries=QUICK)
    assert target.read_bytes() == CONTENT


def test_a_part_of_another_version_or_without_a_record_is_not_gone_on_with(tmp_path: Path) -> None:
    refused(tmp_path, Answer(cut_at=HALF), retries=RetryPolicy(5.0, 1, 0.0))
    with FileServer(OTHER) as server:
        pull(entry_at(server.address, OTHER), Log(), cache_dir=tmp_path, retries=QUICK)
    assert server.ranges() == [None]
    (model_folder("m", tmp_path) / "model.bin.part").write_bytes(CONTENT[:HALF])
    assert pulled(tmp_path).ranges() == [None]


def test_a_part_that_is_whole_needs_no_connection(tmp_path: Path) -> None:
    refused(tmp_path, Answer(cut_at=HALF), retries=RetryPolicy(5.0, 1, 0.0))
    part = model_folder("m", tmp_path) / "model.bin.part"
    part.write_bytes(CONTENT)
    assert pulled(tmp_path).requests == []
    refused(tmp_path / "b", Answer(cut_at=HALF), retries=RetryPolicy(5.0, 1, 0.0))
    part = model_folder("m", tmp_path / "b") / "model.bin.part"
    part.write_bytes(CONTENT + b"x")
    assert pulled(tmp_path / "b").ranges() == [None]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_within_http_are_followed_and_keep_the_range(tmp_path: Path, status: int) -> None:
    moved = Answer(status=status, location="/elsewhere/model.bin")
    server = pulled(tmp_path, moved, Answer(cut_at=HALF), moved, Answer())
    assert server.requests[1][0] == "/elsewhere/model.bin"
    assert server.ranges() == [None, None, RESUMED, RESUMED]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("ftp://127.0.0.1/f", "leads to ftp://127.0.0.1/f: only http and https are followed"),
        ("file:///etc/hostname", "leads to file:///etc/hostname: only http and https"),
        ("data:text/plain,x", "only http and https are followed"),
        ("http://u:pw@127.0.0.1/f", "leads to http://127.0.0.1/f: an address with a user is not"),
        ("http://[::1/f", "that is no address"),
        (f"http://{'a' * 64}.org/f", "that is no address"),
        (None, "answers 302 Found, which leads nowhere"),
        ("/folder/model.bin", "redirects in a circle, or too often"),
    ],
)
def test_redirects_elsewhere_are_refused(tmp_path: Path, place: str | None, reason: str) -> None:
    _, message = refused(tmp_path, Answer(status=302, location=place))
    assert reason in message
    assert "pw" not in message


def test_https_is_not_left_for_http() -> None:
    assert redirect_problem("https://h/f", "http://h/f") == "https is not left for http"
    assert redirect_problem("http://h/f", "https://h/f") is None
    assert redirect_problem("https://h/f", "/g") is None
    assert redirect_problem("https://h/f", "https://h..org/f") == "that is no address"
    assert redirect_problem("https://h/f", "https://[::1]/f") is None


def test_a_tag_that_cannot_be_sent_back_is_none() -> None:
    headers = HTTPMessage()
    headers["ETag"] = "\ufffd"
    assert _tag(headers) is None
    headers.replace_header("ETag", '"v1"')
    assert _tag(headers) == '"v1"'


def test_secrets_go_to_their_server_alone_and_are_shown_nowhere(tmp_path: Path) -> None:
    answers = [
        Answer(status=500),
        Answer(status=302, location="/elsewhere?signature=s3cret"),
        Answer(status=404),
    ]
    log = Log()
    with FileServer(CONTENT, answers) as server:
        address = f"http://me:s3cret%40@{server.place}/f?token=s3cret"
        with pytest.raises(DownloadError) as told:
            pull(entry_at(address), log, cache_dir=tmp_path, retries=QUICK)
    sent = [headers.get("Authorization") for _, headers in server.requests]
    basic = "Basic " + base64.b64encode(b"me:s3cret@").decode()
    assert sent == [basic, basic, None]
    assert server.requests[0][0] == "/f?token=s3cret"
    assert f"http://{server.place}/f: the server answers 404 Not Found" in str(told.value)
    assert len(log.lines) == 1
    shown = "".join([*log.lines, *traceback.format_exception(told.value)])
    assert "s3cret" not in shown
    assert "me:" not in shown


def test_no_server_at_all(tmp_path: Path) -> None:
    with FileServer(CONTENT) as server:
        entry = entry_at(server.address)
    with pytest.raises(DownloadError, match=r"no connection: .*; gave up after 3 attempts$"):
        pull(entry, Log(), cache_dir=tmp_path, retries=QUICK)
    assert names_in(tmp_path) == set()


def test_what_is_no_web_server(tmp_path: Path) -> None:
    _, message = refused(tmp_path, Answer(status=99))
    assert "gave up after 3 attempts" in message


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file", encoding="utf-8")
    with FileServer(CONTENT) as server, pytest.raises(OutputError, match="cannot be written"):
        pull(entry_at(server.address), Log(), cache_dir=tmp_path, retries=QUICK)
    folder = model_folder("m", tmp_path / "b")
    (folder / "model.bin.part").mkdir(parents=True)
    with FileServer(CONTENT) as server, pytest.raises(OutputError, match="cannot be written"):
        pull(entry_at(server.address), Log(), cache_dir=tmp_path / "b", retries=QUICK)


PROGRAM = """
import sys
from pathlib import Path
from tracker.registry.download import RetryPolicy, pull
from tracker.registry.entries import FileEntry, ModelEntry, Task
class Loud:
    def update(self, completed):
        pass
    def line(self, text):
        print(text, flush=True)
address, digest, size, cache = sys.argv[1:]
files = (FileEntry("model.bin", address, digest, int(size)),)
entry = ModelEntry("m", Task.EMBEDDER, files, licence="-", note="-")
pull(entry, Loud(), cache_dir=Path(cache), retries=RetryPolicy(30, 3, 0))
"""


def started(server: FileServer, cache: Path) -> "subprocess.Popen[str]":
    digest = hashlib.sha256(CONTENT).hexdigest()
    words = (server.address, digest, str(len(CONTENT)), str(cache))
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path, size: int) -> None:
    deadline = time.monotonic() + 20
    while not path.exists() or path.stat().st_size < size:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_download_is_taken_up(tmp_path: Path) -> None:
    part = model_folder("m", tmp_path) / "model.bin.part"
    with FileServer(CONTENT, [Answer(cut_at=HALF, stalls=True)]) as server:
        with started(server, tmp_path) as process:
            wait_for(part, HALF)
            os.kill(process.pid, signal.SIGKILL)
    assert "model.bin" not in names_in(tmp_path)
    assert part.read_bytes() == CONTENT[:HALF]
    assert pulled(tmp_path).ranges() == [RESUMED]


def test_two_processes_share_one_download(tmp_path: Path) -> None:
    part = model_folder("m", tmp_path) / "model.bin.part"
    slow = Answer(cut_at=HALF, stalls=True)
    with FileServer(CONTENT, [slow, Answer()]) as server:
        with started(server, tmp_path) as first:
            wait_for(part, HALF)
            with started(server, tmp_path) as second:
                assert second.stdout is not None
                # It says so only while the first holds the lock, which then goes on.
                assert "waiting for another process" in second.stdout.readline()
                assert len(server.requests) == 1
                server.closing.set()
                second.communicate(timeout=20)
            first.communicate(timeout=20)
        assert (first.returncode, second.returncode) == (0, 0)
    assert server.ranges() == [None, RESUMED]
    assert (model_folder("m", tmp_path) / "model.bin").read_bytes() == CONTENT
    assert names_in(tmp_path) == {"model.bin"}


def test_headers_without_end_are_named(tmp_path: Path) -> None:
    _, message = refused(tmp_path, Answer(more_headers=200))
    assert "the headers of the server's answer do not end" in message


def test_the_body_of_a_redirection_is_not_read(tmp_path: Path) -> None:
    """It may be endless, and the library would read all of it into memory."""
    endless = Answer(status=302, location="/elsewhere/model.bin", length=1 << 40, stalls=True)
    pulled(tmp_path, endless, Answer(), retries=RetryPolicy(5.0, 1, 0.0))


def test_a_host_that_is_not_ascii_is_looked_up_by_its_encoded_name() -> None:
    request = _request("http://łódź.test:81/ä?b", Resume(0, None))
    assert request.full_url == "http://xn--d-uga0v4h.test:81/%C3%A4?b"
    assert _request("http://[::1]:8/f", Resume(0, None)).host == "[::1]:8"
    with pytest.raises(DownloadError, match="no host can have this name"):
        _request("http://\ufffd/f", Resume(0, None))
    # The target of a redirection comes encoded, or is none.
    assert redirect_problem("http://h/f", "http://\ufffd/f") == "that is no address"
    assert redirect_problem("http://h/f", "http://łódź.test/f") == "that is no address"
