"""The work behind `tracker train reid`: crops to an appearance network and its card.

Comes in: a `ReidTrainRequest`. Goes out, in a folder: `best.keras`, `model-card.md`,
`training.json`, `log.csv` and what a training needs to go on where it was killed. Data are read and
checked before Keras is loaded.
"""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tracker.cli.train.run_folder import RECORD, begin, goes_on
from tracker.cli.train.start_network import check_output, start_reid
from tracker.errors import ConfigError, DependencyError, ModelError
from tracker.inference.captured_stderr import native_output_logged
from tracker.models.backbones.names import (
    NONE,
    REID_BACKBONES,
    RESIDUAL,
    BackboneChoice,
    check_backbone,
)
from tracker.models.files.digest import file_digest
from tracker.models.files.reid_file import load_reid, read_reid_description, save_reid
from tracker.models.reid_shape import DIMENSION
from tracker.training.crops.crop_folder import holds_views
from tracker.training.reid.augment import SEEN_VIEWS, ReidAugmentSettings
from tracker.training.reid.batches import ReidBatches
from tracker.training.reid.data import CropSet, tight_crops
from tracker.training.reid.settings import ReidTrainSettings
from tracker.training.reid.taught_crops import (
    Verdict,
    measure_of,
    read_training_crops,
    split_crops,
    verdict,
)
from tracker.training.settings import MixedPrecision
from tracker.util.atomic_file import replace_text
from tracker.util.terminal import print_results, print_status
from tracker.version import __version__

logger = logging.getLogger(__name__)

CARD = "model-card.md"

_MAY_CHANGE = frozenset({"epochs", "patience", "weights"})
"""Keys of the record that may differ when a training goes on."""

_BEFORE = {
    "backbone": RESIDUAL,
    "backbone_weights": NONE,
    "frozen_until": None,
    "frozen_norms": None,
    "freeze_epochs": 0,
    "mixed_precision": MixedPrecision.AUTO.value,
    "taught": False,
}
"""What records that lack these keys mean."""


@dataclass(frozen=True, slots=True)
class ReidTrainRequest:
    """What to train, and where the results go.

    Attributes:
        data: Folder from `tracker train crops`, or with one sub-folder for each identity.
        out: Folder of the results.
        weights: A `.keras` file to start from; `None` starts anew.
        backbone: Name of the backbone, see `backbone_names.REID_BACKBONES`.
        backbone_weights: Where the backbone alone starts from, see `BackboneChoice`.
        frozen_until: Name of a layer of the backbone: it and those before it never learn.
        frozen_norms: The backbone's batch norms keep their statistics and never learn; `None`
            where `backbone_weights` is not `none`.
        freeze_epochs: The backbone keeps its weights in the first so many epochs.
        mixed_precision: Whether layers compute in 16 bits.
        val_share: Share of the objects that are held out to judge by, in `(0, 1)`.
        epochs: Length of the training.
        batch: Crops in a step, even.
        learning_rate: The highest.
        patience: Stop after this many epochs without a better score; `None` never does.
        seed: Of all random draws.
        progress: Whether to show a bar.
    """

    data: Path
    out: Path
    weights: Path | None = None
    backbone: str = RESIDUAL
    backbone_weights: str = NONE
    frozen_until: str | None = None
    frozen_norms: bool | None = None
    freeze_epochs: int = 0
    mixed_precision: MixedPrecision = MixedPrecision.AUTO
    val_share: float = 0.1
    epochs: int = 40
    batch: int = 128
    learning_rate: float = 2e-3
    patience: int | None = None
    seed: int = 0
    progress: bool = True

    def choice(self) -> BackboneChoice:
        """Returns the backbone, its weights, and what of it never learns.

        Raises:
            ConfigError: They do not fit each other.
        """
        check_backbone(self.backbone, REID_BACKBONES)
        choice = BackboneChoice(
            self.backbone,
            weights=self.backbone_weights,
            frozen_until=self.frozen_until,
            frozen_norms=self.frozen_norms,
            whole=None if self.weights is None else str(self.weights),
        )
        if self.freeze_epochs and not choice.is_trained:
            raise ConfigError(
                "freeze_epochs: a new backbone knows nothing worth keeping; expected weights to "
                "start from, such as --weights FILE.keras or --backbone-weights"
            )
        return choice

    def settings(self, data: CropSet) -> ReidTrainSettings:
        """Returns how a network learns from crops: without a teacher by contrast alone.

        With one as our own network was trained (see its card): mostly from the similarities.
        """
        taught = bool(data.targets.shape[1])
        return ReidTrainSettings(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            patience=self.patience,
            freeze_epochs=self.freeze_epochs,
            mixed_precision=self.mixed_precision,
            regression=1.0 if taught else 0.0,
            relation=6.0 if taught else 0.0,
            contrast=0.1 if taught else 1.0,
        )


def run_train_reid(request: ReidTrainRequest) -> Verdict:
    """Returns what the best network is worth on held-out crops, after writing it and its card.

    The same request goes on with a training that was stopped.

    Raises:
        ConfigError: A setting is wrong, or differs from those the training began with.
        SourceError: The data are missing, or a picture cannot be read.
        DataError: There are too few objects, or the loss is not finite any more.
        ModelError: The weights to start from, or a checkpoint, do not fit.
        OutputError: A file cannot be written.
        DependencyError: Keras cannot be loaded, or cannot fetch a backbone's weights.
    """
    choice = request.choice()
    choice.check_file()
    if not 0 < request.val_share < 1:
        raise ConfigError(f"--val-share: expected between 0 and 1, got {request.val_share}")
    dimension = DIMENSION
    if request.weights is not None:
        start = read_reid_description(request.weights)
        dimension = start.dimension
        if start.backbone != choice.name:
            raise ModelError(
                f"--weights {request.weights}: expected backbone {choice.name!r}, got "
                f"{start.backbone!r}; give --backbone {start.backbone}"
            )
    data = read_training_crops(request.data, dimension=dimension)
    settings = request.settings(data)
    train, held = split_crops(data, share=request.val_share, seed=request.seed)
    augment = SEEN_VIEWS if holds_views(request.data) else ReidAugmentSettings()
    batches = ReidBatches(train, batch=request.batch, augment=augment, seed=request.seed)
    for label, part in (("train", train), ("val", held)):
        count = len(np.unique(part.groups))
        print_status(f"{label:<12}{len(part)} pictures of {count} identities")
    check_output(request.out)
    record = _record(request, data)
    resumed = goes_on(request.out, record, may_change=_MAY_CHANGE, missing=_BEFORE)
    _load_keras(request.seed)
    network = start_reid(dimension, choice, fill=not resumed)
    begin(request.out, record)
    try:
        steps = _train(request, settings, batches, held, network)
    except KeyboardInterrupt:
        logger.warning(
            "stopped; the same command goes on from the last checkpoint in %s", request.out
        )
        raise
    return _judge(request, (train, held), steps)


def _train(
    request: ReidTrainRequest,
    settings: ReidTrainSettings,
    batches: ReidBatches,
    held: CropSet,
    network: Any,
) -> int:
    """Returns the steps taken."""
    from tracker.cli.train.progress import ReidProgress
    from tracker.training.reid.learner import embed_crops
    from tracker.training.reid.train import train_reid

    crops = tight_crops(held)

    def judge(network: Any) -> float:
        return verdict(embed_crops(network, crops), held).score

    with ReidProgress(
        request.epochs, request.batch, shown=request.progress, measure=measure_of(held)
    ) as progress:
        result = train_reid(
            network,
            batches,
            settings,
            request.out,
            judge=judge,
            save=partial(save_reid, backbone=request.backbone),
            observer=progress,
        )
    if result.stopped_early:
        print_status(f"stopped early: {request.patience} epochs without a better score")
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
    recipe = f"{steps} steps, {library}, computed in {policy_of(request.mixed_precision)}"
    replace_text(request.out / CARD, _card(request, parts, found, recipe))
    print_status(f"written     {path}, {request.out / CARD}")
    return found


def _card(
    request: ReidTrainRequest,
    parts: tuple[CropSet, CropSet],
    found: Verdict,
    recipe: str,
) -> str:
    path = request.out / "best.keras"
    train, held = parts
    loss = "supervised contrastive loss without a teacher"
    if train.targets.shape[1]:
        loss = "distance from teachers' targets, from their similarities, and contrast"
    return f"""# {path.name}

An appearance network of tracker-pipeline {__version__}: crops of 128x64 pixels to unit vectors.

- File: `{path.name}`, {path.stat().st_size} bytes, SHA-256 `{file_digest(path)}`
- Use: `tracker run VIDEO --detector FILE --embedder {path.name}`

## Data

`{request.data}`: {len(train)} pictures of {len(np.unique(train.groups))} identities to learn from,
{len(held)} pictures of {len(np.unique(held.groups))} other identities to judge by.

## Recipe

{request.choice().story(request.freeze_epochs)}

Loss: {loss}. {recipe}.
Epochs {request.epochs}, batch {request.batch}, learning rate {request.learning_rate}, seed
{request.seed}. All settings: `{RECORD}`.

## Measured on the held-out crops

```
{found.text}
```

The best epoch was chosen by these crops, so the numbers flatter a little. Where a distance is told,
the one that divides best is a first guess for `tracking.max_appearance_distance`.
"""


def _record(request: ReidTrainRequest, data: CropSet) -> dict[str, Any]:
    """Returns what tells one training from another."""
    return {
        "data": {"identities": len(np.unique(data.groups)), "pictures": len(data)},
        "taught": bool(data.targets.shape[1]),
        "weights": None if request.weights is None else str(request.weights),
        "backbone": request.backbone,
        "backbone_weights": request.backbone_weights,
        "frozen_until": request.frozen_until,
        "frozen_norms": request.frozen_norms,
        "freeze_epochs": request.freeze_epochs,
        "mixed_precision": request.mixed_precision.value,
        "val_share": request.val_share,
        "epochs": request.epochs,
        "batch": request.batch,
        "learning_rate": request.learning_rate,
        "patience": request.patience,
        "seed": request.seed,
    }


def _load_keras(seed: int) -> None:
    # TensorFlow's C++ code prints to standard error whether it likes this machine.
    with native_output_logged():
        try:
            import keras

            import tracker.training.reid.train  # noqa: F401
        except ImportError as error:
            raise DependencyError(f"training: Keras cannot be loaded: {error}") from error
    keras.utils.set_random_seed(seed)
