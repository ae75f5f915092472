"""`tracker train reid`: from crops by identity to tracks with appearance, and errors."""

import json

import numpy as np
import pytest

from tests.cli import call, failure
from tests.conftest import write_clip
from tracker.cli.train.reid_config import load_reid_config
from tracker.models.files.reid_file import load_reid, read_reid_description, save_reid
from tracker.models.reid import build_reid
from tracker.util.opencv import cv2

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six identities with three images each, in two colours."""
    folder, rng = tmp_path_factory.mktemp("crops"), np.random.default_rng(0)
    for identity in range(6):
        (folder / f"{identity}").mkdir()
        colours = rng.integers(0, 256, (2, 3))
        for number in range(3):
            image = np.repeat(colours, 30, axis=0)[:, None] + rng.normal(0, 20, (60, 30, 3))
            name = str(folder / f"{identity}" / f"{number}.png")
            cv2.imwrite(name, np.clip(image, 0, 255).astype(np.uint8))
    return folder


@pytest.mark.slow
def test_from_crops_to_tracks(data, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["train", "reid", "--data", data, "--out", out, "--batch", 12, "--no-progress"]
    assert call(*words, "--epochs", 1) == 0
    output = capsys.readouterr()
    assert "rank-1" in output.out
    assert "12 images of 4 identities" in output.err
    assert read_reid_description(out / "best.keras").dimension == 128
    card = (out / "model-card.md").read_text()
    assert "6 images of 2 other identities for validation" in card
    # The same command resumes; with more epochs it trains longer.
    assert call(*words, "--epochs", 2) == 0
    assert "resuming from the checkpoint at step 2 of 4" in capsys.readouterr().err
    line = failure(capsys, *words, "--seed", 1)
    assert "seed: the training in" in line

    clip = write_clip(tmp_path / "clip.mp4", moving_square())
    cache = f"embedder.cache_dir={tmp_path / 'cache'}"
    tracks = tmp_path / "t.jsonl"
    assert (
        call(
            *(
                "run",
                clip,
                "--detector",
                "motion",
                "--embedder",
                out / "best.keras",
                "--set",
                cache,
            ),
            *("--json", tracks, "--embeddings"),
        )
        == 0
    )
    lines = [json.loads(line) for line in tracks.read_text().splitlines()]
    assert "best.keras" in lines[0]["models"]
    assert any("embedding" in track for line in lines[1:-1] for track in line["tracks"])


@pytest.mark.slow
def test_a_file_of_settings_and_a_record_of_an_earlier_release(data, tmp_path, capsys):
    """The resolved settings are written; a folder without that file is resumed as well."""
    out, file = tmp_path / "out", tmp_path / "my.yaml"
    file.write_text(f"data: {{folder: {data}, batch: 8}}\ntraining: {{epochs: 9}}\n")
    words = ["train", "reid", "--config", file, "--out", out, "--no-progress", "--batch", 12]
    assert call(*words, "--epochs", 1, "--set", "training.log_steps=1") == 0
    written = load_reid_config(out / "config.yaml")
    assert (written.data.folder, written.data.batch) == (str(data), 12)
    assert (written.training.epochs, written.training.log_steps) == (1, 1)
    assert (written.training.relation, written.training.contrast) == (0, 1)
    record = json.loads((out / "training.json").read_text())
    assert record["training.epochs"] == 1
    # The record that version 0.1 wrote for the same training.
    earlier = {"data": record["data"], "taught": False, "weights": None, "backbone": "residual"}
    earlier |= {"backbone_weights": "none", "frozen_until": None, "frozen_norms": None}
    earlier |= {"freeze_epochs": 0, "mixed_precision": "auto", "val_share": 0.1, "epochs": 1}
    earlier |= {"batch": 12, "learning_rate": 2e-3, "patience": None, "seed": 0}
    (out / "training.json").write_text(json.dumps(earlier))
    capsys.readouterr()
    refused = failure(capsys, *words, "--epochs", 2, "--set", "augment.flip=0.25")
    assert "augment.flip: the training in" in refused
    assert "began with 0.5, got 0.25" in refused
    assert "began with 12, got 8" in failure(capsys, *words, "--batch", 8)
    assert call(*words, "--epochs", 2) == 0
    assert "resuming from the checkpoint at step 2 of 4" in capsys.readouterr().err
    assert json.loads((out / "training.json").read_text())["training.epochs"] == 2


@pytest.mark.slow
def test_named_backbone(data, tmp_path, capsys):
    name = "efficientnet-lite0-short"
    save_reid(build_reid(8, backbone=name), tmp_path / "start.keras", backbone=name)
    words = ["train", "reid", "--data", data, "--out", tmp_path / "out", "--no-progress"]
    words += ["--epochs", 2, "--batch", 12, "--backbone", name, "--freeze-epochs", 1]
    words += ["--backbone-weights", tmp_path / "start.keras"]
    assert call(*words, "--frozen-until", "efficientnet_4_add", "--mixed-precision", "on") == 0
    assert f"the backbone, {name}" in capsys.readouterr().err
    assert read_reid_description(tmp_path / "out" / "best.keras").backbone == name
    card = (tmp_path / "out" / "model-card.md").read_text()
    assert f"Backbone `{name}`, weights: from" in card
    assert "computed in " in card
    line = failure(capsys, *words)
    assert "frozen_until: the training in" in line


def moving_square():
    for step in range(40):
        image = np.full((120, 160, 3), 80, np.uint8)
        image[40:80, 10 + 2 * step : 40 + 2 * step] = (200, 40, 40)
        yield image


@pytest.mark.slow
def test_initial_weights(data, tmp_path, capsys):
    save_reid(build_reid(16), tmp_path / "start.keras")
    words = ["train", "reid", "--data", data, "--out", tmp_path / "out", "--no-progress"]
    assert call(*words, "--epochs", 1, "--batch", 12, "--weights", tmp_path / "start.keras") == 0
    assert f"start from {tmp_path / 'start.keras'}" in capsys.readouterr().err
    assert load_reid(tmp_path / "out" / "best.keras").output_shape == (None, 16)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "{tmp}/none"], "one sub-folder for each identity"),
        (["--data", "{tmp}"], "at least 2 sub-folders"),
        (["--data", "{data}", "--val-share", "1"], "data: val_share: expected between 0 and 1"),
        ([], "data.folder: expected the path of a folder of crops, got none; give --data FOLDER"),
        (["--data", "{data}", "--weights", "no.keras"], "does not exist"),
        (["--data", "{data}", "--batch", "7"], "an even number"),
        (["--data", "{data}", "--epochs", "0"], "epochs: expected at least 1"),
        (["--data", "{data}", "--learning-rate", "0"], "learning_rate"),
        (["--data", "{data}", "--backbone", "cross-stage"], "got 'cross-stage'; known: residual"),
        (
            ["--data", "{data}", "--freeze-epochs", "1"],
            "freeze_epochs: a backbone with random weights",
        ),
        (["--data", "{data}", "--frozen-norms"], "a backbone with random weights"),
        (["--data", "{data}", "--backbone-weights", "no.h5"], "no.h5: does not exist"),
        (["--data", "{data}", "--mixed-precision", "half"], "--mixed-precision"),
        (["--data", "{data}", "--set", "training.epoch=3"], "unknown key training.epoch"),
        (["--data", "{data}", "--set", "augment.flip=2"], "augment.flip: expected [0, 1], got 2"),
        (["--data", "{data}", "--set", "training.epochs='3'"], "training.epochs: expected a valid"),
        (["--data", "{data}", "--config", "none.yaml"], "none.yaml: does not exist"),
        (
            ["--data", "{data}", "--set", "training.contrast=0", "--set", "training.relation=1"],
            "training.contrast: expected above 0, because it is the only loss",
        ),
    ],
)
def test_wrong_use_leaves_nothing(words, message, data, tmp_path, capsys):
    filled = [word.format(tmp=tmp_path, data=data) for word in words]
    line = failure(capsys, "train", "reid", *filled, "--out", tmp_path / "out")
    assert message in line
    assert not (tmp_path / "out").exists()


def test_sequence_without_images_has_no_embeddings(tmp_path, capsys):
    sequence = tmp_path / "MOT-1"
    (sequence / "det").mkdir(parents=True)
    (sequence / "seqinfo.ini").write_text(
        "[Sequence]\nname=MOT-1\nframeRate=10\nseqLength=2\nimWidth=64\nimHeight=48\n"
    )
    (sequence / "det" / "det.txt").write_text("1,-1,1,1,10,20,0.9,-1,-1,-1\n")
    line = failure(
        capsys, "run", sequence, "--detections", sequence / "det" / "det.txt",
        "--embedder", "builtin",
    )  # fmt: skip
    assert "appearance needs images and the sequence has none" in line
