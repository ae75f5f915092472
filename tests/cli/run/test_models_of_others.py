"""Faulty models as a user runs them: one line on standard error, nothing of a library before it."""

import subprocess
import sys
from pathlib import Path

import pytest

TRACKER = [sys.executable, "-m", "tracker"]


@pytest.mark.slow
def test_no_line_of_tensorflow_precedes_that_of_a_missing_gpu(clip: Path, tmp_path: Path) -> None:
    words = ["run", str(clip), "--device", "gpu:99", "--json", str(tmp_path / "out.jsonl")]
    done = subprocess.run([*TRACKER, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("tracker: error: GPU 99 is not there: ")
    assert done.stderr.count("\n") == 1


def test_the_runtime_of_gpus_loads_keras_only_when_it_is_made() -> None:
    """Loaded by an import of ours, TensorFlow would print to standard error before any capture."""
    program = "import sys, tracker.detection.runtimes.keras_xla\nprint('keras' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
