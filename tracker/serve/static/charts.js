/** Small charts on canvases: lines over time, and bars of counts. */

const FONT = '12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const DASHES = [[], [7, 4], [2, 4], [10, 4, 2, 4], [4, 2], [14, 5]];
const LEAST_SPAN_S = 30;
const MOST_SPAN_S = 300;
/** A longer time without a point is a gap in the line. */
const GAP_S = 3.5;

export const dashOf = (index) => DASHES[index % DASHES.length];

/** Returns the colours of the theme. */
export function inks() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(`--${name}`);
  const series = [1, 2, 3, 4, 5, 6].map((number) => get(`series-${number}`));
  return { ink: get("ink"), muted: get("muted"), grid: get("grid"), surface: get("surface"), series };
}

/** Returns three to five round values from 0 to at least `top`. */
export function ticks(top, isWhole = false) {
  const rough = Math.max(top, isWhole ? 2 : 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((value) => value >= rough * 0.999);
  if (isWhole) step = Math.max(1, Math.ceil(step));
  const count = Math.max(1, Math.ceil(Math.max(top, 4 * rough) / step - 1e-9));
  return Array.from({ length: count + 1 }, (_, n) => Number((n * step).toPrecision(6)));
}

function prepared(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  return { context, width, height };
}

function sayEmpty({ context, width, height }, text, { muted }) {
  context.fillStyle = muted;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, width / 2, height / 2);
}

/**
 * Draws values over time; the newest time is at the right edge.
 * @param {HTMLCanvasElement} canvas
 * @param {{times: number[], series: {values: number[]}[], isWhole: boolean, empty: string}} data
 */
export function drawTimes(canvas, { times, series, isWhole = false, empty = "No data yet" }) {
  const area = prepared(canvas);
  const colors = inks();
  const known = series.flatMap(({ values }) => values.filter(Number.isFinite));
  if (!known.length) return sayEmpty(area, empty, colors);
  const { context, width, height } = area;
  const marks = ticks(Math.max(...known) * (isWhole ? 1 : 1.08), isWhole);
  const texts = marks.map(String);
  const left = Math.max(...texts.map((text) => context.measureText(text).width)) + 10;
  const frame = { left, right: width - 8, top: 10, bottom: height - 24 };
  const now = times.at(-1);
  const length = Math.min(MOST_SPAN_S, Math.max(LEAST_SPAN_S, now - times[0]));
  const x = (time) => frame.right - ((now - time) / length) * (frame.right - frame.left);
  const y = (value) => frame.bottom - (value / marks.at(-1)) * (frame.bottom - frame.top);
  drawGrid(context, frame, { marks, texts, y, colors });
  drawTimeAxis(context, frame, { length, x, now, colors, height });
  series.forEach(({ values }, n) => {
    const points = times.map((time, at) => [time, values[at]]).filter(([time]) => now - time <= length);
    drawLine(context, points, { x, y, color: colors.series[n % 6], dash: dashOf(n), fill: series.length === 1, frame });
  });
}

function drawGrid(context, frame, { marks, texts, y, colors }) {
  context.textAlign = "right";
  context.textBaseline = "middle";
  marks.forEach((mark, n) => {
    const at = Math.round(y(mark)) + 0.5;
    context.strokeStyle = n ? colors.grid : colors.muted;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(frame.left, at);
    context.lineTo(frame.right, at);
    context.stroke();
    context.fillStyle = colors.muted;
    context.fillText(texts[n], frame.left - 6, at);
  });
}

function drawTimeAxis(context, frame, { length, x, now, colors, height }) {
  const step = [10, 20, 30, 60].find((value) => length / value <= 5.01) ?? 60;
  context.fillStyle = colors.muted;
  context.textBaseline = "alphabetic";
  for (let ago = 0; ago <= length + 0.01; ago += step) {
    const text = ago === 0 ? "now" : ago % 60 ? `−${ago} s` : `−${ago / 60} min`;
    const half = context.measureText(text).width / 2;
    const at = x(now - ago);
    context.textAlign = at + half > frame.right ? "right" : "center";
    context.fillText(text, at + half > frame.right ? frame.right + 6 : Math.max(at, half), height - 6);
  }
}

function drawLine(context, points, { x, y, color, dash, fill, frame }) {
  const pieces = [];
  let piece = [];
  for (const [n, [time, value]] of points.entries()) {
    const isGap = n > 0 && time - points[n - 1][0] > GAP_S;
    if (piece.length && (isGap || !Number.isFinite(value))) pieces.push(piece), (piece = []);
    if (Number.isFinite(value)) piece.push([x(time), y(value)]);
  }
  pieces.push(piece);
  context.lineJoin = context.lineCap = "round";
  for (const path of pieces.filter(({ length }) => length)) {
    context.beginPath();
    path.forEach((point, n) => (n ? context.lineTo(...point) : context.moveTo(...point)));
    context.strokeStyle = color;
    context.lineWidth = 2;
    context.setLineDash(dash);
    context.stroke();
    context.setLineDash([]);
    if (path.length === 1) context.fillRect(path[0][0] - 1, path[0][1] - 1, 2, 2);
    if (!fill) continue;
    context.lineTo(path.at(-1)[0], frame.bottom);
    context.lineTo(path[0][0], frame.bottom);
    context.globalAlpha = 0.12;
    context.fillStyle = color;
    context.fill();
    context.globalAlpha = 1;
  }
}

/**
 * Draws bars, each made of parts of one colour by class.
 * @param {HTMLCanvasElement} canvas
 * @param {{bars: {label: string, parts: Map<string, number>}[], classes: string[], empty: string}} data
 */
export function drawBars(canvas, { bars, classes, empty }) {
  const area = prepared(canvas);
  const colors = inks();
  if (!bars.length) return sayEmpty(area, empty, colors);
  const { context, width, height } = area;
  const sum = ({ parts }) => [...parts.values()].reduce((all, count) => all + count, 0);
  const marks = ticks(Math.max(...bars.map(sum)), true);
  const room = Math.min(width * 0.36, Math.max(...bars.map(({ label }) => context.measureText(label).width)) + 10);
  const frame = { left: room, right: width - 40, top: 6, bottom: height - 22 };
  const x = (value) => frame.left + (value / marks.at(-1)) * (frame.right - frame.left);
  for (const mark of marks) {
    context.fillStyle = colors.grid;
    context.fillRect(Math.round(x(mark)), frame.top, 1, frame.bottom - frame.top);
    context.fillStyle = colors.muted;
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    context.fillText(String(mark), x(mark), height - 6);
  }
  const pitch = (frame.bottom - frame.top) / bars.length;
  const thick = Math.min(22, pitch * 0.66);
  bars.forEach((bar, n) => {
    const middle = frame.top + (n + 0.5) * pitch;
    let from = 0;
    for (const [name, count] of bar.parts) {
      context.fillStyle = colors.series[classes.indexOf(name) % 6];
      context.fillRect(x(from), middle - thick / 2, x(from + count) - x(from), thick);
      from += count;
    }
    drawBarTexts(context, { bar, middle, room, end: x(from), count: from, colors });
  });
}

function drawBarTexts(context, { bar, middle, room, end, count, colors }) {
  context.textBaseline = "middle";
  context.textAlign = "right";
  context.fillStyle = colors.ink;
  context.fillText(fitted(context, bar.label, room - 8), room - 6, middle);
  context.textAlign = "left";
  context.fillText(String(count), end + 6, middle);
}

function fitted(context, text, room) {
  let short = text;
  while (short.length > 1 && context.measureText(`${short}…`).width > room && context.measureText(short).width > room) {
    short = short.slice(0, -1);
  }
  return short === text ? text : `${short}…`;
}
