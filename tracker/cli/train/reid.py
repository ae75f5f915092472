"""The work behind `tracker train reid`: crops to an appearance network and its card.

The output folder gets `best.keras`, `model-card.md`, `config.yaml`, `log.csv` and a
checkpoint to resume from. Data are read and checked before Keras is loaded.
"""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tracker.cli.train.reid_config import ReidTrainConfig, load_reid_config
from tracker.cli.train.run_folder import advice_on_interrupt, begin, goes_on
from tracker.cli.train.shared_config import config_values, config_yaml
from tracker.cli.train.start_network import check_output, check_start, load_keras, start_reid
from tracker.errors import ConfigError
from tracker.models.files.digest import file_digest
from tracker.models.files.reid_file import load_reid, read_reid_description, save_reid
from tracker.models.reid_shape import DIMENSION
from tracker.training.reid.batches import ReidBatches
from tracker.training.reid.data import CropSet, tight_crops
from tracker.training.reid.taught_crops import (
    Verdict,
    measure_of,
    read_training_crops,
    split_crops,
    verdict,
)
from tracker.util.atomic_file import replace_text
from tracker.util.terminal import print_results, print_status
from tracker.version import __version__

logger = logging.getLogger(__name__)

CARD, CONFIG = "model-card.md", "config.yaml"

_MAY_CHANGE = frozenset(
    {
        "data.folder",
        "network.weights",
        "training.epochs",
        "training.patience",
        "training.checkpoint_minutes",
        "training.log_steps",
    }
)
"""Keys of the record that may differ when a training goes on."""

_RENAMED = {
    "val_share": "data.val_share",
    "batch": "data.batch",
    **{key: f"network.{key}" for key in ("weights", "backbone", "backbone_weights")},
    **{key: f"network.{key}" for key in ("frozen_until", "frozen_norms")},
    **{key: f"training.{key}" for key in ("freeze_epochs", "mixed_precision", "epochs")},
    **{key: f"training.{key}" for key in ("learning_rate", "patience")},
}
"""Today's key by the one in records from before there was a configuration."""


@dataclass(frozen=True, slots=True)
class ReidTrainRequest:
    """What to train, and where the results go.

    Attributes:
        config: The whole configuration.
        out: Folder of the results.
        progress: Whether to show a bar.
    """

    config: ReidTrainConfig
    out: Path
    progress: bool = True


def run_train_reid(request: ReidTrainRequest) -> Verdict:
    """Returns what the best network is worth on held-out crops, after writing it and its card.

    The same request goes on with a training that was stopped.

    Raises:
        ConfigError: A setting is missing or wrong, or differs from those the training began with.
        SourceError: The data are missing, or a picture cannot be read.
        DataError: There are too few objects, or the loss is not finite any more.
        ModelError: The weights to start from, or a checkpoint, do not fit.
        OutputError: A file cannot be written.
        DependencyError: Keras cannot be loaded, or cannot fetch a backbone's weights.
    """
    config, out = request.config, request.out
    if config.data.folder is None:
        raise ConfigError(
            "data.folder: expected the path of a folder of crops, got none; give --data FOLDER"
        )
    dimension = _start_dimension(config)
    data = read_training_crops(Path(config.data.folder), dimension=dimension)
    _check_losses(config, data)
    train, held = split_crops(data, share=config.data.val_share, seed=config.seed)
    batches = ReidBatches(train, batch=config.data.batch, augment=config.augment, seed=config.seed)
    for label, part in (("train", train), ("val", held)):
        count = len(np.unique(part.groups))
        print_status(f"{label:<12}{len(part)} pictures of {count} identities")
    check_output(out)
    record = _record(config, data)
    resumed = goes_on(
        out,
        record,
        may_change=_MAY_CHANGE,
        missing=_earlier_values(config.data.folder),
        renamed=_RENAMED,
    )
    load_keras(config.seed)
    network = start_reid(dimension, config.network.choice(), fill=not resumed)
    begin(out, record)
    replace_text(out / CONFIG, config_yaml(config))
    with advice_on_interrupt(out):
        steps = _train(request, batches, held, network)
    return _judge(request, (train, held), steps)


def _start_dimension(config: ReidTrainConfig) -> int:
    """Returns how many values the vectors will have: those of the network to start from.

    Raises:
        ModelError: A file is missing, or of another backbone.
    """
    choice = config.network.choice()
    choice.check_file()
    if config.network.weights is None:
        return DIMENSION
    start = read_reid_description(config.network.weights)
    check_start(config.network.weights, {"backbone": start.backbone}, {"backbone": choice.name})
    return start.dimension


def _check_losses(config: ReidTrainConfig, data: CropSet) -> None:
    if not data.targets.shape[1] and not config.training.contrast:
        raise ConfigError(
            "training.contrast: expected above 0, since crops without a teacher leave nothing else "
            "to learn from, got 0"
        )


def _train(
    request: ReidTrainRequest,
    batches: ReidBatches,
    held: CropSet,
    network: Any,
) -> int:
    """Returns the steps taken."""
    from tracker.cli.train.progress import ReidProgress
    from tracker.training.reid.learner import embed_crops
    from tracker.training.reid.train import train_reid

    crops, config = tight_crops(held), request.config

    def judge(network: Any) -> float:
        return verdict(embed_crops(network, crops), held).score

    with ReidProgress(
        config.training.epochs,
        config.data.batch,
        shown=request.progress,
        measure=measure_of(held),
    ) as progress:
        result = train_reid(
            network,
            batches,
            config.training,
            request.out,
            judge=judge,
            save=partial(save_reid, backbone=config.network.backbone),
            observer=progress,
        )
    if result.stopped_early:
        print_status(f"stopped early: {config.training.patience} epochs without a better score")
    return result.steps


def _judge(request: ReidTrainRequest, parts: tuple[CropSet, CropSet], steps: int) -> Verdict:
    """Returns what the best network, as it lies on disk, is worth; prints it, writes the card."""
    import keras

    from tracker.training.mixed_precision import policy_of
    from tracker.training.reid.learner import embed_crops
    from tracker.training.reid.train import BEST

    path, held = request.out / BEST, parts[1]
    network = load_reid(path)
    found = verdict(embed_crops(network, tight_crops(held)), held)
    print_results(*found.text.split("\n"))
    library = f"Keras {keras.__version__} on {keras.backend.backend()}"
    policy = policy_of(request.config.training.mixed_precision)
    recipe = f"{steps} steps, {library}, computed in {policy}"
    replace_text(request.out / CARD, _card(request, parts, found, recipe))
    print_status(f"written     {path}, {request.out / CARD}")
    return found


def _card(
    request: ReidTrainRequest,
    parts: tuple[CropSet, CropSet],
    found: Verdict,
    recipe: str,
) -> str:
    path, config = request.out / "best.keras", request.config
    train, held = parts
    loss = "supervised contrastive loss without a teacher"
    if train.targets.shape[1]:
        loss = "distance from teachers' targets, from their similarities, and contrast"
    return f"""# {path.name}

An appearance network of tracker-pipeline {__version__}: crops of 128x64 pixels to unit vectors.

- File: `{path.name}`, {path.stat().st_size} bytes, SHA-256 `{file_digest(path)}`
- Use: `tracker run VIDEO --detector FILE --embedder {path.name}`

## Data

`{config.data.folder}`: {len(train)} pictures of {len(np.unique(train.groups))} identities to learn
from, {len(held)} pictures of {len(np.unique(held.groups))} other identities to judge by.

## Recipe

{config.network.choice().card_text(config.training.freeze_epochs)}

Loss: {loss}. {recipe}.
Epochs {config.training.epochs}, batch {config.data.batch}, learning rate
{config.training.learning_rate}, seed {config.seed}. All settings: `{CONFIG}`.

## Measured on the held-out crops

```
{found.text}
```

The best epoch was chosen by these crops, so the numbers flatter a little. Where a distance is told,
the one that divides best is a first guess for `tracking.max_appearance_distance`.
"""


def _record(config: ReidTrainConfig, data: CropSet) -> dict[str, Any]:
    """Returns what tells one training from another."""
    return {
        "data": {"identities": len(np.unique(data.groups)), "pictures": len(data)},
        "taught": bool(data.targets.shape[1]),
        **config_values(config),
    }


def _earlier_values(folder: str) -> dict[str, Any]:
    """Returns what keys stand for that records of earlier releases lack: the defaults of then."""
    return {"taught": False, **config_values(load_reid_config(options={"data.folder": folder}))}
