"""Settings of `tracker train reid`: file, `--set`, options, and defaults that depend on crops."""

import json
from pathlib import Path

import pytest

from tracker.cli.train.reid_config import ReidTrainConfig, load_reid_config
from tracker.cli.train.shared_config import config_values, config_yaml
from tracker.errors import ConfigError
from tracker.training.crops.crop_folder import RECORD

SHIPPED = Path(__file__).parents[3] / "configs" / "train-reid.yaml"


def crop_folder(folder: Path, **record: object) -> Path:
    folder.mkdir()
    (folder / RECORD).write_text(json.dumps({"margin": 0.125, "in_use": [], **record}))
    return folder


def test_options_override_set_which_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("seed: 3\ndata: {batch: 8, val_share: 0.2}\ntraining: {epochs: 7}\n")
    words = ["data.batch=16", "training.epochs=5", "network.backbone=efficientnet-lite0"]
    options = {"training.epochs": 2, "training.patience": None}
    config = load_reid_config(file, words, options)
    assert (config.seed, config.data.val_share) == (3, 0.2)
    assert (config.data.batch, config.training.epochs) == (16, 2)
    assert config.network.choice().name == "efficientnet-lite0"


@pytest.mark.parametrize(
    ("record", "shift", "weights"),
    [
        ({}, 0.1, (0, 0, 1)),
        ({"in_use": ["a"]}, 0.1, (1, 6, 0.1)),
        ({"in_use": ["a"], "views": {"count": 2}}, 0.04, (1, 6, 0.1)),
    ],
)
def test_defaults_for_crops(
    tmp_path: Path, record: dict[str, object], shift: float, weights: tuple[float, ...]
) -> None:
    """Given settings override the defaults key by key."""
    folder = {"data.folder": str(crop_folder(tmp_path / "crops", **record))}
    config = load_reid_config(None, (), folder)
    assert config.augment.shift == shift
    losses = config.training
    assert (losses.regression, losses.relation, losses.contrast) == weights
    changed = load_reid_config(None, ["augment.shift=0.2", "training.contrast=0.5"], folder)
    assert (changed.augment.shift, changed.augment.cover) == (0.2, config.augment.cover)
    assert (changed.training.relation, changed.training.contrast) == (weights[1], 0.5)


def test_written_settings_are_read_back(tmp_path: Path) -> None:
    """Also where the defaults of the crops differ from the written settings."""
    folder = crop_folder(tmp_path / "crops", in_use=["a"], views={"count": 2})
    words = ["training.contrast=1", "training.mixed_precision=off", f"data.folder={folder}"]
    config = load_reid_config(None, words)
    (tmp_path / "config.yaml").write_text(config_yaml(config))
    assert load_reid_config(tmp_path / "config.yaml") == config
    (folder / RECORD).unlink()
    assert load_reid_config(tmp_path / "config.yaml") == config


def test_the_shipped_file_explains_every_key_with_its_default(tmp_path: Path) -> None:
    """Keys whose default depends on the crops are commented out, with that of identity crops."""
    text = SHIPPED.read_text()
    lines = [line for line in text.splitlines() if line.partition("#")[0].strip() or "  # " in line]
    assert all("  #" in line or line.endswith(":") for line in lines)
    assert load_reid_config(SHIPPED) == load_reid_config()
    whole = tmp_path / "whole.yaml"
    whole.write_text(text.replace("\n  # ", "\n  "))
    config = load_reid_config(whole)
    assert config == load_reid_config(options={"data.folder": "crops"})
    keys = {line.strip("# ").partition(":")[0] for line in text.splitlines() if ":" in line}
    assert {key.rpartition(".")[2] for key in config_values(config)} <= keys


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=-1"], "seed: expected at least 0, got -1"),
        (["seed=true"], "seed: expected a valid integer, got True"),
        (["data=3"], "data: expected keys below it, got 3"),
        (["data.folder=7"], "data.folder: expected a valid string, got 7"),
        (["data.batch=9"], "an even number of at least 4, got 9"),
        (["data.val_share=.nan"], "data.val_share: expected a finite number, got nan"),
        (["network.size=nano"], "unknown key network.size"),
        (
            ["network.backbone_weights=a.h5", "network.weights=a.keras"],
            "holds those of its backbone",
        ),
        (["training.freeze_epochs=2"], "training.freeze_epochs: a backbone with random weights"),
        (["training.mixed_precision=off", "training.epochs=0"], "epochs: expected at least 1"),
    ],
)
def test_wrong_settings_are_named(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_reid_config(None, words)
    assert message in str(caught.value)


def test_settings_made_in_python_are_checked_too() -> None:
    with pytest.raises(ConfigError, match="seed: expected"):
        ReidTrainConfig(seed=-1)
