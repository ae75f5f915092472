"""A report of one recording: one HTML file with all plots and tables, without links or scripts."""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from tracker.plots.data import PlotData, summaries
from tracker.plots.style import Theme
from tracker.util.text import printable

MOST_ROWS = 2000
"""Rows of a table; a browser gets slow beyond."""

_HEADINGS = ("id", "class", "from s", "to s", "seconds", "frames", "gaps", "longest gap s")
_MORE_HEADINGS = ("path px", "mean px/s")
_EVENT_KEYS = ("time_s", "event", "id", "class", "line", "zone", "direction", "how", "dwell_s")
_CAPTIONS = {
    "trajectories": "Paths of the foot points: a dot where they begin, an arrow head at the end.",
    "heat-map": "Time spent in each place, by the foot points.",
    "time-line": "When each track was there.",
    "counts": "Tracks at a time, and tracks so far.",
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
        text = base64.b64encode(content).decode("ascii")
        parts.append(
            f"<figure><img alt='{_safe(caption)}' src='data:image/png;base64,{text}'>"
            f"<figcaption>{_safe(caption)}</figcaption></figure>"
        )
    parts += _table("Tracks", (*_HEADINGS, *_MORE_HEADINGS), [_row(data, one) for one in tracks])
    if data.events:
        rows = [[event.get(key, "") for key in _EVENT_KEYS] for event in data.events]
        parts += _table("Events", _EVENT_KEYS, rows)
    return "\n".join([*parts, "</body></html>\n"])


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _row(data: PlotData, track: Any) -> list[object]:
    seconds = sum(length for _, length in track.spans)
    times = (f"{track.first_s:.2f}", f"{track.last_s:.2f}", f"{seconds:.2f}")
    gaps = (len(track.spans) - 1, f"{track.longest_gap_s:.2f}")
    motion = (f"{track.path_px:.0f}", f"{track.mean_speed:.0f}")
    return [track.id, data.class_names[track.class_index], *times, track.frames, *gaps, *motion]


def _table(title: str, headings: Sequence[str], rows: Sequence[Iterable[object]]) -> list[str]:
    parts = [f"<h2>{_safe(title)}</h2>"]
    if len(rows) > MOST_ROWS:
        parts.append(f"<p>The first {MOST_ROWS} of {len(rows)}.</p>")
    parts.append("<div class='table'><table><thead><tr>")
    parts += [f"<th>{_safe(heading)}</th>" for heading in headings]
    parts.append("</tr></thead><tbody>")
    for row in rows[:MOST_ROWS]:
        parts.append("<tr>" + "".join(f"<td>{_safe(cell)}</td>" for cell in row) + "</tr>")
    return [*parts, "</tbody></table></div>"]


def _safe(value: object) -> str:
    """Returns any value as text of HTML, without control characters."""
    return escape(printable(str(value)), quote=True)


def _css(theme: Theme) -> str:
    return (
        f":root{{color-scheme:{'dark' if theme.is_dark else 'light'}}}"
        f"body{{background:{theme.ground};color:{theme.text};font:15px/1.45 system-ui,sans-serif;"
        "max-width:1080px;margin:2rem auto;padding:0 1rem}"
        "h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin-top:2rem}"
        "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.2rem}dt{opacity:.7}"
        "dd{margin:0}figure{margin:1.5rem 0}img{max-width:100%;height:auto;display:block}"
        "figcaption{opacity:.7;font-size:.9rem;margin-top:.3rem}"
        ".table{overflow:auto;max-height:70vh}table{border-collapse:collapse;width:100%;"
        "font-variant-numeric:tabular-nums}th,td{padding:.25rem .7rem;text-align:right;"
        f"border-bottom:1px solid {theme.grid}}}"
        "th:nth-child(2),td:nth-child(2){text-align:left}"
        f"th{{position:sticky;top:0;background:{theme.ground}}}"
    )
