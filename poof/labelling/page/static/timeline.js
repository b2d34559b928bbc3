// What is known of each keypoint over time, a row each; a click goes there.

import { Turns } from "./api.js";
import { byId, enlarged, fitCanvas, font, oncePerRedraw } from "./dom.js";
import { colourOf, INK } from "./palette.js";

// Sizes in CSS pixels of a small screen.
const ROW = 15;
const RULER = 22;
const GUTTER = 108;
const LABEL = 9; // the widest a label is drawn
const ASK_EVERY = 500; // milliseconds
const FEWEST = 20; // frames that are seen at the closest

export class Timeline {
  constructor(store) {
    this.store = store;
    this.box = byId("timeline");
    this.canvas = byId("rows");
    this.from = 0; // frames seen, half-open, fractions allowed
    this.to = 1;
    this.whole = null; // the server's answer for the whole video
    this.part = null; // and for what is seen, when that is less
    this.draw = oncePerRedraw(() => this.redraw());
    this.asked = 0;
    this.turns = new Turns();
    this.timer = null;
    this.scrub = null;
    new ResizeObserver(() => this.draw()).observe(this.box);
    store.on("video", () => this.opened());
    store.on("timeline", () => this.ask());
    for (const name of ["select", "range", "playing", "proposals"]) store.on(name, () => this.draw());
    this.playhead = byId("playhead");
    this.drawPlayhead = oncePerRedraw(() => this.movePlayhead());
    store.on("frame", () => {
      this.follow();
      this.drawPlayhead();
    });
    this.listen();
  }

  opened() {
    const { video } = this.store;
    if (this.path !== video.path || this.frames !== video.frames) {
      if (this.path !== video.path) this.whole = null;
      this.path = video.path;
      this.frames = video.frames;
      this.from = 0;
      this.to = video.frames;
      this.part = null;
      this.ask();
    }
    this.draw();
  }

  // ---------------------------------------------------------------- what the server knows

  ask() {
    if (this.timer !== null) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.asked = performance.now();
      this.read();
    }, Math.max(0, this.asked + ASK_EVERY - performance.now()));
  }

  async read() {
    const { store } = this;
    const id = store.video.id;
    const current = this.turns.next();
    const last = store.video.frames - 1;
    const bins = Math.max(100, Math.floor(this.wide));
    try {
      const whole = await store.api.timeline(id, 0, last, bins);
      let part = null;
      if (this.zoomed) {
        const from = Math.max(0, Math.floor(this.from - this.span / 2));
        const to = Math.min(last, Math.ceil(this.to + this.span / 2));
        part = await store.api.timeline(id, from, to, bins * 2);
      }
      if (store.video.id !== id || !current()) return;
      this.whole = whole;
      this.part = part;
      this.draw();
      store.emit("timeline-read", whole);
    } catch (error) {
      if (!error.offline) store.tell(error.message, "error");
    }
  }

  /** The labelled frame before (-1) or after (1) this one, or null. */
  labelBeside(frame, way) {
    const labelled = this.whole ? this.whole.labelled : [];
    const found = way > 0 ? labelled.find((n) => n > frame) : labelled.findLast((n) => n < frame);
    return found ?? null;
  }

  /** The frames from the label before to the label after this one, of the whole video where there is none. */
  between(frame) {
    const labelled = this.whole ? this.whole.labelled : [];
    const before = labelled.findLast((n) => n <= frame) ?? 0;
    const after = labelled.find((n) => n > frame) ?? this.store.video.frames - 1;
    return [Math.min(before, after), Math.max(before, after)];
  }

  // ---------------------------------------------------------------- frames and places

  get row() {
    return Math.round(ROW * enlarged());
  }

  get ruler() {
    return Math.round(RULER * enlarged());
  }

  get gutter() {
    return Math.round(GUTTER * enlarged());
  }

  get span() {
    return this.to - this.from;
  }

  get zoomed() {
    return this.span < this.store.video.frames;
  }

  get wide() {
    return Math.max(50, this.box.clientWidth - this.gutter - 10);
  }

  x(frame) {
    return this.gutter + ((frame - this.from) / this.span) * this.wide;
  }

  frameAt(x) {
    return this.from + ((x - this.gutter) / this.wide) * this.span;
  }

  /** Keep the frame that is looked at in sight. */
  follow() {
    const { frame, video } = this.store;
    if (!this.zoomed || this.scrub) return;
    if (frame >= this.from + this.span * 0.04 && frame <= this.to - this.span * 0.04) return;
    this.look(frame - this.span / 2, this.span, video.frames);
  }

  look(from, span, frames = this.store.video.frames) {
    const size = Math.min(frames, Math.max(Math.min(FEWEST, frames), span));
    this.from = Math.max(0, Math.min(frames - size, from));
    this.to = this.from + size;
    const part = this.part;
    if (this.zoomed && !(part && part.from <= this.from && part.to >= this.to - 1 && part.per <= Math.max(1, this.span / this.wide))) this.ask();
    this.draw();
  }

  // ---------------------------------------------------------------- the hand

  listen() {
    const { canvas, store } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      const [frame, row] = this.under(event);
      this.scrub = { from: frame, range: event.shiftKey };
      if (event.shiftKey) this.markTo(frame);
      else {
        store.emit("stop");
        if (row !== null) store.select(row);
        store.goTo(frame);
      }
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.scrub) return;
      const [frame] = this.under(event);
      if (this.scrub.range) this.markTo(frame);
      else if (frame !== store.frame) store.goTo(frame);
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (this.scrub = null));
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (this.box.scrollHeight > this.box.clientHeight && !event.ctrlKey && !event.shiftKey && event.offsetX < this.gutter) return;
        event.preventDefault();
        if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
          this.look(this.from + ((event.deltaX || event.deltaY) / this.wide) * this.span, this.span);
          return;
        }
        const at = this.frameAt(Math.max(this.gutter, event.offsetX));
        const span = this.span * Math.exp(Math.max(-300, Math.min(300, event.deltaY)) * 0.002);
        const kept = Math.min(store.video.frames, Math.max(Math.min(FEWEST, store.video.frames), span));
        this.look(at - ((at - this.from) / this.span) * kept, kept);
      },
      { passive: false },
    );
  }

  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    const frame = Math.max(0, Math.min(this.store.video.frames - 1, Math.floor(this.frameAt(x))));
    const row = Math.floor((y - this.ruler) / this.row);
    return [frame, row >= 0 && row < this.store.names.length ? row : null];
  }

  markTo(frame) {
    this.store.range = [Math.min(this.scrub.from, frame), Math.max(this.scrub.from, frame)];
    this.store.emit("range");
  }

  // ---------------------------------------------------------------- drawing

  redraw() {
    const { store, canvas } = this;
    if (!store.video) return;
    const names = store.names;
    const [width, height, ratio] = fitCanvas(canvas, Math.max(100, this.box.clientWidth), this.ruler + Math.max(1, names.length) * this.row + 2);
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.textBaseline = "middle";
    this.drawRange(context, height);
    this.drawRuler(context, width);
    this.drawNames(context, names);
    const data = this.dataSeen();
    if (data) {
      context.save();
      context.beginPath();
      context.rect(this.gutter - 2, 0, width - this.gutter, height);
      context.clip();
      this.drawFrameMarks(context, height);
      for (const row of data.rows) {
        if (row.subject === store.subject && row.keypoint < names.length) this.drawRow(context, data, row);
      }
      context.restore();
    }
    this.movePlayhead();
  }

  dataSeen() {
    const { part } = this;
    return part && this.zoomed && part.from <= this.from + 1 && part.to >= this.to - 2 ? part : this.whole;
  }

  drawRange(context, height) {
    for (const [range, colour] of [[this.store.range, "rgba(120, 170, 255, 0.20)"], [this.store.loop, "rgba(255, 255, 255, 0.07)"]]) {
      if (!range) continue;
      context.fillStyle = colour;
      const from = Math.max(this.gutter, this.x(range[0]));
      context.fillRect(from, 0, Math.max(0, this.x(range[1] + 1) - from), height);
    }
  }

  drawRuler(context, width) {
    context.font = font(11);
    context.fillStyle = INK.quiet;
    const least = (64 / this.wide) * this.span;
    const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
    const every = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least) || 10 * power;
    for (let n = Math.ceil(this.from / every) * every; n < this.to; n += every) {
      const x = this.x(n + 0.5);
      context.fillRect(x - 0.5, this.ruler - 5, 1, 4);
      const words = String(n);
      if (x + context.measureText(words).width < width) context.fillText(words, x + 3, this.ruler * 0.42);
    }
  }

  drawFrameMarks(context, height) {
    const { store, whole } = this;
    context.fillStyle = INK.line;
    for (const cut of whole.cuts || []) context.fillRect(Math.round(this.x(cut)), this.ruler - 3, 1, height);
    context.fillStyle = "#4fae85";
    for (const [from, to] of whole.seen || []) context.fillRect(this.x(from), this.ruler - 3, Math.max(2, this.x(to + 1) - this.x(from)), 2);
    context.fillStyle = INK.white;
    for (const frame of whole.labelled || []) {
      const x = this.x(frame + 0.5);
      context.fillRect(Math.round(x) - 1, this.ruler - 8, 2, 8);
    }
    context.fillStyle = INK.warn;
    for (const { frame } of store.proposals ? store.proposals.frames : []) {
      const x = this.x(frame + 0.5);
      context.beginPath();
      context.moveTo(x - 4, 0);
      context.lineTo(x + 4, 0);
      context.lineTo(x, 6);
      context.fill();
    }
  }

  drawNames(context, names) {
    context.font = font(11);
    names.forEach((name, k) => {
      const y = this.ruler + k * this.row;
      if (k === this.store.keypoint) {
        context.fillStyle = "rgba(255, 255, 255, 0.07)";
        context.fillRect(0, y, this.box.clientWidth, this.row);
      }
      context.fillStyle = colourOf(k);
      context.fillRect(6, y + this.row / 2 - 3.5, 7, 7);
      context.fillStyle = k === this.store.keypoint ? INK.white : INK.quiet;
      context.fillText(shortened(context, name, this.gutter - 28), 19, y + this.row / 2 + 0.5);
    });
  }

  drawRow(context, data, { keypoint, line }) {
    const top = this.ruler + keypoint * this.row + 1;
    const high = this.row - 2;
    const colour = colourOf(keypoint);
    const per = data.per || 1;
    const special = [];
    for (let i = 0; i < line.length; ) {
      const sign = line[i];
      let next = i + 1;
      while (next < line.length && line[next] === sign) next += 1;
      const x0 = this.x(data.from + i * per);
      const x1 = this.x(Math.min(data.to + 1, data.from + next * per));
      if (x1 >= this.gutter && x0 <= this.gutter + this.wide && sign !== " ") {
        const sure = sign === "L" || sign === "C" ? 9 : sign === "!" ? 3 : Number(sign);
        if (Number.isFinite(sure)) {
          const tall = 2 + ((high - 5) * sure) / 9;
          context.globalAlpha = 0.55;
          context.fillStyle = colour;
          context.fillRect(x0, top + high - tall, Math.max(1, x1 - x0), tall);
          context.globalAlpha = 1;
        }
        if (!(sign >= "0" && sign <= "9")) special.push([sign, x0, x1]);
      }
      i = next;
    }
    for (const [sign, x0, x1] of special) drawSign(context, sign, x0, x1, top, high, colour);
  }

  /** The playhead is an element of its own: while the video plays nothing else is drawn anew. */
  movePlayhead() {
    const { store, canvas, playhead } = this;
    if (!store.video) return;
    const x0 = this.x(store.frame);
    const x1 = this.x(store.frame + 1);
    const middle = (x0 + x1) / 2;
    playhead.hidden = middle < this.gutter - 1 || middle > this.gutter + this.wide + 1;
    playhead.style.transform = `translateX(${x0}px)`;
    playhead.style.width = `${Math.max(1, x1 - x0)}px`;
    playhead.style.height = `${canvas.clientHeight}px`;
    canvas.setAttribute("aria-valuemin", "0");
    canvas.setAttribute("aria-valuemax", String(store.video.frames - 1));
    canvas.setAttribute("aria-valuenow", String(store.frame));
    canvas.setAttribute("aria-valuetext", `frame ${store.frame} of ${store.video.frames}`);
  }
}

/** A label, a dispute, an absence: at least three pixels wide, so that one frame of thousands is seen. */
function drawSign(context, sign, x0, x1, top, high, colour) {
  const wide = Math.min(LABEL, Math.max(3, x1 - x0));
  const left = (x0 + x1) / 2 - wide / 2;
  const middle = top + high / 2;
  if (sign === "L") {
    context.fillStyle = colour;
    context.fillRect(left, top, wide, high);
    context.fillStyle = INK.white;
    context.fillRect(left, top, wide, 2);
    context.fillRect(left, top + high - 2, wide, 2);
  } else if (sign === "C") {
    context.strokeStyle = colour;
    context.lineWidth = 1.2;
    context.strokeRect(left + 0.6, top + 0.6, Math.max(2, wide - 1.2), high - 1.2);
  } else if (sign === "A" || sign === "a") {
    context.fillStyle = sign === "A" ? INK.white : INK.quiet;
    context.globalAlpha = sign === "A" ? 0.9 : 0.45;
    context.fillRect(left, middle - 0.75, wide, 1.5);
    if (sign === "A") context.fillRect(left + wide / 2 - 0.75, middle - 3.5, 1.5, 7);
    context.globalAlpha = 1;
  } else if (sign === "!") {
    const centre = (x0 + x1) / 2;
    context.beginPath();
    context.moveTo(centre, middle - 5.5);
    context.lineTo(centre + 4.5, middle);
    context.lineTo(centre, middle + 5.5);
    context.lineTo(centre - 4.5, middle);
    context.closePath();
    context.fillStyle = INK.white;
    context.strokeStyle = "#111316";
    context.lineWidth = 1.4;
    context.fill();
    context.stroke();
  } else if (sign === "x") {
    context.fillStyle = INK.line;
    context.fillRect(x0, top + high - 1.5, Math.max(1, x1 - x0), 1.5);
  }
}

/** The name, cut with an ellipsis so that it is at most `wide` pixels. */
function shortened(context, name, wide) {
  if (context.measureText(name).width <= wide) return name;
  let kept = Array.from(name).slice(0, 60);
  while (kept.length > 1 && context.measureText(`${kept.join("")}…`).width > wide) kept = kept.slice(0, -1);
  return `${kept.join("")}…`;
}
