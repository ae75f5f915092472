"""Count the people in each video of a folder: the number tracked, and the most at one time.

python examples/count_people.py FOLDER > people.csv
"""

import sys
from collections import Counter
from pathlib import Path

import tracker

LEAST_FRAMES = 10  # Shorter tracks are mostly false alarms.

if not sys.argv[1:]:
    sys.exit(__doc__)

print("video,people,most_at_once")
for path in sorted(Path(sys.argv[1]).glob("*.mp4")):
    frames = [result.tracks.ids.tolist() for result in tracker.track(path, classes=["person"])]
    lengths = Counter(track_id for ids in frames for track_id in ids)
    people = {track_id for track_id, length in lengths.items() if length >= LEAST_FRAMES}
    most = max((len(people.intersection(ids)) for ids in frames), default=0)
    print(f"{path.name},{len(people)},{most}")
