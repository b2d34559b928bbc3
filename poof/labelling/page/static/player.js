// Playback at the video's own speed, either way, with the points on. The clock decides which frame is due; one whose
// picture is not here yet is left out, and when none is, playback waits rather than running away.

export const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
const LATE = 0.4; // seconds the clock may run ahead of the pictures

export class Player {
  constructor(store, stage) {
    this.store = store;
    this.stage = stage;
    this.speed = 1;
    this.way = 1;
    this.looping = false;
    this.shown = []; // times of the last redraws with a new frame, for the rate
    store.on("stop", () => this.stop());
    store.on("video", () => this.video !== store.video.path && this.changed());
  }

  changed() {
    this.video = this.store.video.path;
    this.stop();
    this.setLoop(null);
  }

  toggle(way = 1) {
    if (this.store.playing && this.way === way) this.stop();
    else this.play(way);
  }

  play(way) {
    const { store } = this;
    const last = store.video.frames - 1;
    if (last < 1) return;
    if (!this.store.loop && store.frame === (way > 0 ? last : 0)) store.goTo(way > 0 ? 0 : last);
    this.stage.drop();
    this.way = way;
    store.direction = way;
    this.restart();
    this.shown = [];
    if (!store.playing) {
      store.playing = true;
      store.emit("playing");
      requestAnimationFrame((now) => this.tick(now));
    }
  }

  stop() {
    const { store } = this;
    if (!store.playing) return;
    store.playing = false;
    store.emit("playing");
    store.goTo(store.frame);
  }

  /** The clock starts anew from the frame that is shown. */
  restart() {
    this.from = this.store.frame;
    this.began = performance.now();
    this.done = 0; // steps from `from` to the frame that is shown
  }

  faster(steps) {
    const at = SPEEDS.indexOf(this.speed) + steps;
    this.setSpeed(SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at))]);
  }

  setSpeed(speed) {
    this.speed = speed;
    this.restart();
    this.store.emit("playing");
  }

  /** Repeat [from, to]; null: play on to the end. */
  setLoop(range) {
    this.store.loop = range;
    if (range && this.store.video && (this.store.frame < range[0] || this.store.frame > range[1])) this.store.goTo(range[0]);
    this.restart();
    this.store.emit("playing");
  }

  tick(now) {
    const { store } = this;
    if (!store.playing) return;
    const fps = (store.video.fps || 25) * this.speed;
    const due = Math.floor(((now - this.began) / 1000) * fps);
    for (let steps = due; steps > this.done; steps -= 1) {
      const at = this.wrap(this.from + this.way * steps);
      if (at === null || !this.stage.footage.has(at)) continue;
      this.done = steps;
      this.shown.push(now);
      while (this.shown.length > 30) this.shown.shift();
      store.goTo(at);
      break;
    }
    store.direction = this.way;
    if (due - this.done > Math.max(3, LATE * fps)) this.restart();
    if (!store.loop && store.frame === (this.way > 0 ? store.video.frames - 1 : 0)) this.stop();
    // Pictures ahead are asked for at each redraw: one is due even where no new frame was shown.
    this.stage.draw();
    requestAnimationFrame((next) => this.tick(next));
  }

  wrap(n) {
    const { loop, video } = this.store;
    if (!loop) return n >= 0 && n < video.frames ? n : null;
    const length = loop[1] - loop[0] + 1;
    return loop[0] + ((((n - loop[0]) % length) + length) % length);
  }

  /** Frames a second that are really shown. */
  get rate() {
    const { shown } = this;
    return shown.length < 2 ? NaN : ((shown.length - 1) * 1000) / (shown[shown.length - 1] - shown[0]);
  }
}
