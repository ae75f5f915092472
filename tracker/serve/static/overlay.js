/** Drawing of tracks, zones and lines over the video, in CSS pixels of the stage. */

import { LINE_COLOR, ZONE_COLOR, colorOf, css, inkOn } from "./palette.js";

const FONT = '600 12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const PLATE_PX = 18;

/** Returns a function from points of the source to points of the stage. */
export const toStage = ({ scale, left, top }) => ([x, y]) => [left + scale * x, top + scale * y];

/**
 * Draws the tracks of a frame.
 * @param {CanvasRenderingContext2D} context
 * @param {object} view See Stage.view.
 * @param {{tracks: object[], trails: Trails, selected: ?number, path: number[][], shown: object}} scene
 *   `path` is the whole path of the selected track.
 * @param {object[]} labels Those of zones and lines, which no label of a track may hide.
 */
export function drawTracks(context, view, { tracks, trails, selected, path, shown }, labels) {
  const place = toStage(view);
  if (shown.trails) {
    for (const { id } of tracks) {
      if (id !== selected) drawTrail(context, trails.of(id).map(place), colorOf(id), 2);
    }
  }
  const chosen = tracks.find(({ id }) => id === selected);
  if (selected !== null && path.length) drawTrail(context, path.map(place), colorOf(selected), 4, 0.35);
  if (shown.boxes) for (const track of tracks) drawBox(context, place, track, track === chosen);
  else if (chosen) drawBox(context, place, chosen, true);
  if (shown.labels || shown.scores) {
    drawLabels(context, view, { tracks, selected, shown }, labels.map((label) => label.place));
  }
}

function drawTrail(context, points, color, width, least = 0) {
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  for (let n = 1; n < points.length; n++) {
    context.strokeStyle = css(color, least + (1 - least) * (n / points.length));
    context.beginPath();
    context.moveTo(...points[n - 1]);
    context.lineTo(...points[n]);
    context.stroke();
  }
}

function drawBox(context, place, { id, box, state }, isChosen) {
  const [[x1, y1], [x2, y2]] = [place(box.slice(0, 2)), place(box.slice(2))];
  context.setLineDash(state === "confirmed" ? [] : [6, 5]);
  const rectangle = [x1, y1, x2 - x1, y2 - y1];
  if (isChosen) {
    context.lineWidth = 7;
    context.strokeStyle = "rgb(255 255 255 / .9)";
    context.strokeRect(...rectangle);
  }
  context.lineWidth = isChosen ? 4 : 2.5;
  context.strokeStyle = css(colorOf(id));
  context.strokeRect(...rectangle);
  context.setLineDash([]);
}

function drawLabels(context, view, { tracks, selected, shown }, taken) {
  context.font = FONT;
  const place = toStage(view);
  // The chosen one first, so that its label is never left out.
  const order = [...tracks].sort((a, b) => (b.id === selected) - (a.id === selected) || a.id - b.id);
  for (const track of order) {
    const words = [];
    if (shown.labels) words.push(track.id > 0 ? `${track.class} ${track.id}` : track.class);
    if (shown.scores) words.push(track.score.toFixed(2));
    const text = words.join("  ");
    const width = context.measureText(text).width + 10;
    const [x, top] = place(track.box.slice(0, 2));
    const [, bottom] = place(track.box.slice(2));
    const left = within(view, x - 1, width);
    const spots = [[left, top - PLATE_PX], [left, bottom], [left + 3, top + 2]];
    const free = spots.find(([at, y]) => y >= view.top && !taken.some((other) => overlaps(other, at, y, width)));
    if (!free) continue;
    taken.push([...free, width]);
    drawPlate(context, text, free, width, colorOf(track.id));
  }
}

function overlaps([left, top, width], x, y, other) {
  return x < left + width && left < x + other && y < top + PLATE_PX && top < y + PLATE_PX;
}

function drawPlate(context, text, [x, y], width, color) {
  context.fillStyle = css(color, 0.95);
  context.beginPath();
  context.roundRect(x, y, width, PLATE_PX, 3);
  context.fill();
  context.fillStyle = inkOn(color);
  context.textBaseline = "middle";
  context.fillText(text, x + 5, y + PLATE_PX / 2 + 0.5);
}

/**
 * Draws zones and lines; returns their labels, which are drawn after the tracks.
 * @param {{kind: string, name: string, points: number[][]}[]} shapes In pixels of the source.
 * @param {function} countOf Returns the text of a shape's count.
 * @param {?object} hidden The shape that is being edited, which is drawn by the editor.
 * @returns {{text: string, place: number[], kind: string}[]} `place`: left, top and width.
 */
export function drawShapes(context, view, shapes, countOf, hidden) {
  const place = toStage(view);
  const labels = [];
  for (const shape of shapes.filter((one) => one !== hidden)) {
    const { kind, name } = shape;
    const points = shape.points.map(place);
    drawPath(context, points, kind);
    const count = countOf(shape);
    const text = count ? `${name}: ${count}` : name;
    labels.push({ kind, text, place: freePlace(context, view, { text, points }, labels) });
  }
  return labels;
}

/** Draws the outline of a zone, or a line with the arrow of the direction "in". */
export function drawPath(context, points, kind, isOpen = false) {
  const color = kind === "zone" ? ZONE_COLOR : LINE_COLOR;
  context.beginPath();
  points.forEach((point, n) => (n ? context.lineTo(...point) : context.moveTo(...point)));
  if (kind === "zone" && !isOpen) {
    context.closePath();
    context.fillStyle = css(color, 0.14);
    context.fill();
  }
  context.lineJoin = context.lineCap = "round";
  // A dark edge keeps the outline visible on a bright image.
  context.strokeStyle = "rgb(0 0 0 / .55)";
  context.lineWidth = 5;
  context.stroke();
  context.strokeStyle = css(color);
  context.lineWidth = 2.5;
  context.stroke();
  if (kind === "line" && points.length > 1) drawArrow(context, points, color);
}

function drawArrow(context, points, color) {
  const [[x1, y1], [x2, y2]] = longestPiece(points);
  const length = Math.hypot(x2 - x1, y2 - y1);
  if (length < 1) return;
  // "In" is from left to right, seen along the line: in images that is the direction turned by 90°.
  const [dx, dy] = [-(y2 - y1) / length, (x2 - x1) / length];
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const tip = [x + 26 * dx, y + 26 * dy];
  const wing = (side) => [tip[0] - 9 * dx + side * 6 * dy, tip[1] - 9 * dy - side * 6 * dx];
  for (const [ink, width] of [["rgb(0 0 0 / .55)", 5], [css(color), 2.5]]) {
    context.strokeStyle = ink;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(...tip);
    context.moveTo(...wing(1));
    context.lineTo(...tip);
    context.lineTo(...wing(-1));
    context.stroke();
  }
}

function longestPiece(points) {
  let best = [points[0], points[1]];
  for (let n = 1; n < points.length; n++) {
    const [a, b] = [points[n - 1], points[n]];
    const longer = Math.hypot(b[0] - a[0], b[1] - a[1]);
    if (longer > Math.hypot(best[1][0] - best[0][0], best[1][1] - best[0][1])) best = [a, b];
  }
  return best;
}

/** Returns left, top and width of a label above the highest point that hides no label before it. */
function freePlace(context, view, { text, points }, labels) {
  context.font = FONT;
  const width = context.measureText(text).width + 12;
  const highest = points.reduce((best, point) => (point[1] < best[1] ? point : best));
  const x = within(view, highest[0] - width / 2, width);
  let y = Math.max(view.top + 2, highest[1] - PLATE_PX - 6);
  while (labels.some(({ place }) => overlaps(place, x, y, width))) y += 4;
  return [x, y, width];
}

/** Returns the left edge of a label, moved so that the label is within the image. */
function within({ left, width, scale }, x, room) {
  return Math.max(left + 2, Math.min(left + width * scale - room - 2, x));
}

/** Draws the labels of zones and lines. */
export function drawShapeLabels(context, labels) {
  context.font = FONT;
  context.textBaseline = "middle";
  for (const { text, place: [x, y, width], kind } of labels) {
    context.fillStyle = "rgb(10 14 18 / .85)";
    context.beginPath();
    context.roundRect(x, y, width, PLATE_PX + 2, 4);
    context.fill();
    context.fillStyle = css(kind === "zone" ? ZONE_COLOR : LINE_COLOR);
    context.fillText(text, x + 6, y + PLATE_PX / 2 + 1.5);
  }
}
