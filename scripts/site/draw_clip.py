"""Writes an animated image of what `tracker run` draws, for README.md.

python scripts/site/draw_clip.py samples/plaza.mp4 docs/images/plaza.webp --start 2 --seconds 6
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

import tracker


def drawn_images(source: str, words: list[str], *, width: int, fps: float) -> list[Image.Image]:
    """Returns the frames of the video that `tracker run` writes, reduced.

    Args:
        source: A video file.
        words: Further options of `tracker run`.
        width: Of the images, in pixels.
        fps: Images a second, at most those of the video.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "drawn.mp4")
        command = [sys.executable, "-m", "tracker", "run", source, "--video", path, *words]
        subprocess.run(command, check=True)
        with tracker.VideoFile(path) as video:
            frames = list(video)
    images, due_s = [], 0.0
    for frame in frames:
        if frame.time_s - frames[0].time_s >= due_s - 1e-3:
            height = round(width * frame.height / frame.width)
            images.append(
                Image.fromarray(frame.image).resize((width, height), Image.Resampling.LANCZOS)
            )
            due_s += 1 / fps
    return images


def main() -> None:
    """Writes the image."""
    parser = argparse.ArgumentParser(description="Write an animated image of a tracked video.")
    parser.add_argument("source", metavar="VIDEO")
    parser.add_argument("out", type=Path, metavar="IMAGE.webp")
    parser.add_argument("--start", default="0", help="seconds")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--fps", type=float, default=12.5)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--quality", type=int, default=60)
    parser.add_argument("--rate", type=float, default=25.0, help="frames a second of the video")
    arguments, others = parser.parse_known_args()
    count = str(round(arguments.seconds * arguments.rate))
    words = ["--start", arguments.start, "--max-frames", count, *others]
    images = drawn_images(arguments.source, words, width=arguments.width, fps=arguments.fps)
    first, *rest = images
    first.save(
        arguments.out,
        save_all=True,
        append_images=rest,
        duration=round(1000 / arguments.fps),
        loop=0,
        quality=arguments.quality,
        method=6,
    )


if __name__ == "__main__":
    main()
