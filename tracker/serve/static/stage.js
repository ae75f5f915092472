/** The video and what is drawn over it: two canvases, letterboxed, sharp on every display. */

export class Stage {
  /**
   * @param {{stage: HTMLElement, image: HTMLCanvasElement, overlay: HTMLCanvasElement}} elements
   * @param {function} paint Draws the overlay: `paint(context, view)`, in CSS pixels.
   */
  constructor({ stage, image, overlay }, paint) {
    this.element = stage;
    this.image = image;
    this.overlay = overlay;
    this.paint = paint;
    this.size = [16, 9];
    this.box = { width: 0, height: 0 };
    this.bitmap = null;
    this.pending = null;
    this.isQueued = false;
    new ResizeObserver(() => this.#resize()).observe(stage);
    // The same size in CSS pixels has other device pixels after a zoom or on another display.
    window.addEventListener("resize", () => this.#resize());
  }

  /** Sets width and height of the source in pixels. */
  setSize(width, height) {
    if (!(width > 0 && height > 0) || (this.size[0] === width && this.size[1] === height)) return;
    this.size = [width, height];
    this.element.style.aspectRatio = `${width} / ${height}`;
    this.#resize();
  }

  /** Shows a frame at the next refresh of the display; `onDrawn` is called then. */
  showFrame(bitmap, onDrawn) {
    if (this.pending) {
      this.pending.bitmap?.close();
      this.pending.onDrawn(false);
    }
    this.pending = { bitmap, onDrawn };
    this.redraw();
  }

  clear() {
    this.pending?.bitmap?.close();
    this.bitmap?.close();
    this.pending = this.bitmap = null;
    this.#drawImage();
    this.redraw();
  }

  redraw() {
    if (this.isQueued) return;
    this.isQueued = true;
    requestAnimationFrame(() => this.#draw());
  }

  /** Where the image lies in the stage: `scale` CSS pixels for one of the source, and its corner. */
  get view() {
    const [width, height] = this.size;
    const scale = Math.min(this.box.width / width, this.box.height / height);
    const left = (this.box.width - scale * width) / 2;
    return { scale, left, top: (this.box.height - scale * height) / 2, width, height };
  }

  /** Returns the point of the source at a pointer event, within the frame. */
  pointAt(event) {
    const box = this.overlay.getBoundingClientRect();
    const { scale, left, top, width, height } = this.view;
    const within = (value, end) => Math.min(end, Math.max(0, value));
    return [
      within((event.clientX - box.left - left) / scale, width),
      within((event.clientY - box.top - top) / scale, height),
    ];
  }

  #resize() {
    const ratio = window.devicePixelRatio || 1;
    // Not clientWidth, which is rounded: that would leave a black edge beside the image.
    this.box = this.element.getBoundingClientRect();
    for (const canvas of [this.image, this.overlay]) {
      const width = Math.round(this.box.width * ratio);
      const height = Math.round(this.box.height * ratio);
      // Setting a size clears a canvas, also the same size.
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
      }
    }
    this.#drawImage();
    this.#drawOverlay();
  }

  #draw() {
    this.isQueued = false;
    const pending = this.pending;
    this.pending = null;
    if (pending?.bitmap) {
      this.bitmap?.close();
      this.bitmap = pending.bitmap;
      this.#drawImage();
    }
    // Before the overlay is drawn, so that it shows the tracks of this very frame.
    pending?.onDrawn(true);
    this.#drawOverlay();
  }

  #drawImage() {
    const context = this.image.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.image.width, this.image.height);
    if (!this.bitmap) return;
    const ratio = window.devicePixelRatio || 1;
    const { scale, left, top, width, height } = this.view;
    context.drawImage(
      this.bitmap, left * ratio, top * ratio, width * scale * ratio, height * scale * ratio,
    );
  }

  #drawOverlay() {
    const ratio = window.devicePixelRatio || 1;
    const context = this.overlay.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.box.width + 1, this.box.height + 1);
    this.paint(context, this.view);
  }
}
