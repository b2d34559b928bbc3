// The line at the top: which video, where in it, whether everything is saved, what is being worked on.

import { byId, fill, make, setText } from "./dom.js";

const STAGES = { refine: "Refining", train: "Training", export: "Exporting", sheet: "Contact sheet", overlay: "Overlay video" };

export class Header {
  constructor(store) {
    this.store = store;
    this.videos = byId("video");
    this.saved = byId("saved");
    this.work = byId("job");
    this.jobRows = new Map();
    store.on("video", () => this.opened());
    store.on("frame", () => this.place());
    for (const name of ["saved", "line", "video"]) store.on(name, () => this.state());
    store.on("jobs", () => this.jobs());
    this.videos.addEventListener("change", () => store.show(Number(this.videos.value)));
  }

  opened() {
    const { video, session } = this.store;
    const several = session.videos.length > 1;
    this.videos.hidden = !several;
    byId("video-name").hidden = several;
    if (several && this.videos.options.length !== session.videos.length) {
      fill(this.videos, session.videos.map(({ id, name }) => make("option", { value: String(id), text: name })));
    }
    if (several) this.videos.value = String(video.id);
    const name = byId("video-name");
    setText(name, video.name);
    name.title = video.path;
    document.title = `${video.name} - poof label`;
    this.place();
    this.jobs();
  }

  place() {
    const { video, frame } = this.store;
    if (!video) return;
    const time = video.fps ? `${(frame / video.fps).toFixed(2)} s` : "";
    const damage = video.damage && frame >= video.damage.frame ? " damaged" : "";
    setText(byId("where"), `frame ${frame} / ${video.frames - 1}   ${time}${damage}`);
  }

  /** 'saved' only when the server has confirmed every edit. */
  state() {
    const { store } = this;
    const waiting = store.queue.length;
    let words;
    let kind;
    if (!store.lineUp) [words, kind] = [waiting ? `not saved: ${waiting} waiting` : "no connection", "bad"];
    else if (waiting) [words, kind] = ["saving…", "busy"];
    else [words, kind] = [`saved, rev ${Math.max(store.points.revision, store.video ? store.video.revision : 0)}`, "good"];
    setText(this.saved, words);
    this.saved.dataset.kind = kind;
    this.saved.dataset.waiting = String(waiting);
  }

  jobs() {
    const { store } = this;
    const parts = [];
    for (const job of store.jobs.values()) {
      if (job.state !== "running") continue;
      const left = Number.isFinite(job.left) ? `, ${duration(job.left)} left` : "";
      const title = STAGES[job.kind] || job.kind;
      const stage = job.stage ? `: ${job.stage}` : "";
      parts.push(
        make("span", { class: "running" }, [
          make("span", { text: `${title}${stage}${left}` }),
          bar(job.done, job.total),
          make("button", { type: "button", class: "small", text: "Stop", on: { click: () => store.stopJob(job.id) } }),
        ]),
      );
    }
    const work = store.video && store.video.work;
    if (work && work.state === "working") {
      parts.push(make("span", { class: "running" }, [make("span", { text: "Following your labels" }), bar(work.done, work.total)]));
    } else if (work && work.state === "error") parts.push(make("span", { class: "failed", text: work.message }));
    if (store.video && store.video.checked === false && store.video.progress !== undefined && !parts.length) {
      parts.push(make("span", { class: "running" }, [make("span", { text: "Reading the video" }), bar(store.video.progress, 1)]));
    }
    this.work.hidden = !parts.length;
    fill(this.work, parts);
  }
}

function bar(done, total) {
  const part = make("progress", { max: "1" });
  if (total > 0) part.value = Math.min(1, done / total);
  return part;
}

/** Seconds in words: '40 s', '3 min'. */
export function duration(seconds) {
  return seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`;
}
