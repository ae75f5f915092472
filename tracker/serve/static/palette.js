/** The colours of tracker/sinks/palette.py, so that a track has the same colour in videos. */

const PALETTE = [
  [204, 121, 167], [240, 228, 66], [0, 114, 178], [213, 94, 0],
  [86, 180, 233], [230, 159, 0], [0, 158, 115],
  [150, 255, 120], [195, 165, 75], [210, 0, 180], [150, 135, 255], [240, 0, 75],
  [150, 60, 255], [255, 120, 150], [180, 225, 150], [0, 255, 225],
];

/** Returns [red, green, blue] of an id from 1; every 16th id has the same one. */
export function colorOf(id) {
  const index = (id - 1) % PALETTE.length;
  return PALETTE[index < 0 ? index + PALETTE.length : index];
}

export function css(color, alpha = 1) {
  return `rgb(${color.join(" ")} / ${alpha})`;
}

/** Returns black or white, whichever is legible on the colour (brightness of BT.601). */
export function inkOn([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 130 ? "#000" : "#fff";
}

export const ZONE_COLOR = [255, 196, 0];
export const LINE_COLOR = [0, 230, 255];
