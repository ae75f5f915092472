"""A metric of your own, from a truth and from tracks: how long is each object covered by a track?

    tracker run samples/plaza.mp4 --json plaza.jsonl
    python examples/own_metric.py samples/plaza-truth.txt plaza.jsonl

A frame of an object counts where a track overlaps it by an IoU of 0.5 or more. Both files may be
MOTChallenge text or JSON of `tracker run`.
"""

import sys
from collections import Counter

from tracker import read_tracks
from tracker.boxes import pairwise_iou

LEAST_IOU = 0.5


def coverage(truth, tracks):
    """Returns by id the share of an object's frames in which a track overlaps it."""
    boxes = {frame: rows.boxes for frame, rows in tracks.by_frame()}
    frames, covered = Counter(), Counter()
    for frame, objects in truth.by_frame():
        frames.update(objects.ids.tolist())
        if frame in boxes:
            hit = (pairwise_iou(objects.boxes, boxes[frame]) >= LEAST_IOU).any(axis=1)
            covered.update(objects.ids[hit].tolist())
    return {track_id: covered[track_id] / frames[track_id] for track_id in sorted(frames)}


if len(sys.argv) < 3:
    sys.exit(__doc__)

shares = coverage(read_tracks(sys.argv[1]), read_tracks(sys.argv[2]))
for track_id, share in shares.items():
    print(f"object {track_id}: {share:.1%}")
print(f"mean: {sum(shares.values()) / len(shares):.1%}")
