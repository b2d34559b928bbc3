// Five lines for somebody who is here for the first time.

import { byId, make } from "./dom.js";

const LINES = [
  ["Click", "the keypoint whose turn it is goes there, the next one follows."],
  ["← →", "step through the video; Space plays it. N goes to the frame where a click is worth most."],
  ["Watch", "points follow by themselves between your labels. A gap in a ring means: not sure."],
  ["Drag", "a point that is wrong. It is your label then, and its neighbours follow at once."],
  ["?", "shows every key. Everything is saved as you go; Ctrl+Z takes back."],
];

/** Show it unless it was seen before in this browser; `done` is called when it is gone. */
export function welcome(done, { always = false } = {}) {
  let seen = false;
  try {
    seen = localStorage.getItem("poof-welcomed") === "yes";
  } catch {
    // Without storage it is shown each time.
  }
  if (seen && !always) {
    done();
    return;
  }
  const dialog = make("dialog", { class: "welcome", "aria-label": "How this page works" });
  const start = make("button", { type: "button", class: "main", text: "Start", on: { click: () => dialog.close() } });
  dialog.append(
    make("dl", {}, LINES.flatMap(([word, rest]) => [make("dt", { text: word }), make("dd", { text: rest })])),
    make("div", { class: "buttons" }, [start]),
  );
  dialog.addEventListener("close", () => {
    try {
      localStorage.setItem("poof-welcomed", "yes");
    } catch {
      // As above.
    }
    dialog.remove();
    byId("stage").focus({ preventScroll: true });
    done();
  });
  byId("dialogs").append(dialog);
  dialog.showModal();
  start.focus();
}
