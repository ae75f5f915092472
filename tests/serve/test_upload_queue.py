"""The queue of uploads goes on whatever happens to one of them."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from tests.serve.servers import until
from tracker.serve.site import Sites
from tracker.serve.uploads import Upload, Uploads


class ScriptedWorker:
    """A source that can be started, or not."""

    is_closed = False

    def __init__(self, error: Exception | None = None) -> None:
        self.messages: list[str] = []
        self.has_run = threading.Event()
        self._error = error

    def start(self) -> None:
        if self._error is not None:
            raise self._error

    def wait(self) -> None:
        self.has_run.set()

    def fail(self, message: str) -> None:
        self.messages.append(message)


def test_an_upload_whose_thread_cannot_be_started_does_not_end_the_queue(tmp_path: Path) -> None:
    uploads = Uploads(
        str(tmp_path / "up"),
        limit=10**6,
        keep_s=60.0,
        sites=cast(Sites, None),
        make_site=cast(Any, None),
    )
    bad, good = ScriptedWorker(RuntimeError("can't start new thread")), ScriptedWorker()
    for worker in (bad, good):
        site = cast(Any, SimpleNamespace(worker=worker))
        uploads._waiting.put(Upload(site, cast(Any, None), 0.0))
    until(good.has_run.is_set, bool)
    assert bad.messages == ["it cannot be processed now (can't start new thread); upload it again"]
    assert not bad.has_run.is_set()
    uploads.close()
