// The keypoints of the frame with their states, and the subjects.

import { byId, fill, fitCanvas, make, oncePerRedraw, setText } from "./dom.js";
import { drawMark } from "./marks.js";
import { colourOf } from "./palette.js";
import { describe, placed, stateOf } from "./states.js";

const SYMBOL = 22; // CSS pixels of the mark in a row

/** What the marks mean, with examples drawn as on the frame. */
export const LEGEND = [
  [{ human: true, visible: 2, confidence: 1 }, "label: set by you"],
  [{ human: true, visible: 1, confidence: 1 }, "label, covered"],
  [{ human: false, visible: 2, confidence: 0.95 }, "followed, sure"],
  [{ human: false, visible: 2, confidence: 0.35 }, "followed, uncertain: the gap grows"],
  [{ human: false, visible: 1, confidence: 0.8 }, "followed, covered"],
];

/** A small canvas with a mark on it. */
export function symbol(point, colour) {
  const canvas = make("canvas", { class: "symbol", "aria-hidden": "true" });
  drawSymbol(canvas, point, colour);
  return canvas;
}

function drawSymbol(canvas, point, colour) {
  const [, , ratio] = fitCanvas(canvas, SYMBOL, SYMBOL);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, SYMBOL, SYMBOL);
  const half = SYMBOL / 2;
  const state = stateOf(point && { x: 0, ...point });
  if (state === "none" || state === "absent" || state === "gone") {
    context.strokeStyle = colour;
    context.globalAlpha = state === "none" ? 0.55 : 1;
    context.lineWidth = 1.6;
    context.setLineDash(state === "none" ? [2, 3] : []);
    context.beginPath();
    if (state === "none") context.arc(half, half, 5.5, 0, 2 * Math.PI);
    else {
      context.moveTo(half - 4.5, half - 4.5);
      context.lineTo(half + 4.5, half + 4.5);
      context.moveTo(half + 4.5, half - 4.5);
      context.lineTo(half - 4.5, half + 4.5);
    }
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
    return;
  }
  drawMark(context, half, half, point, colour, 5.5);
}

export class Panels {
  constructor(store, stage, act) {
    this.store = store;
    this.stage = stage;
    this.list = byId("keypoints");
    this.subjects = byId("subject");
    this.rows = [];
    this.update = oncePerRedraw(() => this.refresh());
    store.on("video", () => this.rebuild());
    for (const name of ["points", "frame", "select"]) store.on(name, () => this.update());
    this.subjects.addEventListener("change", () => store.select(store.keypoint, Number(this.subjects.value)));
    byId("add-subject").addEventListener("click", () => act("add-subject"));
    byId("add-keypoint").addEventListener("click", () => act("add-keypoint"));
    byId("add-edge").addEventListener("click", () => act("add-edge"));
    // On a low screen the list of keypoints needs the room.
    byId("signs").open = window.innerHeight > 850;
    fill(
      byId("legend"),
      LEGEND.map(([point, words]) => make("div", { class: "legend-row" }, [symbol(point, "#56b4e9"), make("span", { text: words })])),
    );
    this.act = act;
  }

  rebuild() {
    const { store } = this;
    this.rows = store.names.map((name, k) => {
      const mark = symbol(null, colourOf(k));
      const state = make("span", { class: "state" });
      const row = make(
        "li",
        {
          role: "option",
          title: name,
          on: {
            click: () => store.select(k),
            dblclick: () => {
              store.select(k);
              this.act("rename");
            },
          },
        },
        [make("kbd", { text: k < 9 ? String(k + 1) : "", "aria-hidden": "true" }), mark, make("span", { class: "keypoint-name", text: name }), state],
      );
      return { row, mark, state };
    });
    fill(this.list, this.rows.map(({ row }) => row));
    if (!this.rows.length) fill(this.list, [make("li", { class: "empty", text: "None yet. K names the points you want to follow." })]);
    fill(
      this.subjects,
      store.video.subjects.map(({ id, name }) => make("option", { value: String(id), text: name })),
    );
    this.update();
  }

  refresh() {
    const { store } = this;
    const points = store.here();
    this.rows.forEach(({ row, mark, state }, k) => {
      const words = describe(points[k]);
      // While the video plays most rows stay as they are.
      if (row.dataset.words !== words) {
        row.dataset.words = words;
        drawSymbol(mark, points[k], colourOf(k));
        setText(state, words.replace(/^followed |^label, |, covered$/g, ""));
        state.dataset.state = stateOf(points[k]);
        row.setAttribute("aria-label", `${store.names[k]}, ${words}`);
      }
      const chosen = k === store.keypoint;
      if ((row.getAttribute("aria-selected") === "true") !== chosen) {
        row.setAttribute("aria-selected", String(chosen));
        if (chosen) row.scrollIntoView({ block: "nearest" });
      }
    });
    if (this.subjects.value !== String(store.subject)) this.subjects.value = String(store.subject);
    this.describeFrame(points);
  }

  /** What a screen reader says of the picture. */
  describeFrame(points) {
    const set = points.filter(placed).length;
    byId("marks").setAttribute("aria-label", `Frame ${this.store.frame}: ${set} of ${this.store.names.length} keypoints have a place`);
  }
}
