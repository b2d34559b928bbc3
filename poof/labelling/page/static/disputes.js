// The points that refining left in dispute: flow and appearance put them in different places, a person decides.

import { byId, fill, make, oncePerRedraw } from "./dom.js";
import { settled } from "./states.js";

const MOST = 200; // in the list

export class Disputes {
  constructor(store) {
    this.store = store;
    this.update = oncePerRedraw(() => this.refresh());
    for (const name of ["jobs", "video", "points"]) store.on(name, () => this.update());
  }

  /** [frame, subject, keypoint] of the last refining, without those that a person has settled since. */
  get open() {
    const { store } = this;
    const done = [...store.jobs.values()].filter((job) => job.disputes && job.video === store.video.id && job.state === "done");
    if (!done.length) return [];
    return done.at(-1).disputes.filter(([frame, subject, keypoint]) => keypoint < store.names.length && !settled(store.points.get(frame, subject)[keypoint]));
  }

  refresh() {
    const { store } = this;
    if (!store.video) return;
    const open = this.open;
    const key = JSON.stringify(open);
    if (key === this.shown) return;
    this.shown = key;
    byId("disputes").hidden = !open.length;
    byId("disputes-count").textContent = `${open.length} disputed point${open.length === 1 ? "" : "s"}`;
    fill(
      byId("disputes-list"),
      open.slice(0, MOST).map(([frame, subject, keypoint]) =>
        make("li", {}, [
          make("button", { type: "button", text: `${frame}  ${store.names[keypoint]}`, on: { click: () => store.goTo(frame, { subject, keypoint, reveal: true }) } }),
        ]),
      ),
    );
  }
}
