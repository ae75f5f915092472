#!/bin/sh
# Track each sequence of a MOTChallenge data set and score the tracks: HOTA, MOTA, IDF1.
#
#     examples/evaluate_on_mot.sh MOT17/train results MOT17 --detector small
#
# The sequences are folders NAME/img1 with NAME/gt/gt.txt. Words after the rules (MOT15, MOT17 or
# MOT20) go to `tracker run`.
set -eu
data=$1
results=$2
rules=$3
shift 3
mkdir -p "$results"
for sequence in "$data"/*/; do
    name=$(basename "$sequence")
    tracker run "${sequence}img1" --mot "$results/$name.txt" --classes person --no-progress "$@"
done
tracker eval --truth "$data" --tracks "$results" --rules "$rules" --json "$results/scores.json"
