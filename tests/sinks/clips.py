"""Small files with sound, made on the spot: a click half a second into each second."""

from fractions import Fraction

import av
import numpy as np

RATE = 48000
SECONDS = 3


def click_track():
    wave = np.zeros(SECONDS * RATE, np.float32)
    tone = 0.8 * np.sin(2 * np.pi * 880 * np.arange(RATE // 20) / RATE)
    for second in range(SECONDS):
        begin = second * RATE + RATE // 2
        wave[begin : begin + len(tone)] = tone
    return wave


def make_clip(path, codec):
    """Writes grey images at 25 frames a second, and the clicks."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=RATE, layout="stereo")
        resampler = av.AudioResampler(format=sound.format, layout="stereo", rate=RATE)
        for index in range(SECONDS * 25):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        wave = click_track()
        for begin in range(0, len(wave), 960):
            chunk = np.stack([wave[begin : begin + 960]] * 2)
            frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE, begin, Fraction(1, RATE)
            for piece in resampler.resample(frame):
                container.mux(sound.encode(piece))
        container.mux(sound.encode(None))
    return str(path)


def clicks(path):
    """Returns the times at which it becomes loud after a quarter of a second of silence."""
    found, heard = [], -1.0
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
        for decoded in container.decode(container.streams.audio[0]):
            for frame in resampler.resample(decoded):
                for at in np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.2):
                    time_s = decoded.time + at / RATE
                    if time_s - heard > 0.25:
                        found.append(time_s)
                    heard = time_s
    return found


def hear(path):
    """Returns codec, time of the first click and time of the last sample, in seconds."""
    onset = end = None
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
        for decoded in container.decode(stream):
            for frame in resampler.resample(decoded):
                loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.2)
                if onset is None and len(loud):
                    onset = decoded.time + loud[0] / RATE
                end = decoded.time + frame.samples / RATE
        return stream.codec_context.codec.canonical_name, onset, end
