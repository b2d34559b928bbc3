// Which pictures of the video are wanted for what is on the screen, and what there is of them now.

import { Pictures, scaleFor } from "./pictures.js";

const GRID = 256; // detail is asked for in rectangles on this grid, so that a small pan needs no new picture
const AHEAD = { still: 3, playing: 14 };
const LOUPE = 320;

export class Footage {
  constructor(store, view, onChange) {
    this.store = store;
    this.view = view;
    this.pictures = new Pictures((address, signal) => store.api.fetchPicture(address, signal), onChange);
    this.detailFor = null; // the detail that was asked for last: {frame, rect, address}
    this.loupeAt = null;
    this.last = null; // what was shown last: {frame, entry}
  }

  reset() {
    this.pictures.clear();
    this.detailFor = null;
    this.last = null;
  }

  /** The scale at which whole frames are fetched: enough for the fitted view. */
  get scale() {
    const { width } = this.store.video;
    const wanted = this.view.fitScale * width * (window.devicePixelRatio || 1);
    return scaleFor(this.store.playing ? Math.min(wanted, 1280) : wanted, width);
  }

  address(frame, scale = this.scale) {
    return this.store.api.picture(this.store.video.id, frame, { scale });
  }

  /** {entry, frame}: the picture of this frame, or of the one shown last while it is on its way. */
  base(frame) {
    let entry = this.pictures.get(this.address(frame));
    if (!entry && !this.store.playing) {
      // A coarser one may be there from playing, a finer one from before.
      for (const scale of [1, scaleFor(1280, this.store.video.width)]) entry = entry || this.pictures.get(this.address(frame, scale));
    }
    if (entry) this.last = { frame, address: this.address(frame), entry };
    else if (this.last && !this.pictures.get(this.last.address)) this.last = null;
    return this.last;
  }

  has(frame) {
    return Boolean(this.pictures.get(this.address(frame)));
  }

  failure(frame) {
    return this.pictures.failure(this.address(frame));
  }

  /** Whether the screen shows more than the fitted picture holds. */
  get needsDetail() {
    const scale = this.scale;
    return scale < 1 && !this.store.playing && this.view.scale * (window.devicePixelRatio || 1) > scale * 1.05;
  }

  around([x0, y0, x1, y1]) {
    const { width, height } = this.store.video;
    const left = Math.floor(x0 / GRID) * GRID;
    const top = Math.floor(y0 / GRID) * GRID;
    const right = Math.min(width, Math.ceil(x1 / GRID) * GRID);
    const bottom = Math.min(height, Math.ceil(y1 / GRID) * GRID);
    return right > left && bottom > top ? [left, top, right - left, bottom - top] : null;
  }

  rectAddress(frame, rect) {
    return this.store.api.picture(this.store.video.id, frame, { rect, quality: 95 });
  }

  /** {entry, rect} of the exact pixels for what is seen, as far as they are here. */
  detail(frame) {
    if (!this.needsDetail) return null;
    const rect = this.around(this.view.seen());
    if (!rect) return null;
    const address = this.rectAddress(frame, rect);
    const entry = this.pictures.get(address);
    if (entry) {
      this.detailFor = { frame, rect, address };
      return { entry, rect };
    }
    const old = this.detailFor;
    const kept = old && old.frame === frame ? this.pictures.get(old.address) : null;
    return kept ? { entry: kept, rect: old.rect } : null;
  }

  /** {entry, rect} of the exact pixels around the loupe. */
  underLoupe(frame) {
    const rect = this.loupeRect();
    const entry = rect && this.pictures.get(this.rectAddress(frame, rect));
    return entry ? { entry, rect } : null;
  }

  loupeRect() {
    if (!this.loupeAt || this.scale === 1) return null;
    const [x, y] = this.loupeAt;
    return this.around([Math.max(0, x - LOUPE / 2), Math.max(0, y - LOUPE / 2), x + LOUPE / 2, y + LOUPE / 2]);
  }

  /** Ask for what is needed now, most urgent first. */
  want() {
    const { store } = this;
    const { frame, direction, playing, video } = store;
    const addresses = [this.address(frame)];
    if (this.needsDetail) {
      const rect = this.around(this.view.seen());
      if (rect) addresses.push(this.rectAddress(frame, rect));
    }
    const loupe = this.loupeRect();
    if (loupe && !playing) addresses.push(this.rectAddress(frame, loupe));
    const ahead = playing ? AHEAD.playing : AHEAD.still;
    const step = direction || 1;
    for (let i = 1; i <= ahead; i += 1) addresses.push(this.inside(frame + i * step, playing));
    if (!playing) addresses.push(this.inside(frame - step, false));
    this.pictures.hurry = Boolean(video.preview) && !playing;
    this.pictures.want([...new Set(addresses.filter((address) => address !== null))]);
    store.pictureScale = this.scale;
  }

  /** The address of a frame to fetch ahead, null outside the video; a loop comes round at its end. */
  inside(frame, playing) {
    const loop = playing ? this.store.loop : null;
    let n = frame;
    if (loop) {
      const length = loop[1] - loop[0] + 1;
      n = loop[0] + ((((n - loop[0]) % length) + length) % length);
    }
    return n >= 0 && n < this.store.video.frames ? this.address(n) : null;
  }
}
