"""`tracker train reid`: trains an appearance network on crops and writes its model card.

The output folder gets `best.keras`, `model-card.md`, `config.yaml`, `log.csv` and a checkpoint to
resume from. Data are read and checked before Keras is loaded.
"""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tracker.cli.train.reid_config import ReidTrainConfig, load_reid_config
from tracker.cli.train.run_folder import advice_on_interrupt, can_resume, write_record
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
"""Keys of the record that may differ when a training is resumed."""

_RENAMED = {
    "val_share": "data.val_share",
    "batch": "data.batch",
    **{key: f"network.{key}" for key in ("weights", "backbone", "backbone_weights")},
    **{key: f"network.{key}" for key in ("frozen_until", "frozen_norms")},
    **{key: f"training.{key}" for key in ("freeze_epochs", "mixed_precision", "epochs")},
    **{key: f"training.{key}" for key in ("learning_rate", "patience")},
}
"""Current key of each key in records of releases before there was a configuration."""


@dataclass(frozen=True, slots=True)
class ReidTrainRequest:
    """Configuration and output folder of a training.

    Attributes:
        config: The complete configuration.
        out: The output folder.
        progress: Whether to show a progress bar.
    """

    config: ReidTrainConfig
    out: Path
    progress: bool = True


def run_train_reid(request: ReidTrainRequest) -> Verdict:
    """Returns the best network's scores on held-out crops, after writing it and its model card.

    The same request resumes an interrupted training.

    Raises:
        ConfigError: A setting is missing or wrong, or differs from those the training began with.
        SourceError: The data are missing, or an image cannot be read.
        DataError: There are too few objects, or the loss is no longer finite.
        ModelError: The initial weights or a checkpoint do not fit the network.
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
        print_status(f"{label:<12}{len(part)} images of {count} identities")
    check_output(out)
    record = _training_record(config, data)
    resumed = can_resume(
        out,
        record,
        may_change=_MAY_CHANGE,
        missing=_earlier_values(config.data.folder),
        renamed=_RENAMED,
    )
    load_keras(config.seed)
    network = start_reid(dimension, config.network.choice(), fill=not resumed)
    write_record(out, record)
    replace_text(out / CONFIG, config_yaml(config))
    with advice_on_interrupt(out):
        steps = _train(request, batches, held, network)
    return _evaluate_best(request, (train, held), steps)


def _start_dimension(config: ReidTrainConfig) -> int:
    """Returns the embedding size `D`: that of the initial network, or the default.

    Raises:
        ModelError: A file is missing, or has another backbone.
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
            "training.contrast: expected above 0, because it is the only loss on crops without a "
            "teacher, got 0"
        )


def _train(
    request: ReidTrainRequest,
    batches: ReidBatches,
    held: CropSet,
    network: Any,
) -> int:
    """Trains the network; returns the number of steps."""
    from tracker.cli.train.progress import ReidProgress
    from tracker.training.reid.learner import embed_crops
    from tracker.training.reid.train import train_reid

    crops, config = tight_crops(held), request.config

    def score(network: Any) -> float:
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
            judge=score,
            save=partial(save_reid, backbone=config.network.backbone),
            observer=progress,
        )
    if result.stopped_early:
        print_status(f"stopped early: {config.training.patience} epochs without a better score")
    return result.steps


def _evaluate_best(
    request: ReidTrainRequest, parts: tuple[CropSet, CropSet], steps: int
) -> Verdict:
    """Evaluates the saved best network, prints its scores and writes the model card."""
    import keras

    from tracker.training.mixed_precision import policy_of
    from tracker.training.reid.learner import embed_crops
    from tracker.training.reid.train import BEST

    path, held = request.out / BEST, parts[1]
    network = load_reid(path)
    scores = verdict(embed_crops(network, tight_crops(held)), held)
    print_results(*scores.text.split("\n"))
    library = f"Keras {keras.__version__} on {keras.backend.backend()}"
    policy = policy_of(request.config.training.mixed_precision)
    recipe = f"{steps} steps, {library}, computed in {policy}"
    replace_text(request.out / CARD, _card_text(request, parts, scores, recipe))
    print_status(f"written     {path}, {request.out / CARD}")
    return scores


def _card_text(
    request: ReidTrainRequest,
    parts: tuple[CropSet, CropSet],
    scores: Verdict,
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

`{config.data.folder}`: {len(train)} images of {len(np.unique(train.groups))} identities for
training, {len(held)} images of {len(np.unique(held.groups))} other identities for validation.

## Recipe

{config.network.choice().card_text(config.training.freeze_epochs)}

Loss: {loss}. {recipe}.
Epochs {config.training.epochs}, batch {config.data.batch}, learning rate
{config.training.learning_rate}, seed {config.seed}. All settings: `{CONFIG}`.

## Measured on the held-out crops

```
{scores.text}
```

The best epoch was chosen on these crops, so the scores are slightly optimistic. Where a distance
is given, the one that separates best is a first guess for `tracking.max_appearance_distance`.
"""


def _training_record(config: ReidTrainConfig, data: CropSet) -> dict[str, Any]:
    """Returns the data and settings of a training, to recognise it when it is resumed."""
    return {
        "data": {"identities": len(np.unique(data.groups)), "pictures": len(data)},
        "taught": bool(data.targets.shape[1]),
        **config_values(config),
    }


def _earlier_values(folder: str) -> dict[str, Any]:
    """Returns the values of keys that records of earlier releases lack: their defaults."""
    return {"taught": False, **config_values(load_reid_config(options={"data.folder": folder}))}
