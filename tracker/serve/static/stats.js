/** The charts of the last five minutes, read from the server once a second. */

import { getJson, ofSource } from "./api.js";
import { byId, el, setText, svgNode } from "./dom.js";
import { dashOf, drawBars, drawTimes, inks } from "./charts.js";
import { decimal, plural, total } from "./format.js";

const REFRESH_MS = 1000;
const MOST_SERIES = 6;

export class StatsPanel {
  constructor() {
    this.source = null;
    this.stats = null;
    setInterval(() => this.#refresh(), REFRESH_MS);
    // Canvases keep their pixels: a new size or theme needs new ones.
    new ResizeObserver(() => this.draw()).observe(byId("rate-chart"));
  }

  select(source) {
    this.source = source;
    this.stats = null;
    this.draw();
    this.#refresh();
  }

  async #refresh() {
    const { source } = this;
    if (source === null || document.hidden) return;
    try {
      const stats = await getJson(ofSource("api/stats", source));
      if (source !== this.source) return;
      this.stats = stats;
    } catch {
      // The lost connection is shown by the stream; the charts keep what they have.
      return;
    }
    this.draw();
  }

  draw() {
    const stats = this.stats ?? { times: [], fps: [], latency_ms: [], tracks: [], occupancy: {}, counts: {} };
    drawOne("rate", "Frame rate", stats.times, stats.fps, "frames/s");
    drawOne("latency", "Latency", stats.times, stats.latency_ms, "ms");
    drawOccupancy(stats);
    drawCounts(stats);
  }
}

function drawOne(key, title, times, values, unit) {
  const known = values.filter(Number.isFinite);
  setValue(key, known.length ? decimal(known.at(-1)) : "", known.length ? unit : "");
  drawTimes(byId(`${key}-chart`), { times, series: [{ values }] });
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const range = known.length
    ? `now ${decimal(known.at(-1))} ${unit}, lowest ${decimal(low)}, highest ${decimal(high)}` : "no data yet";
  describe(key, `${title} of the last five minutes: ${range}.`);
}

function drawOccupancy({ times, occupancy, tracks }) {
  const last = (values) => values.findLast(Number.isFinite) ?? 0;
  const zones = Object.entries(occupancy ?? {});
  const all = zones.length ? zones : [["all tracks", tracks ?? []]];
  const shown = all.toSorted((a, b) => last(b[1]) - last(a[1])).slice(0, MOST_SERIES);
  const names = new Set(shown.map(([name]) => name));
  // In the order of the zones, so that a colour stays with its zone.
  const series = all.filter(([name]) => names.has(name)).map(([name, values]) => ({ name, values }));
  drawTimes(byId("occupancy-chart"), { times, series, isWhole: true });
  const title = all.length > MOST_SERIES ? `${MOST_SERIES} of ${all.length} zones` : zones.length ? "by zone" : "";
  setValue("occupancy", "", title);
  const items = series.map(({ name, values }) => `${name}: ${last(values)}`);
  legend("occupancy", items, dashOf);
  describe("occupancy", `Occupancy of the last five minutes. Now ${items.join(", ")}.`);
}

function drawCounts({ counts }) {
  const lines = Object.entries(counts ?? {});
  const classes = [...new Set(lines.flatMap(([, { in: a, out: b }]) => [...Object.keys(a), ...Object.keys(b)]))].sort();
  const bars = lines.slice(0, 4).flatMap(([name, count]) =>
    ["in", "out"].map((way) => ({ label: `${name} ${way}`, parts: new Map(Object.entries(count[way])) })),
  );
  drawBars(byId("lines-chart"), { bars, classes, empty: "No lines: draw one to count crossings" });
  const sum = lines.reduce((all, [, count]) => all + total(count.in) + total(count.out), 0);
  setValue("lines", lines.length ? String(sum) : "", lines.length ? plural(sum, "crossing").replace(/^\d+ /, "") : "");
  legend("lines", classes, () => []);
  const said = bars.map(({ label, parts }) => `${label} ${total(Object.fromEntries(parts))}`);
  describe("lines", `Line counts: ${said.join(", ") || "no lines"}.`);
}

function setValue(key, value, unit) {
  const node = byId(`${key}-value`);
  if (!node.children.length) node.append(el("b"), " ", el("span"));
  setText(node.children[0], value);
  setText(node.children[1], unit);
}

function describe(key, text) {
  byId(`${key}-chart`).setAttribute("aria-label", text);
}

function legend(key, names, dash) {
  const colors = inks().series;
  const items = names.map((name, n) => {
    const svg = svgNode("svg", { viewBox: "0 0 22 10", "aria-hidden": "true" });
    const color = colors[n % 6];
    svg.append(svgNode("path", { d: "M1 5h20", stroke: color, "stroke-width": 3, "stroke-dasharray": dash(n).join(" ") }));
    return el("li", {}, svg, name);
  });
  byId(`${key}-legend`).replaceChildren(...items);
}
