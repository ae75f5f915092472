"""An ncnn network from its two files to detections in a frame."""

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from tests.goldens.ncnn_cases import param_text
from tracker.cli.models.report import facts_of
from tracker.config.build_detector import build_detector
from tracker.config.run import load_config
from tracker.errors import ConfigError
from tracker.frames import Frame, VideoInfo
from tracker.registry.models import read_registry

STRIDES = (8, 16, 32)
SIDE = 64


@pytest.fixture
def param(tmp_path: Path) -> Path:
    """A network of YOLOX's outputs: a box of one stride around the middle of every cell.

    Its score is the red of the pixel at the cell's top left corner.
    """
    parts, weights = [], b""
    for index, stride in enumerate(STRIDES):
        parts += [
            f"Convolution c{index} 1 1 image{index} map{index} 0=6 1={stride} 3={stride} 5=1 "
            f"6={6 * 3 * stride**2}",
            f"Reshape r{index} 1 1 map{index} rows{index} 0=-1 1=6",
        ]
        kernel = np.zeros((6, 3, stride, stride), np.float32)
        kernel[4, 2, 0, 0] = 1 / 255  # Objectness, from the last of blue, green and red.
        bias = np.float32([0.5, 0.5, 0, 0, 0, 1])
        weights += struct.pack("<I", 0) + kernel.tobytes() + bias.tobytes()
    text = param_text(
        "Input i 0 1 images",
        "Split s 1 3 images image0 image1 image2",
        *parts,
        "Concat c 3 1 rows0 rows1 rows2 rows 0=1",
        "Permute p 1 1 rows output 0=1",
    )
    path = tmp_path / "net.param"
    path.write_text(text)
    path.with_suffix(".bin").write_bytes(weights)
    return path


def overrides(param: Path) -> list[str]:
    return [
        f"detector.name={param}",
        "detector.model.layout=yolox",
        f"detector.network.input_size={SIDE}",
    ]


def test_the_boxes_are_those_of_the_cells_that_score(param: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("thing\n")
    detector = build_detector(load_config(overrides=[*overrides(param), f"detector.names={names}"]))
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[24, 40, 0] = 204  # of the cell of stride 8 in row 3 and column 5, and of no other
    image[48, 16, 0] = 102  # of cells of strides 8 (row 6, column 2) and 16 (row 3, column 1)
    frame = Frame(image, index=0, time_s=0.0, source="test")
    detector.start(VideoInfo("test", SIDE, SIDE, Fraction(25), Fraction(1, 25)))
    (found,) = detector.detect([frame])
    order = np.lexsort((found.boxes[:, 2], -found.scores))
    expected = [[40, 24, 48, 32], [16, 48, 24, 56], [16, 48, 32, 64]]
    np.testing.assert_allclose(found.boxes[order], expected, atol=1e-4)
    np.testing.assert_allclose(found.scores[order], [0.8, 0.4, 0.4], atol=1e-6)
    assert set(detector.digests) == {"net.param", "net.bin"}


def test_weights_of_another_name_are_refused(param: Path) -> None:
    config = load_config(overrides=[*overrides(param), f"detector.weights={param}"])
    with pytest.raises(ConfigError, match=r"net\.param contains its weights"):
        build_detector(config)


def test_the_facts_of_a_param_are_its_inputs_and_outputs(param: Path) -> None:
    facts = facts_of(str(param), read_registry())
    assert "kind      ncnn network without its weights" in facts
    assert "input     images (?, ?, ?, 3) float32" in facts
    assert "output    output (?, ?, 6) float32" in facts
