"""The state of sinks, as `util/plain_state.py` copies and restores it.

For each class the attributes that are no state: settings, open files, networks. A sink whose class
is missing here cannot continue its output.
"""

from tracker.sinks.background import Backdrop
from tracker.sinks.blur import Blur
from tracker.sinks.blur_targets import Held, TargetFinder
from tracker.sinks.changed_images import ChangedImageSink
from tracker.sinks.csv_table import CsvSink
from tracker.sinks.draw_trails import Trails
from tracker.sinks.event_file import EventFileSink
from tracker.sinks.event_push import EventPushSink
from tracker.sinks.json_document import JsonSink
from tracker.sinks.json_lines import JsonLinesSink
from tracker.sinks.json_records import Summary
from tracker.sinks.json_sink import JsonRecordSink
from tracker.sinks.mot_text import MotTextSink
from tracker.sinks.output_file import RecordFile
from tracker.sinks.track_summary import Life, SortedRecords, TrackLives
from tracker.sinks.video_file import VideoSink
from tracker.sinks.window import WindowSink
from tracker.util.latency import LatencyHistogram
from tracker.util.plain_state import Kinds

_JSON = frozenset({"_timings", "_embeddings", "_run", "_counts"})

SINKS = Kinds(
    parts={
        Backdrop: frozenset({"_finder", "_style", "_scene", "_last"}),
        Blur: frozenset({"_style", "_backdrop", "_segmenter", "_segmented", "_last"}),
        ChangedImageSink: frozenset(),
        CsvSink: frozenset(),
        EventFileSink: frozenset({"_as_lines", "_is_begun"}),
        EventPushSink: frozenset({"_queue", "_source", "_wall_offset_s"}),
        Held: frozenset(),
        JsonLinesSink: _JSON,
        JsonRecordSink: _JSON,
        JsonSink: _JSON,
        LatencyHistogram: frozenset(),
        MotTextSink: frozenset(),
        RecordFile: frozenset(
            {"name", "failure", "_path", "_ending", "_file", "_place", "_is_lost", "_is_continued"}
        ),
        SortedRecords: frozenset({"_layout"}),
        Summary: frozenset(),
        TargetFinder: frozenset({"_style"}),
        TrackLives: frozenset(),
        Trails: frozenset({"_length_s"}),
        VideoSink: frozenset(
            {
                *("_container_name", "_path", "_place", "_style", "_settings", "_overlay", "_file"),
                *("_status", "_failure", "_earlier", "_copied", "_encoders", "_lock"),
            }
        ),
        WindowSink: frozenset({"_screen", "_style", "_overlay", "_stop"}),
    },
    values=(Life,),
)
