"""Track with a detection network of your own in an ONNX file: pip install '.[onnx]'.

    python examples/own_onnx_model.py yolox_nano.onnx samples/plaza.mp4 person car

The layout of the outputs is found by their names and shapes (docs/models.md lists the layouts that
are known). Words after the video are the names of the classes, where the file does not hold them.
"""

import sys
from collections import Counter

import tracker

if len(sys.argv) < 3:
    sys.exit(__doc__)

model, source, *names = sys.argv[1:]
detector = tracker.load_model(model, names=names or None)
pipeline = tracker.Pipeline(
    detector=detector,
    embedder=tracker.CropEmbedder.load_builtin(),
    tracker=tracker.DeepSort(),
)

frames = Counter()
with tracker.VideoFile(source) as video, tracker.JsonLinesSink("own-model.jsonl") as sink:
    for result in pipeline.run(video):
        sink.write(result)
        for track_id, name in zip(result.tracks.ids, result.tracks.classes, strict=True):
            frames[int(track_id), detector.class_names[name]] += 1
for (track_id, name), count in sorted(frames.items()):
    print(f"track {track_id}: {name} in {count} frames")
