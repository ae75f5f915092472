#!/bin/sh
# From a stream to one small JSON line for each frame with people, for a message queue or a log.
#
#     CAM_USER=me CAM_PASSWORD=secret \
#         examples/rtsp_to_json.sh 'rtsp://${CAM_USER}:${CAM_PASSWORD}@door/main'
#
# Single quotes: the program itself replaces ${...}, so that no password stands in a process list.
# Further words go to `tracker run`, as --max-frames 100 or --reconnect 3. Needs jq.
set -eu
stream=$1
shift
tracker run "$stream" --classes person --json - --no-progress "$@" |
    jq --unbuffered -c 'select(.kind == "frame" and (.tracks | length) > 0)
        | {time: .wall_time, people: [.tracks[] | {id, box, score}]}'
