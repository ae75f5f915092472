"""The work behind `tracker train reid`: crops by identity to an appearance network and its card.

Comes in: a `ReidTrainRequest`. Goes out, in a folder: `best.keras`, `model-card.md`,
`training.json`, `log.csv` and what a training needs to go on where it was killed. Data are read and
checked before Keras is loaded.
"""

import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tracker.errors import ConfigError, DependencyError, OutputError
from tracker.evaluation.appearance import AppearanceScores, appearance_scores
from tracker.inference.native import native_output_logged
from tracker.models.digest import file_digest
from tracker.models.reid_file import load_reid, read_reid_description
from tracker.models.reid_shape import DIMENSION
from tracker.training.checkpoints import CHECKPOINT
from tracker.training.reid_augment import ReidAugmentSettings
from tracker.training.reid_batches import ReidBatches
from tracker.training.reid_data import CropSet, read_identities, split_identities, tight_crops
from tracker.training.reid_settings import ReidTrainSettings
from tracker.version import __version__

logger = logging.getLogger(__name__)

CARD, RECORD = "model-card.md", "training.json"

_MAY_CHANGE = frozenset({"epochs", "patience", "weights"})
"""Keys of the record that may differ when a training goes on."""


@dataclass(frozen=True, slots=True)
class ReidTrainRequest:
    """What to train, and where the results go.

    Attributes:
        data: Folder with one sub-folder of crops for each identity.
        out: Folder of the results.
        weights: A `.keras` file to start from; `None` starts anew.
        val_share: Share of the identities that are held out to judge by, in `(0, 1)`.
        epochs: Length of the training.
        batch: Crops in a step, even.
        learning_rate: The highest.
        patience: Stop after this many epochs without a better rank-1; `None` never does.
        seed: Of all random draws.
        progress: Whether to show a bar.
    """

    data: Path
    out: Path
    weights: Path | None = None
    val_share: float = 0.1
    epochs: int = 40
    batch: int = 128
    learning_rate: float = 2e-3
    patience: int | None = None
    seed: int = 0
    progress: bool = True

    @property
    def settings(self) -> ReidTrainSettings:
        """How the network is trained: without a teacher, by contrast alone."""
        return ReidTrainSettings(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            patience=self.patience,
            regression=0.0,
            relation=0.0,
            contrast=1.0,
        )


def run_train_reid(request: ReidTrainRequest) -> AppearanceScores:
    """Returns the scores of the best network on held-out identities, after writing it and its card.

    The same request goes on with a training that was stopped.

    Raises:
        ConfigError: A setting is wrong, or differs from those the training began with.
        SourceError: The data are missing, or a picture cannot be read.
        DataError: There are too few identities, or the loss is not finite any more.
        ModelError: The weights to start from, or a checkpoint, do not fit.
        OutputError: A file cannot be written.
        DependencyError: Keras cannot be loaded.
    """
    settings = request.settings
    if not 0 < request.val_share < 1:
        raise ConfigError(f"--val-share: expected between 0 and 1, got {request.val_share}")
    dimension = DIMENSION
    if request.weights is not None:
        dimension = read_reid_description(request.weights).dimension
    data, names = read_identities(request.data)
    train, held = split_identities(data, share=request.val_share, seed=request.seed)
    batches = ReidBatches(
        train, batch=request.batch, augment=ReidAugmentSettings(), seed=request.seed
    )
    for label, part in (("train", train), ("val", held)):
        count = len(np.unique(part.groups))
        print(f"{label:<12}{len(part)} pictures of {count} identities", file=sys.stderr)
    _begin(request, data, names)
    _load_keras()
    try:
        steps = _train(request, settings, batches, held, dimension)
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
    dimension: int,
) -> int:
    """Returns the steps taken."""
    import keras

    from tracker.models.reid import build_reid
    from tracker.train_reid_progress import ReidProgress
    from tracker.training.reid import train_reid
    from tracker.training.reid_learner import embed_crops

    keras.utils.set_random_seed(request.seed)
    network = build_reid(dimension)
    if request.weights is not None and not (request.out / CHECKPOINT).exists():
        network.set_weights(load_reid(request.weights).get_weights())
        print(f"start from {request.weights}", file=sys.stderr)
    crops = tight_crops(held)

    def judge(network: Any) -> float:
        return appearance_scores(embed_crops(network, crops), held.groups).rank1

    with ReidProgress(request.epochs, request.batch, shown=request.progress) as progress:
        result = train_reid(network, batches, settings, request.out, judge=judge, observer=progress)
    if result.stopped_early:
        print(f"stopped early: {request.patience} epochs without a better rank-1", file=sys.stderr)
    return result.steps


def _judge(
    request: ReidTrainRequest, parts: tuple[CropSet, CropSet], steps: int
) -> AppearanceScores:
    """Returns the scores of the best network as it lies on disk; prints them, writes the card."""
    import keras

    from tracker.training.reid import BEST
    from tracker.training.reid_learner import embed_crops

    path, held = request.out / BEST, parts[1]
    network = load_reid(path)
    scores = appearance_scores(embed_crops(network, tight_crops(held)), held.groups)
    print(_scores_text(scores))
    library = f"Keras {keras.__version__} on {keras.backend.backend()}"
    _write(request.out / CARD, _card(request, parts, scores, f"{steps} steps, {library}"))
    print(f"written     {path}, {request.out / CARD}", file=sys.stderr)
    return scores


def _scores_text(scores: AppearanceScores) -> str:
    return "\n".join(
        (
            f"rank-1      {100 * scores.rank1:.1f} %",
            f"AUC         {100 * scores.auc:.1f} %",
            f"distance    {scores.same:.3f} same, {scores.different:.3f} different, "
            f"{scores.threshold:.3f} divides them best",
        )
    )


def _card(
    request: ReidTrainRequest,
    parts: tuple[CropSet, CropSet],
    scores: AppearanceScores,
    recipe: str,
) -> str:
    path = request.out / "best.keras"
    train, held = parts
    start = "new weights" if request.weights is None else f"`{request.weights}`"
    return f"""# {path.name}

An appearance network of tracker-pipeline {__version__}: crops of 128x64 pixels to unit vectors.

- File: `{path.name}`, {path.stat().st_size} bytes, SHA-256 `{file_digest(path)}`
- Use: `tracker run VIDEO --detector FILE --embedder {path.name}`

## Data

`{request.data}`: {len(train)} pictures of {len(np.unique(train.groups))} identities to learn from,
{len(held)} pictures of {len(np.unique(held.groups))} other identities to judge by.

## Recipe

Supervised contrastive loss without a teacher, from {start}: {recipe}.
Epochs {request.epochs}, batch {request.batch}, learning rate {request.learning_rate}, seed
{request.seed}. All settings: `{RECORD}`.

## Measured on the held-out identities

```
{_scores_text(scores)}
```

The best epoch was chosen by these identities, so the numbers flatter a little. A distance that
divides well is a first guess for `tracking.max_appearance_distance`.
"""


def _begin(request: ReidTrainRequest, data: CropSet, names: tuple[str, ...]) -> None:
    """Writes what the training is; where one is already, checks that it is the same.

    Raises:
        ConfigError: The folder holds another training.
        OutputError: The folder cannot be written.
    """
    out = request.out
    record = {
        "data": {"identities": len(names), "pictures": len(data)},
        "weights": None if request.weights is None else str(request.weights),
        "val_share": request.val_share,
        "epochs": request.epochs,
        "batch": request.batch,
        "learning_rate": request.learning_rate,
        "patience": request.patience,
        "seed": request.seed,
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made: {error.strerror or error}") from error
    if (out / CHECKPOINT).exists():
        before = _begun(out)
        for key, now in record.items():
            if key not in _MAY_CHANGE and before.get(key) != now:
                raise ConfigError(
                    f"{key}: the training in {out} began with {before.get(key)!r}, got {now!r}; "
                    "go on with the same, or name another --out folder"
                )
    _write(out / RECORD, json.dumps(record, indent=2) + "\n")


def _begun(out: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = dict(json.loads((out / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{out / CHECKPOINT}: expected {RECORD} beside it to tell which training this is, got "
            f"none that can be read ({error}); name another --out folder"
        ) from error
    return record


def _load_keras() -> None:
    # TensorFlow's C++ code prints to standard error whether it likes this machine.
    with native_output_logged():
        try:
            import tracker.training.reid  # noqa: F401
        except ImportError as error:
            raise DependencyError(f"training: Keras cannot be loaded: {error}") from error


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.part")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
