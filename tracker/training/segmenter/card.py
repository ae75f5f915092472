"""The model card of a segmenter: what it is, what it was made from, and what was measured."""

import math
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tracker.models.files.digest import file_digest
from tracker.training.segmenter.file import SegmentSplits
from tracker.training.segmenter.metrics import SegmentScores
from tracker.version import __version__


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """Contents of the card besides data and scores.

    Attributes:
        path: The segmenter file.
        config_file: Name of the file beside it that holds the configuration.
        config: The configuration, YAML.
        data_file: The data file as the user named it.
        head: Name of its head.
        input_size: Side of the images in pixels.
        backbone: What its backbone is, where its weights came from and what of it was frozen.
        parameters: Numbers in the network.
        trained: Steps, libraries and precision.
    """

    path: Path
    config_file: str
    config: str
    data_file: str
    head: str
    input_size: int
    backbone: str
    parameters: int
    trained: str


def segment_card(facts: SegmentFacts, splits: SegmentSplits, scores: SegmentScores) -> str:
    """Returns the card, Markdown.

    Args:
        facts: What the segmenter is.
        splits: Training and validation data.
        scores: What was measured, on `splits.validation`.

    Raises:
        ModelError: The segmenter file cannot be read.
    """
    made = datetime.now(UTC).date().isoformat()
    table = "\n".join(score_lines(scores, splits.class_names, images=len(splits.validation)))
    shares = "\n".join(
        f"| {name} | {learned:.2%} | {judged:.2%} |"
        for name, learned, judged in zip(
            splits.class_names,
            splits.train_pixels / splits.train_pixels.sum(),
            splits.validation_pixels / splits.validation_pixels.sum(),
            strict=True,
        )
    )
    return f"""# {facts.path.name}

A segmenter, {facts.head}, {facts.parameters} parameters, trained on square images of
{facts.input_size} pixels. Made on {made}.

- File: `{facts.path.name}`, {facts.path.stat().st_size} bytes, SHA-256
  `{file_digest(facts.path)}`
- Use: `tracker run VIDEO --background blur --segmenter {facts.path.name} --video out.mp4`

## Data

`{facts.data_file}`: {len(splits.train)} training images, {len(splits.validation)} validation
images.

| class | training pixels | validation pixels |
|---|---:|---:|
{shares}

## Measured

Intersection over union of pixels, all validation images together, letterboxed to
{facts.input_size} pixels.

```
{table}
```

The segmenter is the one of all validated epochs that scored best on these images, so the numbers
are optimistic.

## Recipe

{facts.backbone}

`tracker train segmenter --config {facts.config_file} --out FOLDER`: {facts.trained}, tracker
{__version__}, Python {platform.python_version()}. `{facts.config_file}` holds:

```yaml
{facts.config.rstrip()}
```
"""


def score_lines(scores: SegmentScores, class_names: tuple[str, ...], *, images: int) -> list[str]:
    """Returns a table as lines: IoU in percent by class, their mean, the share of right pixels.

    Args:
        scores: The scores.
        class_names: Names by class index.
        images: How many they were measured on.
    """
    rows = [
        (name, "none there" if math.isnan(iou) else f"{100 * iou:.1f}")
        for name, iou in zip(class_names, scores.iou.tolist(), strict=True)
    ]
    rows += [
        (f"mean IoU, {images} images", f"{100 * scores.mean_iou:.1f}"),
        ("right pixels", f"{100 * scores.accuracy:.1f}"),
    ]
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {value:>10}" for name, value in [("%", "IoU"), *rows]]
