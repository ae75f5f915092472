"""Small clips that tests share."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import hypothesis
import numpy as np
import pytest

# A slow machine is not a failure: no test is timed. The same examples in each run, so that a change
# fails only for what it did; `--hypothesis-profile random` searches on.
hypothesis.settings.register_profile("random", deadline=None)
hypothesis.settings.register_profile("repeated", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("repeated")

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real videos and models beside the repository."""
    if not DATA.is_dir():
        pytest.skip("needs the development data beside the repository (../shared/data)")
    return DATA


def write_clip(
    path: Path, images: Iterable[np.ndarray], fps: int = 25, *, pause: tuple[int, int] = (0, 0)
) -> Path:
    """Writes RGB images as an H.264 file.

    Args:
        path: The file.
        images: `(H, W, 3)` uint8.
        fps: Frames a second.
        pause: Number of the frame before which nothing is recorded for so many frames.
    """
    with av.open(str(path), "w") as container:
        stream = None
        for number, image in enumerate(images):
            if stream is None:
                stream = container.add_stream("libx264", rate=fps, options={"crf": "10"})
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number + (pause[1] if number >= pause[0] else 0)
            frame.time_base = Fraction(1, fps)
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode())
    return path


def moving_square(count: int, *, size: tuple[int, int] = (120, 160)) -> Iterable[np.ndarray]:
    """A bright square that walks over a fixed textured ground, after ten frames of ground alone."""
    height, width = size
    ground = np.random.default_rng(0).integers(60, 110, (height, width, 3)).astype(np.uint8)
    for index in range(count):
        image = ground.copy()
        if index >= 10:
            x = 5 + 2 * ((index - 10) % 60)
            image[40:80, x : x + 20] = (240, 200, 40)
        yield image


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty frames, 160x120, 25 a second: one square walks from frame 10 on."""
    return write_clip(tmp_path_factory.mktemp("clip") / "square.mp4", moving_square(60))
