"""How FFmpeg opens an address: options by scheme, and timeouts."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import av
from av.codec.context import ThreadType
from av.container import InputContainer
from av.video.stream import VideoStream

from tracker.errors import SourceError
from tracker.sources.containers import open_container
from tracker.sources.files.packets import OpenVideo
from tracker.sources.files.stream_choice import video_stream
from tracker.sources.live.http_cause import true_cause
from tracker.sources.live.settings import LiveSettings
from tracker.sources.live.stream_errors import BROKEN, UNREACHABLE, explain
from tracker.util.address import scheme_of

_log = logging.getLogger(__name__)

# FFmpeg probes 20 frames to determine the rate, and at 5 s for sizes. Measured with RTSP at 10 fps:
# open after 2.9-3.7 s with a burst of 28 frames; with these options 0.9-1.2 s and 6. The rate was
# right from 2 to 25 fps, also where only time stamps give it; with fewer frames it was not.
_SHORT_PROBE = {"fpsprobesize": "3", "analyzeduration": "500000"}

HTTP = frozenset({"http", "https"})
"""Schemes of files as well as of live streams."""

LOOK_S = 3.0
"""Timeout in seconds of finding the cause of a failure."""


def opener(address: str, settings: LiveSettings) -> Callable[[], InputContainer]:
    """Returns a function that opens an address, within the timeouts of the settings.

    A live stream is probed briefly, and once more for longer if that found no size: between key
    frames, or where the camera sends its parameters only with those.

    Args:
        address: A URL with a scheme of `tracker.sources.source_kind`, with its credentials.
        settings: Time limits, and the transport of RTSP.
    """
    scheme = scheme_of(address) or ""
    url = scheme + address[len(scheme) :]  # FFmpeg accepts schemes in lower case only
    options = _options(scheme, settings)

    def open_with(probe: dict[str, str]) -> InputContainer:
        return open_container(
            url, options=options | probe, timeout=(settings.open_timeout_s, settings.stall_s)
        )

    def open_address() -> InputContainer:
        if scheme in HTTP:
            return open_with({})
        container = open_with(_SHORT_PROBE)
        if all(_has_size(stream) for stream in container.streams.video):
            return container
        _log.debug("a stream by %s showed no size within a short probe", scheme)
        container.close()
        return open_with({})

    return open_address


def _has_size(stream: VideoStream) -> bool:
    return stream.codec_context is None or stream.width > 0


def file_opener(
    address: str, settings: LiveSettings, wanted: int | None = None
) -> Callable[[str], AbstractContextManager[OpenVideo]]:
    """Returns a function that opens a file at an http(s) address, for `VideoFile`.

    Args:
        address: The URL, with its credentials.
        settings: Time limits.
        wanted: Number of the video stream, from 0; `None` chooses.
    """
    open_address = opener(address, settings)

    @contextmanager
    def open_file(source: str) -> Iterator[OpenVideo]:
        try:
            with open_address() as container:
                stream = video_stream(container, source, wanted)
                stream.thread_type = ThreadType.AUTO
                yield OpenVideo(container, stream)
        except av.FFmpegError as error:
            # `from None`: FFmpeg's error contains the address with its password.
            failure = true_cause(address, explain(error, source), timeout_s=LOOK_S)
            raise SourceError(f"{source}: {failure}") from None
        except SourceError as error:
            cause = error.__cause__
            if not isinstance(cause, av.FFmpegError):
                raise
            failure = explain(cause, source)
            failure = BROKEN if failure is UNREACHABLE else failure
            failure = true_cause(address, failure, timeout_s=LOOK_S)
            raise SourceError(f"{source}: reading failed: {failure}") from None

    return open_file


def _options(scheme: str, settings: LiveSettings) -> dict[str, str]:
    """Returns FFmpeg's options.

    Options for low delay are left out, since they have no effect: measured with MPEG-TS over TCP at
    25 fps, frames are 81 ms old with and without `fflags=nobuffer` and `flags=low_delay` (two
    frames: FFmpeg knows where a frame ends when the next one begins). `nobuffer` discards the
        packets read by the probe, a keyframe among them.
    """
    if scheme in {"rtsp", "rtsps"}:
        return {
            "rtsp_transport": settings.rtsp_transport.value,
            "allowed_media_types": "video",  # probing would wait for the sound
        }
    if scheme in HTTP:
        # Resumes a file where its connection broke; no effect on live streams.
        return {"reconnect": "1", "reconnect_delay_max": "4"}
    if scheme == "udp":
        return {"overrun_nonfatal": "1"}  # packets lost in a burst are no reason to end
    return {}
