/** The details of one track: best crop, votes for its class, speed and times. */

import { address, getJson } from "./api.js";
import { byId, el, setText } from "./dom.js";
import { clock, percent, span, speed } from "./format.js";

const REFRESH_MS = 1000;

export class TrackDetail {
  /** @param {{onClose: function, onPath: function}} handlers `onPath(points)`: [x, y, time]s. */
  constructor({ onClose, onPath }) {
    this.onPath = onPath;
    this.id = null;
    this.isAlive = true;
    this.panel = byId("detail");
    this.title = byId("detail-title");
    byId("detail-close").addEventListener("click", onClose);
    this.panel.addEventListener("keydown", (event) => event.key === "Escape" && onClose());
    setInterval(() => this.#refresh(), REFRESH_MS);
  }

  show(source, id) {
    [this.source, this.id, this.isAlive] = [source, id, true];
    this.panel.hidden = id === null;
    this.onPath([]);
    if (id === null) return;
    setText(this.title, `Track ${id}`);
    byId("detail-crop").hidden = true;
    byId("detail-facts").replaceChildren();
    byId("detail-votes").replaceChildren();
    this.#refresh();
  }

  /** Takes the tracks of a frame: one that has ended is no longer read. */
  update(tracks) {
    if (this.id === null) return;
    const isAlive = tracks.some(({ id }) => id === this.id);
    if (this.isAlive && !isAlive) this.title.textContent += " (not in view)";
    this.isAlive = isAlive;
  }

  async #refresh() {
    const { source, id } = this;
    if (id === null || !this.isAlive || document.hidden) return;
    let track;
    try {
      track = await getJson(`api/tracks/${encodeURIComponent(source)}/${id}`);
    } catch (error) {
      if (error.status === 404 && id === this.id) this.isAlive = false;
      return;
    }
    if (source !== this.source || id !== this.id) return;
    this.onPath(track.trail);
    this.#render(track);
  }

  #render(track) {
    setText(this.title, `Track ${track.id}: ${track.class}`);
    const facts = [
      ["Speed", speed(track.speed, track.speed_unit)],
      ["Time in view", span(track.last_s - track.first_s)],
      ["First seen at", clock(track.first_s)],
      ["Last seen at", clock(track.last_s)],
    ];
    const list = byId("detail-facts");
    if (!list.children.length) for (const [name] of facts) list.append(el("dt", {}, name), el("dd"));
    facts.forEach(([, value], n) => setText(list.children[2 * n + 1], value));
    this.#renderVotes(Object.entries(track.votes ?? {}));
    if (track.crop) this.#renderCrop(track);
  }

  #renderVotes(votes) {
    const rows = votes
      .toSorted((a, b) => b[1] - a[1])
      .slice(0, 5)
      .map(([name, share]) => {
        const bar = el("progress", { max: 1, value: share, "aria-label": `Votes for ${name}` });
        return el("li", {}, el("span", {}, name), bar, el("span", {}, percent(share)));
      });
    byId("detail-votes").replaceChildren(...rows);
  }

  #renderCrop(track) {
    const image = byId("detail-crop");
    const url = new URL(address(track.crop));
    // The best crop of a track changes: another address avoids the one in the cache.
    url.searchParams.set("t", Math.floor(Date.now() / 3000));
    image.onload = () => (image.hidden = false);
    image.onerror = () => (image.hidden = true);
    if (image.src !== url.href) image.src = url.href;
    image.alt = `Best image of track ${track.id}`;
  }
}
