// The frame under the person's hand: zoom, pan, click, drag.

import { byId, enlarged, fitCanvas, oncePerRedraw } from "./dom.js";
import { Footage } from "./footage.js";
import { drawLoupe } from "./loupe.js";
import { colourOf } from "./palette.js";
import { drawPicture, drawPoints } from "./scene.js";
import { placed } from "./states.js";
import { View } from "./view.js";

const STILL = 3; // CSS pixels the mouse may move in a click
const REACH = 8; // CSS pixels beyond a mark at which it is still grasped
const CLOSE = 2; // CSS pixels beyond a mark at which a click still means it, and not the place beside it

export class Stage {
  constructor(store) {
    this.store = store;
    this.element = byId("stage");
    this.picture = byId("picture");
    this.marks = byId("marks");
    this.loupe = byId("loupe");
    this.view = new View();
    this.draw = oncePerRedraw(() => this.redraw());
    this.footage = new Footage(store, this.view, () => this.draw());
    this.options = { radius: 6, trails: false, hidden: false, names: false, loupe: false };
    this.held = null; // {keypoint, x, y, base, byKey, frame, subject}: the point in hand
    this.hand = null; // what the pressed mouse button is doing
    this.hover = null;
    this.cursor = null; // [sx, sy] of the mouse on the stage
    this.drawn = 0; // redraws so far, for measuring
    this.shownFrame = -1; // the frame whose picture is on the screen

    new ResizeObserver(() => this.resize()).observe(this.element);
    this.listen();
    store.on("video", () => this.opened());
    store.on("frame", ({ reveal }) => this.moved(reveal));
    for (const name of ["points", "select"]) store.on(name, () => this.draw());
  }

  opened() {
    const { video } = this.store;
    if (this.openVideo !== video.path) {
      this.openVideo = video.path;
      this.view.fitted = true;
      this.footage.reset();
      this.drop();
    }
    this.resize();
  }

  resize() {
    const { video } = this.store;
    if (!video) return;
    const box = this.element.getBoundingClientRect();
    this.view.resize(box.width, box.height, video.width, video.height);
    this.draw();
  }

  moved(reveal) {
    this.hover = null;
    if (this.held && this.held.byKey) this.letGo();
    else if (this.held && this.held.frame !== this.store.frame) this.drop();
    if (reveal) {
      const point = this.store.here()[this.store.keypoint];
      if (placed(point)) this.view.reveal(point.x, point.y);
    }
    this.draw();
  }

  // ---------------------------------------------------------------- drawing

  /** Of a mark, in CSS pixels. */
  get radius() {
    return this.options.radius * enlarged();
  }

  redraw() {
    const { store, view, footage } = this;
    if (!store.video) return;
    footage.want();
    const base = footage.base(store.frame);
    // Marks belong to the picture that is seen: while a frame is on its way the last one stays whole, with its own.
    const frame = base ? base.frame : store.frame;
    this.shownFrame = base ? base.frame : -1;
    store.points.need(frame - 6, frame + 6);
    const [, , ratio] = fitCanvas(this.picture, view.width, view.height);
    fitCanvas(this.marks, view.width, view.height);
    drawPicture(this.picture.getContext("2d", { alpha: false }), ratio, view, base, footage.detail(frame));
    drawPoints(this.marks.getContext("2d"), ratio, view, store, {
      ...this.options,
      radius: this.radius,
      frame,
      held: this.held && this.held.frame === frame ? this.held : null,
      hover: this.hover,
      nameSelected: !this.options.names,
    });
    this.drawLoupe(base);
    this.drawn += 1;
    const veil = byId("veil");
    const failure = footage.failure(store.frame);
    veil.hidden = !failure && Boolean(base);
    veil.textContent = failure ? `Frame ${store.frame} cannot be shown: ${failure}` : base ? "" : "Reading the frame…";
    store.emit("drawn", frame, Boolean(base && base.frame === store.frame && base.entry.exact));
  }

  drawLoupe(base) {
    const { view, store } = this;
    const place = this.held || (this.cursor && view.toFrame(...this.cursor));
    const wanted = place && (this.held || this.options.loupe) && !store.playing;
    const [x, y] = this.held ? [this.held.x, this.held.y] : place || [0, 0];
    if (!wanted || !view.inside(x, y)) {
      this.loupe.hidden = true;
      this.footage.loupeAt = null;
      return;
    }
    this.footage.loupeAt = [x, y];
    this.footage.want();
    const [sx, sy] = view.toScreen(x, y);
    const detail = this.footage.underLoupe(store.frame);
    const colour = colourOf(this.held ? this.held.keypoint : store.keypoint);
    drawLoupe(this.loupe, view, store, { x, y, sx, sy, base, detail, colour, hide: this.options.hidden || this.held });
  }

  // ---------------------------------------------------------------- the hand

  listen() {
    const { element } = this;
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    element.addEventListener("pointerup", (event) => this.up(event));
    element.addEventListener("pointercancel", () => this.drop());
    element.addEventListener("pointerleave", () => {
      this.cursor = null;
      this.hover = null;
      this.draw();
    });
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    element.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  place(event) {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** The mark under a place of the stage: {keypoint, subject}, the nearest, the current subject's first; or null. */
  hit(sx, sy, beyond = REACH) {
    if (this.options.hidden) return null;
    const { store, view } = this;
    const reach = this.radius + beyond * enlarged();
    for (const subject of [store.subject, ...store.points.subjects(store.frame).filter((s) => s !== store.subject)]) {
      let best = null;
      let nearest = reach;
      store.points.get(store.frame, subject).forEach((point, keypoint) => {
        if (!placed(point)) return;
        const [x, y] = view.toScreen(point.x, point.y);
        // The selected keypoint wins where several lie on one place.
        const distance = Math.hypot(x - sx, y - sy) - (subject === store.subject && keypoint === store.keypoint ? 2 : 0);
        if (distance < nearest) {
          nearest = distance;
          best = { keypoint, subject };
        }
      });
      if (best) return best;
    }
    return null;
  }

  down(event) {
    if (event.target.closest(".offer, .notices, button") || !this.store.video) return;
    this.element.focus({ preventScroll: true });
    if (this.held && this.held.byKey) this.letGo();
    const [sx, sy] = this.place(event);
    this.element.setPointerCapture(event.pointerId);
    const onMark = event.button === 0 && !this.store.playing ? this.hit(sx, sy) : null;
    this.hand = { sx, sy, lastX: sx, lastY: sy, button: event.button, onMark, doing: "nothing" };
  }

  /**
   * Whether a click here means a mark rather than a place: it is on the mark, and not on the followed point of the
   * keypoint whose turn it is, which the click sets.
   */
  means(sx, sy) {
    const { store } = this;
    const mark = this.hit(sx, sy, CLOSE);
    if (!mark) return null;
    const own = mark.subject === store.subject && mark.keypoint === store.keypoint;
    return own && !store.here()[mark.keypoint].human ? null : mark;
  }

  move(event) {
    const [sx, sy] = this.place(event);
    this.cursor = [sx, sy];
    const { hand } = this;
    if (!hand) {
      const before = this.hover;
      this.hover = this.store.playing ? null : this.hit(sx, sy);
      const same = before && this.hover && before.keypoint === this.hover.keypoint && before.subject === this.hover.subject;
      this.element.classList.toggle("over-mark", Boolean(this.hover && this.means(sx, sy)));
      if (this.options.loupe || (before !== this.hover && !same)) this.draw();
      return;
    }
    if (hand.doing === "nothing" && Math.hypot(sx - hand.sx, sy - hand.sy) > STILL) {
      hand.doing = hand.onMark && this.shownFrame === this.store.frame ? "move" : "pan";
      if (hand.doing === "move") {
        this.store.select(hand.onMark.keypoint, hand.onMark.subject);
        this.grasp(hand.onMark.keypoint);
      }
      this.element.classList.toggle("panning", hand.doing === "pan");
    }
    if (hand.doing === "move" && this.held) {
      this.held.x += (sx - hand.lastX) / this.view.scale;
      this.held.y += (sy - hand.lastY) / this.view.scale;
      this.clampHeld();
    } else if (hand.doing === "pan") this.view.pan(sx - hand.lastX, sy - hand.lastY);
    if (hand.doing !== "nothing") {
      hand.lastX = sx;
      hand.lastY = sy;
      this.draw();
    }
  }

  up(event) {
    const { hand } = this;
    this.hand = null;
    this.element.classList.remove("panning");
    if (!hand) return;
    if (hand.doing === "move") this.letGo();
    else if (hand.doing === "nothing" && hand.button === 0) {
      const [sx, sy] = this.place(event);
      const mark = this.store.playing ? null : this.means(sx, sy);
      if (mark) this.store.select(mark.keypoint, mark.subject);
      else this.click(...this.view.toFrame(sx, sy));
    }
  }

  /** A click that means a place: the keypoint whose turn it is goes there. */
  click(x, y) {
    const { store } = this;
    if (store.playing) {
      store.emit("stop");
      return;
    }
    if (!this.view.inside(x, y) || this.shownFrame !== store.frame || this.options.hidden) return;
    store.emit("clicked", x, y);
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : event.deltaMode === 2 ? 300 : 1;
    const speed = event.ctrlKey ? 0.01 : 0.0016;
    const factor = Math.exp(-Math.max(-400, Math.min(400, event.deltaY * lines)) * speed);
    this.view.zoomAt(...this.place(event), factor);
    this.draw();
  }

  // ---------------------------------------------------------------- a point in hand

  /** Take the keypoint in hand, with the mouse or (`byKey`) with the keys. */
  grasp(keypoint, { byKey = false } = {}) {
    const { store } = this;
    const point = store.here()[keypoint];
    const [x, y] = placed(point) ? [point.x, point.y] : this.view.toFrame(...(this.cursor || [this.view.width / 2, this.view.height / 2]));
    this.held = { keypoint, x, y, byKey, frame: store.frame, subject: store.subject, base: store.points.revision };
    this.clampHeld();
    if (byKey) this.view.reveal(this.held.x, this.held.y);
    store.emit("held", this.held);
    this.draw();
  }

  /** Move the point in hand by pixels of the frame. */
  nudge(dx, dy) {
    this.held.x += dx;
    this.held.y += dy;
    this.clampHeld();
    if (this.held.byKey) this.view.reveal(this.held.x, this.held.y);
    this.draw();
  }

  clampHeld() {
    const { frameWidth, frameHeight } = this.view;
    this.held.x = Math.max(-0.5, Math.min(frameWidth - 0.5, this.held.x));
    this.held.y = Math.max(-0.5, Math.min(frameHeight - 0.5, this.held.y));
  }

  /** Put down the point in hand where it is: it is a label now. */
  letGo() {
    const { held } = this;
    this.held = null;
    if (!held) return;
    this.store.put(held.keypoint, held.x, held.y, held);
    this.store.emit("held", null);
    this.draw();
  }

  /** Let the point in hand go back to where it was. */
  drop() {
    const had = this.held !== null;
    this.held = null;
    this.hand = null;
    this.element.classList.remove("panning");
    if (had) this.store.emit("held", null);
    this.draw();
  }

  zoom(factor) {
    const at = this.cursor || [this.view.width / 2, this.view.height / 2];
    this.view.zoomAt(...at, factor);
    this.draw();
  }

  /** Zoom to the subject; false if none of its points has a place. */
  fitSubject() {
    const points = this.store.here().filter(placed);
    if (!points.length) return false;
    const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
    this.view.show(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys));
    this.draw();
    return true;
  }

  fit() {
    this.view.fit();
    this.draw();
  }

  set(option, value) {
    this.options[option] = value;
    this.draw();
    this.store.emit("look");
  }

  /** Brightness and contrast of the picture, 1 = as it is; the frame itself is not changed. */
  light(brightness, contrast) {
    this.picture.style.filter = brightness === 1 && contrast === 1 ? "" : `brightness(${brightness}) contrast(${contrast})`;
    this.loupe.style.filter = this.picture.style.filter;
  }
}
