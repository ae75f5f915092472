"""Counts as lines of text."""

from collections.abc import Mapping

from tracker.analytics.counts import Counts, LineCounts, ZoneCounts


def count_lines(counts: Counts) -> list[str]:
    """Returns a line of text for each zone and line."""
    lines = [_line_text(line) for line in counts.lines.values()]
    return [*lines, *(_zone_text(zone) for zone in counts.zones.values())]


def _line_text(line: LineCounts) -> str:
    return f"line {line.name}: in {_total(line.entered)}, out {_total(line.left)}"


def _zone_text(zone: ZoneCounts) -> str:
    entered = {name: sum(how.values()) for name, how in zone.entered.items()}
    left = {name: sum(how.values()) for name, how in zone.left.items()}
    text = f"zone {zone.name}: in {_total(entered)}, out {_total(left)}, inside {zone.occupancy}"
    text += f", peak {zone.peak}"
    if zone.visits:
        mean_s = zone.dwell_s / zone.visits
        text += f", mean dwell {mean_s:.1f} s, longest {zone.longest_s:.1f} s"
    return text


def _total(by_class: Mapping[str, int]) -> str:
    """Returns a total, and its parts where there are several classes."""
    total = str(sum(by_class.values()))
    if len(by_class) < 2:
        return total
    return f"{total} ({', '.join(f'{name} {n}' for name, n in sorted(by_class.items()))})"
