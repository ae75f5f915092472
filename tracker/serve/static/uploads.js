/** Uploading a video, by file dialog or by dropping it on the page. */

import { address, problemOf } from "./api.js";
import { announce, byId, el } from "./dom.js";
import { bytes, percent } from "./format.js";

export class Uploads {
  /** @param {function} onUploaded Called with the name of the new source. */
  constructor(onUploaded) {
    this.onUploaded = onUploaded;
    this.limit = null;
    const input = byId("upload-file");
    input.addEventListener("change", () => {
      this.#startAll(input.files);
      input.value = "";
    });
    this.#listenToDrops();
  }

  /** @param {?{max_bytes: number}} settings Null where the server takes no uploads. */
  configure(settings) {
    this.limit = settings?.max_bytes ?? null;
    byId("upload-control").hidden = !settings;
  }

  get isEnabled() {
    return !byId("upload-control").hidden;
  }

  #listenToDrops() {
    const sign = byId("drop");
    const hasFiles = (event) => this.isEnabled && [...(event.dataTransfer?.types ?? [])].includes("Files");
    window.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      sign.hidden = false;
    });
    window.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) sign.hidden = true;
    });
    window.addEventListener("drop", (event) => {
      sign.hidden = true;
      if (!hasFiles(event)) return;
      event.preventDefault();
      this.#startAll(event.dataTransfer.files);
    });
  }

  #startAll(files) {
    for (const file of files) this.#start(file);
  }

  #start(file) {
    const bar = el("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` });
    const text = el("span", { class: "number" }, "0 %");
    const problem = el("p", { class: "problem", role: "alert", hidden: true });
    const button = el("button", { class: "button small", type: "button" }, "Cancel");
    const line = el("div", { class: "card-line" }, text, button);
    const card = el("li", { class: "card" }, el("strong", {}, file.name), bar, line, problem);
    byId("uploading").append(card);
    const fail = (message) => {
      problem.hidden = false;
      problem.textContent = message;
      bar.hidden = true;
      text.textContent = "Not uploaded";
      button.textContent = "Dismiss";
      button.onclick = () => card.remove();
    };
    if (this.limit !== null && file.size > this.limit) {
      fail(`The file has ${bytes(file.size)}; the server accepts up to ${bytes(this.limit)}.`);
      return;
    }
    const request = this.#send(file, {
      onProgress: (share) => {
        bar.value = share;
        text.textContent = percent(share);
      },
      onEnd: () => card.remove(),
      onFail: fail,
    });
    button.onclick = () => {
      request.abort();
      card.remove();
      announce(`The upload of ${file.name} was cancelled.`);
    };
  }

  #send(file, { onProgress, onEnd, onFail }) {
    // XMLHttpRequest, because fetch does not report the progress of an upload.
    const request = new XMLHttpRequest();
    request.open("POST", address("api/uploads"));
    // Headers hold Latin-1 only; the server undoes the encoding.
    request.setRequestHeader("X-Filename", encodeURIComponent(file.name));
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0);
    request.onerror = () => onFail("The connection was lost during the upload.");
    request.onload = () => {
      if (request.status === 401) window.dispatchEvent(new Event("login-needed"));
      if (request.status !== 201) return onFail(problemOf(request.status, request.responseText));
      onEnd();
      announce(`${file.name} was uploaded and is being processed.`);
      return this.onUploaded(JSON.parse(request.responseText).name);
    };
    request.send(file);
    return request;
  }
}
