/** The frames of one source by WebSocket, with reconnection. */

import { getJson, socketAddress } from "./api.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

export class Stream {
  /**
   * @param {string} source Name of the source.
   * @param {{onFrame: function, onState: function, onConnection: function}} handlers
   *   `onFrame(message, bitmap, acknowledge)`: the bitmap is null where a frame has no image.
   *   `onConnection(is_open, wait_ms)`: opened, or closed and opened again after the wait.
   */
  constructor(source, handlers) {
    this.source = source;
    this.handlers = handlers;
    this.wait = FIRST_WAIT_MS;
    this.isClosed = false;
    this.retry = () => this.#retryNow();
    window.addEventListener("online", this.retry);
    this.#open();
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.timer);
    window.removeEventListener("online", this.retry);
    this.socket.close();
  }

  #open() {
    const socket = new WebSocket(socketAddress(`ws?source=${encodeURIComponent(this.source)}`));
    socket.binaryType = "blob";
    this.socket = socket;
    this.header = null;
    socket.onopen = () => this.handlers.onConnection(true, 0);
    socket.onmessage = (event) => {
      if (socket !== this.socket || this.isClosed) return;
      this.wait = FIRST_WAIT_MS;
      if (typeof event.data === "string") this.#onText(JSON.parse(event.data));
      else this.#onImage(event.data);
    };
    socket.onclose = () => this.#onClose(socket);
  }

  #onText(message) {
    if (message.kind === "state") this.handlers.onState(message.entry);
    if (message.kind !== "frame") return;
    this.header = message.image ? message : null;
    if (!message.image) this.handlers.onFrame(message, null, this.#acknowledgement(message));
  }

  async #onImage(blob) {
    const message = this.header;
    this.header = null;
    if (!message) return;
    const acknowledge = this.#acknowledgement(message);
    try {
      const bitmap = await createImageBitmap(blob);
      if (this.isClosed) bitmap.close();
      else this.handlers.onFrame(message, bitmap, acknowledge);
    } catch {
      // A damaged image: the tracks of the frame are still shown.
      this.handlers.onFrame(message, null, acknowledge);
    }
  }

  #acknowledgement(message) {
    const socket = this.socket;
    return () => {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ ack: message.frame }));
    };
  }

  #onClose(socket) {
    if (this.isClosed || socket !== this.socket) return;
    this.handlers.onConnection(false, this.wait);
    // A refused handshake does not say why: a request shows whether a token is needed.
    getJson("api/sources").catch(() => {});
    this.timer = setTimeout(() => this.#open(), this.wait * (0.8 + 0.4 * Math.random()));
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT_MS);
  }

  #retryNow() {
    if (this.socket.readyState !== WebSocket.CLOSED) return;
    clearTimeout(this.timer);
    this.#open();
  }
}
