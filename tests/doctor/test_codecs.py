"""Encoders are really run; wrong names and wrong frames are reported."""

import av.logging
import pytest

from tracker.doctor.check import Status
from tracker.doctor.codecs import (
    SOUND,
    VIDEO,
    decoded_levels,
    encoded_video,
    sound_check,
    video_check,
    wrong_frames,
)


@pytest.mark.parametrize("encoder", [VIDEO, "mpeg4"])
def test_ten_frames_come_back(encoder: str) -> None:
    check = video_check(encoder, is_needed=True)
    assert (check.status, check.detail) == (
        Status.OK,
        "10 frames of 640x360 encoded and decoded",
    )


def test_levels_are_those_of_the_frames() -> None:
    assert decoded_levels(encoded_video(VIDEO, [50, 200])) == pytest.approx([50, 200], abs=3)


def test_an_encoder_that_does_not_exist() -> None:
    needed = video_check("h264_nothing", is_needed=True)
    assert (needed.status, needed.mend) == (Status.FAILURE, "pip install --force-reinstall av")
    assert "h264_nothing" in needed.detail
    hardware = video_check("h264_nothing", is_needed=False)
    assert hardware.status is Status.WARNING
    assert hardware.mend.startswith("Nothing to do: libx264 encodes")


def test_logging_of_ffmpeg_is_off_afterwards() -> None:
    encoded_video(VIDEO, [50])
    video_check("h264_nothing", is_needed=False)
    assert av.logging.get_level() is None


def test_wrong_frames_are_found_out() -> None:
    assert wrong_frames([20, 40], [21.0, 38.5]) == ""
    told = wrong_frames([20, 40], [21.0, 53.2])
    assert told == "expected frames with the grey levels 20, 40, decoded 21, 53"
    assert wrong_frames([20, 40], [20.0]).endswith("20, 40, decoded 20")
    assert wrong_frames([20], []).endswith("decoded none")


def test_sound() -> None:
    assert sound_check(SOUND).status is Status.OK
    assert sound_check("aac_nothing").status is Status.WARNING
