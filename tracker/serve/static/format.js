/** Numbers, times and sizes as text. */

/** Returns minutes and seconds, with hours where there are any: 1:02:03. */
export function clock(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Returns a time span in seconds with one decimal, from a minute on as a clock. */
export function span(seconds) {
  return seconds < 60 ? `${Math.max(0, seconds).toFixed(1)} s` : clock(seconds);
}

/** Returns a number with `digits` decimals, or a dash where there is none. */
export function decimal(value, digits = 1) {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}

/** Returns a speed with its unit. */
export function speed(value, unit) {
  if (!Number.isFinite(value)) return "–";
  return unit === "m/s" ? `${value.toFixed(1)} m/s` : `${Math.round(value)} px/s`;
}

export function percent(share) {
  return Number.isFinite(share) ? `${Math.round(100 * share)} %` : "–";
}

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log(Math.max(1, count)) / Math.log(1000)));
  const value = count / 1000 ** power;
  return `${power && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

/** Returns a number and its noun: 1 track, 2 tracks. */
export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Returns the sum of a count that is a number, or an object of counts by class. */
export function total(count) {
  if (typeof count === "number") return count;
  return Object.values(count ?? {}).reduce((sum, value) => sum + value, 0);
}
