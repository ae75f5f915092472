import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tracker.inference.cache import (
    cache_key,
    cached,
    exported_path,
    library_version,
)

EXPORTER = """
import os, sys, time
from pathlib import Path
from tracker.inference.cache import cached

def make():
    with open(sys.argv[2], "a") as log:
        log.write("made\\n")
    time.sleep(float(sys.argv[3]))
    return b"content"

sys.stdout.write(cached(Path(sys.argv[1]), make).decode())
"""


class Maker:
    """Counts how often something had to be made."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return b"content"


def test_made_once(tmp_path):
    path, make = tmp_path / "folder" / "file", Maker()
    assert [cached(path, make) for _ in range(3)] == [b"content"] * 3
    assert make.calls == 1
    assert sorted(os.listdir(path.parent)) == ["file", "file.lock"]  # nothing temporary


@pytest.mark.parametrize("damage", [b"", b"content", b"tracker cache 1\n"])
def test_damaged_file_is_made_again(tmp_path, caplog, damage):
    path, make = tmp_path / "file", Maker()
    path.write_bytes(damage)
    assert cached(path, make) == b"content"
    assert "damaged" in caplog.text
    assert cached(path, make) == b"content"
    assert make.calls == 1


def test_one_flipped_bit_is_damage(tmp_path, caplog):
    path, make = tmp_path / "file", Maker()
    cached(path, make)
    stored = bytearray(path.read_bytes())
    stored[-1] ^= 1
    path.write_bytes(stored)
    assert cached(path, make) == b"content"
    assert make.calls == 2


def test_failure_to_make_stores_nothing(tmp_path):
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cached(tmp_path / "folder" / "file", fail)
    assert os.listdir(tmp_path / "folder") == ["file.lock"]
    assert cached(tmp_path / "folder" / "file", Maker()) == b"content"  # the lock is free again


def test_folder_that_cannot_be_made(tmp_path, caplog):
    (tmp_path / "folder").write_text("a file where a folder should be")
    make = Maker()
    assert cached(tmp_path / "folder" / "file", make) == b"content"
    assert "cannot be" in caplog.text


def test_folder_in_the_place_of_the_file(tmp_path, caplog):
    (tmp_path / "file").mkdir()
    assert cached(tmp_path / "file", Maker()) == b"content"
    assert "going on without" in caplog.text
    assert sorted(os.listdir(tmp_path)) == ["file", "file.lock"]


def test_key_depends_on_every_part():
    keys = {cache_key({"a": 1, "b": 2}), cache_key({"a": 2, "b": 1}), cache_key({"a": 1})}
    assert len(keys) == 3
    assert cache_key({"b": 2, "a": 1}) in keys


def test_version_of_a_missing_library():
    assert library_version("no-such-distribution") == "none"


def start_exporter(path, log, seconds):
    return subprocess.Popen(
        [sys.executable, "-c", EXPORTER, str(path), str(log), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_eight_processes_export_once(tmp_path):
    path, log = tmp_path / "cold" / "file", tmp_path / "log"
    processes = [start_exporter(path, log, 1.0) for _ in range(8)]
    for process in processes:
        assert process.communicate(timeout=60) == ("content", "")
    assert log.read_text() == "made\n"


@pytest.mark.slow
def test_processes_export_a_real_network_once(tmp_path):
    program = """
import sys
from pathlib import Path
from tracker.registry.builtin import embedder_files
from tracker.embedding.batch_runner import export_reid
from tracker.inference.cache import cached
from tracker.inference.litert import open_interpreter

def make():
    with open(sys.argv[2], "a") as log:
        log.write("made\\n")
    return export_reid(embedder_files().keras)

model = cached(Path(sys.argv[1]), make)
open_interpreter(model, threads=1, advice="", input_shape=(1, 128, 64, 3)).invoke()
"""
    words = [sys.executable, "-c", program, str(tmp_path / "file"), str(tmp_path / "log")]
    processes = [subprocess.Popen(words) for _ in range(3)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0, 0]
    assert (tmp_path / "log").read_text() == "made\n"


def test_threads_export_once(tmp_path):
    def make():
        calls.append(1)
        time.sleep(0.1)
        return b"content"

    calls, found = [], []
    threads = [
        threading.Thread(target=lambda: found.append(cached(tmp_path / "file", make)))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"content"] * 5
    assert calls == [1]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_process_leaves_no_lock_and_no_temporary_file(tmp_path):
    path, log = tmp_path / "file", tmp_path / "log"
    first = start_exporter(path, log, 60)
    while not log.exists():
        time.sleep(0.01)
    (tmp_path / "file.abc.part").write_bytes(b"as it would leave it while it writes")
    second = start_exporter(path, log, 0)
    first.kill()
    first.communicate(timeout=60)
    assert second.communicate(timeout=60) == ("content", "")
    assert sorted(os.listdir(tmp_path)) == ["file", "file.lock", "log"]


def unwritable(folder):
    """Returns a folder that not even root can write: its parent is a file."""
    folder.write_text("a file where a folder should be")
    return folder


def test_a_cache_that_cannot_be_written_warns_once_for_all_networks(tmp_path, caplog):
    folder = unwritable(tmp_path / "folder")
    assert cached(folder / "litert" / "a", Maker()) == b"content"
    assert cached(folder / "litert" / "b", Maker()) == b"content"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "going on without" in caplog.text


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_read_only_cache_warns_once(tmp_path, caplog):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o500)
    assert cached(folder / "a", Maker()) == b"content"
    assert cached(folder / "b", Maker()) == b"content"
    assert caplog.text.count("cannot be written (Permission denied)") == 1


def test_full_disk_leaves_no_partial_file(tmp_path):
    resource = pytest.importorskip("resource")
    program = f"""
import resource, signal
from pathlib import Path
from tracker.inference.cache import cached
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
print(len(cached(Path({str(tmp_path / "file")!r}), lambda: bytes(5000))))
"""
    assert resource is not None
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "5000\n"
    assert done.stderr.count("going on without") == 1
    assert os.listdir(tmp_path) == ["file.lock"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to setuid")
def test_without_a_home_folder_nothing_is_cached(tmp_path):
    """As in a container with an unknown user id (`docker run --user 12345`)."""
    program = """
import os
import platformdirs  # loaded on use, and perhaps installed where that user may not read
from tracker.errors import ConfigError
from tracker.inference.cache import cached, default_cache_dir, exported_path
os.setuid(54321)
for _ in range(2):
    print(cached(exported_path(None, "key"), lambda: b"content"))
try:
    default_cache_dir()
except ConfigError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([os.getcwd(), *filter(None, sys.path)]),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == ["b'content'"] * 2
    assert lines[2].startswith("cache: expected a home folder, got none")
    assert done.stderr.count("exported networks are not kept") == 1
    assert os.listdir(tmp_path) == []


def test_the_place_of_an_export(tmp_path):
    assert exported_path(tmp_path, "key") == tmp_path / "litert" / "key.tflite"
    assert cached(None, lambda: b"content") == b"content"
