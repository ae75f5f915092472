"""Network streams and files by address: RTSP, RTMP, HTTP (MJPEG, HLS), UDP and more."""

from collections.abc import Iterator

from tracker.errors import ConfigError, SourceError
from tracker.frames import Frame, VideoInfo
from tracker.sources.files.decoding import Decoding
from tracker.sources.files.video_file import VideoFile
from tracker.sources.live.address import with_environment
from tracker.sources.live.connection import Connection, StreamFacts
from tracker.sources.live.http_cause import true_cause
from tracker.sources.live.live_stream import LiveStream
from tracker.sources.live.settings import LiveSettings
from tracker.sources.live.stream_errors import StreamLostError
from tracker.sources.live.stream_open import HTTP, LOOK_S, file_opener, opener
from tracker.sources.source_kind import SourceKind, source_kind
from tracker.util.address import scheme_of, shown_address
from tracker.util.closing import Closing


class NetworkStream(Closing):
    """A network stream or file as a source of frames.

    An http(s) address whose content has a known end is a file, read as `VideoFile` reads: all
    frames, exact numbers, `info.is_live` false. Everything else is live: frames have the time of
    their arrival, and a lost stream is reconnected according to `settings.reconnect`. The first
    connection is made at once and must succeed.

    Args:
        address: A URL, with user and password where they are needed; no message or result shows
            those. `${NAME}` in it is a variable of the environment.
        settings: Timeouts, reconnection, and the transport of RTSP.
        start_s: Of a file: seconds at which to start.
        stride: Of a file: deliver each `stride`-th frame.
        decoding: Which of its video streams is read.

    Raises:
        SourceError: The scheme is unknown, or there is no video stream. ConfigError: A live stream
        was given a start or a stride, or a variable is not set.
    """

    def __init__(
        self,
        address: str,
        settings: LiveSettings | None = None,
        *,
        start_s: float = 0.0,
        stride: int = 1,
        decoding: Decoding | None = None,
    ) -> None:
        settings, decoding = settings or LiveSettings(), decoding or Decoding()
        shown = shown_address(address)
        address = with_environment(address)
        if source_kind(address) is not SourceKind.STREAM:
            raise SourceError(
                f"{shown}: expected the address of a stream, such as rtsp://HOST/PATH"
            )
        connection, facts = _connected(address, shown, settings, decoding)
        if facts.is_finite and scheme_of(address) in HTTP:
            connection.close()
            self._reader: VideoFile | LiveStream = VideoFile(
                shown,
                start_s=start_s,
                stride=stride,
                decoding=decoding,
                open_file=file_opener(address, settings, decoding.video_stream),
            )
            return
        if start_s or stride != 1:
            connection.close()
            raise ConfigError(
                f"{shown}: source.start_s and source.stride need something with an end, got a live "
                "stream; leave them out"
            )
        self._reader = LiveStream(
            shown,
            connect=lambda: Connection(shown, opener(address, settings), decoding),
            connection=connection,
            facts=facts,
            settings=settings,
        )

    @property
    def info(self) -> VideoInfo:
        """The facts known before the first frame."""
        return self._reader.info

    @property
    def skipped(self) -> int:
        """Frames so far that could not be decoded."""
        return self._reader.skipped

    @property
    def reconnects(self) -> int:
        """Number of reconnections so far; of a file 0."""
        return self._reader.reconnects if isinstance(self._reader, LiveStream) else 0

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._reader)

    def close(self) -> None:
        """Ends the connection; an iteration under way in another thread ends.

        That of a stream ends at once, that of a file with its next frame or time limit.
        """
        self._reader.close()


def _connected(
    address: str, shown: str, settings: LiveSettings, decoding: Decoding
) -> tuple[Connection, StreamFacts]:
    connection = Connection(shown, opener(address, settings), decoding)
    try:
        return connection, connection.opened(settings.open_timeout_s)
    except StreamLostError as error:
        connection.close()
        look_s = min(settings.open_timeout_s, LOOK_S)
        failure = true_cause(address, error.failure, timeout_s=look_s)
        raise SourceError(f"{shown}: {failure}") from None
    except BaseException:  # Ctrl-C while it is being opened
        connection.close()
        raise
