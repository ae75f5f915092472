"""The card of a trained detector: what it is, its training data, its measured accuracy.

What is not known is left out.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tracker.evaluation.average_precision import AveragePrecision
from tracker.evaluation.labels import LabelledImage
from tracker.models.files.digest import file_digest
from tracker.models.yolo_shape import YoloSize
from tracker.training.data_file import DataSplits, count_objects
from tracker.version import __version__


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Contents of the card besides data and scores.

    Attributes:
        path: The detector file.
        config_file: Name of the file beside it that holds the configuration.
        config: The configuration, YAML.
        data_file: The data file as the user named it.
        size: Size of the network.
        input_size: Side of the images in pixels.
        backbone: What its backbone is, where its weights came from and what of it was frozen.
        steps: Steps taken.
        parameters: Numbers in the network.
        precision: Name of the Keras policy that it was trained by.
        libraries: Names with versions of what it was trained with.
    """

    path: Path
    config_file: str
    config: str
    data_file: str
    size: YoloSize
    input_size: int
    backbone: str
    steps: int
    parameters: int
    precision: str
    libraries: tuple[str, ...]


def model_card(facts: CardFacts, splits: DataSplits, precision: AveragePrecision) -> str:
    """Returns the card, Markdown.

    Args:
        facts: What the detector is.
        splits: Training and validation data.
        precision: What was measured, on `splits.validation`.

    Raises:
        ModelError: The detector file cannot be read.
    """
    parts = (_about(facts), _data(facts, splits), _scores(facts, splits, precision), _recipe(facts))
    return "\n".join(parts)


def _about(facts: CardFacts) -> str:
    made = datetime.now(UTC).date().isoformat()
    return f"""# {facts.path.name}

A detector of size `{facts.size.value}`, {facts.parameters} parameters, trained on square images
of {facts.input_size} pixels. Made on {made}.

- File: `{facts.path.name}`, {facts.path.stat().st_size} bytes, SHA-256
  `{file_digest(facts.path)}`
- Use: `tracker run VIDEO --detector {facts.path.name}`
"""


def _data(facts: CardFacts, splits: DataSplits) -> str:
    train = [image for images in splits.train for image in images]
    lines = [
        "## Data",
        "",
        f"`{facts.data_file}`: {len(train)} training images, {len(splits.validation)} "
        "validation images.",
        "",
        "| class | training objects | validation objects |",
        "|---|---:|---:|",
        *_class_rows(splits.class_names, train, splits.validation),
        "",
    ]
    if any(weight != 1 for weight in splits.weights):
        shown = ", ".join(
            f"{len(images)} images {weight:g} times"
            for images, weight in zip(splits.train, splits.weights, strict=True)
        )
        lines += [f"An epoch shows {shown}.", ""]
    return "\n".join(lines)


def _class_rows(
    names: Sequence[str], train: Sequence[LabelledImage], judged: Sequence[LabelledImage]
) -> list[str]:
    counts = [count_objects(images, len(names)) for images in (train, judged)]
    return [
        f"| {name} | {learned} | {found} |"
        for name, learned, found in zip(names, *counts, strict=True)
    ]


def _scores(facts: CardFacts, splits: DataSplits, precision: AveragePrecision) -> str:
    lines = [
        "## Measured",
        "",
        f"Average precision on the {len(splits.validation)} validation images, letterboxed to "
        f"{facts.input_size} pixels, scores from 0.01 on, at most 100 boxes an image; COCO's rule "
        "of 101 recalls.",
        "",
        "| % | AP@0.5 | AP@[.5:.95] |",
        "|---|---:|---:|",
    ]
    lines += [
        f"| {splits.class_names[number]} | {100 * scores.ap50:.1f} | {100 * scores.ap:.1f} |"
        for number, scores in precision.classes.items()
    ]
    lines += [f"| mean | {100 * precision.map50:.1f} | {100 * precision.map:.1f} |", ""]
    lines += [
        "The detector is the one of all validated epochs that scored best on these images, so "
        "the numbers are optimistic.",
        "",
    ]
    if splits.held_out:
        lines += [
            "These images were drawn at random out of the training data: where training images "
            "show the same scene, new scenes will score lower.",
            "",
        ]
    elif splits.shared:
        lines += [
            f"{splits.shared} of these images are training images too: the numbers say little "
            "about others.",
            "",
        ]
    return "\n".join(lines)


def _recipe(facts: CardFacts) -> str:
    versions = [
        f"tracker {__version__}",
        *facts.libraries,
        f"Python {platform.python_version()}",
    ]
    return f"""## Recipe

{facts.backbone}

`tracker train detector --config {facts.config_file} --out FOLDER`, {facts.steps} steps, with
{", ".join(versions)}, computed in {facts.precision}. `{facts.config_file}` holds:

```yaml
{facts.config.rstrip()}
```
"""
