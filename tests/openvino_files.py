"""OpenVINO networks written as text, small enough to derive their results by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

_IMAGE = """<net name="test" version="11"><layers>
<layer id="0" name="data" type="Parameter" version="opset1">
<data shape="1,3,{height},{width}" element_type="f32"/>
<output>{image}</output></layer>
"""


def write_means(path: Path, *, size: tuple[int, int]) -> Path:
    """Writes a network of appearance: one vector `(1, 3)`, the means of blue, green and red.

    Args:
        path: `.xml` file; the `.bin` of the same name is written too.
        size: Height and width in pixels of its input.
    """
    height, width = size
    image = _port(0, "FP32", (1, 3, height, width))
    axes, means = _port(0, "I64", (2,)), _port(2, "FP32", (1, 3))
    text = _IMAGE.format(height=height, width=width, image=image) + (
        '<layer id="1" name="axes" type="Const" version="opset1">'
        '<data element_type="i64" shape="2" offset="0" size="16"/>'
        f"<output>{axes}</output></layer>\n"
        '<layer id="2" name="means" type="ReduceMean" version="opset1">'
        '<data keep_dims="false"/>'
        f"<input>{image}{_port(1, 'I64', (2,))}</input><output>{means}</output></layer>\n"
        '<layer id="3" name="result" type="Result" version="opset1">'
        f"<input>{_port(0, 'FP32', (1, 3))}</input></layer>\n</layers><edges>"
        '<edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>'
        '<edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>'
        '<edge from-layer="2" from-port="2" to-layer="3" to-port="0"/>'
        "</edges></net>"
    )
    return _written(path, text, np.array([2, 3], np.int64))


def write_ssd_rows(path: Path, rows: Sequence[Sequence[float]], *, size: tuple[int, int]) -> Path:
    """Writes a detector that reports the same rows for each image.

    Args:
        path: `.xml` file; the `.bin` of the same name is written too.
        rows: Index of the image, class, score, and the box `x1, y1, x2, y2` from 0 to 1.
        size: Height and width in pixels of its input.
    """
    height, width = size
    shape = (1, 1, len(rows), 7)
    shown = ",".join(map(str, shape))
    text = _IMAGE.format(
        height=height, width=width, image=_port(0, "FP32", (1, 3, height, width))
    ) + (
        '<layer id="1" name="rows" type="Const" version="opset1">'
        f'<data element_type="f32" shape="{shown}" offset="0" size="{len(rows) * 28}"/>'
        f"<output>{_port(0, 'FP32', shape)}</output></layer>\n"
        '<layer id="2" name="result" type="Result" version="opset1">'
        f"<input>{_port(0, 'FP32', shape)}</input></layer>\n</layers><edges>"
        '<edge from-layer="1" from-port="0" to-layer="2" to-port="0"/>'
        "</edges></net>"
    )
    return _written(path, text, np.array(rows, np.float32))


def write_openvino(onnx: Path, path: Path) -> Path:
    """Writes an ONNX file as `.xml` and `.bin`, with weights of 32 bits."""
    openvino = pytest.importorskip("openvino", reason="needs the extra openvino")
    openvino.save_model(openvino.Core().read_model(onnx), path, compress_to_fp16=False)
    return path


def _port(number: int, precision: str, shape: tuple[int, ...]) -> str:
    sides = "".join(f"<dim>{side}</dim>" for side in shape)
    return f'<port id="{number}" precision="{precision}">{sides}</port>'


def _written(path: Path, text: str, values: np.ndarray) -> Path:
    path.write_text(f'<?xml version="1.0"?>\n{text}\n', encoding="utf-8")
    path.with_suffix(".bin").write_bytes(values.tobytes())
    return path
