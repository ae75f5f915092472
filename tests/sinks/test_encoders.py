"""Settings of encoders; those of hardware cannot be opened here."""

import av
import pytest

from tracker.sinks.encoders import HARDWARE_CODECS, Encoder
from tracker.sinks.video_settings import PRESETS, VideoEncoder


def test_large_frames_take_the_fast_settings() -> None:
    large = Encoder.x264(23, "auto", (720, 1280))
    assert (large.options["preset"], large.options["crf"]) == ("ultrafast", "22")
    assert large.frame_threads == 4
    small = Encoder.x264(23, "auto", (719, 1280))
    assert dict(small.options) == {"preset": "veryfast", "crf": "23"}
    assert small.frame_threads is None
    chosen = Encoder.x264(18, "medium", (1080, 1920))
    assert dict(chosen.options) == {"preset": "medium", "crf": "18"}
    assert Encoder.x264(0, "auto", (1080, 1920)).options["crf"] == "0"


def test_presets_are_those_of_x264() -> None:
    for preset in PRESETS[1:]:
        context = av.CodecContext.create("libx264", "w")
        context.width = context.height = 16
        context.pix_fmt = "yuv420p"
        context.options = {"preset": preset}
        context.open()


@pytest.mark.parametrize("name", [name for name in VideoEncoder if name in HARDWARE_CODECS])
@pytest.mark.parametrize("crf", [0, 23, 51])
def test_hardware_has_settings_without_reordered_frames(name: VideoEncoder, crf: int) -> None:
    encoder = Encoder.of_hardware(name, crf)
    assert encoder.codec == HARDWARE_CODECS[name] == f"h264_{name.value}"
    assert encoder.options["bf"] == "0"
    assert encoder.is_hardware
    assert Encoder.by_codec(encoder.codec).is_hardware


def test_other_encoders_have_no_settings() -> None:
    assert Encoder.by_codec("mpeg4") == Encoder("mpeg4")
