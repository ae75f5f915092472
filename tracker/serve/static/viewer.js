/** What is around the video: name, state, playback, downloads and messages. */

import { address, ofSource, send } from "./api.js";
import { byId, confirmed, el, icon, setText, show } from "./dom.js";
import { clock, decimal, plural } from "./format.js";
import { STATES } from "./sources.js";

const FILES = {
  json: ["JSON", "json"], csv: ["CSV", "csv"], mp4: ["Video with tracks", "mp4"], report: ["Report", "html"],
};
const NOTES = {
  starting: "Starting …",
  lost: "The connection to the source is lost. Reconnecting …",
  ended: "The video has ended.",
  failed: "The source failed.",
};

export class Viewer {
  /**
   * @param {{onChanged: function, withoutSource: function}} handlers `onChanged()`: the state of a
   *   source may have changed. `withoutSource(name, work)`: does the work with the source left out.
   */
  constructor({ onChanged, withoutSource }) {
    this.onChanged = onChanged;
    this.withoutSource = withoutSource;
    this.source = null;
    byId("pause").addEventListener("click", () => this.#act(this.source.state === "paused" ? "resume" : "pause"));
    byId("restart").addEventListener("click", () => this.#act("restart"));
    const full = byId("fullscreen");
    full.hidden = !document.fullscreenEnabled;
    full.addEventListener("click", () => byId("screen").requestFullscreen());
    byId("leave-fullscreen").addEventListener("click", () => document.exitFullscreen());
  }

  /** Shows one entry of /api/sources, or that there is none. */
  show(source) {
    if (source?.name !== this.source?.name) show(byId("viewer-problem"), null);
    this.source = source ? { ...source } : null;
    const state = source?.state ?? "ended";
    setText(byId("source-name"), source?.title ?? "No source");
    document.title = source ? `${source.title} – tracker` : "tracker";
    byId("source-state").dataset.state = state;
    setText(byId("source-state"), source ? STATES[state] ?? state : "–");
    setText(byId("source-facts"), source ? facts(source) : "");
    this.#showNote(source, state);
    this.#showControls(source, state);
    this.#showProgress(source, state);
    this.#showDownloads(source);
  }

  #showNote(source, state) {
    const note = NOTES[state];
    const why = ["lost", "failed"].includes(state) && source?.message ? `\n${source.message}` : "";
    const isShown = note && !(state === "ended" && source?.frames > 0);
    show(byId("stage-note"), source && isShown ? note + why : null);
    byId("stage").dataset.dim = String(["lost", "failed"].includes(state));
  }

  #showControls(source, state) {
    const isPaused = state === "paused";
    const pause = byId("pause");
    if (pause.dataset.paused !== String(isPaused)) {
      pause.dataset.paused = String(isPaused);
      pause.replaceChildren(icon(isPaused ? "play" : "pause"), el("span", {}, isPaused ? "Resume" : "Pause"));
    }
    pause.disabled = !source || !["running", "paused"].includes(state);
    byId("restart").disabled = !source || state === "starting";
    byId("snapshot").hidden = !(source?.has_image && source.frames > 0);
    if (source) byId("snapshot").href = address(`${ofSource("api/snapshot.jpg", source.name)}&overlay=1`);
  }

  #showProgress(source, state) {
    const length = source?.duration_s;
    byId("progress-row").hidden = !length;
    if (!length) return;
    const at = state === "ended" ? length : Math.min(source.position_s, length);
    byId("progress").value = at / length;
    setText(byId("progress-text"), `${clock(at)} of ${clock(length)}`);
  }

  #showDownloads(source) {
    const area = byId("downloads");
    const kinds = source?.downloads ?? [];
    const isUpload = source?.kind === "upload";
    area.hidden = !kinds.length && !isUpload;
    const isWaiting = isUpload && !kinds.length && ["starting", "running", "paused"].includes(source.state);
    const key = `${source?.name}|${kinds}|${isUpload}|${isWaiting}`;
    if (area.hidden || area.dataset.key === key) return;
    area.dataset.key = key;
    const path = `api/uploads/${encodeURIComponent(source.name)}`;
    const links = kinds.map((kind) => {
      const [title, ending] = FILES[kind] ?? [kind, kind];
      const file = `${source.title.replace(/\.\w+$/, "")}.${ending}`;
      return el("a", { class: "button", href: address(`${path}/${kind}`), download: file }, icon("download"), title);
    });
    const remove = el("button", { class: "button danger push", type: "button", onclick: () => this.#remove(path) });
    remove.append(icon("delete"), "Delete the upload");
    const wait = el("p", { class: "muted" }, "Results can be downloaded once the video is processed.");
    area.replaceChildren(...links, ...(isWaiting ? [wait] : []), ...(isUpload ? [remove] : []));
  }

  async #remove(path) {
    const { name, title } = this.source;
    const question = `Delete “${title}” and its results from the server? This cannot be undone.`;
    if (!(await confirmed(question, "Delete"))) return;
    await this.withoutSource(name, () => this.#request("DELETE", path));
  }

  #act(verb) {
    return this.#request("POST", `api/sources/${encodeURIComponent(this.source.name)}/${verb}`);
  }

  async #request(method, path) {
    try {
      await send(method, path);
      show(byId("viewer-problem"), null);
    } catch (error) {
      show(byId("viewer-problem"), error.message);
    }
    if (method === "POST") this.onChanged();
  }
}

function facts({ width, height, fps, frames, dropped, detecting, kind }) {
  const parts = [];
  if (width > 0) parts.push(`${width} × ${height}`);
  if (Number.isFinite(fps) && fps > 0) parts.push(`${decimal(fps)} frames/s`);
  if (dropped > 0) parts.push(`${plural(dropped, "frame")} dropped`);
  if (kind === "recorded" || !detecting) parts.push("recorded tracks");
  return parts.join(" · ");
}
