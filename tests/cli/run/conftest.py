"""What several tests of runs use."""

from pathlib import Path

import pytest

from tests.cli.run.resuming import FRAMES
from tests.conftest import moving_square, write_clip


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that is long enough to be interrupted twice."""
    return write_clip(tmp_path_factory.mktemp("film") / "in.mp4", moving_square(FRAMES))
