"""Compare what tracked people look like: the mean appearance embedding of each track.

    python examples/embeddings.py samples/plaza.mp4

Prints the cosine similarity of all pairs of tracks: 1 = alike. The same vectors are in the JSON of
`tracker run --embeddings`.
"""

import sys
from collections import defaultdict

import numpy as np

import tracker

pipeline = tracker.Pipeline(
    detector=tracker.YoloDetector.load_builtin("small"),
    embedder=tracker.CropEmbedder.load_builtin(),
    tracker=tracker.DeepSort(),
)
if not sys.argv[1:]:
    sys.exit(__doc__)

seen = defaultdict(list)
with tracker.VideoFile(sys.argv[1]) as video:
    for result in pipeline.run(video):
        tracks = result.tracks
        for track_id, row in zip(tracks.ids.tolist(), tracks.detection_index, strict=True):
            if row >= 0:  # -1: predicted, not detected in this frame
                seen[track_id].append(result.detections.embeddings[row])

ids = sorted(seen)
means = np.stack([np.mean(seen[track_id], axis=0) for track_id in ids])
means /= np.linalg.norm(means, axis=1, keepdims=True)
print("id   " + "".join(f"{track_id:6d}" for track_id in ids))
for track_id, row in zip(ids, means @ means.T, strict=True):
    print(f"{track_id:<5d}" + "".join(f"{value:6.2f}" for value in row))
