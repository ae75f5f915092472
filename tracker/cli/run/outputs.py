"""The outputs of a run: checks of their paths, and the sinks that write them.

No file is created or changed before the first result.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.cli.run.checkpoint_file import SUFFIX
from tracker.cli.run.event_outputs import check_event_outputs, push_sinks
from tracker.cli.run.object_files import (
    ObjectFiles,
    check_object_files,
    clip_sinks,
    crop_sinks,
)
from tracker.cli.run.source_sinks import SourceSinks
from tracker.config.build import NO_EMBEDDER, embedder_name
from tracker.config.build_images import build_image_change, check_image_outputs
from tracker.config.run import Config
from tracker.errors import ConfigError
from tracker.sinks.draw_style import ColorBy
from tracker.sinks.json_records import Embeddings
from tracker.sinks.output_file import STDOUT, check_not_source
from tracker.sinks.paths import check_different, check_not_read, filled
from tracker.sinks.place import Existing
from tracker.sinks.video_settings import EARLIER
from tracker.tracks import Sink
from tracker.util.address import scheme_of, shown_address

if TYPE_CHECKING:
    from tracker.sinks.changed_images import ImageChange
    from tracker.sinks.run_analysis import RunAnalysis

NAME = "{name}"
"""Placeholder in a path for the name of the source."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs of a run; `None` for none. `{name}` in a path becomes the name of the source.

    Attributes:
        json: Path of JSON Lines (`.jsonl`, `-` for stdout) or of one JSON document (`.json`).
        mot: Path of MOTChallenge text.
        csv: Path of a CSV table.
        events: Path of the events of zones and lines, as CSV or `.jsonl`.
        webhook: Address that events are posted to.
        mqtt: Broker and topic that events are published to.
        video: Path of an annotated H.264 video.
        show: Whether a window shows the result.
        save_dir: Folder that receives `NAME.jsonl` and `NAME.mp4`.
        objects: Folders with files for each track.
        embeddings: Whether JSON contains appearance embeddings.
        existing: Whether existing files are replaced.
    """

    json: str | None = None
    mot: str | None = None
    csv: str | None = None
    events: str | None = None
    webhook: str | None = None
    mqtt: str | None = None
    video: str | None = None
    show: bool = False
    save_dir: str | None = None
    objects: ObjectFiles = field(default_factory=ObjectFiles)
    embeddings: Embeddings = Embeddings.OMIT
    existing: Existing = Existing.REPLACE

    def for_source(self, name: str) -> "Outputs":
        """Returns the outputs of one source.

        Raises:
            ConfigError: A path has an unknown word in braces.
        """

        def with_name(path: str | None) -> str | None:
            return None if path is None else filled(path, {"name": name})

        return replace(
            self,
            json=with_name(self.json),
            mot=with_name(self.mot),
            csv=with_name(self.csv),
            events=with_name(self.events),
            video=with_name(self.video),
            save_dir=with_name(self.save_dir),
            objects=replace(
                self.objects,
                crops=with_name(self.objects.crops),
                clips=with_name(self.objects.clips),
            ),
        )

    def check_for_many(self) -> None:
        """Checks that several sources do not share a file.

        Raises:
            ConfigError: A path is the same for all sources.
        """
        names = ("json", "mot", "csv", "events", "video")
        paths = {name: getattr(self, name) for name in names}
        paths |= {"crops": self.objects.crops, "clips": self.objects.clips}
        for key, path in paths.items():
            if path is not None and filled(path, {"name": "a"}) == filled(path, {"name": "b"}):
                hint = "out/{name}.jsonl" if path == STDOUT else _path_with_placeholder(path)
                raise ConfigError(
                    f"--{key} {path}: expected {NAME} in it, as there are several sources; try "
                    f"--{key} '{hint}', or --save-dir FOLDER"
                )


def make_sinks(
    sources: Sequence[str],
    names: Sequence[str],
    config: Config,
    outputs: Outputs,
    *,
    config_file: str | None = None,
) -> list[SourceSinks]:
    """Returns the sinks of each source, after checking that their paths can be written.

    Args:
        sources: The sources as typed.
        names: Their names, all distinct.
        config: The resolved configuration.
        outputs: The outputs of the run.
        config_file: Path of the configuration file; `None` if there is none.

    Raises:
        ConfigError: Two outputs share a path, a path has an unknown word in braces, embeddings
            are requested without an embedder, or images are to be changed but no video is
            written or shown.
        OutputTakenError: Another process writes a file, or a file exists and may not be replaced.
        OutputError: A path cannot be written, or is a file that the run reads.
    """
    if len(sources) > 1:
        outputs.check_for_many()
    each = [outputs.for_source(name) for name in names]
    files = [output_files(own, name) for own, name in zip(each, names, strict=True)]
    paths = [path for own in files for path in own.all]
    folders = [path for own in each for path in own.objects.folders]
    _check_no_address([*paths, *folders])
    replayed = config.detector.detections
    written = [*paths, *(path for own in files for path in own.beside)]
    for read in (*sources, *([] if replayed is None else [replayed])):
        for path in written:
            check_not_source(path, read)
    check_not_read(written, _input_paths(sources, config, config_file))
    check_different([*written, *folders])
    check_object_files(outputs.objects, sources, config)
    _check_embeddings(config, outputs)
    check_event_outputs(outputs, config)
    changes = [build_image_change(config) for _ in sources]  # They keep data of their source.
    _check_colors(config)
    is_drawn = bool(outputs.show or outputs.video or outputs.save_dir or outputs.objects.crops)
    check_image_outputs(config, is_drawn=is_drawn)
    if outputs.show:
        from tracker.sinks.window import check_display

        check_display()
    return [
        _sinks(own_files, change, (source, name), config=config, outputs=own)
        for own_files, change, source, name, own in zip(
            files, changes, sources, names, each, strict=True
        )
    ]


def _path_with_placeholder(path: str) -> str:
    whole = Path(path)
    return str(whole.with_name(f"{whole.stem}-{NAME}{whole.suffix}"))


@dataclass(frozen=True, slots=True)
class OutputFiles:
    """The files of one source, as typed.

    Attributes:
        json: Of JSON.
        mot: Of MOTChallenge text.
        csv: A table of tracks.
        events: Of events.
        video: Videos.
    """

    json: Sequence[str]
    mot: str | None
    csv: str | None
    events: str | None
    video: Sequence[str]

    @property
    def all(self) -> list[str]:
        """All of them."""
        single = (self.mot, self.csv, self.events)
        return [p for p in (*self.json, *single, *self.video) if p is not None]

    @property
    def beside(self) -> list[str]:
        """Files that a run makes, replaces and removes beside these."""
        files = [path for path in self.all if path != STDOUT]
        checkpoint = [f"{files[0]}{SUFFIX}"] if files else []
        return [*checkpoint, *(f"{path}{EARLIER}" for path in self.video)]


def output_files(outputs: Outputs, name: str) -> OutputFiles:
    """Returns the files of one source, which `Outputs.for_source` has named."""
    json = [] if outputs.json is None else [outputs.json]
    video = [] if outputs.video is None else [outputs.video]
    if outputs.save_dir is not None:
        stem = Path(outputs.save_dir) / name
        json.append(f"{stem}.jsonl")
        video.append(f"{stem}.mp4")
    return OutputFiles(json, outputs.mot, outputs.csv, outputs.events, video)


def _sinks(
    files: OutputFiles,
    change: "ImageChange | None",
    source_and_name: tuple[str, str],
    *,
    config: Config,
    outputs: Outputs,
) -> SourceSinks:
    source, name = source_and_name
    analysis = _analysis(config)

    def drawing(sink: Sink) -> Sink:
        if change is None:
            return sink
        from tracker.sinks.changed_images import ChangedImageSink

        return ChangedImageSink(sink, change)

    sinks = _record_sinks(files, outputs)
    sinks += push_sinks(outputs.webhook, outputs.mqtt)
    if files.video:
        from tracker.cli.run.video_outputs import video_sinks

        videos = video_sinks(files.video, config, analysis, outputs.existing)
        sinks += [drawing(sink) for sink in videos]
    sinks += [drawing(sink) for sink in crop_sinks(outputs.objects, outputs.existing)]
    sinks += clip_sinks(outputs.objects, source, config, outputs.existing)
    if outputs.show:
        from tracker.sinks.window import OpenCvScreen, WindowSink

        title = f"tracker: {name}"
        screen = OpenCvScreen(title)
        window = WindowSink(title, style=config.draw, overlay=analysis, screen=screen)
        sinks.append(drawing(window))
        return SourceSinks(sinks, lambda: window.stop_requested, window.poll, analysis)
    return SourceSinks(sinks, lambda: False, lambda: None, analysis)


def _record_sinks(files: OutputFiles, outputs: Outputs) -> list[Sink]:
    """Returns the sinks that write text."""
    sinks: list[Sink] = [_json_sink(path, outputs) for path in files.json]
    if files.mot is not None:
        from tracker.sinks.mot_text import MotTextSink

        sinks.append(MotTextSink(files.mot, existing=outputs.existing))
    if files.csv is not None:
        from tracker.sinks.csv_table import CsvSink

        sinks.append(CsvSink(files.csv, existing=outputs.existing))
    if files.events is not None:
        from tracker.sinks.event_file import EventFileSink

        sinks.append(EventFileSink(files.events, existing=outputs.existing))
    return sinks


def _json_sink(path: str, outputs: Outputs) -> Sink:
    if path.endswith(".json"):
        from tracker.sinks.json_document import JsonSink

        return JsonSink(path, embeddings=outputs.embeddings, existing=outputs.existing)
    from tracker.sinks.json_lines import JsonLinesSink

    return JsonLinesSink(path, embeddings=outputs.embeddings, existing=outputs.existing)


def _analysis(config: Config) -> "RunAnalysis | None":
    """Returns the analysis of one source; `None` where nothing is asked for."""
    if config.analytics.is_empty:
        return None
    from tracker.sinks.run_analysis import RunAnalysis

    return RunAnalysis(config.analytics)


def _check_embeddings(config: Config, outputs: Outputs) -> None:
    """Raises if no embeddings can be written; replayed files are checked when they are open."""
    if outputs.embeddings is Embeddings.OMIT:
        return
    if outputs.json is None and outputs.save_dir is None:
        raise ConfigError("--embeddings: they are written to JSON; name a JSON output with --json")
    if embedder_name(config) == NO_EMBEDDER and config.detector.detections is None:
        raise ConfigError(
            f"--embeddings: expected an embedder, got {NO_EMBEDDER!r}; choose one with "
            "--embedder, or replay detections that have embeddings with --detections"
        )


def _check_colors(config: Config) -> None:
    if config.draw.color_by is ColorBy.ZONE and not config.analytics.zones:
        raise ConfigError(
            "--color-by zone: expected zones, got none; give them with --zones zones.yaml"
        )


def _check_no_address(paths: Sequence[str]) -> None:
    for path in paths:
        if scheme_of(path) is not None:
            raise ConfigError(
                f"{shown_address(path)}: expected a file to write, got an address; name a "
                "file, or write JSON to stdout with --json -"
            )


def _input_paths(sources: Sequence[str], config: Config, config_file: str | None) -> list[str]:
    """Returns the inputs of the run as typed by the user; some are names, not paths."""
    detector = config.detector
    return [
        *sources,
        *(detector.name, config.embedder.name),
        *filter(None, (detector.weights, detector.names, config.segmenter.file, config_file)),
        *filter(None, (config.segmenter.image,)),
    ]
