// Everything a person can do, once: its keys, its words, and what it does. Buttons and the list on `?` are made from it;
// `list` is how an action, with its counterpart that is `hidden`, stands in that list.

import { COVERED, placed, settled } from "./states.js";

const NUDGE = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The actions over the parts of the page: {store, stage, player, timeline, dialogs}. */
export function actionsOf({ store, stage, player, timeline, dialogs }) {
  const step = (by) => {
    if (store.playing) player.stop();
    store.goTo(store.frame + by);
  };
  const labelled = (way) => {
    const found = timeline.labelBeside(store.frame, way);
    if (found === null) store.tell(way < 0 ? "No label before this frame" : "No label after this frame");
    else store.goTo(found);
  };
  const keypointBy = (by) => {
    const count = store.names.length;
    if (count) store.select((store.keypoint + by + count) % count);
  };
  const hold = () => {
    if (!stage.held && store.names.length) stage.grasp(store.keypoint, { byKey: true });
    else if (stage.held) stage.letGo();
  };
  const range = () => store.range || [store.frame, store.frame];

  const list = [
    ["Going through the video"],
    { id: "next-frame", keys: ["ArrowRight"], words: "next frame", list: ["← →", "next frame, previous frame"], run: () => step(1) },
    { id: "previous-frame", keys: ["ArrowLeft"], words: "previous frame", hidden: true, run: () => step(-1) },
    { id: "ten-on", keys: ["Shift+ArrowRight"], words: "ten frames on", list: ["Shift ← →", "ten frames on, back"], run: () => step(10) },
    { id: "ten-back", keys: ["Shift+ArrowLeft"], words: "ten frames back", hidden: true, run: () => step(-10) },
    { id: "next-label", keys: ["Alt+ArrowRight"], words: "next labelled frame", list: ["Alt ← →", "next, previous labelled frame"], run: () => labelled(1) },
    { id: "previous-label", keys: ["Alt+ArrowLeft"], words: "previous labelled frame", hidden: true, run: () => labelled(-1) },
    { id: "first-frame", keys: ["Home"], words: "first frame", list: ["Home End", "first frame, last frame"], run: () => store.goTo(0) },
    { id: "last-frame", keys: ["End"], words: "last frame", hidden: true, run: () => store.goTo(store.video.frames - 1) },
    { id: "go", keys: ["G"], words: "go to a frame by its number", run: () => dialogs.askFrame() },
    { id: "next", keys: ["N"], words: "next frame worth a click", run: () => goNext(store) },
    { id: "next-proposal", keys: ["PageDown"], words: "next frame of the list on the left", list: ["Page ↓ ↑", "through the list on the left"], run: () => goProposal(store, 1) },
    { id: "previous-proposal", keys: ["PageUp"], words: "previous frame of that list", hidden: true, run: () => goProposal(store, -1) },
    { id: "skip", keys: ["X"], words: "skip this frame: do not offer it again", run: () => skipFrame(store) },

    ["Setting points"],
    { id: "click", keys: [], words: "set the keypoint whose turn it is", list: ["click", "set the keypoint whose turn it is"] },
    { id: "drag", keys: [], words: "move a point", list: ["drag a point", "move it; it is your label then"] },
    { id: "next-keypoint", keys: ["Tab"], words: "next keypoint", list: ["Tab", "next keypoint (Shift: previous)"], run: () => keypointBy(1) },
    { id: "previous-keypoint", keys: ["Shift+Tab"], words: "previous keypoint", hidden: true, run: () => keypointBy(-1) },
    { id: "number", keys: ["1", "2", "3", "4", "5", "6", "7", "8", "9"], words: "keypoint by its number", list: ["1 … 9", "keypoint by its number"], run: (key) => Number(key) <= store.names.length && store.select(Number(key) - 1) },
    { id: "hold", keys: ["M"], words: "take the keypoint in hand, put it down again (Esc: leave it)", run: hold },
    { id: "nudge", keys: [], words: "move the point in hand", list: ["← → ↑ ↓", "point in hand: a tenth of a pixel (Shift: one, Ctrl: ten)"] },
    { id: "covered", keys: ["O"], words: "covered: it is there, but hidden", run: () => toggleCovered(store) },
    { id: "absent", keys: ["A"], words: "absent: it is not in the picture", run: () => markAbsent(store) },
    { id: "delete", keys: ["Delete", "Backspace"], words: "take the point away", list: ["Delete", "take the point away"], run: () => takeAway(store) },
    { id: "delete-on", keys: ["Shift+Delete", "Shift+Backspace"], words: "take the keypoint away from here to the end", list: ["Shift Delete", "take the keypoint away from here to the end"], run: () => takeAwayFromHere(store) },
    { id: "copy", keys: ["C"], words: "copy the rest from the last frame", run: () => copyFromLast(store) },
    { id: "accept", keys: ["Enter"], words: "accept this frame: its points are right", run: () => accept(store, store.frame, store.frame) },
    { id: "accept-range", keys: ["Shift+Enter"], words: "accept the marked frames", run: () => accept(store, ...range()) },
    { id: "mark-from", keys: ["["], words: "marked frames begin here", list: ["[ ]", "marked frames begin, end here (or Shift-drag below)"], run: () => mark(store, "from") },
    { id: "mark-to", keys: ["]"], words: "marked frames end here", hidden: true, run: () => mark(store, "to") },

    ["Taking back, naming"],
    { id: "undo", keys: ["Ctrl+Z"], words: "undo", list: ["Ctrl Z", "undo (with Shift: do again)"], run: () => undo(store, "undo") },
    { id: "redo", keys: ["Ctrl+Shift+Z", "Ctrl+Y"], words: "do again", hidden: true, run: () => undo(store, "redo") },
    { id: "next-subject", keys: ["S"], words: "next subject", list: ["S", "next subject (Shift: add one)"], run: () => nextSubject(store) },
    { id: "add-subject", keys: ["Shift+S"], words: "add a subject", hidden: true, run: () => store.edit([{ op: "add_subject", name: null }]).then((answer) => answer && answer.video && store.select(store.keypoint, answer.video.subjects.at(-1).id)) },
    { id: "add-keypoint", keys: ["K"], words: "add keypoints", run: () => dialogs.askKeypoints() },
    { id: "rename", keys: ["F2"], words: "rename the keypoint", run: () => dialogs.askName() },
    { id: "add-edge", keys: ["J"], words: "join two keypoints by a limb, or part them", run: () => dialogs.askEdge() },

    ["Playing"],
    { id: "play", keys: ["Space"], words: "play, stop", list: ["Space", "play, stop (Shift: backwards)"], run: () => player.toggle(1) },
    { id: "play-back", keys: ["Shift+Space"], words: "play backwards, stop", hidden: true, run: () => player.toggle(-1) },
    { id: "slower", keys: [","], words: "slower", list: [", .", "slower, faster"], run: () => player.faster(-1) },
    { id: "faster", keys: ["."], words: "faster", hidden: true, run: () => player.faster(1) },
    { id: "loop", keys: ["R"], words: "repeat between the labels around here (or the marked frames)", run: () => toggleLoop(store, player, timeline) },

    ["Looking"],
    { id: "wheel", keys: [], words: "zoom at the cursor", list: ["wheel", "zoom at the cursor"] },
    { id: "pan", keys: [], words: "move the picture", list: ["drag", "move the picture"] },
    { id: "zoom-in", keys: ["+", "="], words: "zoom in", list: ["+ -", "zoom in, out"], run: () => stage.zoom(1.5) },
    { id: "zoom-out", keys: ["-"], words: "zoom out", hidden: true, run: () => stage.zoom(1 / 1.5) },
    { id: "fit", keys: ["F"], words: "whole frame", run: () => stage.fit() },
    { id: "fit-subject", keys: ["Z"], words: "the subject large", run: () => stage.fitSubject() || store.tell("No point of this subject has a place here") },
    { id: "loupe", keys: ["L"], words: "loupe at the cursor", run: () => stage.set("loupe", !stage.options.loupe) },
    { id: "hide", keys: ["H"], words: "hide the points, show them", run: () => stage.set("hidden", !stage.options.hidden) },
    { id: "trails", keys: ["T"], words: "trails, five frames each way", run: () => stage.set("trails", !stage.options.trails) },
    { id: "names", keys: ["I"], words: "names beside the points", run: () => stage.set("names", !stage.options.names) },
    { id: "brighter", keys: ["B"], words: "brighter", list: ["B V", "more brightness, contrast (Shift: less)"], run: () => dialogs.brighten(0.15) },
    { id: "darker", keys: ["Shift+B"], words: "darker", hidden: true, run: () => dialogs.brighten(-0.15) },
    { id: "contrast", keys: ["V"], words: "more contrast", hidden: true, run: () => dialogs.contrast(0.15) },
    { id: "less-contrast", keys: ["Shift+V"], words: "less contrast", hidden: true, run: () => dialogs.contrast(-0.15) },

    ["The whole"],
    { id: "refine", keys: ["Shift+R"], words: "refine: learn this footage, repair uncertain points", run: () => dialogs.startRefine() },
    { id: "train", keys: ["Shift+T"], words: "train a pose model on the labels", run: () => dialogs.startTrain() },
    { id: "stop-job", keys: ["Shift+X"], words: "stop what is running", run: () => dialogs.stopJobs() },
    { id: "export", keys: ["E"], words: "export labels, contact sheet, overlay video", run: () => dialogs.openExport() },
    { id: "parts", keys: ["F6"], words: "to the next part of the page; Tab goes on there", run: () => nextPart() },
    { id: "help", keys: ["?"], words: "this list", run: () => dialogs.openHelp() },
    { id: "cancel", keys: ["Escape"], words: "leave what was begun", run: () => (stage.held ? stage.drop() : (player.stop(), mark(store, null))) },
  ];

  const actions = list.filter((entry) => !Array.isArray(entry));
  const byKey = new Map();
  for (const action of actions) for (const key of action.keys) byKey.set(key, action);
  return {
    groups: grouped(list),
    get: (id) => actions.find((action) => action.id === id),
    /** Do what the key does; false: nothing. While a point is in hand the arrows move it. */
    press(key) {
      const bare = key.replace(/^(Ctrl\+|Shift\+)+/, "");
      if (stage.held && bare in NUDGE) {
        const reach = key.startsWith("Ctrl") ? 10 : key.startsWith("Shift") ? 1 : 0.1;
        stage.nudge(...NUDGE[bare].map((direction) => direction * reach));
        return true;
      }
      if (stage.held && key === "Enter") {
        stage.letGo();
        return true;
      }
      const action = byKey.get(key);
      if (!action) return false;
      action.run(key);
      return true;
    },
  };
}

function grouped(list) {
  const groups = [];
  for (const entry of list) {
    if (Array.isArray(entry)) groups.push({ title: entry[0], actions: [] });
    else if (!entry.hidden) groups.at(-1).actions.push(entry);
  }
  return groups;
}

/** A click on the picture: set the keypoint whose turn it is and go on to the next. */
export async function clicked(store, x, y) {
  if (!store.names.length) {
    store.emit("no-keypoints");
    return;
  }
  const { keypoint } = store;
  const done = store.put(keypoint, x, y);
  advance(store, keypoint);
  await done;
}

function advance(store, keypoint) {
  const open = store.firstOpen(keypoint + 1);
  if (open >= 0) store.select(open);
  else store.emit("full");
}

function markAbsent(store) {
  const { keypoint } = store;
  if (!store.names.length) return;
  store.setAbsent(keypoint);
  advance(store, keypoint);
}

function toggleCovered(store) {
  const { keypoint } = store;
  const point = store.here()[keypoint];
  if (!placed(point)) store.tell("Set the point first, at the place where it is hidden; then O marks it as covered");
  else store.put(keypoint, point.x, point.y, { visible: point.human && point.visible === COVERED ? 2 : COVERED });
}

/** One's own statement is taken back; a followed point is deleted in this frame. */
function takeAway(store) {
  const { frame, subject, keypoint } = store;
  const point = store.here()[keypoint];
  if (settled(point)) store.edit([{ op: "clear", frame, subject, keypoint }]);
  else if (point) store.edit([{ op: "delete", from: frame, to: frame, subject, keypoint }]);
  else store.tell("There is nothing to take away here");
}

function takeAwayFromHere(store) {
  const { frame, subject, keypoint } = store;
  store.edit([{ op: "delete", from: frame, to: null, subject, keypoint }]).then((answer) => {
    if (answer) store.tell(`${store.names[keypoint]} taken away from frame ${frame} on; Ctrl+Z brings it back`);
  });
}

function copyFromLast(store) {
  const { frame, subject } = store;
  if (frame === 0) store.tell("This is the first frame");
  else store.edit([{ op: "copy", frame, subject, from: frame - 1 }]);
}

function accept(store, from, to) {
  const [a, b] = [Math.min(from, to), Math.max(from, to)];
  store.edit([{ op: "accept", from: a, to: b, subject: null, keypoint: null }]).then((answer) => {
    if (!answer) return;
    store.tell(a === b ? `Frame ${a} accepted` : `Frames ${a} to ${b} accepted`);
    if (a === b) store.emit("full");
  });
}

function mark(store, end) {
  const { frame } = store;
  const [from, to] = store.range || [frame, frame];
  if (end === null) store.range = null;
  else if (end === "from") store.range = [frame, Math.max(frame, to)];
  else store.range = [Math.min(from, frame), frame];
  store.emit("range");
}

function undo(store, which) {
  // The server is asked even where nothing is known to be left: another window's step may have become one's own.
  store.step(which);
}

/** Tab belongs to the keypoints while the frame has the focus: this is the way to the rest of the page. */
function nextPart() {
  const parts = ["#stage", "#tools button:not(:disabled)", "#proposals button", "#subject", "#transport button", "#rows"];
  const found = parts.map((part) => document.querySelector(part)).filter(Boolean);
  const at = found.findIndex((part) => part === document.activeElement || (part.parentElement.contains(document.activeElement) && part.id !== "stage"));
  found[(at + 1) % found.length].focus();
}

function nextSubject(store) {
  const ids = store.video.subjects.map(({ id }) => id);
  if (ids.length < 2) store.tell("There is one subject; Shift+S adds another");
  else store.select(store.keypoint, ids[(ids.indexOf(store.subject) + 1) % ids.length]);
}

function toggleLoop(store, player, timeline) {
  if (store.loop) player.setLoop(null);
  else player.setLoop(store.range || timeline.between(store.frame));
}

function skipFrame(store) {
  const { frame } = store;
  store.skip(frame);
  if (store.skipped.has(frame)) {
    store.tell(`Frame ${frame} will not be offered again; X on it takes that back`);
    goNext(store);
  } else store.tell(`Frame ${frame} may be offered again`);
}

/** To the frame whose labelling is worth most. */
export async function goNext(store) {
  const { proposals } = store;
  if (proposals && proposals.kind === "first") {
    if (goProposal(store, 1, true)) return;
    store.tell("No frame is proposed yet");
    return;
  }
  try {
    const { id } = store.video;
    const found = await store.api.next(id, store.frame, [...store.skipped]);
    if (store.video.id !== id) return;
    if (found.frame === null) store.tell(found.reason);
    else arrive(store, found);
  } catch (error) {
    store.tell(error.message, error.offline ? "warn" : "error");
  }
}

/** To the next or previous frame of the list; `open`: only to frames that are not labelled yet. */
export function goProposal(store, way, open = false) {
  const frames = (store.proposals ? store.proposals.frames : []).map(({ frame }) => frame).sort((a, b) => a - b);
  const wanted = open ? frames.filter((frame) => !store.skipped.has(frame)) : frames;
  const beside = way > 0 ? wanted.find((frame) => frame > store.frame) : wanted.findLast((frame) => frame < store.frame);
  const to = beside ?? (way > 0 ? wanted[0] : wanted.at(-1));
  if (to === undefined || to === store.frame) return false;
  const found = store.proposals.frames.find(({ frame }) => frame === to);
  const least = (found.keypoints || [])[0] || {};
  arrive(store, { frame: to, reason: found.reason, ...least });
  return true;
}

/** To a frame that is worth a click, with the keypoint that needs it in turn; the first one where none has a place yet. */
export async function arrive(store, { frame, reason, subject = null, keypoint = null }) {
  store.goTo(frame, { subject, keypoint, reveal: keypoint !== null });
  store.emit("arrived", frame, reason);
  const chosen = store.keypoint;
  await store.points.whenKnown(frame);
  // A person may be faster than the answer.
  if (store.frame !== frame || store.keypoint !== chosen) return;
  if (keypoint === null || !store.here().some(placed)) store.select(Math.max(0, store.firstOpen(0)));
  else store.goTo(frame, { reveal: true });
}
