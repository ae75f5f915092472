/** Drawing new zones and lines, and moving their points, by pointer or keyboard. */

import { drawPath, toStage } from "./overlay.js";

const NEAR_PX = { mouse: 10, pen: 14, touch: 24 };
const STEP_PX = 2;
const LARGE_STEP_PX = 20;
const SAVE_MS = 300;
const LEAST = { zone: 3, line: 2 };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class ZoneEditor {
  /**
   * @param {Stage} stage
   * @param {{onMode: function, onDrawn: function, onMoved: function}} handlers
   *   `onMode()`: the mode or the number of points has changed. `onDrawn(kind, points)`: a new shape
   *   is complete. `onMoved(shape, points)`: points of a shape were moved.
   */
  constructor(stage, handlers) {
    this.stage = stage;
    this.handlers = handlers;
    this.timer = null;
    this.#set({ mode: "idle" });
    const listen = (name, act) => stage.overlay.addEventListener(name, (event) => act.call(this, event));
    listen("pointerdown", this.#onDown);
    listen("pointermove", this.#onMove);
    listen("pointerup", this.#onUp);
    listen("pointercancel", () => (this.dragged = null));
    listen("keydown", this.#onKey);
  }

  draw(kind) {
    const [width, height] = this.stage.size;
    this.#set({ mode: "draw", kind, cursor: [width / 2, height / 2] });
    this.stage.overlay.focus();
  }

  edit(shape) {
    this.#set({ mode: "edit", kind: shape.kind, shape, points: shape.points, active: 0 });
    this.stage.overlay.focus();
  }

  /** Takes the new state of the edited shape, after undo for example; null where it is gone. */
  refresh(shape) {
    if (this.mode !== "edit" || this.dragged !== null || this.timer) return;
    if (!shape) return this.stop();
    Object.assign(this, { shape, points: shape.points });
    this.active = Math.min(this.active, shape.points.length - 1);
    this.stage.redraw();
  }

  stop() {
    if (this.timer) this.#saveMoved();
    if (this.mode !== "idle") this.#set({ mode: "idle" });
  }

  removeLast() {
    this.points = this.points.slice(0, -1);
    this.#changed();
  }

  get canFinish() {
    return this.mode === "draw" && this.points.length >= LEAST[this.kind];
  }

  finish() {
    if (!this.canFinish) return;
    const { kind, points } = this;
    this.stop();
    this.handlers.onDrawn(kind, points);
  }

  #set({ mode, kind = null, shape = null, points = [], cursor = null, active = -1 }) {
    Object.assign(this, { mode, kind, shape, points, cursor, active, dragged: null, isKeyed: false });
    this.stage.element.dataset.mode = mode;
    this.#changed();
  }

  #changed() {
    this.handlers.onMode();
    this.stage.redraw();
  }

  /** Sets a point; near the first or the last one it completes the shape. */
  #place(point, near) {
    const isNear = (other) => other && this.#distance(point, other) <= near;
    if (isNear(this.points.at(-1)) || (this.kind === "zone" && this.canFinish && isNear(this.points[0]))) {
      this.finish();
      return;
    }
    this.points = [...this.points, point.map((value) => Math.round(value * 10) / 10)];
    this.#changed();
  }

  #distance([x1, y1], [x2, y2]) {
    return Math.hypot(x1 - x2, y1 - y2) * this.stage.view.scale;
  }

  #onDown(event) {
    if (this.mode === "idle" || event.button !== 0) return;
    this.stage.overlay.setPointerCapture(event.pointerId);
    this.isKeyed = false;
    const point = this.stage.pointAt(event);
    if (this.mode === "draw") this.cursor = point;
    else this.#grab(point, NEAR_PX[event.pointerType] ?? NEAR_PX.mouse);
    this.stage.redraw();
  }

  /** Takes the point of the shape at a place, or a new one in the middle of an edge. */
  #grab(place, near) {
    const find = (points) => points.findIndex((point) => this.#distance(point, place) <= near);
    let index = find(this.points);
    if (index < 0) {
      const edge = find(this.#middles());
      if (edge < 0) return;
      index = edge + 1;
      this.points = [...this.points.slice(0, index), place, ...this.points.slice(index)];
    }
    [this.active, this.dragged] = [index, index];
  }

  #middles() {
    const next = this.kind === "zone" ? [...this.points.slice(1), this.points[0]] : this.points.slice(1);
    return next.map(([x, y], n) => [(x + this.points[n][0]) / 2, (y + this.points[n][1]) / 2]);
  }

  #onMove(event) {
    if (this.mode === "draw") this.cursor = this.stage.pointAt(event);
    else if (this.dragged !== null) this.points = this.points.with(this.dragged, this.stage.pointAt(event));
    else return;
    this.stage.redraw();
  }

  #onUp(event) {
    if (this.mode === "draw") {
      // The second click of a double-click falls on the last point, and thereby completes the shape.
      this.#place(this.stage.pointAt(event), NEAR_PX[event.pointerType] ?? NEAR_PX.mouse);
    } else if (this.dragged !== null) {
      this.dragged = null;
      this.handlers.onMoved(this.shape, this.points);
    }
  }

  #onKey(event) {
    if (this.mode === "idle") return;
    const keys = this.mode === "draw" ? this.#drawKeys() : this.#editKeys();
    const arrow = ARROWS[event.key];
    if (arrow) this.#step(arrow, event.shiftKey ? LARGE_STEP_PX : STEP_PX);
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
    this.stage.redraw();
  }

  #drawKeys() {
    return {
      Enter: () => this.#place(this.cursor, STEP_PX / 2),
      Backspace: () => this.removeLast(),
      Escape: () => this.stop(),
    };
  }

  #editKeys() {
    const count = this.points.length;
    const turn = (step) => (this.active = (this.active + step + count) % count);
    return {
      PageDown: () => turn(1),
      PageUp: () => turn(-1),
      Delete: () => this.#deletePoint(),
      Backspace: () => this.#deletePoint(),
      Escape: () => this.stop(),
      Enter: () => this.stop(),
    };
  }

  #deletePoint() {
    if (this.points.length <= LEAST[this.kind]) return;
    const points = this.points.toSpliced(this.active, 1);
    this.active = Math.min(this.active, points.length - 1);
    this.points = points;
    this.handlers.onMoved(this.shape, points);
  }

  /** Moves the cross-hair, or the active point, by CSS pixels of the stage. */
  #step([dx, dy], length) {
    this.isKeyed = true;
    const { scale, width, height } = this.stage.view;
    const [x, y] = this.mode === "draw" ? this.cursor : this.points[this.active];
    const within = (value, end) => Math.min(end, Math.max(0, value));
    const moved = [within(x + (dx * length) / scale, width), within(y + (dy * length) / scale, height)];
    if (this.mode === "draw") {
      this.cursor = moved;
      return;
    }
    this.points = this.points.with(this.active, moved);
    clearTimeout(this.timer);
    // A held key moves the point many times, and saves it once.
    this.timer = setTimeout(() => this.#saveMoved(), SAVE_MS);
  }

  #saveMoved() {
    clearTimeout(this.timer);
    this.timer = null;
    this.handlers.onMoved(this.shape, this.points);
  }

  paint(context, view) {
    if (this.mode === "idle") return;
    const place = toStage(view);
    const isDrawing = this.mode === "draw";
    const points = (isDrawing && this.cursor ? [...this.points, this.cursor] : this.points).map(place);
    drawPath(context, points, this.kind, isDrawing && this.points.length < 2);
    if (!isDrawing) for (const middle of this.#middles()) drawHandle(context, place(middle), 3.5, "#fffa");
    this.points.map(place).forEach((point, n) => {
      const isMarked = isDrawing ? n === 0 && this.kind === "zone" && this.canFinish : n === this.active;
      drawHandle(context, point, isMarked ? 8 : 6, isMarked ? "#7cbcff" : "#fff");
    });
    if (isDrawing && this.cursor) drawCross(context, place(this.cursor), this.isKeyed ? 22 : 9);
  }
}

function drawHandle(context, [x, y], radius, color) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = color;
  context.fill();
  context.lineWidth = 2;
  context.strokeStyle = "rgb(0 0 0 / .8)";
  context.stroke();
}

function drawCross(context, [x, y], arm) {
  for (const [color, width] of [["rgb(0 0 0 / .8)", 4], ["#fff", 1.5]]) {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(x - arm, y);
    context.lineTo(x + arm, y);
    context.moveTo(x, y - arm);
    context.lineTo(x, y + arm);
    context.stroke();
  }
}
