import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.inference.forms import random_weights, write_onnx
from tracker.inference.captured_stderr import native_output_logged


def test_native_output_goes_to_the_log(capfd, caplog):
    caplog.set_level(logging.DEBUG)
    with native_output_logged():
        os.write(2, b"INFO: hello\nfrom C++\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
    assert [record.message for record in caplog.records] == ["INFO: hello", "from C++"]


def test_standard_error_is_restored_after_an_exception(capfd):
    with pytest.raises(ValueError, match="no"), native_output_logged():
        raise ValueError("no")
    print("after", file=sys.stderr)
    assert capfd.readouterr().err == "after\n"


def test_nested_blocks_are_one_capture(capfd, caplog):
    caplog.set_level(logging.DEBUG)
    with native_output_logged():
        with native_output_logged():
            os.write(2, b"inner\n")
        os.write(2, b"outer\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
    assert [record.message for record in caplog.records] == ["inner", "outer"]


def test_overlapping_blocks_of_threads_restore_standard_error(capfd, caplog):
    """The first to begin is the first to end: its saved descriptor alone would not be enough."""
    caplog.set_level(logging.DEBUG)
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))

    def first():
        with native_output_logged():
            first_is_in.set()
            second_is_in.wait()
        first_is_out.set()

    def second():
        first_is_in.wait()
        with native_output_logged():
            second_is_in.set()
            first_is_out.wait()
            os.write(2, b"of the second\n")

    before = os.fstat(2)
    _run_threads(first, second)
    assert os.path.samestat(os.fstat(2), before)
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
    assert [record.message for record in caplog.records] == ["of the second"]


def test_many_threads_some_of_which_fail_leak_no_descriptor():
    def work(number):
        for turn in range(50):
            try:
                with native_output_logged():
                    os.write(2, b"x\n")
                    if (number + turn) % 7 == 0:
                        raise RuntimeError("this thread's network does not load")
            except RuntimeError:
                pass

    before, descriptors = os.fstat(2), _open_descriptors()
    _run_threads(*[lambda number=number: work(number) for number in range(6)])
    assert os.path.samestat(os.fstat(2), before)
    assert _open_descriptors() == descriptors


def test_networks_that_load_in_threads_restore_standard_error(tmp_path):
    """Real networks of two runtimes, loaded at the same time again and again."""
    from tracker.inference.litert import open_interpreter
    from tracker.inference.open_network import open_network
    from tracker.models.files.tflite import read_exported
    from tracker.registry.builtin import detector_files

    model = read_exported(detector_files("small").exported, what="detector").model
    onnx = write_onnx(random_weights(), tmp_path / "network.onnx")

    def lite():
        for _ in range(3):
            open_interpreter(model, threads=1, advice="", input_shape=(1, 96, 96, 3))

    def other():
        for _ in range(3):
            open_network(onnx, threads=1)

    before = os.fstat(2)
    _run_threads(lite, other, lite)
    assert os.path.samestat(os.fstat(2), before)


def test_a_closed_standard_error_stays_closed():
    program = """
import os
from tracker.inference.captured_stderr import native_output_logged
os.close(2)
with native_output_logged():
    pass
try:
    os.fstat(2)
except OSError:
    print("closed")
"""
    assert _output_of(program).stdout == "closed\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_process_has_the_real_standard_error():
    program = """
import os
from tracker.inference.captured_stderr import native_output_logged
with native_output_logged():
    child = os.fork()
    if child == 0:
        os.write(2, b"of the child\\n")
        os._exit(0)
    os.waitpid(child, 0)
    os.write(2, b"of the parent\\n")
"""
    assert _output_of(program).stderr == "of the child\n"


def test_captured_output_of_an_unfinished_block_is_shown():
    program = """
import sys, threading
from tracker.inference.captured_stderr import native_output_logged
inside, never = threading.Event(), threading.Event()
def work():
    with native_output_logged():
        inside.set()
        never.wait()
threading.Thread(target=work, daemon=True).start()
inside.wait()
print("tracker: error: no", file=sys.stderr)
"""
    assert _output_of(program).stderr == "tracker: error: no\n"


def _run_threads(*works):
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _open_descriptors():
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("needs /proc")
    return len(list(folder.iterdir()))


def _output_of(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
