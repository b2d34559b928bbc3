// Short messages over the frame. What went wrong stays until it is closed; the rest goes by itself.

import { byId, make } from "./dom.js";
import { outcome } from "./dialogs.js";

const STAYS = { info: 4500, done: 20000 }; // milliseconds

export class Notices {
  constructor(store) {
    this.box = byId("notices");
    this.line = null;
    store.on("notice", (text, kind) => this.show([make("span", { text })], kind));
    store.on("conflict", (message, again) => this.conflict(message, again));
    store.on("video", () => this.notes(store.video));
    this.noted = new Set();
    store.on("line", () => this.connection(store.lineUp, store.queue.length));
  }

  /** Show a message; returns its element. Kind: 'info' and 'done' go by themselves, 'warn' and 'error' stay. */
  show(children, kind = "info", buttons = []) {
    for (const old of [...this.box.children]) {
      if (kind === "info" && old.classList.contains("info")) old.remove();
    }
    const close = () => notice.remove();
    const notice = make("div", { class: `notice ${kind}`, role: kind === "info" ? "status" : "alert" }, [
      make("div", { class: "words" }, children),
      ...buttons.map(([text, run]) => make("button", { type: "button", text, on: { click: () => { close(); run(); } } })),
      make("button", { type: "button", class: "small close", "aria-label": "Close", text: "×", on: { click: close } }),
    ]);
    this.box.append(notice);
    while (this.box.children.length > 4) this.box.firstChild.remove();
    if (kind in STAYS) setTimeout(close, STAYS[kind]);
    return notice;
  }

  /** What the server wants the person to know of a video, each once. */
  notes(video) {
    for (const note of video.notes || []) {
      const key = `${video.id} ${note}`;
      if (!this.noted.has(key)) this.show([make("span", { text: note })], "warn");
      this.noted.add(key);
    }
  }

  conflict(message, again) {
    const words = [make("strong", { text: "Changed elsewhere first. " }), make("span", { text: `${message} What you see now is the other change; yours was not saved.` })];
    this.show(words, "warn", again ? [["Set mine instead", again]] : []);
  }

  connection(up, waiting) {
    if (this.line) this.line.remove();
    this.line = null;
    if (up) {
      this.show([make("span", { text: "Connected again" })]);
      return;
    }
    const kept = waiting ? "What is not saved yet is kept here and sent when it is back." : "You can look on; what is saved is safe.";
    this.line = this.show([make("strong", { text: "No connection. " }), make("span", { text: `Is poof label still running? ${kept}` })], "error");
  }

  job(job) {
    if (job.state === "stopped") this.show([make("span", { text: job.message || `${job.kind} stopped` })]);
    else this.show(outcome(job), job.state === "failed" ? "error" : "done");
  }

  /** Close the newest; false if there is none. */
  dismiss() {
    const newest = this.box.lastElementChild;
    if (newest) newest.remove();
    return newest !== null;
  }
}
