"""`tracker train segmenter` and `tracker run --background`: the commands."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli import call, failure
from tests.conftest import moving_square, write_clip
from tests.training.segment_scenes import make_scenes, write_pair
from tracker.cli.train.segmenter_config import load_segment_config
from tracker.models.files.segmenter_file import (
    SegmenterDescription,
    SegmenterHead,
    read_segmenter_description,
)
from tracker.models.yolo_shape import YoloSize
from tracker.sources.files.video_file import VideoFile

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scenes(tmp_path_factory.mktemp("scenes"), train=3, val=2)


def train_words(data_file: Path, out: Path) -> list[object]:
    return [
        *("train", "segmenter", "--data", data_file, "--out", out, "--size", "nano"),
        *("--imgsz", 32, "--batch", 2, "--no-progress"),
    ]


@pytest.mark.slow
def test_one_epoch(data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All files exist and record the training."""
    out = tmp_path / "out"
    assert call(*train_words(data_file, out), "--epochs", 1) == 0
    output = capsys.readouterr()
    assert "mean IoU, 2 images" in output.out
    assert "train       3 images: " in output.err
    assert "epoch 1/1, loss " in output.err
    assert read_segmenter_description(out / "best.keras") == SegmenterDescription(
        ("ground", "disc", "square"), 32, "cross-stage", YoloSize.NANO
    )
    card = (out / "model-card.md").read_text()
    assert "3 training images, 2 validation\nimages" in card
    assert ": 2 steps, with Keras" in card
    assert load_segment_config(out / "config.yaml").training.epochs == 1


@pytest.mark.slow
def test_same_command_resumes_and_another_is_refused(
    data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = train_words(data_file, tmp_path / "out")
    assert call(*words, "--epochs", 1) == 0
    assert call(*words, "--epochs", 2) == 0
    assert "resuming from the checkpoint at step 2 of 4" in capsys.readouterr().err
    message = failure(capsys, *words, "--epochs", 2, "--seed", 1)
    assert "seed: the training in" in message
    assert "began with 0, got 1" in message
    (tmp_path / "out" / "training.json").write_text("{")
    message = failure(capsys, *words, "--epochs", 2)
    assert "expected a readable training.json beside it" in message


@pytest.mark.slow
@pytest.mark.long
def test_initial_weights_of_another_segmenter(
    data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Same classes: all weights; other classes: the backbone; other shapes are an error."""
    assert call(*train_words(data_file, tmp_path / "a"), "--epochs", 1) == 0
    start = tmp_path / "a" / "best.keras"
    more = ["--epochs", 1, "--weights", start, "--freeze-epochs", 1]
    assert call(*train_words(data_file, tmp_path / "b"), *more) == 0
    assert "same classes: all weights" in capsys.readouterr().err
    renamed = tmp_path / "data.yaml"
    renamed.write_text(
        f"path: {data_file.parent}\ntrain: train/images\nval: val/images\nnames: [a, b, c, d]\n"
    )
    assert call(*train_words(renamed, tmp_path / "c"), *more) == 0
    output = capsys.readouterr().err
    assert "other classes: the backbone" in output
    assert "no pixel of 'd' in these images" in output
    message = failure(
        capsys, *train_words(data_file, tmp_path / "d"), "--weights", start, "--size", "small"
    )
    assert "give --size nano" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "{data}"], "Missing option '--out'"),
        (["--out", "{out}"], "data.file: expected the path of a data file, got none"),
        (["--data", "none.yaml", "--out", "{out}"], "none.yaml: does not exist"),
        (["--data", "{data}", "--out", "{data}"], "cannot be created"),
        (["--data", "{data}", "--out", "{out}", "--imgsz", "100"], "multiple of 32, got 100"),
        (["--data", "{data}", "--out", "{out}", "--batch", "0"], "batch: expected at least 1"),
        (["--data", "{data}", "--out", "{out}", "--epochs", "0"], "epochs: expected at least 1"),
        (["--data", "{data}", "--out", "{out}", "--seed", "-1"], "seed: expected at least 0"),
        (["--data", "{data}", "--out", "{out}", "--freeze-epochs", "2"], "weights to start from"),
        (["--data", "{data}", "--out", "{out}", "--weights", "{data}"], "got something else"),
        (["--data", "{data}", "--out", "{out}", "--head", "crop-u-net"], "give --backbone shuffle"),
        (["--data", "{data}", "--out", "{out}", "--head", "unet"], "head: expected"),
        (["--data", "{data}", "--out", "{out}", "--backbone", "vgg"], "backbone: expected a known"),
        (["--data", "{data}", "--out", "{out}", "--set", "training.box_weight=1"], "unknown key"),
        (["--data", "{data}", "--out", "{out}", "--set", "network=1"], "expected keys below it"),
    ],
)
def test_wrong_use_of_training(
    data_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    places = {"data": data_file, "out": tmp_path / "out"}
    assert message in failure(
        capsys, "train", "segmenter", *(word.format(**places) for word in words)
    )


def test_the_recipe_of_the_builtin_segmenter_is_valid() -> None:
    path = Path(__file__).parents[3] / "configs" / "train-builtin-segmenter.yaml"
    config = load_segment_config(path)
    assert (config.head, config.network.input_size) == (SegmenterHead.CROP_UNET, 128)


def test_the_shipped_configuration_is_valid() -> None:
    path = Path(__file__).parents[3] / "configs" / "train-segmenter.yaml"
    options = {"network.backbone_weights": "lite0.pth"}
    config = load_segment_config(path, options=options)
    assert (config.network.size, config.training.freeze_epochs) == (YoloSize.SMALL, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--background", "blr", "--video", "{out}"], "got 'blr'; did you mean 'blur'"),
        (["--background", "none.png", "--video", "{out}"], "none.png: does not exist"),
        (["--background", "{clip}", "--video", "{out}"], "expected an image such as a PNG"),
        (["--set", "segmenter.background=image", "--video", "{out}"], "segmenter.image: expected"),
        (["--background", "remove", "--set", "segmenter.classes=[car]", "--video", "{out}"],
         "this segmenter has background, person, not 'car'"),
        (["--background", "blur"], "--background blur: it changes the video"),
        (["--segmenter", "x.keras", "--video", "{out}"], "not needed, as the background is kept"),
        (
            ["--background", "remove", "--segmenter", "none.keras", "--video", "{out}"],
            "segmenter none.keras: does not exist",
        ),
        (
            ["--background", "blur", "--segmenter", "{clip}", "--video", "{out}"],
            "expected a .keras archive, got something else",
        ),
        (
            ["--background", "blur", "--segmenter", "x.keras", "--video", "{out}", "--set",
             "segmenter.blur=2"],
            "segmenter.blur: expected above 0, up to 0.2, got 2",
        ),
    ],
)  # fmt: skip
def test_wrong_use_of_backgrounds(
    clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    places = {"clip": clip, "out": tmp_path / "out.mp4"}
    words = [word.format(**places) for word in words]
    assert message in failure(capsys, "run", clip, "--detector", "motion", *words)


@pytest.mark.slow
def test_only_the_tracked_square_is_visible(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A segmenter learns yellow squares; a run keeps the moving one and blurs the rest."""
    rng = np.random.default_rng(5)
    for split, count in (("train", 32), ("val", 6)):
        for index in range(count):
            image = rng.integers(60, 110, (120, 160, 3)).astype(np.uint8)
            mask = np.zeros((120, 160), np.uint8)
            x, y, side = (
                int(rng.integers(low, high)) for low, high in ((0, 130), (0, 80), (20, 45))
            )
            image[y : y + side, x : x + side // 2] = (240, 200, 40)
            mask[y : y + side, x : x + side // 2] = 1
            write_pair(tmp_path / split, f"{index:03}", image, mask)
    data = tmp_path / "data.yaml"
    data.write_text("train: train/images\nval: val/images\nnames: [ground, square]\n")
    out = tmp_path / "out"
    assert call(
        *("train", "segmenter", "--data", data, "--out", out, "--size", "nano", "--imgsz", 160),
        *("--batch", 4, "--epochs", 20, "--no-progress", "--set", "training.learning_rate=0.004"),
        *("--set", "training.average_decay=0.9", "--set", "augment.scale=[0.9, 1.2]"),
        *("--set", "training.validate_epochs=20"),
    ) == 0  # fmt: skip
    clip = write_clip(tmp_path / "square.mp4", moving_square(40))
    common = ["run", clip, "--detector", "motion", "--no-progress", "--set", "draw.labels=none"]
    plain, changed = tmp_path / "plain.mp4", tmp_path / "blur.mp4"
    cache = f"segmenter.cache_dir={tmp_path / 'cache'}"
    assert call(*common, "--video", plain, "--json", tmp_path / "plain.jsonl") == 0
    assert call(
        *common, "--video", changed, "--json", tmp_path / "blur.jsonl", "--background", "blur",
        "--segmenter", out / "best.keras", "--set", "segmenter.classes=[square]", "--set", cache,
        "--set", "segmenter.blur=0.05",  # 8 pixels: visible inside a square of 20x40
    ) == 0  # fmt: skip
    lines = [
        (tmp_path / f"{name}.jsonl").read_text().splitlines()[1:] for name in ("plain", "blur")
    ]
    assert lines[0] == lines[1]
    changes = []
    with VideoFile(str(plain)) as before, VideoFile(str(changed)) as after:
        for line, old, new in zip(lines[0], before, after, strict=False):
            for track in json.loads(line)["tracks"]:
                x1, y1, x2, y2 = (round(value) for value in track["box"])
                if x2 - x1 < 16 or y2 - y1 < 32:
                    continue
                inside = np.s_[y1 + 8 : y2 - 8, x1 + 6 : x2 - 6]
                changes.append(np.abs(old.image[inside].astype(int) - new.image[inside]).mean())
                away = new.image[90:, :].astype(int)
                assert away.std() < 0.3 * old.image[90:, :].std()
    assert len(changes) > 10
    # Grey levels: 4 to 5 by encoding alone, 30 where an untrained network blurs everything.
    assert np.mean(changes) < 15
    capsys.readouterr()
