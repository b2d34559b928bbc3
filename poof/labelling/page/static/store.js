// What the page knows and what the person is looking at; everything that changes it goes through here.

import { Turns } from "./api.js";
import { PointStore } from "./points.js";
import { ABSENT, placed, settled } from "./states.js";

const EYE_EVERY = 60; // milliseconds

function readSkipped(path) {
  try {
    const frames = JSON.parse(localStorage.getItem(`poof-skipped:${path}`) || "[]");
    return new Set(frames.filter(Number.isInteger));
  } catch {
    return new Set();
  }
}

export class Store {
  constructor(api) {
    this.api = api;
    this.handlers = new Map();
    this.session = null;
    this.video = null; // as the server tells it
    this.frame = 0;
    this.subject = 0;
    this.keypoint = 0;
    this.direction = 1; // of travel, for what to fetch ahead
    this.playing = false;
    this.range = null; // [from, to] that the person marked, inclusive
    this.jobs = new Map();
    this.proposals = null;
    this.proposalTurns = new Turns();
    this.showTurns = new Turns();
    this.skipped = new Set();
    this.lineUp = true;
    this.loop = null; // [from, to] that playback repeats
    this.queue = []; // edits that are not confirmed
    this.sending = false;
    this.undo = null; // what Ctrl+Z would take back, in words
    this.redo = null;
    this.points = new PointStore(
      (from, to) => this.api.points(this.video.id, from, to),
      (from, to) => this.emit("points", from, to),
    );
    this.eyeSent = 0;
    this.eyeTimer = null;
    this.placeTimer = null;
  }

  on(name, handler) {
    if (!this.handlers.has(name)) this.handlers.set(name, []);
    this.handlers.get(name).push(handler);
  }

  emit(name, ...data) {
    for (const handler of this.handlers.get(name) || []) handler(...data);
  }

  /** Say something to the person: kind 'info', 'warn' or 'error'. */
  tell(text, kind = "info") {
    this.emit("notice", text, kind);
  }

  get names() {
    return this.video.skeleton.keypoints;
  }

  // ---------------------------------------------------------------- opening

  async open() {
    this.session = await this.api.session();
    for (const job of this.session.jobs) this.jobs.set(job.id, job);
    const asked = new URLSearchParams(location.hash.slice(1));
    const wanted = this.session.videos.find((video) => String(video.id) === asked.get("video")) || this.session.videos[0];
    await this.show(wanted.id, Number(asked.get("frame")) || 0);
    this.api.listen((name, data) => this.hear(name, data), (up) => this.line(up));
  }

  /** Show another video. */
  async show(id, frame = 0) {
    const current = this.showTurns.next();
    const video = await this.api.video(id);
    if (!current()) return;
    this.video = null;
    this.points.reset(video.frames);
    this.range = null;
    this.skipped = readSkipped(video.path);
    this.take(video);
    this.subject = video.subjects.length ? video.subjects[0].id : 0;
    this.keypoint = 0;
    this.emit("video");
    this.goTo(frame);
    this.emit("jobs");
    this.fetchProposals();
    this.emit("timeline");
  }

  take(video) {
    const grew = this.video && video.frames !== this.video.frames;
    // Answers and events come on two ways: what was known of names and subjects later is not undone by what was earlier.
    const older = this.video && this.video.id === video.id && video.revision < this.video.revision;
    const { skeleton, subjects, revision } = older ? this.video : video;
    this.video = { ...video, skeleton, subjects, revision };
    this.points.count = video.frames;
    this.points.revision = Math.max(this.points.revision, video.revision);
    this.undo = video.undo;
    this.redo = video.redo;
    // An undo may have taken away what was chosen.
    this.keypoint = Math.max(0, Math.min(this.keypoint, video.skeleton.keypoints.length - 1));
    if (video.subjects.length && !video.subjects.some(({ id }) => id === this.subject)) this.subject = video.subjects[0].id;
    if (grew && this.frame >= video.frames) this.goTo(video.frames - 1);
  }

  // ---------------------------------------------------------------- where the person is

  goTo(frame, { keypoint = null, subject = null, reveal = false } = {}) {
    const to = Math.max(0, Math.min(this.video.frames - 1, Math.round(frame)));
    if (to !== this.frame) this.direction = Math.sign(to - this.frame);
    this.frame = to;
    if (subject !== null) this.subject = subject;
    if (keypoint !== null) this.keypoint = keypoint;
    this.points.need(to - 8, to + 8);
    this.sendEye();
    this.emit("frame", { reveal });
  }

  select(keypoint, subject = this.subject) {
    this.keypoint = keypoint;
    this.subject = subject;
    this.emit("select");
  }

  /** The next keypoint that no person has settled in this frame, from `after` on; -1: all are. */
  firstOpen(after = 0) {
    const points = this.here();
    const count = this.names.length;
    for (let step = 0; step < count; step += 1) {
      const k = (after + step) % count;
      if (!settled(points[k])) return k;
    }
    return -1;
  }

  here(subject = this.subject) {
    return this.points.get(this.frame, subject);
  }

  /** The address names the place, so that a reload comes back to it. Browsers allow few such changes a second. */
  rememberPlace() {
    if (this.placeTimer !== null) return;
    this.placeTimer = setTimeout(() => {
      this.placeTimer = null;
      history.replaceState(null, "", `#video=${this.video.id}&frame=${this.frame}`);
    }, 400);
  }

  sendEye() {
    this.rememberPlace();
    if (this.eyeTimer !== null) return;
    const wait = Math.max(0, this.eyeSent + EYE_EVERY - performance.now());
    this.eyeTimer = setTimeout(() => {
      this.eyeTimer = null;
      this.eyeSent = performance.now();
      const { frame, direction, playing } = this;
      if (this.lineUp) this.api.eye({ video: this.video.id, frame, direction, playing, scale: this.pictureScale || 1 });
    }, wait);
  }

  // ---------------------------------------------------------------- edits

  /**
   * Send edits as one step for undo. `shown`: points to show until the server has confirmed, [{frame, subject, keypoint,
   * point}]; `base`: the revision that the person was looking at. Returns the server's answer, null if it said no.
   */
  edit(edits, { shown = [], base = this.points.revision } = {}) {
    this.points.unsent.push(...shown);
    if (shown.length) this.emit("points", shown[0].frame, shown[0].frame);
    return new Promise((resolve) => {
      const video = this.video.id;
      this.queue.push({ send: () => this.api.edit(video, base, edits), again: edits, video, shown, resolve });
      this.emit("saved");
      this.sendNext();
    });
  }

  step(which) {
    const video = this.video.id;
    return new Promise((resolve) => {
      this.queue.push({ send: () => this.api[which](video), video, shown: [], resolve, step: which });
      this.emit("saved");
      this.sendNext();
    });
  }

  async sendNext() {
    if (this.sending || !this.queue.length || !this.lineUp) return;
    this.sending = true;
    const item = this.queue[0];
    let answer = null;
    try {
      answer = await item.send();
    } catch (error) {
      if (error.offline && item.step) {
        // Whether it was done before the connection went is not known, and twice would be once too often.
        this.queue.shift();
        item.resolve(null);
        this.tell("The connection went during an undo: look what stands there before trying again", "warn");
      }
      if (error.offline) {
        // An edit is kept and sent again when the connection is back: done twice it is the same.
        this.sending = false;
        this.line(false);
        setTimeout(() => this.probe(), 1000);
        return;
      }
      this.refuse(item, error);
    }
    this.queue.shift();
    this.points.unsent = this.points.unsent.filter((edit) => !item.shown.includes(edit));
    if (answer) this.confirm(item, answer);
    else this.emit("points", this.frame, this.frame);
    this.sending = false;
    this.emit("saved");
    item.resolve(answer);
    this.sendNext();
  }

  confirm(item, answer) {
    if (item.video !== this.video.id) return;
    if (answer.video) {
      this.take(answer.video);
      this.emit("video");
    }
    this.points.patch(answer.points || [], answer.revision);
    this.undo = answer.undo;
    this.redo = answer.redo;
    if (item.step && answer.what) this.tell(`${item.step === "undo" ? "Taken back" : "Done again"}: ${answer.what}`);
    if (item.step && Number.isInteger(answer.frame)) this.goTo(answer.frame);
    this.emit("points", this.frame, this.frame);
  }

  refuse(item, error) {
    const conflict = error.answer && error.answer.conflict;
    if (conflict && item.video === this.video.id) {
      this.points.patch(conflict.points || [], conflict.revision);
      this.emit("conflict", error.message, () => item.again && this.edit(item.again, { base: conflict.revision, shown: item.shown }));
    } else if (item.step && error.status === 404) this.tell(error.message);
    else this.tell(error.message, "error");
  }

  /** Set a keypoint at a place: the change that a click or a drag makes. */
  put(keypoint, x, y, { visible, base, frame = this.frame, subject = this.subject } = {}) {
    const before = this.points.get(frame, subject)[keypoint];
    const state = visible ?? (placed(before) && before.human && before.visible > 0 ? before.visible : 2);
    const [px, py] = [x, y].map((value) => Math.round(value * 1000) / 1000);
    const point = { x: px, y: py, visible: state, human: true, source: "human", confidence: 1, disputed: false, flow: null };
    return this.edit([{ op: "set", frame, subject, keypoint, x: px, y: py, state }], {
      shown: [{ frame, subject, keypoint, point }],
      base,
    });
  }

  /** Say that a keypoint is not in the picture. */
  setAbsent(keypoint) {
    const { frame, subject } = this;
    const point = { x: NaN, y: NaN, visible: ABSENT, human: true, source: "human", confidence: 1 };
    return this.edit([{ op: "set", frame, subject, keypoint, state: ABSENT }], {
      shown: [{ frame, subject, keypoint, point }],
    });
  }

  // ---------------------------------------------------------------- what to do next

  async fetchProposals() {
    const id = this.video.id;
    const current = this.proposalTurns.next();
    try {
      const found = await this.api.proposals(id, [...this.skipped]);
      if (this.video.id !== id || !current()) return;
      this.proposals = found;
      this.emit("proposals");
    } catch (error) {
      if (!error.offline) this.tell(error.message, "error");
    }
  }

  skip(frame) {
    if (this.skipped.has(frame)) this.skipped.delete(frame);
    else this.skipped.add(frame);
    try {
      localStorage.setItem(`poof-skipped:${this.video.path}`, JSON.stringify([...this.skipped]));
    } catch {
      // Without storage a skipped frame is offered again after a reload.
    }
    this.fetchProposals();
  }

  async startJob(job) {
    try {
      const started = await this.api.startJob({ video: this.video.id, ...job });
      const known = this.jobs.get(started.id);
      if (!known || known.state === "running") this.jobs.set(started.id, started);
      this.emit("jobs");
      return started;
    } catch (error) {
      if (!(error.answer && error.answer.exists)) this.tell(error.message, "error");
      throw error;
    }
  }

  async stopJob(id) {
    try {
      this.jobs.set(id, await this.api.stopJob(id));
      this.emit("jobs");
    } catch (error) {
      this.tell(error.message, "error");
    }
  }

  // ---------------------------------------------------------------- what the server tells

  line(up) {
    if (up === this.lineUp) return;
    this.lineUp = up;
    this.emit("line");
    this.emit("saved");
    if (up) this.sendNext();
  }

  /** Whether the server can be reached again; the stream of events says so too, but a browser may be slow to retry. */
  async probe() {
    if (this.lineUp) return;
    try {
      await this.reload();
      this.line(true);
    } catch {
      setTimeout(() => this.probe(), 1000);
    }
  }

  async reload() {
    const fresh = await this.api.video(this.video.id);
    if (fresh.id !== this.video.id) return;
    this.take(fresh);
    this.points.outdateAll();
    this.points.need(this.frame - 8, this.frame + 8);
    this.emit("video");
    this.emit("timeline");
    this.fetchProposals();
  }

  hear(name, data) {
    if (!this.video) return;
    if (name === "hello") {
      this.line(true);
      this.reload().catch(() => {});
    } else if (name === "job") {
      const before = this.jobs.get(data.id);
      this.jobs.set(data.id, data);
      this.emit("jobs");
      if (data.state !== "running" && (!before || before.state === "running")) this.emit("job-ended", data);
    } else if (data.video !== undefined && data.video !== this.video.id && data.id !== this.video.id) {
      return;
    } else if (name === "edit") this.hearEdit(data);
    else if (name === "skeleton" || name === "video") this.hearVideo(data);
    else if (name === "propagated") {
      this.points.outdate(...data.frames);
      this.points.need(this.frame - 8, this.frame + 8);
    } else if (name === "proposals") this.fetchProposals();
    else if (name === "timeline") this.emit("timeline");
    else if (name === "work") {
      this.video.work = data;
      this.emit("jobs");
    } else if (name === "saved") {
      this.video.saved = data.revision;
      this.emit("saved");
    }
  }

  hearEdit(data) {
    const own = data.client === this.api.client;
    this.points.patch(data.points || [], data.revision);
    const [from, to] = data.frames || [0, -1];
    if (to - from > 0) {
      this.points.outdate(from, to);
      this.points.need(this.frame - 8, this.frame + 8);
    }
    if (!own) this.tell(`Another window: ${data.what}`);
    this.emit("saved");
  }

  hearVideo(data) {
    const video = data.skeleton ? data : data.VIDEO || data;
    if (video.id !== this.video.id) return;
    const { undo, redo } = this;
    this.take(video);
    // Events go to every window: undo is each window's own.
    if (!("undo" in video) || video.undo === null) Object.assign(this, { undo, redo });
    this.emit("video");
  }
}
