/** The panel of zones and lines: the list with counts, and the bar while one is drawn. */

import { announce, byId, confirmed, el, icon, setText, show, svgNode } from "./dom.js";
import { total } from "./format.js";
import { renamed, withPoints, withShape, without } from "./zone_model.js";
import { ZoneEditor } from "./zone_editor.js";
import { ZoneStore } from "./zone_store.js";

const HINTS = {
  zone: "Set the corners. The first corner again, or twice the last one, completes the zone.",
  line: "Set the points of the line; twice the last one completes it. The arrow is the direction “in”.",
  drawKeys: "Keys: arrows move the cross-hair (with Shift faster), Enter sets a point and, pressed twice, "
    + "completes the shape, Backspace removes the last point, Esc cancels.",
  edit: "Drag the points. Dragging the middle of an edge adds a point.",
  editKeys: "Keys: Page Up and Page Down choose a point, arrows move it (with Shift faster), Delete removes it, Esc ends.",
};

export class ZonePanel {
  constructor(stage) {
    this.stage = stage;
    this.counts = { occupancy: {}, counts: {} };
    this.rows = [];
    this.isEditable = true;
    this.store = new ZoneStore(() => this.#onStore());
    this.editor = new ZoneEditor(stage, {
      onMode: () => this.#onMode(),
      onDrawn: (kind, points) => this.#onDrawn(kind, points),
      onMoved: (shape, points) => this.#commit(withPoints, shape, points),
    });
    byId("new-zone").addEventListener("click", () => this.editor.draw("zone"));
    byId("new-line").addEventListener("click", () => this.editor.draw("line"));
    byId("undo").addEventListener("click", () => this.store.undo());
    byId("draw-finish").addEventListener("click", () => this.#finish());
    byId("draw-back").addEventListener("click", () => this.editor.removeLast());
    byId("draw-cancel").addEventListener("click", () => this.editor.stop());
  }

  select(source) {
    this.editor.stop();
    this.counts = { occupancy: {}, counts: {} };
    this.store.load(source);
  }

  setSize(width, height) {
    const [w, h] = this.store.size;
    if (!(width > 0) || (w === width && h === height)) return;
    this.store.size = [width, height];
    this.#onStore();
  }

  /** Sets whether the server saves zones of this source. */
  setEditable(isEditable) {
    if (this.isEditable === isEditable) return;
    this.isEditable = isEditable;
    this.#onStore();
  }

  setCounts(occupancy = {}, counts = {}) {
    this.counts = { occupancy, counts };
    for (const { shape, count } of this.rows) setText(count, this.textOf(shape) || "no count yet");
  }

  /** Returns the count of a shape as text; empty before the first one. */
  textOf({ kind, name }) {
    if (kind === "zone") return name in this.counts.occupancy ? `${this.counts.occupancy[name]} inside` : "";
    const count = this.counts.counts[name];
    return count ? `${total(count.in)} in, ${total(count.out)} out` : "";
  }

  get shapes() {
    return this.rows.map(({ shape }) => shape);
  }

  /** The shape that the editor draws itself. */
  get edited() {
    const { mode, shape } = this.editor;
    return mode === "edit" ? this.#same(shape) : null;
  }

  #same(shape) {
    return this.rows.map((row) => row.shape).find(({ kind, index }) => kind === shape.kind && index === shape.index);
  }

  #finish() {
    if (this.editor.mode === "edit") this.editor.stop();
    else this.editor.finish();
  }

  #commit(change, shape, value) {
    return this.store.commit(change(this.store.document, shape, value, this.store.size));
  }

  #onDrawn(kind, points) {
    this.store.commit(withShape(this.store.document, kind, points, this.store.size));
    const added = this.rows.filter(({ shape }) => shape.kind === kind).at(-1);
    announce(`${added.shape.name} was added. Its name can be changed.`);
    // A touch would open the keyboard of the screen over the video.
    if (matchMedia("(hover: hover)").matches) added.name.select();
  }

  #onMode() {
    const { mode, kind, points, canFinish } = this.editor ?? { mode: "idle" };
    const isDrawing = mode === "draw";
    byId("draw-bar").hidden = mode === "idle";
    for (const row of this.rows) row.item.classList.toggle("editing", row.shape === this.edited);
    const overlay = this.stage.overlay;
    overlay.setAttribute("role", mode === "idle" ? "img" : "application");
    if (mode === "idle") return;
    byId("draw-back").hidden = byId("draw-cancel").hidden = !isDrawing;
    byId("draw-back").disabled = !points.length;
    byId("draw-finish").disabled = isDrawing && !canFinish;
    setText(byId("draw-finish"), isDrawing ? "Finish" : "Done");
    const [pointer, keys] = isDrawing ? [HINTS[kind], HINTS.drawKeys] : [HINTS.edit, HINTS.editKeys];
    setText(byId("draw-hint"), pointer);
    setText(byId("draw-keys"), keys);
    overlay.setAttribute("aria-label", `${isDrawing ? `New ${kind}` : "Edit points"}. ${keys}`);
    if (isDrawing && points.length) announce(`Point ${points.length} set.`);
  }

  #onStore() {
    const { store } = this;
    byId("undo").disabled = !store.canUndo || !this.isEditable;
    byId("new-zone").disabled = byId("new-line").disabled = !this.isEditable || !store.isLoaded || !(store.size[0] > 0);
    show(byId("zones-problem"), store.problem);
    byId("no-shapes").hidden = store.shapes.length > 0;
    this.#renderList(store.shapes);
    if (this.editor?.mode === "edit") this.editor.refresh(this.edited);
    this.#onMode();
    this.stage.redraw();
  }

  #renderList(shapes) {
    const focused = document.activeElement?.dataset.key;
    this.rows = shapes.map((shape) => this.#row(shape));
    byId("shapes").replaceChildren(...this.rows.map(({ item }) => item));
    if (focused) byId("shapes").querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  #row(shape) {
    const key = `${shape.kind}-${shape.index}`;
    const name = el("input", {
      type: "text", maxlength: 60, "aria-label": `Name of ${shape.kind} ${shape.index + 1}`, readonly: !this.isEditable, "data-key": `${key}-name`,
      autocomplete: "off", spellcheck: "false",
      onkeydown: (event) => event.key === "Enter" && name.blur(),
      onchange: () => this.#rename(shape, name),
    });
    name.value = shape.name;
    const count = el("span", { class: "count" }, this.textOf(shape) || "no count yet");
    const button = (label, sign, act) => {
      const text = el("span", { class: "visually-hidden" }, `${label} of ${shape.name}`);
      const attributes = { class: "button icon-only small", type: "button", title: label, "data-key": `${key}-${sign}` };
      return el("button", { ...attributes, disabled: !this.isEditable, onclick: act }, icon(sign), text);
    };
    const reverse = () => this.#commit(withPoints, shape, shape.points.toReversed());
    const buttons = [
      button("Edit the points", "edit", () => this.editor.edit(shape)),
      ...(shape.kind === "line" ? [button("Swap in and out", "swap", reverse)] : []),
      button("Delete", "delete", () => this.#remove(shape)),
    ];
    const item = el(
      "li", {}, el("div", { class: "shape-row" }, mark(shape.kind), name),
      el("div", { class: "shape-row" }, count, ...buttons),
    );
    return { shape, item, name, count };
  }

  #rename(shape, input) {
    const name = input.value.trim();
    const isTaken = this.shapes.some((other) => other.kind === shape.kind && other.index !== shape.index && other.name === name);
    if (name && !isTaken && name !== shape.name) {
      this.#commit(renamed, shape, name);
      return;
    }
    input.value = shape.name;
    if (isTaken) show(byId("zones-problem"), `Another ${shape.kind} is already named “${name}”.`);
  }

  async #remove(shape) {
    if (!(await confirmed(`Delete the ${shape.kind} “${shape.name}”? Undo brings it back.`, "Delete"))) return;
    this.#commit(without, shape);
    byId("undo").focus();
  }
}

function mark(kind) {
  const svg = svgNode("svg", { class: "mark", viewBox: "0 0 20 20", "aria-hidden": "true" });
  const zone = { d: "M3 6l8-3 6 6-3 8H4z", fill: "#ffc400", stroke: "#5c4600", "stroke-width": "1.5" };
  const line = { d: "M3 17 17 3", fill: "none", stroke: "#00829a", "stroke-width": "4", "stroke-linecap": "round" };
  svg.append(svgNode("path", kind === "zone" ? zone : line));
  return svg;
}
