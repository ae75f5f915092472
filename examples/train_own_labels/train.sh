#!/bin/sh
# Train the built-in nano detector on your labels, export it for CPUs, track a video with it.
#
#     train.sh DATA.yaml OUT_FOLDER [further words for `tracker train detector`]
set -eu
data=$1
out=$2
shift 2
clip=${CLIP:-$(dirname "$0")/../../samples/plaza.mp4}
tracker train detector --data "$data" --weights nano --size nano --out "$out" --no-progress "$@"
tracker export "$out/best.keras" -o "$out/best.tflite"
tracker run "$clip" --detector "$out/best.tflite" --json "$out/tracks.jsonl" --no-progress
