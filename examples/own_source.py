"""A source of your own: frames that are a NumPy array (T, H, W, 3) uint8 RGB in a .npy file.

python examples/own_source.py frames.npy 25
"""

import sys
from fractions import Fraction

import numpy as np

import tracker


class ArrayFile:
    """Frames of a .npy file at a fixed rate; `tracker.Source` lists what a source needs."""

    skipped = 0  # frames that could not be decoded

    def __init__(self, path, fps):
        self._images = np.load(path, mmap_mode="r")
        _, height, width, _ = self._images.shape
        self._path = path
        self.info = tracker.VideoInfo(
            source=path,
            width=width,
            height=height,
            fps=fps,
            time_base=1 / fps,
            frame_count=len(self._images),
        )

    def __iter__(self):
        for index, image in enumerate(self._images):
            yield tracker.Frame(image, index, float(index / self.info.fps), self._path)

    def close(self):
        self._images = self._images[:0]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


if len(sys.argv) < 3:
    sys.exit(__doc__)

path, fps = sys.argv[1:]
pipeline = tracker.Pipeline(detector=tracker.MotionDetector(), tracker=tracker.DeepSort())
with ArrayFile(path, Fraction(fps)) as source:
    for result in pipeline.run(source):
        print(f"{result.frame.time_s:.2f} s: {result.tracks.ids.tolist()}")
