"""Which encoder is chosen, by the answers of a check of the hardware."""

import logging

import pytest

from tracker.config.build_video import hardware_problem, video_encoders
from tracker.config.run import load_config
from tracker.errors import ConfigError
from tracker.sinks.encoders import HARDWARE_CODECS
from tracker.sinks.video_settings import VideoEncoder


class Hardware:
    """A machine where some encoders work."""

    def __init__(self, *works: VideoEncoder) -> None:
        self._works = works
        self.asked: list[VideoEncoder] = []

    def problem(self, name: VideoEncoder) -> str:
        self.asked.append(name)
        return "" if name in self._works else "no driver"


def test_auto_takes_the_first_that_works_and_has_x264_behind_it() -> None:
    machine = Hardware(VideoEncoder.QSV, VideoEncoder.VAAPI)
    found = video_encoders(VideoEncoder.AUTO, machine.problem)
    assert found == (VideoEncoder.QSV, VideoEncoder.X264)
    assert machine.asked == list(HARDWARE_CODECS)[:3]


def test_auto_without_hardware_is_x264(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tracker.config")
    assert video_encoders(VideoEncoder.AUTO, Hardware().problem) == (VideoEncoder.X264,)
    assert "not nvenc: no driver" in caplog.text
    assert caplog.text.rstrip().endswith("video.encoder auto: x264")


def test_an_encoder_by_name_has_to_work() -> None:
    machine = Hardware(VideoEncoder.NVENC)
    assert video_encoders(VideoEncoder.NVENC, machine.problem) == (VideoEncoder.NVENC,)
    with pytest.raises(ConfigError, match=r"video.encoder vaapi: .*: no driver; take auto or x264"):
        video_encoders(VideoEncoder.VAAPI, machine.problem)


def test_x264_asks_for_no_hardware() -> None:
    machine = Hardware(*HARDWARE_CODECS)
    assert video_encoders(VideoEncoder.X264, machine.problem) == (VideoEncoder.X264,)
    assert machine.asked == []


def test_an_encoder_that_this_ffmpeg_lacks() -> None:
    missing = {"h264_vaapi", "h264_videotoolbox"}
    problems = {HARDWARE_CODECS[name]: hardware_problem(name) for name in HARDWARE_CODECS}
    assert any(problems[codec] for codec in missing)  # no machine has both


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("video.scale=0", r"video.scale: expected a number in \[0.05, 1\], got 0"),
        ("video.scale=1.5", "got 1.5"),
        ("video.crf=52", "video.crf: expected 0 to 51, got 52"),
        ("video.preset=veryfasst", "did you mean 'veryfast'"),
        ("video.encoder=nvec", "video.encoder"),
    ],
)
def test_wrong_settings_name_the_key(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(None, [word])


def test_settings_are_part_of_the_configuration() -> None:
    settings = load_config(None, ["video.scale=0.5", "video.encoder=x264", "video.crf=18"]).video
    assert (settings.scale, settings.encoder, settings.crf) == (0.5, VideoEncoder.X264, 18)
    assert load_config().to_json()["video"] == {
        "encoder": "auto",
        "crf": 23,
        "preset": "auto",
        "scale": 1.0,
    }
