/** The document of zones and lines (zones.yaml), and changed copies of it. Nothing is changed in place. */

const KEYS = { zone: ["zones", "polygon"], line: ["lines", "points"] };

/** Returns the factors from coordinates of a document to pixels of a frame. */
function scaleOf(document, [width, height]) {
  if (document.units === "share") return [width, height];
  return document.size ? [width / document.size[0], height / document.size[1]] : [1, 1];
}

/**
 * Returns the zones, then the lines, with points in pixels of the source.
 * @returns {{kind: string, index: number, name: string, points: number[][]}[]}
 */
export function shapesOf(document, size) {
  const [sx, sy] = scaleOf(document, size);
  return Object.entries(KEYS).flatMap(([kind, [list, corners]]) =>
    (document[list] ?? []).map((shape, index) => ({
      kind, index, name: shape.name, points: shape[corners].map(([x, y]) => [x * sx, y * sy]),
    })),
  );
}

/** Returns the document with one more shape, under a name that is still free. */
export function withShape(document, kind, points, size) {
  const [list, corners] = KEYS[kind];
  const base = hasCoordinates(document) || document.units === "share" ? document : { ...document, size };
  const shape = { name: freeName(document, kind), [corners]: stored(base, points, size) };
  return { ...base, [list]: [...(document[list] ?? []), shape] };
}

export const withPoints = (document, shape, points, size) =>
  replaced(document, shape, (old) => ({ ...old, [KEYS[shape.kind][1]]: stored(document, points, size) }));

export const renamed = (document, shape, name) => replaced(document, shape, (old) => ({ ...old, name }));

export function without(document, { kind, index }) {
  const [list] = KEYS[kind];
  return { ...document, [list]: document[list].filter((_, at) => at !== index) };
}

function hasCoordinates(document) {
  return Boolean(document.zones?.length || document.lines?.length || document.calibration);
}

function replaced(document, { kind, index }, change) {
  const [list] = KEYS[kind];
  return { ...document, [list]: document[list].map((old, at) => (at === index ? change(old) : old)) };
}

/** Returns points in the unit of the document: pixels with one decimal, shares with four. */
function stored(document, points, size) {
  const [sx, sy] = scaleOf(document, size);
  const places = document.units === "share" ? 1e4 : 10;
  const rounded = (value) => Math.round(value * places) / places;
  return points.map(([x, y]) => [rounded(x / sx), rounded(y / sy)]);
}

function freeName(document, kind) {
  const taken = new Set((document[KEYS[kind][0]] ?? []).map(({ name }) => name));
  let number = 1;
  while (taken.has(`${kind} ${number}`)) number++;
  return `${kind} ${number}`;
}
