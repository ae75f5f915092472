"""One call for those who want tracks and no ceremony.

Comes in: a source by name. Goes out: one `TrackedFrame` after the other.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tracker.config import Config, overlay
from tracker.errors import ConfigError
from tracker.factory import build_pipeline, open_source
from tracker.tracks import TrackedFrame


def track(
    source: str | Path | int,
    *,
    detector: str | None = None,
    weights: str | Path | None = None,
    names: str | Path | None = None,
    classes: Sequence[str] | None = None,
    config: Config | None = None,
) -> Iterator[TrackedFrame]:
    """Returns an iterator over the results of a source, frame by frame.

    Models are loaded and the source is opened by the call, so that errors come before the loop;
    the source is closed when the iterator ends or is dropped.

    Args:
        source: A video file, a camera index, a folder of images, a MOT sequence or a glob.
        detector: `small`, `nano`, `motion`, `fcn`, or the path of a `.keras`, `.tflite` or Darknet
            `.cfg`; `None` for the configuration's.
        weights: Weights that belong to a `.cfg`, or to `fcn`.
        names: File with a class name a line.
        classes: Names of the classes to keep; `None` for all.
        config: Everything else; `None` for the defaults.

    Raises:
        TrackerError: The source, a model or an option is wrong.
    """
    if isinstance(classes, str):
        raise ConfigError(f"classes: expected a list of names, got {classes!r}; try [{classes!r}]")
    settings = overlay(
        config or Config(),
        {
            "detector.name": detector,
            "detector.weights": None if weights is None else str(weights),
            "detector.names": None if names is None else str(names),
            "detector.network.classes": None if classes is None else tuple(classes),
        },
    )
    pipeline = build_pipeline(settings)
    opened = open_source(str(source), settings)

    def results() -> Iterator[TrackedFrame]:
        with opened:
            for count, result in enumerate(pipeline.run(opened), start=1):
                yield result
                if count == settings.source.max_frames:
                    return

    return results()
