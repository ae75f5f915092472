"""How FFmpeg opens an address: its options by scheme, and time limits.

Comes in: an address and the settings of live sources. Goes out: an open PyAV container.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import av
from av.codec.context import ThreadType
from av.container import InputContainer
from av.video.stream import VideoStream

from tracker.errors import SourceError
from tracker.sources.files.packets import OpenVideo
from tracker.sources.files.stream_choice import video_stream
from tracker.sources.live.http_cause import true_cause
from tracker.sources.live.settings import LiveSettings
from tracker.sources.live.stream_errors import BROKEN, UNREACHABLE, explain
from tracker.util.address import scheme_of

_log = logging.getLogger(__name__)

# FFmpeg looks at 20 frames to be sure of the rate, and at 5 s for sizes. Measured with RTSP at
# 10 fps: open after 2.9-3.7 s with a burst of 28 frames; like this 0.9-1.2 s and 6. The rate was
# right from 2 to 25 fps, also where only the stamps tell it; with fewer frames it was not.
_SHORT_PROBE = {"fpsprobesize": "3", "analyzeduration": "500000"}

HTTP = frozenset({"http", "https"})
"""Schemes behind which there may be a file as well as something live."""

LOOK_S = 3.0
"""Seconds that finding the cause of a failure may take."""


def opener(address: str, settings: LiveSettings) -> Callable[[], InputContainer]:
    """Returns what opens an address, within the time limits of the settings.

    What is live is looked at for a moment only, and once more for longer where that showed no size:
    between key frames, or where the camera sends its parameters with those alone.

    Args:
        address: A URL with a scheme of `tracker.sources.source_kind`, with its credentials.
        settings: Time limits, and the transport of RTSP.
    """
    scheme = scheme_of(address) or ""
    url = scheme + address[len(scheme) :]  # FFmpeg knows schemes in lower case alone
    options = _options(scheme, settings)

    def open_with(probe: dict[str, str]) -> InputContainer:
        return av.open(
            url,
            options=options | probe,
            timeout=(settings.open_timeout_s, settings.stall_s),
            metadata_errors="replace",
        )

    def open_container() -> InputContainer:
        if scheme in HTTP:
            return open_with({})
        container = open_with(_SHORT_PROBE)
        if all(_has_size(stream) for stream in container.streams.video):
            return container
        _log.debug("a stream by %s showed no size within a short probe", scheme)
        container.close()
        return open_with({})

    return open_container


def _has_size(stream: VideoStream) -> bool:
    return stream.codec_context is None or stream.width > 0


def file_opener(
    address: str, settings: LiveSettings, wanted: int | None = None
) -> Callable[[str], AbstractContextManager[OpenVideo]]:
    """Returns what opens a file behind an http(s) address, for `VideoFile`.

    Args:
        address: The URL, with its credentials.
        settings: Time limits.
        wanted: Number of the video stream, from 0; `None` chooses.
    """
    open_container = opener(address, settings)

    @contextmanager
    def open_file(source: str) -> Iterator[OpenVideo]:
        try:
            with open_container() as container:
                stream = video_stream(container, source, wanted)
                stream.thread_type = ThreadType.AUTO
                yield OpenVideo(container, stream)
        except av.FFmpegError as error:
            # `from None`: what FFmpeg raises holds the address with its password.
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

    Options that promise a low delay are left out, since they lower none: measured with MPEG-TS over
    TCP at 25 fps, frames are 81 ms old with and without `fflags=nobuffer` and `flags=low_delay`
    (two frames: FFmpeg knows where a picture ends when the next one begins). `nobuffer` throws
    away what was read while the stream was probed, a keyframe among it.
    """
    if scheme in {"rtsp", "rtsps"}:
        return {
            "rtsp_transport": settings.rtsp_transport.value,
            "allowed_media_types": "video",  # probing would wait for the sound
        }
    if scheme in HTTP:
        # Goes on within a file where its connection broke; of no effect on what is live.
        return {"reconnect": "1", "reconnect_delay_max": "4"}
    if scheme == "udp":
        return {"overrun_nonfatal": "1"}  # packets lost in a burst are no reason to end
    return {}
