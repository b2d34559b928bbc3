// How pixels of the frame lie on the screen. (0, 0) is the centre of the frame's top-left pixel, as everywhere in poof,
// so the picture's corner is at (-0.5, -0.5).

const CLOSEST = 64; // CSS pixels a pixel of the frame
const MARGIN = 12; // CSS pixels around a frame that is fitted

export class View {
  constructor() {
    this.scale = 1; // CSS pixels a pixel of the frame
    this.left = 0; // CSS x of the picture's left edge
    this.top = 0;
    this.width = 1; // of the stage, CSS pixels
    this.height = 1;
    this.frameWidth = 1;
    this.frameHeight = 1;
    this.fitted = true;
  }

  /** Frame coordinates to CSS pixels of the stage. */
  toScreen(x, y) {
    return [(x + 0.5) * this.scale + this.left, (y + 0.5) * this.scale + this.top];
  }

  /** CSS pixels of the stage to frame coordinates. */
  toFrame(sx, sy) {
    return [(sx - this.left) / this.scale - 0.5, (sy - this.top) / this.scale - 0.5];
  }

  /** Whether a frame position is on the picture. */
  inside(x, y) {
    return x >= -0.5 && y >= -0.5 && x <= this.frameWidth - 0.5 && y <= this.frameHeight - 0.5;
  }

  /** The scale at which the whole frame is seen. */
  get fitScale() {
    const w = Math.max(1, this.width - 2 * MARGIN) / this.frameWidth;
    const h = Math.max(1, this.height - 2 * MARGIN) / this.frameHeight;
    return Math.min(w, h, CLOSEST);
  }

  /** Show the whole frame, centred. */
  fit() {
    this.scale = this.fitScale;
    this.left = (this.width - this.frameWidth * this.scale) / 2;
    this.top = (this.height - this.frameHeight * this.scale) / 2;
    this.fitted = true;
  }

  /** Zoom by `factor`; what is under (sx, sy) stays there. */
  zoomAt(sx, sy, factor) {
    const least = Math.min(this.fitScale / 2, 1);
    const scale = Math.min(CLOSEST, Math.max(least, this.scale * factor));
    this.left = sx - ((sx - this.left) * scale) / this.scale;
    this.top = sy - ((sy - this.top) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.keep();
  }

  /** Move the picture by CSS pixels. */
  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.fitted = false;
    this.keep();
  }

  /** Put a frame position in the middle, if it is not well inside the stage. */
  reveal(x, y) {
    const [sx, sy] = this.toScreen(x, y);
    const edge = Math.min(this.width, this.height) * 0.08;
    if (sx > edge && sy > edge && sx < this.width - edge && sy < this.height - edge) return;
    this.pan(this.width / 2 - sx, this.height / 2 - sy);
  }

  /** Show a part of the frame, with some room around it. */
  show(x0, y0, x1, y1) {
    const room = 1.35;
    const w = this.width / Math.max(8, (x1 - x0) * room);
    const h = this.height / Math.max(8, (y1 - y0) * room);
    this.scale = Math.max(this.fitScale, Math.min(CLOSEST / 2, w, h));
    this.left = this.width / 2 - ((x0 + x1) / 2 + 0.5) * this.scale;
    this.top = this.height / 2 - ((y0 + y1) / 2 + 0.5) * this.scale;
    this.fitted = false;
    this.keep();
  }

  /** The stage or the frame has another size. */
  resize(width, height, frameWidth = this.frameWidth, frameHeight = this.frameHeight) {
    const other = frameWidth !== this.frameWidth || frameHeight !== this.frameHeight;
    const [cx, cy] = this.toFrame(this.width / 2, this.height / 2);
    Object.assign(this, { width, height, frameWidth, frameHeight });
    if (this.fitted || other) this.fit();
    else {
      const [sx, sy] = this.toScreen(cx, cy);
      this.pan(width / 2 - sx, height / 2 - sy);
    }
  }

  /** Never lose the picture: some of it stays on the stage. */
  keep() {
    const some = 60;
    this.left = Math.min(this.width - some, Math.max(some - this.frameWidth * this.scale, this.left));
    this.top = Math.min(this.height - some, Math.max(some - this.frameHeight * this.scale, this.top));
  }

  /** The part of the frame that is seen, in pixels of the frame: [x0, y0, x1, y1], half-open. */
  seen() {
    const [x0, y0] = this.toFrame(0, 0);
    const [x1, y1] = this.toFrame(this.width, this.height);
    return [
      Math.max(0, Math.floor(x0 + 0.5)),
      Math.max(0, Math.floor(y0 + 0.5)),
      Math.min(this.frameWidth, Math.ceil(x1 + 0.5)),
      Math.min(this.frameHeight, Math.ceil(y1 + 0.5)),
    ];
  }
}
