"""Show the tracks of a webcam, a stream or a video file in a window.

python examples/webcam_window.py            # the first camera; q or Esc closes the window
python examples/webcam_window.py in.mp4 --video out.mp4     # no window: into a file
"""

import argparse

import tracker

parser = argparse.ArgumentParser()
parser.add_argument("source", nargs="?", default="0", help="camera index, address or file")
parser.add_argument("--video", help="write this .mp4 instead of opening a window")
arguments = parser.parse_args()

results = tracker.track(arguments.source, classes=["person"])
if arguments.video:
    with tracker.VideoSink(arguments.video) as video:
        for result in results:
            video.write(result)
    print(video.status)
else:
    with tracker.WindowSink("webcam") as window:
        for result in results:
            window.write(result)
            if window.stop_requested:
                break
    print(window.status)
