"""A report of one recording: one HTML file with all plots and tables, without links or scripts."""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from tracker.plots.data import PlotData, seconds_of
from tracker.plots.style import Theme
from tracker.plots.summaries import TrackSummary, summaries
from tracker.util.text import printable

MOST_ROWS = 2000
"""Rows of a table; a browser gets slow beyond."""

_HEADINGS = ("id", "class", "from s", "to s", "seconds", "frames", "gaps", "longest gap s")
_MORE_HEADINGS = ("path px", "mean px/s")
_EVENT_KEYS = ("time_s", "event", "id", "class", "line", "zone", "direction", "how", "dwell_s")
_EVENT_HEADINGS = ("time s", *_EVENT_KEYS[1:-1], "dwell s")
_TEXT_COLUMNS = frozenset(("class", "event", "line", "zone", "direction", "how"))
_CAPTIONS = {
    "trajectories": "Paths of the foot points: a dot where they begin, an arrow head at the end.",
    "heat-map": "Time spent in each place, by the foot points.",
    "time-line": "The time in which each track was reported; dotted: gaps, faded: predicted boxes.",
    "counts": "Tracks in the frame and tracks so far; crossings of lines and tracks in zones.",
    "speeds": "Time spent at each speed.",
}


def report_html(data: PlotData, plots: Mapping[str, bytes], theme: Theme) -> str:
    """Returns the report.

    Args:
        data: The recording.
        plots: PNG of each plot by its name.
        theme: The colours.
    """
    tracks = summaries(data)
    by_class = Counter(data.class_names[one.class_index] for one in tracks)
    facts = {
        "tracks": f"{len(tracks)} ({_listed(by_class)})" if tracks else "0",
        "frames": f"{len(data.times)}",
        "seconds": f"{float(data.durations.sum()):.1f}",
        "frame size": "{:.0f} x {:.0f} px".format(*data.size),
    }
    if data.events:
        facts["events"] = _listed(Counter(str(one.get("event")) for one in data.events))
    parts = [
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{_safe(data.title)}</title>\n<style>{_css(theme)}</style></head><body>",
        f"<h1>{_safe(data.title)}</h1>",
        "<dl>",
        *(f"<dt>{_safe(key)}</dt><dd>{_safe(value)}</dd>" for key, value in facts.items()),
        "</dl>",
    ]
    for name, content in plots.items():
        caption = _CAPTIONS.get(name, name)
        image = f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
        parts.append(
            f"<figure><div class='wide'><img alt='{_safe(caption)}' src='{image}'></div>"
            f"<figcaption>{_safe(caption)}</figcaption></figure>"
        )
    rows = [_row(data, one) for one in tracks[:MOST_ROWS]]
    parts += _table("Tracks", (*_HEADINGS, *_MORE_HEADINGS), rows, count=len(tracks))
    if data.events:
        rows = [[_cell(event, key) for key in _EVENT_KEYS] for event in data.events[:MOST_ROWS]]
        parts += _table("Events", _EVENT_HEADINGS, rows, count=len(data.events))
    return "\n".join([*parts, "</body></html>\n"])


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _row(data: PlotData, track: TrackSummary) -> list[object]:
    seconds = sum(length for _, length in track.spans)
    times = (f"{track.first_s:.2f}", f"{track.last_s:.2f}", f"{seconds:.2f}")
    gaps = (len(track.spans) - 1, f"{track.longest_gap_s:.2f}")
    motion = (f"{track.path_px:.0f}", f"{track.mean_speed:.0f}")
    return [track.id, data.class_names[track.class_index], *times, track.frames, *gaps, *motion]


def _cell(event: Mapping[str, object], key: str) -> object:
    """Returns a value of an event, times to a thousandth of a second."""
    if key in {"time_s", "dwell_s"} and (seconds := seconds_of(event, key)) is not None:
        return f"{seconds:.3f}"
    return event.get(key, "")


def _table(
    title: str, headings: Sequence[str], rows: Sequence[Iterable[object]], *, count: int
) -> list[str]:
    """Returns the first rows of a table that has `count` rows."""
    parts = [f"<h2>{_safe(title)}</h2>"]
    if count > len(rows):
        parts.append(f"<p>The first {len(rows)} of {count}.</p>")
    parts.append("<div class='wide table'><table><thead><tr>")
    parts += [f"<th>{_safe(heading)}</th>" for heading in headings]
    parts.append("</tr></thead><tbody>")
    for row in rows:
        parts.append("<tr>" + "".join(f"<td>{_safe(cell)}</td>" for cell in row) + "</tr>")
    parts.append("</tbody></table></div>")
    return [f"<section id='{title.lower()}'>", *parts, "</section>"]


def _safe(value: object) -> str:
    """Returns any value as text of HTML, without control characters."""
    return escape(printable(str(value)), quote=True)


def _css(theme: Theme) -> str:
    return (
        f":root{{color-scheme:{'dark' if theme.is_dark else 'light'}}}"
        f"body{{background:{theme.ground};color:{theme.text};font:15px/1.45 system-ui,sans-serif;"
        "max-width:1080px;margin:2rem auto;padding:0 1rem}"
        "h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin-top:2rem}"
        "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.2rem}dt{opacity:.75}"
        "dd{margin:0}figure{margin:1.5rem 0}img{max-width:100%;height:auto;display:block}"
        "figcaption{opacity:.75;font-size:.9rem;margin-top:.3rem}"
        ".wide{overflow-x:auto}.table{overflow-y:auto;max-height:70vh}"
        "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
        "th,td{padding:.25rem .7rem;text-align:right;white-space:nowrap;"
        f"border-bottom:1px solid {theme.grid}}}"
        f"th{{position:sticky;top:0;background:{theme.ground}}}"
        # On a phone a plot keeps a size at which its text is legible, and is moved sideways.
        "@media(max-width:700px){body{margin:1rem auto}.wide img{max-width:none;width:720px}}"
        "@media print{.table{max-height:none;overflow:visible}}"
        f"{_columns_of_text('tracks', _HEADINGS)},{_columns_of_text('events', _EVENT_HEADINGS)}"
        "{text-align:left}"
    )


def _columns_of_text(section: str, headings: Sequence[str]) -> str:
    """Returns the CSS selector of a table's cells that hold words."""
    places = [n for n, heading in enumerate(headings, start=1) if heading in _TEXT_COLUMNS]
    return ",".join(f"#{section} :is(th,td):nth-child({n})" for n in places)
