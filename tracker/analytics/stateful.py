"""The state of analytics, as `util/plain_state.py` copies and restores it.

For each class the attributes that are no state: they follow from the settings.
"""

from tracker.analytics.analyser import Analyser
from tracker.analytics.conduct import Conduct
from tracker.analytics.counts import Counts, LineCounts, ZoneCounts
from tracker.analytics.events import EventKind
from tracker.analytics.membership import Group, Membership
from tracker.analytics.shapes import AreaShapes, PointShapes
from tracker.analytics.speed import Speedometer
from tracker.analytics.track_table import TrackTable
from tracker.analytics.visits import Visits
from tracker.util.plain_state import Kinds

ANALYTICS = Kinds(
    parts={
        Analyser: frozenset({"settings", "_names", "_zone_allowed", "_line_allowed"}),
        AreaShapes: frozenset({"_edges", "_thresholds", "_margins"}),
        Conduct: frozenset(
            {"_stop_s", "_fastest", "_has_way", "_has_stops", "_has_speeds", "_ways"}
        ),
        Counts: frozenset(),
        Group: frozenset({"zones", "lines"}),
        Membership: frozenset({"_zone_count", "_group_of", "_local"}),
        PointShapes: frozenset(
            {
                *("_edges", "_prepared", "_edge_zone", "_piece_line", "_all", "_outlines"),
                *("_limits", "_ends", "_edges_of", "_thinnest", "_anchor", "_by_class"),
                *("_is_bottom", "_hysteresis"),
            }
        ),
        Speedometer: frozenset({"_homography", "_window_s", "_quantiles"}),
        TrackTable: frozenset({"_lost_after_s"}),
        Visits: frozenset({"_limits"}),
    },
    values=(EventKind, LineCounts, ZoneCounts),
)
