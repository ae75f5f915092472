"""`tracker export`: the command, its file, and a run with it."""

from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from tracker.cli.export import ExportRequest, run_export
from tracker.cli.main import app
from tracker.errors import ConfigError, ModelError
from tracker.models.files.detector_file import DetectorDescription, save_detector
from tracker.models.files.reid_file import save_reid
from tracker.models.files.tflite import read_exported
from tracker.models.reid import build_reid
from tracker.models.yolo import build_yolo
from tracker.models.yolo_shape import YoloSize

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export")
    keras.utils.set_random_seed(0)
    save_detector(
        build_yolo(YoloSize.NANO, 1),
        path / "d.keras",
        DetectorDescription(YoloSize.NANO, ("person",), long_side=96),
    )
    save_reid(build_reid(), path / "r.keras")
    return path


@pytest.mark.slow
def test_a_detector_and_an_embedder_run_from_their_exports(folder: Path, clip: Path) -> None:
    for name in "dr":
        done = CliRunner().invoke(
            app, ["export", str(folder / f"{name}.keras"), "-o", str(folder / f"{name}.tflite")]
        )
        assert done.exit_code == 0, done.output
    assert read_exported(folder / "d.tflite", what="x").format == "tracker detector"
    assert read_exported(folder / "r.tflite", what="x").format == "tracker reid"
    words = ["--detector", str(folder / "d.tflite"), "--embedder", str(folder / "r.tflite")]
    out = folder / "out.jsonl"
    done = CliRunner().invoke(
        app, ["run", str(clip), *words, "--max-frames", "3", "--json", str(out), "--no-progress"]
    )
    assert done.exit_code == 0, done.output
    header = out.read_text().splitlines()[0]
    assert "d.tflite" in header
    assert "r.tflite" in header


@pytest.mark.slow
def test_int8_export_is_calibrated_with_images(folder: Path) -> None:
    images = folder / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        cv2.imwrite(str(images / f"{number}.png"), rng.integers(0, 256, (40, 60, 3), np.uint8))
    out = folder / "int8.tflite"
    run_export(ExportRequest(folder / "d.keras", out, "int8", str(images)))
    assert out.stat().st_size < 2_000_000


def test_wrong_use(folder: Path, tmp_path: Path) -> None:
    out, detector, text = tmp_path / "x.tflite", folder / "d.keras", tmp_path / "t.keras"
    text.write_text("text")
    for request, error, message in (
        (ExportRequest(detector, out, "int4"), ConfigError, "did you mean 'int8'"),
        (ExportRequest(detector, out, "int8"), ConfigError, "int8 needs --pictures"),
        (ExportRequest(detector, out, "float16", "p"), ConfigError, "no other precision takes it"),
        (ExportRequest(detector, tmp_path / "x.bin"), ConfigError, r"ends in \.tflite"),
        (ExportRequest(detector, out, weights="w"), ConfigError, "only an ncnn .param takes it"),
        (ExportRequest(detector, out, names="n"), ConfigError, "--names n: only an ncnn .param"),
        (ExportRequest(tmp_path / "none.param", out), ModelError, "none.param: does not exist"),
        (ExportRequest(folder / "r.keras", out, "int8", "p"), ConfigError, "int8 is for detectors"),
        (ExportRequest(text, out), ModelError, "t.keras: expected a .keras archive"),
        (ExportRequest(tmp_path / "none.keras", out), ModelError, "does not exist"),
    ):
        with pytest.raises(error, match=message):
            run_export(request)
    assert not out.exists()
