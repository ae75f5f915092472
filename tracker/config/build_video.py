"""Chooses the encoder of videos: graphics hardware where a check of `tracker doctor` passes."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import av

from tracker.doctor.check import Status
from tracker.doctor.isolated import Examination, examine
from tracker.errors import ConfigError
from tracker.sinks.encoders import HARDWARE_CODECS
from tracker.sinks.video_settings import VideoEncoder

_log = logging.getLogger(__name__)

_CHECK_S = 20.0
"""Seconds after which an encoder that does not answer counts as broken."""

Check = Callable[[VideoEncoder], str]
"""Returns why an encoder of hardware cannot be used; an empty text if it can."""


def video_encoders(choice: VideoEncoder, check: Check | None = None) -> tuple[VideoEncoder, ...]:
    """Returns the encoders to try, the best one first.

    Args:
        choice: The setting `video.encoder`.
        check: Checks an encoder; by default `hardware_problem`.

    Raises:
        ConfigError: An encoder of hardware is chosen by name and does not work here.
    """
    check = check or hardware_problem
    if choice is VideoEncoder.X264:
        return (choice,)
    if choice is not VideoEncoder.AUTO:
        problem = check(choice)
        if problem:
            raise ConfigError(
                f"video.encoder {choice.value}: it does not work here: {problem}; take auto or x264"
            )
        return (choice,)
    for name in HARDWARE_CODECS:
        problem = check(name)
        if not problem:
            return name, VideoEncoder.X264
        _log.debug("video.encoder auto: not %s: %s", name.value, problem)
    _log.debug("video.encoder auto: %s", VideoEncoder.X264.value)
    return (VideoEncoder.X264,)


def hardware_problem(name: VideoEncoder) -> str:
    """Returns why an encoder of hardware cannot be used; an empty text if it can.

    Where the device is there, frames are encoded and decoded in another process, as
    `tracker doctor` does: a driver may crash or block.
    """
    codec = HARDWARE_CODECS[name]
    if codec not in av.codecs_available:
        return f"this FFmpeg has no {codec}"
    if not _has_device(name):
        return "there is no such device"
    found = examine(
        Examination(
            f"video {codec}",
            "tracker.doctor.codecs:encoder_checks",
            mend="Take another encoder.",
            arguments=(codec,),
            timeout_s=_CHECK_S,
        )
    )
    return "; ".join(one.detail for one in found if one.status is not Status.OK)


def _has_device(name: VideoEncoder) -> bool:
    """Returns whether there may be a device: looking for it is cheaper than the check."""
    if name is VideoEncoder.VIDEOTOOLBOX:
        return sys.platform == "darwin"
    if sys.platform != "linux":
        return True
    if name is VideoEncoder.NVENC:
        return any(Path(path).exists() for path in ("/dev/nvidiactl", "/dev/dxg"))
    return any(Path("/dev/dri").glob("renderD*"))
