"""Tracking in one call: `track` for one source, `track_many` for several."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from weakref import finalize

from tracker.config.build import build_multi_pipeline, build_pipeline, open_source
from tracker.config.build_detector import given_detector_name
from tracker.config.run import Config, overlay
from tracker.detections import AnyDetector
from tracker.errors import ConfigError
from tracker.frames import Source
from tracker.pipeline.frame_loop import SourceEvent, close_together
from tracker.sources.source_kind import check_pipe_once
from tracker.tracks import TrackedFrame


def track(
    source: str | Path | int | Source,
    *,
    detector: str | Path | AnyDetector | None = None,
    weights: str | Path | None = None,
    names: str | Path | Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    slices: str | None = None,
    config: Config | None = None,
) -> Iterator[TrackedFrame]:
    """Returns an iterator over the results of a source, frame by frame.

    Models are loaded and the source is opened by the call, so that it raises before the loop;
    the source is closed when the iterator ends or is garbage collected.

    Args:
        source: A video file, a camera index, a stream's address, a folder of images, a MOT
            sequence or a glob; or an open `Source`, such as `tracker.testing.ScriptedSource`.
        detector: `small`, `nano`, `motion`, `fcn`, the path of a `.keras`, `.tflite`, `.onnx` or
            Darknet `.cfg`, or another value of `--detector`; a function from an image
            `(H, W, 3)` RGB to `Detections` or to boxes, scores and classes; an object with
            `detect(frames)`; `None` for the one in `config`.
        weights: Weights of a `.cfg`, `None` for those beside it, or the `.keras` of `fcn`.
        names: File with one class name per line; for a function also the names themselves.
        classes: Names of the classes to keep; `None` for all.
        slices: `2x2` or other ROWSxCOLUMNS: detects small objects in overlapping tiles of each
            frame too; `auto`: as many tiles as the frame size requires; `None` as in `config`.
        config: Everything else; `None` for the defaults.

    Raises:
        TrackerError: The source, a model or an option is wrong.
    """
    settings = _settings(config, detector, weights, names, classes, slices)
    pipeline = build_pipeline(
        settings, detector=_detector_object(detector), class_names=_name_list(names)
    )
    opened = _opened(source, settings)

    def results() -> Iterator[TrackedFrame]:
        with opened:
            run = pipeline.run(opened, policy=settings.source.live.policy)
            try:
                for count, result in enumerate(run, start=1):
                    yield result
                    if count == settings.source.max_frames:
                        return
            finally:
                opened.close()  # First: its reader may be blocked in a read.
                run.close()

    iterator = results()
    finalize(iterator, opened.close)  # A generator that never started runs no `finally`.
    return iterator


def track_many(
    sources: Sequence[str | Path | int | Source],
    *,
    detector: str | Path | AnyDetector | None = None,
    weights: str | Path | None = None,
    names: str | Path | Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    slices: str | None = None,
    config: Config | None = None,
) -> Iterator[SourceEvent]:
    """Returns an iterator over the results of several sources, which share one network.

    It yields a `SourceResult` for each frame, in order of processing, and a `SourceEnd` for each
    source; a failing source does not stop the others. Models are loaded and the sources are opened
    by the call; they are closed when the iterator ends or is garbage collected.

    Args:
        sources: Each as for `track`.
        detector: As for `track`, and so are the other arguments.
        weights: Weights of a `.cfg`, `None` for those beside it, or the `.keras` of `fcn`.
        names: As for `track`.
        classes: Names of the classes to keep; `None` for all.
        slices: As for `track`.
        config: Everything else; `None` for the defaults.

    Raises:
        TrackerError: A source, a model or an option is wrong.

    Example:
        ```python
        for event in tracker.track_many([0, "rtsp://door/main"]):
            if isinstance(event, tracker.SourceResult):
                print(event.index, event.result.tracks.ids)
        ```
    """
    if isinstance(sources, str | Path | int) or not sources:
        got = "none" if sources in ([], ()) else type(sources).__name__
        raise ConfigError(f"sources: expected a list of at least one source, got {got}")
    check_pipe_once(sources)
    settings = _settings(config, detector, weights, names, classes, slices)
    pipeline = build_multi_pipeline(
        settings, detector=_detector_object(detector), class_names=_name_list(names)
    )
    with ExitStack() as stack:
        opened = [stack.enter_context(_opened(source, settings)) for source in sources]
        kept_open = stack.pop_all()

    def events() -> Generator[SourceEvent]:
        run = pipeline.run(opened, policy=settings.source.live.policy)
        try:
            for event in run:  # noqa: UP028 - closed here, `yield from` would close `run` first
                yield event
        finally:
            close_together(opened)
            kept_open.close()  # First: a reader that is blocked in a read would not end.
            run.close()

    iterator = events()
    finalize(iterator, kept_open.close)  # A generator that never started runs no `finally`.
    return iterator


def _opened(source: str | Path | int | Source, settings: Config) -> Source:
    return source if isinstance(source, Source) else open_source(str(source), settings)


def _settings(
    config: Config | None,
    detector: str | Path | AnyDetector | None,
    weights: str | Path | None,
    names: str | Path | Sequence[str] | None,
    classes: Sequence[str] | None,
    slices: str | None,
) -> Config:
    if isinstance(classes, str):
        raise ConfigError(f"classes: expected a list of names, got {classes!r}; try [{classes!r}]")
    given, listed = _detector_object(detector), _name_list(names)
    if given is None and listed is not None:
        raise ConfigError(
            f"names: expected a file with one class name per line, got {list(listed)[:3]}; a list "
            "of names needs a detector that is a function"
        )
    name = None if detector is None else str(detector)
    return overlay(
        config or Config(),
        {
            "detector.name": name if given is None else given_detector_name(given),
            "detector.weights": None if weights is None else str(weights),
            "detector.names": str(names) if isinstance(names, str | Path) else None,
            "detector.slices": slices,
            "detector.network.classes": None if classes is None else tuple(classes),
        },
    )


def _detector_object(detector: str | Path | AnyDetector | None) -> AnyDetector | None:
    """Returns a detector that is an object or a function; `None` for a name."""
    return None if isinstance(detector, str | Path) else detector


def _name_list(names: str | Path | Sequence[str] | None) -> Sequence[str] | None:
    """Returns the class names that were given as a list; `None` for a file."""
    return None if isinstance(names, str | Path) else names
