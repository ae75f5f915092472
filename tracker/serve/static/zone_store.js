/** The zones of the selected source as the server has them, with undo. */

import { getJson, ofSource, send } from "./api.js";
import { shapesOf } from "./zone_model.js";

const EMPTY = { zones: [], lines: [] };
const MOST_UNDONE = 100;
const CANNOT_BE_WRITTEN = 409;

export class ZoneStore {
  /** @param {function} onChange Called after each change of the document or of the problem. */
  constructor(onChange) {
    this.onChange = onChange;
    this.source = null;
    this.size = [0, 0];
    this.#reset();
  }

  get shapes() {
    return this.size[0] > 0 ? shapesOf(this.document, this.size) : [];
  }

  get canUndo() {
    return this.past.length > 0;
  }

  async load(source) {
    this.source = source;
    this.#reset();
    this.onChange();
    try {
      const document = await getJson(ofSource("api/zones", source));
      if (source !== this.source) return;
      this.document = { ...EMPTY, ...document };
      this.isLoaded = true;
    } catch (error) {
      if (source !== this.source) return;
      this.problem = `The zones could not be read: ${error.message}`;
    }
    this.onChange();
  }

  /**
   * Shows a new document at once and saves it. A refusal brings the old one back; where the document
   * is right and only its file cannot be written, it stays, and the next change saves all of it.
   */
  commit(document) {
    return this.#save(document, [...this.past, this.document].slice(-MOST_UNDONE));
  }

  async undo() {
    if (this.canUndo) await this.#save(this.past.at(-1), this.past.slice(0, -1));
  }

  async #save(document, past) {
    const before = [this.document, this.past];
    [this.document, this.past, this.problem] = [document, past, null];
    this.onChange();
    const source = this.source;
    // One after another: answers must not overtake each other.
    this.saving = this.saving.then(() => send("PUT", ofSource("api/zones", source), document));
    try {
      await this.saving;
    } catch (error) {
      this.saving = Promise.resolve();
      if (source !== this.source) return;
      const isRight = error.status === CANNOT_BE_WRITTEN;
      if (this.document === document && !isRight) [this.document, this.past] = before;
      this.problem = `Not saved: ${error.message}`;
      this.onChange();
    }
  }

  #reset() {
    [this.document, this.past, this.problem, this.isLoaded] = [EMPTY, [], null, false];
    this.saving = Promise.resolve();
  }
}
