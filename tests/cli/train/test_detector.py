"""`tracker train detector`: from images to tracks, resumption, and errors."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.cli import call, failure
from tests.conftest import write_clip
from tracker.cli.train.detector_config import TrainConfig, load_train_config
from tracker.cli.train.shared_config import config_values, config_yaml
from tracker.errors import ConfigError
from tracker.models.files.detector_file import (
    DetectorDescription,
    HeadStyle,
    build_detector,
    load_detector,
    read_description,
    save_detector,
)
from tracker.models.yolo import build_yolo
from tracker.models.yolo_shape import YoloSize
from tracker.registry.builtin import TRAINED
from tracker.training.settings import MixedPrecision
from tracker.util.opencv import cv2

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONFIGS = Path(__file__).parents[3] / "configs"
SIDE, SQUARE = 64, 24
PLAIN = ["mosaic=0", "paste=0", "grey=0", "scale=[0.8, 1.25]"]
"""Augmentation settings for very small images."""


def log_of(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "log.csv").read_text().splitlines()))


def scene(rng: np.random.Generator, x: int, y: int, channel: int) -> np.ndarray:
    """Grey noise with one bright coloured square."""
    image = rng.integers(90, 110, (SIDE, SIDE, 3)).astype(np.uint8)
    image[y : y + SQUARE, x : x + SQUARE, channel] = 250
    return image


def make_data(folder: Path, *, train: int, val: int) -> Path:
    """Images of red and green squares; without validation images there is no `val` entry."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for kind in ("images", "labels"):
            (folder / split / kind).mkdir(parents=True)
        for index in range(count):
            number = index % 2
            x, y = (int(n) for n in rng.integers(0, SIDE - SQUARE, 2))
            image = cv2.cvtColor(scene(rng, x, y, number), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(folder / split / "images" / f"{index:03}.png"), image)
            centre = [(n + SQUARE / 2) / SIDE for n in (x, y)]
            box = [number, *centre, SQUARE / SIDE, SQUARE / SIDE]
            (folder / split / "labels" / f"{index:03}.txt").write_text(" ".join(map(str, box)))
    text = "train: train/images\nnames: [red, green]\n"
    (folder / "data.yaml").write_text(text + ("val: val/images\n" if val else ""))
    return folder / "data.yaml"


@pytest.fixture(scope="module")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"), train=8, val=2)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of two classes with random weights."""
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("start") / "start.keras"
    description = DetectorDescription(YoloSize.NANO, ("a", "b"), long_side=64)
    save_detector(build_yolo(YoloSize.NANO, 2), path, description)
    return path


@pytest.mark.slow
def test_one_epoch_from_another_detector(
    start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Held-out images, other classes, a frozen backbone: all files exist and record it."""
    data, out = make_data(tmp_path / "data", train=6, val=0), tmp_path / "out"
    code = call(
        "train", "detector", "--data", data, "--out", out, "--epochs", 1, "--batch", 2,
        "--imgsz", 32, "--weights", start, "--freeze-epochs", 1, "--val-share", 0.34,
    )  # fmt: skip
    assert code == 0
    output = capsys.readouterr()
    assert "mean, 2 images" in output.out
    assert "4 images" in output.err
    assert "has no val: 2 images (data.val_share 0.34) of train are held out" in output.err
    assert "other classes: all but the last class layers" in output.err
    assert "epoch 1/1, loss " in output.err
    assert read_description(out / "best.keras") == DetectorDescription(
        YoloSize.NANO, ("red", "green"), long_side=32
    )
    card = (out / "model-card.md").read_text()
    assert "4 training images, 2 validation images" in card
    assert "2 steps" in card
    assert "drawn at random out of the training data" in card
    assert load_train_config(out / "config.yaml").training.freeze_epochs == 1
    assert len(log_of(out)) == 2


@pytest.mark.slow
def test_integral_heads_with_a_teacher(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An epoch of a network in the shape of NanoDet-Plus, from a random teacher of its classes."""
    keras.utils.set_random_seed(0)
    teacher, out = tmp_path / "teacher.keras", tmp_path / "out"
    description = DetectorDescription(
        YoloSize.NANO, ("red", "green"), 64, "shufflenet-v2-1x", style=HeadStyle.INTEGRAL
    )
    save_detector(build_detector(description), teacher, description)
    data = make_data(tmp_path / "data", train=4, val=2)
    code = call(
        "train", "detector", "--data", data, "--out", out, "--epochs", 1, "--batch", 2,
        "--imgsz", 64, "--heads", "integral", "--weights", teacher, "--teacher", teacher,
    )  # fmt: skip
    assert code == 0, capsys.readouterr().err
    assert read_description(out / "best.keras") == description
    first, last = load_detector(teacher), load_detector(out / "last.keras")
    pairs = zip(first.get_weights(), last.get_weights(), strict=True)
    changed = [not np.array_equal(old, new) for old, new in pairs]
    # Boxes at strides where nothing is found have no gradient.
    assert sum(changed) > 0.9 * len(changed)


@pytest.mark.slow
@pytest.mark.long
def test_named_backbone_is_frozen_and_then_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A backbone of another training; frozen layers keep their weights."""
    name = "efficientnet-lite0-short"
    keras.utils.set_random_seed(0)
    first = build_yolo(YoloSize.NANO, 1, backbone=name)
    description = DetectorDescription(YoloSize.NANO, ("a",), long_side=64, backbone=name)
    save_detector(first, tmp_path / "first.keras", description)
    data, out = make_data(tmp_path / "data", train=4, val=2), tmp_path / "out"
    words = [
        "train", "detector", "--data", data, "--out", out, "--epochs", 2, "--batch", 2,
        "--imgsz", 64, "--backbone", name, "--backbone-weights", tmp_path / "first.keras",
        "--freeze-epochs", 1, "--set", "network.frozen_until=efficientnet_4_add",
    ]  # fmt: skip
    assert call(*words) == 0
    assert f"first.keras: the backbone, {name}" in capsys.readouterr().err
    assert read_description(out / "best.keras").backbone == name
    last = load_detector(out / "last.keras")
    for layer, same in (
        ("efficientnet_0_depth_conv", True),
        ("efficientnet_5_depth_norm", True),
        ("efficientnet_5_depth_conv", False),
    ):
        pairs = zip(
            last.get_layer(layer).get_weights(), first.get_layer(layer).get_weights(), strict=True
        )
        assert all(np.array_equal(*pair) for pair in pairs) == same, layer
    card = (out / "model-card.md").read_text()
    assert f"Backbone `{name}`, weights: from `{tmp_path / 'first.keras'}`" in card
    assert "all of it in the first 1 epochs" in card
    assert "what comes before `efficientnet_4_add`" in card
    assert "its batch norms throughout" in card
    # The same command resumes; the initial weights are not read again.
    assert call(*words[:7], 3, *words[8:]) == 0
    output = capsys.readouterr().err
    assert "resuming from the checkpoint" in output
    assert "the backbone, " not in output


@pytest.mark.slow
def test_train_interrupt_resume_and_track(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = make_data(tmp_path / "data", train=32, val=8), tmp_path / "out"
    words = ["train", "detector", "--data", data, "--imgsz", SIDE, "--batch", 8, "--out", out]
    for word in ("training.average_decay=0.9", "training.validate_epochs=10"):
        words += ["--set", word]
    for word in PLAIN:
        words += ["--set", f"augment.{word}"]
    assert call(*words, "--epochs", 10) == 0
    capsys.readouterr()
    assert call(*words, "--epochs", 30) == 0
    output = capsys.readouterr()
    assert "resuming from the checkpoint at step 40 of 120" in output.err
    steps = [int(row["step"]) for row in log_of(out)]
    assert steps[-1] == 120
    assert steps == sorted(steps)
    best = out / "best.keras"
    clip = write_clip(
        tmp_path / "clip.mp4",
        (scene(np.random.default_rng(n), 2 + n, 20, 0) for n in range(30)),
    )
    code = call(
        "run", clip, "--detector", best, "--embedder", "none",
        "--json", tmp_path / "t.jsonl", "--conf", 0.1,
        "--set", f"detector.network.cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert code == 0
    header, *frames, _ = map(json.loads, (tmp_path / "t.jsonl").read_text().splitlines())
    assert header["class_names"] == ["red", "green"]
    assert set(header["models"]) == {"best.keras"}
    (track, *_) = sorted(frames[-1]["tracks"], key=lambda t: -t["score"])
    assert track["class"] == "red"
    x1, y1, x2, y2 = track["box"]
    assert (x1 + x2) / 2 == pytest.approx(2 + 29 + SQUARE / 2, abs=6)
    assert (y1 + y2) / 2 == pytest.approx(20 + SQUARE / 2, abs=6)
    code = call(
        "run", clip, "--detector", best, "--classes", "green", "--imgsz", 96,
        "--mot", tmp_path / "t.txt", "--conf", 0.9, "--max-frames", 3,
        "--set", f"detector.network.cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    assert code == 0
    assert (tmp_path / "t.txt").read_text() == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "{data}"], "Missing option '--out'"),
        (["--out", "{out}"], "data.file: expected the path of a data file, got none"),
        (["--data", "none.yaml", "--out", "{out}"], "none.yaml: does not exist"),
        (["--data", "{data}", "--out", "{data}"], "cannot be created"),
        (["--data", "{data}", "--out", "{out}", "--size", "large"], "network.size: expected"),
        (["--data", "{data}", "--out", "{out}", "--imgsz", "100"], "multiple of 32, got 100"),
        (["--data", "{data}", "--out", "{out}", "--batch", "0"], "batch: expected at least 1"),
        (["--data", "{data}", "--out", "{out}", "--epochs", "0"], "epochs: expected at least 1"),
        (["--data", "{data}", "--out", "{out}", "--seed", "-1"], "seed: expected at least 0"),
        (["--data", "{data}", "--out", "{out}", "--val-share", "2"], "between 0 and 1, got 2"),
        (["--data", "{data}", "--out", "{out}", "--classes", "rd"], "did you mean 'red'"),
        (["--data", "{data}", "--out", "{out}", "--classes", "red,"], "comma-separated names"),
        (["--data", "{data}", "--out", "{out}", "--classes", "red,red"], "different names"),
        (["--data", "{data}", "--out", "{out}", "--freeze-epochs", "2"], "weights to start from"),
        (["--data", "{data}", "--out", "{out}", "--weights", "no.keras"], "does not exist"),
        (["--data", "{data}", "--out", "{out}", "--weights", "{data}"], "got something else"),
        (
            ["--data", "{data}", "--out", "{out}", "--weights", "{start}", "--size", "small"],
            "expected size 'small', got 'nano'; give --size nano",
        ),
        (
            ["--data", "{data}", "--out", "{out}", "--weights", "{start}", "--backbone",
             "xception"],
            "expected backbone 'xception', got 'cross-stage'; give --backbone cross-stage",
        ),
        (
            ["--data", "{data}", "--out", "{out}", "--weights", "{start}", "--heads", "integral"],
            "expected heads 'integral', got 'anchor-free'; give --heads anchor-free",
        ),
        (
            ["--data", "{data}", "--out", "{out}", "--teacher", "{start}"],
            "expected none for anchor-free heads",
        ),
        (
            ["--data", "{data}", "--out", "{out}", "--heads", "integral", "--teacher", "{start}"],
            "expected integral heads, got anchor-free",
        ),
        (
            ["--data", "{data}", "--out", "{out}", "--heads", "integral", "--backbone",
             "xception"],
            "expected shufflenet-v2-1x for integral heads of size nano, got xception",
        ),
        (
            ["--data", "{data}", "--out", "{out}", "--backbone", "mobilenet3"],
            "backbone: expected a known name, got 'mobilenet3'; near: mobilenetv",
        ),
        (
            ["--data", "{data}", "--out", "{out}", "--backbone-weights", "imagenet"],
            "Keras has no published weights of cross-stage",
        ),
        (
            ["--data", "{data}", "--out", "{out}", "--backbone-weights", "no.keras"],
            "backbone_weights no.keras: does not exist",
        ),
        (
            ["--data", "{data}", "--out", "{out}", "--set", "network.frozen_until=stem_conv"],
            "a backbone with random weights cannot be frozen",
        ),
        (
            ["--data", "{data}", "--out", "{out}", "--weights", "{start}", "--set",
             "network.frozen_until=stem_con"],
            "network.frozen_until: cross-stage has no layer 'stem_con'; near: stem_conv",
        ),
        (
            ["--data", "{data}", "--out", "{out}", "--set", "training.mixed_precision=half"],
            "training.mixed_precision: expected 'auto', 'on' or 'off', got 'half'",
        ),
        (["--data", "{data}", "--out", "{out}", "--set", "trainin.epochs=3"], "did you mean"),
        (["--data", "{data}", "--out", "{out}", "--set", "epochs"], "training.learning_rate=0.001"),
        (["--data", "{data}", "--out", "{out}", "--config", "no.yaml"], "no.yaml: does not exist"),
        (["--data", "{data}", "--out", "{out}", "--patience", "0"], "patience: expected at least"),
    ],
)  # fmt: skip
def test_wrong_use_of_training(
    data_file: Path,
    start: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    places = {"data": data_file, "out": tmp_path / "out", "start": start}
    filled = [word.format(**places) for word in words]
    assert message in failure(capsys, "train", "detector", *filled)
    assert not (tmp_path / "out").exists()


def test_folder_of_another_training(
    data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    config = load_train_config(options={"data.file": str(data_file)})
    (out / "config.yaml").write_text(config_yaml(config))
    record = {"classes": ["red", "green"], "train": [8], "weights": [1.0], "val": 2}
    (out / "data.json").write_text(json.dumps(record))
    (out / "checkpoint.npz").write_text("is not read: what was asked for is checked before")
    words = ["train", "detector", "--data", data_file, "--out", out]
    message = failure(capsys, *words, "--batch", 8)
    assert "batches.batch: the training in" in message
    assert "began with 16, got 8; use the same value" in message
    (out / "data.json").write_text(json.dumps(record | {"classes": ["green", "red"]}))
    assert "data: the training in" in failure(capsys, *words)
    (out / "config.yaml").unlink()
    assert "checkpoint.npz: expected readable config.yaml" in failure(capsys, *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{start}", "--weights", "w"], "contains its weights and class names; leave --weigh"),
        (["{start}", "--names", "n"], "leave --names out"),
        (["{start}", "--classes", "c"], "does not know 'c'"),
        (["{start}", "--imgsz", "100"], "100"),
        (["none.keras"], "does not exist"),
        (["{data}"], "a .keras of this package, a .tflite"),
    ],
)
def test_wrong_use_of_a_detector_file(
    data_file: Path,
    start: Path,
    clip: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    filled = [word.format(start=start, data=data_file) for word in words]
    assert message in failure(capsys, "run", clip, "--detector", *filled)


def test_the_example_configuration_is_valid() -> None:
    example = CONFIGS / "train-detector.yaml"
    config = load_train_config(example, options={"network.weights": "start.keras"})
    assert config.training.freeze_epochs < config.training.epochs
    with pytest.raises(
        ConfigError, match=r"^training\.freeze_epochs: a backbone with random weights"
    ):
        load_train_config(example)


@pytest.mark.parametrize("name", TRAINED)
def test_the_recipes_of_the_builtin_detectors_are_valid(name: str) -> None:
    config = load_train_config(CONFIGS / f"train-builtin-{name}.yaml")
    assert config.network.size.value == name
    assert config.network.teacher == "nanodet-plus-m-1.5x_dynamic.onnx"
    assert (config.network.weights == config.network.teacher) == (name == "small")
    assert (config.training.unconfirmed, config.training.assign.top_k) == (0.8, 9)
    assert config.batches.cache_side > config.network.input_size


def test_written_settings_are_read_back(tmp_path: Path) -> None:
    words = ["augment.scale=[0.5, 1]", "data.classes=[a, b]", "network.size=small"]
    words += ["network.backbone=resnet50v2", "network.backbone_weights=imagenet"]
    words += ["network.frozen_until=conv4_block6_out", "training.mixed_precision=on"]
    config = load_train_config(overrides=words)
    assert config.network.choice().norms_are_frozen
    assert config.training.mixed_precision is MixedPrecision.ON
    assert config.network.size is YoloSize.SMALL
    assert config.augment.scale == (0.5, 1.0)
    (tmp_path / "c.yaml").write_text(config_yaml(config))
    assert load_train_config(tmp_path / "c.yaml") == config
    assert config_values(TrainConfig())["training.assign.top_k"] == 13
    with pytest.raises(ConfigError, match=r"unknown key augment\.scal;"):
        load_train_config(overrides=["augment.scal=1"])


@pytest.mark.parametrize("words", ["'train'", "'train', '--help'", "'train', 'detector', '--help'"])
def test_help_loads_no_keras(words: str) -> None:
    program = (
        f"import sys; sys.argv = ['tracker', {words}]\nfrom tracker.cli.main import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end\n"
        "assert not {'tensorflow', 'keras', 'numpy', 'cv2'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "detector" in done.stdout


def test_wrong_data_are_reported_before_keras_is_loaded(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data", train=2, val=2)
    label = data.parent / "train" / "labels" / "001.txt"
    label.write_text("0 0.5 0.5 0.1 0.1\n0 0.5 0.5 2 0.1\n")
    words = ["train", "detector", "--data", str(data), "--out", str(tmp_path / "out")]
    program = (
        f"import sys\nfrom tracker.cli.main import main\ntry: main({words!r})\n"
        "except SystemExit as end: assert end.code == 2, end\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr.startswith(
        f"tracker: error: {label}, line 2: expected 'class cx cy w h [score]'"
    )
