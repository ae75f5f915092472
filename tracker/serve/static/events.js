/** The list of events, by server-sent events. */

import { address, ofSource } from "./api.js";
import { byId, el } from "./dom.js";
import { clock, span } from "./format.js";

const MOST_ROWS = 200;
const RETRY_MS = 5000;

const SENTENCES = {
  line_crossed: ({ line, direction }) => `crossed ${line} (${direction})`,
  zone_entered: ({ zone, how }) => (how === "crossed" ? `entered ${zone}` : `${how} in ${zone}`),
  zone_left: ({ zone, dwell_s }) => `left ${zone}${dwell_s === undefined ? "" : ` after ${span(dwell_s)}`}`,
  dwell_exceeded: ({ zone, dwell_s }) => `has been in ${zone} for ${span(dwell_s ?? 0)}`,
  loitering: ({ zone }) => `loiters in ${zone}`,
  stopped: ({ zone }) => `stands still in ${zone}`,
  wrong_way: ({ zone }) => `moves the wrong way in ${zone}`,
  speed_exceeded: ({ zone, speed_kmh }) => `is too fast in ${zone}${speed_kmh ? `: ${Math.round(speed_kmh)} km/h` : ""}`,
  track_started: () => "was first seen",
  track_ended: () => "has ended",
};

export class EventList {
  constructor() {
    this.list = byId("events");
    this.births = byId("show-births");
    this.births.addEventListener("change", () => this.#filter());
  }

  select(source) {
    this.#close();
    this.list.replaceChildren();
    this.#filter();
    if (source !== null) this.#open(source);
  }

  #close() {
    this.stream?.close();
    clearTimeout(this.timer);
  }

  #open(source) {
    this.stream = new EventSource(address(ofSource("api/events", source)));
    for (const kind of Object.keys(SENTENCES)) {
      this.stream.addEventListener(kind, ({ data }) => this.#add(JSON.parse(data)));
    }
    this.stream.onerror = ({ target }) => {
      // The browser itself connects again, except after an answer that is an error.
      if (target !== this.stream || target.readyState !== EventSource.CLOSED) return;
      this.timer = setTimeout(() => this.#open(source), RETRY_MS);
    };
  }

  #add(event) {
    const isBirth = event.event.startsWith("track_");
    const text = `${event.class} ${event.id} ${SENTENCES[event.event](event)}`;
    const row = el("li", { "data-birth": isBirth }, el("time", {}, clock(event.time_s)), el("span", {}, text));
    row.hidden = isBirth && !this.births.checked;
    this.list.prepend(row);
    while (this.list.children.length > MOST_ROWS) this.list.lastElementChild.remove();
    this.#sayEmpty();
  }

  #filter() {
    for (const row of this.list.querySelectorAll("[data-birth]")) row.hidden = !this.births.checked;
    this.#sayEmpty();
  }

  #sayEmpty() {
    byId("no-events").hidden = [...this.list.children].some((row) => !row.hidden);
  }
}
