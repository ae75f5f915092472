"""Builds the sources of a server from the command line."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tracker.analytics.settings import AnalyticsSettings
from tracker.config.build import build_shared_pipeline, open_source
from tracker.config.build_images import build_image_change
from tracker.config.run import Config
from tracker.config.zones import zones_from
from tracker.errors import ConfigError
from tracker.pipeline.multi import MultiPipeline
from tracker.serve.context import Context
from tracker.serve.feeds import Feed, PipelineFeed, RecordedFeed
from tracker.serve.hub import Hub
from tracker.serve.pictures import Encoding
from tracker.serve.security import Access
from tracker.serve.settings import ServeSettings
from tracker.serve.site import Site, Sites
from tracker.serve.upload_files import UploadFiles, UploadRecorder
from tracker.serve.uploads import Uploads
from tracker.serve.worker import SourceWorker, Work
from tracker.serve.zone_files import ZoneFile
from tracker.sinks.paths import filled
from tracker.sources.source_kind import SourceKind, check_pipe_once, source_kind
from tracker.sources.source_names import source_names
from tracker.track_files.json_file import Recording
from tracker.track_files.read import read_recording
from tracker.util.address import shown_address

_RECORDINGS = (".json", ".jsonl")


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """Sources and settings of `tracker serve`.

    Attributes:
        sources: The sources as the user typed them; a recording may be followed by its video.
        config: The configuration of detection and tracking.
        settings: The settings of the server.
    """

    sources: tuple[str, ...]
    config: Config
    settings: ServeSettings


def build_context(request: ServeRequest) -> Context:
    """Returns the state of a server, with its sources started.

    Raises:
        ConfigError: An option is wrong.
        SourceError: A file cannot be read; cameras and streams are waited for.
        DataError: A recording is malformed.
        TrackerError: A model is missing or malformed.
    """
    if request.config.link:
        raise ConfigError("link: tracker serve has no global ids; leave it out, or use tracker run")
    check_pipe_once(request.sources)
    pipeline = LazyPipeline(request.config)
    sites = Sites(_sites(request, pipeline))
    uploads = None
    if request.settings.upload_limit:
        maker = _UploadMaker(request, pipeline)
        uploads = Uploads(
            request.settings.uploads,
            limit=request.settings.upload_limit,
            keep_s=request.settings.keep_s,
            sites=sites,
            make_site=maker.site,
        )
    for site in sites.all():
        site.worker.start()
    return Context(request.settings, sites, uploads, Access(request.settings))


class LazyPipeline:
    """The pipeline that all sources share, built when it is needed first.

    Args:
        config: The configuration.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._pipeline: MultiPipeline | None = None

    def __call__(self) -> MultiPipeline:
        """Returns the pipeline.

        Raises:
            TrackerError: A model is missing or malformed, or an option is wrong.
        """
        with self._lock:
            if self._pipeline is None:
                self._pipeline = build_shared_pipeline(self._config)
            return self._pipeline


@dataclass(frozen=True, slots=True)
class _Entry:
    """A source, or a recording with its video."""

    text: str
    video: str | None = None

    @property
    def is_recording(self) -> bool:
        return _is_recording(self.text)


def _is_recording(text: str) -> bool:
    return Path(text).suffix.lower() in _RECORDINGS and Path(text).is_file()


def _entries(sources: Sequence[str]) -> Iterator[_Entry]:
    """Yields the sources; the one after a recording is its video, if it is a file or images."""
    waiting = list(sources)
    while waiting:
        text = waiting.pop(0)
        video = None
        if _is_recording(text) and waiting and not _is_recording(waiting[0]):
            if source_kind(waiting[0]) in {SourceKind.VIDEO_FILE, SourceKind.IMAGES}:
                video = waiting.pop(0)
        yield _Entry(text, video)


def _sites(request: ServeRequest, pipeline: LazyPipeline) -> list[Site]:
    entries = list(_entries(request.sources))
    zone_file_of = _zone_files(request)
    for entry in entries:
        _check_opens(entry, request.config)
    if not all(entry.is_recording for entry in entries):
        pipeline()  # To raise before the first request.
    names = source_names([entry.text for entry in entries])
    return [
        _site(entry, name, request, pipeline, zone_file_of)
        for entry, name in zip(entries, names, strict=True)
    ]


def _check_opens(entry: _Entry, config: Config) -> None:
    """Opens files once, so that one that is missing is an error at the start."""
    for text in (entry.video,) if entry.is_recording else (entry.text,):
        if text is not None and _is_file(text):
            open_source(text, config).close()


def _is_file(text: str) -> bool:
    return source_kind(text) in {SourceKind.VIDEO_FILE, SourceKind.IMAGES}


def _site(
    entry: _Entry,
    name: str,
    request: ServeRequest,
    pipeline: LazyPipeline,
    zone_file_of: Callable[[str, AnalyticsSettings], ZoneFile],
) -> Site:
    config, settings = request.config, request.settings
    feed: Feed
    zones, kind, has_image = config.analytics, "file", True
    if entry.is_recording:
        recording = read_recording(entry.text)
        zones, kind, has_image = _recorded_zones(recording), "recorded", entry.video is not None
        opener = None if entry.video is None else partial(open_source, entry.video, config)
        feed = RecordedFeed(lambda: recording, entry.text, opener)
    else:
        feed = PipelineFeed(entry.text, config, pipeline, settings.paced)
        kind = "file" if _is_file(entry.text) else "live"
    file = zone_file_of(name, zones)
    hub = _hub(file, config, settings, has_image=has_image)
    work = Work(feed, change=partial(build_image_change, config), address=entry.text)
    return Site(
        name=name,
        title=_title(entry),
        kind=kind,
        worker=SourceWorker(work, hub),
        zones=file,
        detecting=not entry.is_recording,
    )


def _title(entry: _Entry) -> str:
    """Returns what people see of a source: no folders, no secrets."""
    text = entry.text
    return Path(text).name if _is_file(text) else shown_address(text)


def _recorded_zones(recording: Recording) -> AnalyticsSettings:
    header = recording.header
    tree = None if header is None else header.config.get("analytics")
    return zones_from(tree) if isinstance(tree, dict) else AnalyticsSettings()


def _zone_files(
    request: ServeRequest,
) -> Callable[[str, AnalyticsSettings], ZoneFile]:
    """Returns what gives the file of the zones of a source, from its name and other zones."""
    path = request.settings.zones
    if path is None:
        return lambda name, zones: ZoneFile(Path(f"{name}.zones.yaml"), zones)
    if filled(path, {"name": "a"}) != filled(path, {"name": "b"}):
        return lambda name, zones: ZoneFile(Path(filled(path, {"name": name})), zones)
    shared = ZoneFile(Path(path), request.config.analytics)
    return lambda name, zones: shared


def _hub(file: ZoneFile, config: Config, settings: ServeSettings, *, has_image: bool = True) -> Hub:
    encoding = Encoding(settings.jpeg_quality, settings.image_side)
    return Hub(file.load(), style=config.draw, encoding=encoding, has_image=has_image)


class _UploadMaker:
    """Makes the sources of uploads.

    Args:
        request: Sources and settings.
        pipeline: The pipeline of all sources.
    """

    def __init__(self, request: ServeRequest, pipeline: LazyPipeline) -> None:
        self._request, self._pipeline = request, pipeline

    def site(self, name: str, title: str, files: UploadFiles) -> Site:
        """Returns the source of an upload; it is not started."""
        config = self._request.config
        path = str(files.video)
        file = ZoneFile(files.zones, config.analytics)
        hub = _hub(file, config, self._request.settings)
        load = partial(read_recording, files.made("json"))
        work = Work(
            feed=PipelineFeed(path, config, self._pipeline, paced=False, name=title),
            change=partial(build_image_change, config),
            recorder=UploadRecorder(files, title, hub, config.draw),
            later=RecordedFeed(load, title, partial(open_source, path, config)),
            address=path,
            hidden=path,
        )

        def downloads() -> dict[str, Path]:
            return {} if worker.is_recording else dict(files.all_made())

        worker = SourceWorker(work, hub)
        return Site(name, title, "upload", worker, file, downloads)
