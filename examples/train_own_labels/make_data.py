"""Write a data set for `tracker train detector`: images of the sample clip with YOLO labels.

python examples/train_own_labels/make_data.py FOLDER [EVERY_NTH_FRAME]
"""

import sys
from pathlib import Path

import cv2
import numpy as np

import tracker

SAMPLES = Path(__file__).parents[2] / "samples"
LEAST_VISIBLE = 0.5  # People of whom less is seen get no label.

folder = Path(sys.argv[1])
stride = int(sys.argv[2]) if len(sys.argv) > 2 else 5
# frame (from 1), id, left, top, width, height, 1, 1, visibility
truth = np.loadtxt(SAMPLES / "plaza-truth.txt", delimiter=",")
truth = truth[truth[:, 8] >= LEAST_VISIBLE]

with tracker.VideoFile(str(SAMPLES / "plaza.mp4"), stride=stride) as video:
    size = np.array([video.info.width, video.info.height])
    for frame in video:
        part = folder / ("val" if frame.time_s >= 8 else "train")
        for kind in ("images", "labels"):
            (part / kind).mkdir(parents=True, exist_ok=True)
        image = part / "images" / f"{frame.index:05d}.jpg"
        cv2.imwrite(str(image), cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
        rows = truth[truth[:, 0] == frame.index + 1]
        centres = (rows[:, 2:4] + rows[:, 4:6] / 2) / size
        boxes = np.hstack([centres, rows[:, 4:6] / size])
        lines = ["0 " + " ".join(f"{value:.6f}" for value in box) + "\n" for box in boxes]
        (part / "labels" / f"{frame.index:05d}.txt").write_text("".join(lines))

(folder / "data.yaml").write_text(
    "path: .\ntrain: train/images\nval: val/images\nnames: [person]\n"
)
