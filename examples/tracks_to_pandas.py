"""Tracks as a pandas data frame: how far and how fast did each one go? Needs pandas.

python examples/tracks_to_pandas.py samples/plaza.mp4
"""

import sys

import pandas as pd

import tracker

if not sys.argv[1:]:
    sys.exit(__doc__)

tables = []
for result in tracker.track(sys.argv[1], classes=["person"]):
    table = result.tracks.to_dataframe(result.run.class_names)
    tables.append(table.assign(frame=result.frame.index, time_s=result.frame.time_s))
tracks = pd.concat(tables, ignore_index=True)

tracks["speed"] = (tracks.vx**2 + tracks.vy**2) ** 0.5
by_track = tracks.groupby("id")
print(
    pd.DataFrame(
        {
            "class": by_track["class"].last(),
            "first_s": by_track.time_s.min(),
            "last_s": by_track.time_s.max(),
            "mean_speed_px_s": by_track.speed.mean().astype(float).round(1),
            "mean_height_px": (tracks.y2 - tracks.y1)
            .groupby(tracks.id)
            .mean()
            .astype(float)
            .round(1),
        }
    ).to_string()
)
