/** The list of sources, read from the server every two seconds. */

import { address, getJson, ofSource, settled } from "./api.js";
import { announce, byId, el, setText } from "./dom.js";
import { decimal } from "./format.js";

const REFRESH_MS = 2000;
const THUMBNAIL_MS = 10_000;

export const STATES = {
  starting: "Starting", running: "Running", paused: "Paused", lost: "Lost", ended: "Ended", failed: "Failed",
};

export class SourceList {
  /** @param {{onSelect: function, onUpdate: function}} handlers `onUpdate(source)` of the selected one. */
  constructor(handlers) {
    this.handlers = handlers;
    this.cards = new Map();
    this.sources = [];
    this.selected = null;
    this.leaving = new Set();
    this.refresh();
    setInterval(() => this.refresh(), REFRESH_MS);
  }

  async refresh() {
    if (document.hidden && this.sources.length) return;
    let answer;
    try {
      answer = await getJson("api/sources");
    } catch (error) {
      this.handlers.onFailure(error);
      return;
    }
    this.handlers.onAnswer(answer);
    this.#set(answer.sources);
  }

  #set(sources) {
    this.sources = sources.filter(({ name }) => !this.leaving.has(name));
    this.#render();
    if (!this.sources.some(({ name }) => name === this.selected)) this.select(this.#preferred());
  }

  /** Leaves a source out while it is being deleted, so that nothing more is asked about it. */
  async withoutSource(name, work) {
    this.leaving.add(name);
    this.#set(this.sources);
    await settled();
    await work();
    // A list that was asked for before the deletion still has the source.
    await settled();
    this.leaving.delete(name);
    await this.refresh();
  }

  /** Replaces one entry, as the stream of the selected source reports it. */
  update(source) {
    const known = this.sources.find(({ name }) => name === source.name);
    if (known) Object.assign(known, source);
    this.#render();
  }

  select(name) {
    if (name === this.selected) return;
    this.selected = name;
    if (name !== null) history.replaceState(null, "", `#${encodeURIComponent(name)}`);
    this.handlers.onSelect(this.sources.find((source) => source.name === name) ?? null);
    this.#render();
  }

  #preferred() {
    const wanted = decodeURIComponent(location.hash.slice(1));
    const found = this.sources.find(({ name }) => name === wanted) ?? this.sources[0];
    return found?.name ?? null;
  }

  #render() {
    byId("no-sources").hidden = this.sources.length > 0;
    const names = new Set(this.sources.map(({ name }) => name));
    for (const [name, { item }] of this.cards) {
      if (names.has(name)) continue;
      item.querySelector("img").removeAttribute("src");
      item.remove();
      this.cards.delete(name);
    }
    for (const source of this.sources) this.#renderCard(source);
    const chosen = this.sources.find(({ name }) => name === this.selected);
    if (chosen) this.handlers.onUpdate(chosen);
  }

  #renderCard(source) {
    const card = this.cards.get(source.name) ?? this.#newCard(source);
    if (card.state.dataset.state !== source.state) this.#announce(source, card.state.dataset.state);
    card.state.dataset.state = source.state;
    setText(card.state, STATES[source.state] ?? source.state);
    setText(card.rate, source.state === "running" ? `${decimal(source.fps)}/s` : "");
    card.button.setAttribute("aria-current", String(source.name === this.selected));
    const turn = Math.floor(Date.now() / THUMBNAIL_MS);
    if (source.has_image && source.frames > 0 && turn !== card.turn) {
      card.turn = turn;
      card.image.src = address(`${ofSource("api/snapshot.jpg", source.name)}&t=${turn}`);
    }
  }

  #announce({ title: name, state, message }, before) {
    if (state === "lost") announce(`${name}: the connection is lost. ${message ?? ""}`);
    if (state === "failed") announce(`${name} failed. ${message ?? ""}`);
    if (before === "lost" && state === "running") announce(`${name} is back.`);
    if (before === "running" && state === "ended") announce(`${name} has ended.`);
  }

  #newCard({ name, title, state }) {
    const image = el("img", { alt: "", hidden: true, onload: () => (image.hidden = false) });
    const pill = el("span", { class: "pill", "data-state": state });
    const rate = el("span", { class: "number" });
    const line = el("span", { class: "card-line" }, pill, rate);
    const choose = () => this.select(name);
    const button = el("button", { class: "card", type: "button", onclick: choose }, image, el("strong", {}, title), line);
    const card = { item: el("li", {}, button), button, image, state: pill, rate, turn: -1 };
    this.cards.set(name, card);
    byId("source-list").append(card.item);
    return card;
  }
}
