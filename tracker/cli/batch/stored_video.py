"""Facts of a video in an object store, read without copying it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import av

from tracker.config.run import Config
from tracker.errors import SourceError
from tracker.frames import VideoInfo
from tracker.sources.containers import open_container
from tracker.sources.files.packets import OpenVideo
from tracker.sources.files.stream_choice import video_stream
from tracker.sources.files.video_file import VideoFile
from tracker.util.address import shown_address
from tracker.util.remote import reading


def stored_video_info(url: str, config: Config) -> VideoInfo:
    """Returns the facts of a video at an address, of which only some parts are read.

    Args:
        url: The address.
        config: Its `source` section chooses the video stream.

    Raises:
        SourceError: It cannot be read.
    """
    decoding, shown = config.source.decoding(), shown_address(url)

    def open_file(_: str) -> AbstractContextManager[OpenVideo]:
        return _open_stored(url, shown, decoding.video_stream)

    with VideoFile(shown, decoding=decoding, open_file=open_file) as video:
        return video.info


@contextmanager
def _open_stored(url: str, shown: str, wanted: int | None) -> Iterator[OpenVideo]:
    with reading(url) as file:
        try:
            container = open_container(file)
        except av.FFmpegError as error:
            raise SourceError(
                f"{shown}: expected a video, got data that FFmpeg cannot read"
            ) from error
        with container:
            yield OpenVideo(container, video_stream(container, shown, wanted))
