// The frames that poof proposes to label, with a small picture each.

import { byId, fill, make } from "./dom.js";
import { Pictures } from "./pictures.js";

const WIDE = 160; // pixels of a small picture

export class Strip {
  constructor(store, arrive) {
    this.store = store;
    this.list = byId("proposals");
    this.tally = byId("tally");
    this.arrive = arrive;
    this.items = new Map(); // frame -> {item, canvas, words}
    this.labelled = [];
    this.pictures = new Pictures((address, signal) => store.api.fetchPicture(address, signal), (address) => this.paint(address), 1);
    store.on("video", () => this.opened());
    store.on("proposals", () => this.rebuild());
    store.on("frame", () => this.mark());
    store.on("timeline-read", (answer) => {
      this.labelled = answer.labelled;
      this.count();
      this.mark();
    });
  }

  opened() {
    if (this.path === this.store.video.path) return;
    this.path = this.store.video.path;
    this.pictures.clear();
    this.items.clear();
    fill(this.list, [make("li", { class: "empty", text: "Looking at the video…" })]);
  }

  address(frame) {
    const { id, width } = this.store.video;
    return this.store.api.picture(id, frame, { scale: Math.min(1, WIDE / width), quality: 80 });
  }

  rebuild() {
    const { store } = this;
    const found = store.proposals;
    const frames = [...found.frames].sort((a, b) => a.frame - b.frame);
    const kept = this.items;
    this.items = new Map();
    for (const proposal of frames) {
      const entry = kept.get(proposal.frame) || this.item(proposal.frame);
      entry.words.textContent = proposal.reason || "";
      entry.words.title = proposal.reason || "";
      entry.proposal = proposal;
      this.items.set(proposal.frame, entry);
    }
    const rows = [...this.items.values()].map(({ item }) => item);
    if (!found.final) rows.push(make("li", { class: "empty", text: "Looking at the video…" }));
    else if (!rows.length) rows.push(make("li", { class: "empty", text: "No frame needs a look." }));
    for (const note of found.notes || []) rows.push(make("li", { class: "empty", text: note }));
    // Only what changed: a button that is taken out and put in again loses the focus.
    if (rows.length !== this.list.children.length || rows.some((row, i) => row !== this.list.children[i])) fill(this.list, rows);
    byId("left").querySelector("h2").textContent = found.kind === "next" ? "Worth a click" : "Label first";
    for (const [frame] of this.items) this.paint(this.address(frame));
    this.pictures.want([...this.items.keys()].map((frame) => this.address(frame)));
    this.mark();
  }

  item(frame) {
    const { video } = this.store;
    const canvas = make("canvas", { width: WIDE, height: Math.max(1, Math.round((WIDE * video.height) / video.width)), "aria-hidden": "true" });
    const words = make("span", { class: "reason" });
    const button = make(
      "button",
      { type: "button", on: { click: () => this.arrive(this.items.get(frame).proposal) } },
      [canvas, make("span", { class: "frame-number", text: String(frame) }), words],
    );
    return { item: make("li", {}, [button]), button, canvas, words, address: this.address(frame) };
  }

  paint(address) {
    const entry = this.pictures.get(address);
    if (!entry) return;
    for (const { canvas, address: own } of this.items.values()) {
      if (own === address) canvas.getContext("2d").drawImage(entry.bitmap, 0, 0, canvas.width, canvas.height);
    }
  }

  mark() {
    const done = new Set(this.labelled);
    for (const [frame, { item, button }] of this.items) {
      const here = frame === this.store.frame;
      item.classList.toggle("here", here);
      item.classList.toggle("done", done.has(frame));
      button.setAttribute("aria-current", String(here));
      if (here && this.shown !== frame) item.scrollIntoView({ block: "nearest" });
    }
    this.shown = this.store.frame;
  }

  count() {
    const n = this.labelled.length;
    this.tally.textContent = `${n} frame${n === 1 ? "" : "s"} labelled`;
  }
}
