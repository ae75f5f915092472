/** The table of live tracks: sortable, one row for each track. */

import { byId, el, setText } from "./dom.js";
import { decimal, span, speed } from "./format.js";
import { colorOf, css } from "./palette.js";

const COLUMNS = [
  { key: "id", title: "Id", value: (track) => track.id },
  { key: "class", title: "Class", value: (track) => track.class },
  { key: "score", title: "Score", value: (track) => track.score, isRight: true },
  { key: "speed", title: "Speed", value: (track) => track.speed ?? -1, isRight: true },
  { key: "time", title: "In view", value: (track) => track.in_view, isRight: true },
];
const REFRESH_MS = 300;

export class TrackTable {
  /** @param {function} onSelect Called with the id of the chosen track. */
  constructor(onSelect) {
    this.onSelect = onSelect;
    this.sort = { key: "id", descending: false };
    this.rows = new Map();
    this.firstSeen = new Map();
    this.selected = null;
    this.tracks = [];
    this.body = byId("tracks").tBodies[0];
    this.headers = COLUMNS.map((column) => this.#header(column));
    byId("tracks").tHead.rows[0].append(...this.headers);
    this.#markSort();
    setInterval(() => this.#refresh(), REFRESH_MS);
  }

  clear() {
    this.firstSeen.clear();
    this.update([], 0);
  }

  update(tracks, time) {
    const alive = new Set();
    this.tracks = tracks.map((track) => {
      alive.add(track.id);
      if (!this.firstSeen.has(track.id)) this.firstSeen.set(track.id, track.first_s ?? time);
      return { ...track, in_view: time - this.firstSeen.get(track.id) };
    });
    for (const id of this.firstSeen.keys()) if (!alive.has(id)) this.firstSeen.delete(id);
    this.isStale = true;
  }

  select(id) {
    this.selected = id;
    this.isStale = true;
    this.#refresh();
  }

  focus(id) {
    this.rows.get(id)?.button.focus();
  }

  #header({ key, title, isRight }) {
    const sort = () => {
      this.sort = { key, descending: this.sort.key === key && !this.sort.descending };
      this.#markSort();
      this.#refresh(true);
    };
    const button = el("button", { type: "button", onclick: sort }, title);
    return el("th", { scope: "col", class: isRight ? "right" : null, "data-key": key }, button);
  }

  #markSort() {
    for (const header of this.headers) {
      const isKey = header.dataset.key === this.sort.key;
      header.setAttribute("aria-sort", isKey ? (this.sort.descending ? "descending" : "ascending") : "none");
    }
  }

  /** Shows the newest tracks; some times a second, since numbers that change with each frame cannot be read. */
  #refresh(isForced = false) {
    if (!this.isStale && !isForced) return;
    this.isStale = false;
    const { value } = COLUMNS.find(({ key }) => key === this.sort.key);
    const sign = this.sort.descending ? -1 : 1;
    const order = (a, b) => sign * compare(value(a), value(b)) || a.id - b.id;
    const sorted = this.tracks.toSorted(order);
    this.#place(sorted.map((track) => this.#row(track)));
    setText(byId("tracks-count"), String(sorted.length));
    byId("no-tracks").hidden = sorted.length > 0;
  }

  /** Brings rows into order; the row with the focus keeps it. */
  #place(rows) {
    const wanted = new Set(rows);
    const focused = document.activeElement;
    const hadFocus = this.body.contains(focused);
    for (const [id, { row }] of this.rows) {
      if (wanted.has(row)) continue;
      row.remove();
      this.rows.delete(id);
    }
    rows.forEach((row, n) => {
      if (this.body.rows[n] !== row) this.body.insertBefore(row, this.body.rows[n] ?? null);
    });
    if (!hadFocus || document.activeElement === focused) return;
    if (focused.isConnected) focused.focus({ preventScroll: true });
    else (this.body.querySelector("button") ?? byId("tracks").parentElement).focus({ preventScroll: true });
  }

  #row(track) {
    const known = this.rows.get(track.id) ?? this.#newRow(track.id);
    const { row, cells, button } = known;
    const texts = [track.class, decimal(track.score, 2), speed(track.speed, track.speed_unit), span(track.in_view)];
    texts.forEach((text, n) => setText(cells[n], text));
    row.className = [track.state === "confirmed" ? "" : "lost", track.id === this.selected ? "selected" : ""].join(" ");
    button.setAttribute("aria-pressed", String(track.id === this.selected));
    return row;
  }

  #newRow(id) {
    const swatch = el("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = css(colorOf(id));
    const label = el("span", { class: "visually-hidden" }, "Track ");
    const button = el("button", { type: "button" }, swatch, label, String(id));
    const cells = COLUMNS.slice(1).map(({ isRight }) => el("td", { class: isRight ? "right" : null }));
    const choose = () => this.onSelect(this.selected === id ? null : id);
    const row = el("tr", { onclick: choose }, el("td", {}, button), ...cells);
    const known = { row, cells, button };
    this.rows.set(id, known);
    return known;
  }
}

function compare(a, b) {
  return typeof a === "string" ? a.localeCompare(b) : a - b;
}
