// Puts the page together.

import { actionsOf, arrive, clicked, goNext } from "./actions.js";
import { Api } from "./api.js";
import { Dialogs, readable } from "./dialogs.js";
import { Disputes } from "./disputes.js";
import { byId, fill, make, setText } from "./dom.js";
import { Header } from "./header.js";
import { icon } from "./icons.js";
import { listenToKeys } from "./keys.js";
import { Notices } from "./notices.js";
import { Panels } from "./panels.js";
import { Player, SPEEDS } from "./player.js";
import { Stage } from "./stage.js";
import { Store } from "./store.js";
import { Strip } from "./strip.js";
import { Timeline } from "./timeline.js";
import { welcome } from "./welcome.js";

const store = new Store(new Api());
const stage = new Stage(store);
const player = new Player(store, stage);
const timeline = new Timeline(store);
const dialogs = new Dialogs(store, stage);
const notices = new Notices(store);
const actions = actionsOf({ store, stage, player, timeline, dialogs });
const act = (id) => actions.get(id).run();
dialogs.groups = actions.groups;
new Header(store);
new Disputes(store);
new Panels(store, stage, act);
const strip = new Strip(store, ({ frame, reason, keypoints = [] }) => arrive(store, { frame, reason, ...keypoints[0] }));

/** A button for an action, with a text or an icon; its tooltip names the key. */
function button(id, { text = null, picture = null, className = "" } = {}) {
  const action = actions.get(id);
  const keys = action.keys.map(readable).join(", ");
  const options = { type: "button", class: className, title: `${action.words} (${keys})`, "aria-keyshortcuts": action.keys[0].replace("Ctrl", "Control") };
  if (picture || text === "?") options["aria-label"] = action.words;
  return make("button", { ...options, data: { action: id }, on: { click: () => act(id) } }, picture ? [icon(picture)] : [text]);
}

const buttonOf = (id) => document.querySelector(`[data-action="${id}"]`);

function buildToolbars() {
  fill(byId("tools"), [
    button("undo", { text: "Undo" }),
    button("redo", { text: "Redo" }),
    button("refine", { text: "Refine" }),
    button("train", { text: "Train" }),
    button("export", { text: "Export", className: "main" }),
    button("help", { text: "?", className: "square" }),
  ]);
  const speed = make("select", { id: "speed", "aria-label": "Speed" }, SPEEDS.map((value) => make("option", { value: String(value), text: `×${value}` })));
  speed.addEventListener("change", () => player.setSpeed(Number(speed.value)));
  const rate = make("span", { class: "rate", id: "rate" });
  fill(byId("transport"), [
    ...["previous-label", "previous-frame", "play-back", "play", "next-frame", "next-label"].map((id) => button(id, { picture: id, className: "square" })),
    speed,
    button("loop", { text: "Repeat" }),
    rate,
    make("span", { class: "space" }),
    button("trails", { text: "Trails" }),
    button("names", { text: "Names" }),
    button("loupe", { text: "Loupe" }),
    button("hide", { text: "Hide" }),
    button("fit", { text: "Fit" }),
    make("span", { class: "gap" }),
    button("skip", { text: "Skip" }),
    button("copy", { text: "Copy last" }),
    button("accept", { text: "Accept frame" }),
    button("next", { text: "Next to click", className: "main" }),
  ]);
  const pressed = (id, on) => buttonOf(id).setAttribute("aria-pressed", String(Boolean(on)));
  const showPlaying = () => {
    speed.value = String(player.speed);
    for (const [id, way] of [["play", 1], ["play-back", -1]]) {
      const on = store.playing && player.way === way;
      fill(buttonOf(id), [icon(on ? "stop" : id)]);
      pressed(id, on);
    }
    pressed("loop", store.loop);
    setText(rate, "");
  };
  store.on("playing", showPlaying);
  store.on("look", () => {
    pressed("trails", stage.options.trails);
    pressed("names", stage.options.names);
    pressed("loupe", stage.options.loupe);
    pressed("hide", stage.options.hidden);
  });
  setInterval(() => {
    if (store.playing && player.rate) setText(rate, `${player.rate.toFixed(0)} of ${(store.video.fps * player.speed).toFixed(0)} frames/s`);
  }, 500);
  const undoState = () => {
    for (const which of ["undo", "redo"]) {
      const element = buttonOf(which);
      element.disabled = !store[which];
      element.title = store[which] ? `${which}: ${store[which]}` : `nothing to ${which}`;
    }
  };
  for (const name of ["saved", "video"]) store.on(name, undoState);
  const rangeState = () => {
    const range = store.range;
    const element = buttonOf("accept");
    setText(element, range ? `Accept ${range[0]} to ${range[1]}` : "Accept frame");
    element.dataset.range = range ? "yes" : "";
  };
  store.on("range", rangeState);
  store.on("video", rangeState);
  buttonOf("accept").addEventListener("click", (event) => {
    if (!store.range) return;
    event.stopImmediatePropagation();
    act("accept-range");
  }, true);
}

/** The line over the frame that says what a click does now. */
function listenToPrompt() {
  const prompt = byId("prompt");
  let reason = null;
  const say = () => {
    if (!store.video) return;
    const name = store.names[store.keypoint];
    if (stage.held && stage.held.byKey) setText(prompt, `${name} in hand: arrows move it, Enter puts it down, Esc leaves it`);
    else if (!store.names.length) setText(prompt, "K: name the points you want to follow");
    else if (store.playing) setText(prompt, "");
    else {
      const why = reason && reason.frame === store.frame && reason.words ? `${reason.words}   ·   ` : "";
      setText(prompt, `${why}click: ${name}   ·   A absent   ·   O covered`);
    }
  };
  store.on("arrived", (frame, words) => {
    reason = { frame, words };
    say();
  });
  for (const name of ["frame", "select", "video", "held", "playing", "points"]) store.on(name, say);
}

/** When a frame is full the next one is offered. */
function listenToOffer() {
  const offer = byId("offer");
  const hide = () => (offer.hidden = true);
  store.on("full", () => {
    fill(offer, [
      make("span", { text: `All set in frame ${store.frame}.` }),
      make("button", { type: "button", class: "main", text: "Next frame to label (N)", on: { click: () => goNext(store) } }),
    ]);
    offer.hidden = false;
  });
  store.on("frame", () => offer.dataset.frame !== String(store.frame) && hide());
  store.on("video", hide);
}

function listenToLook() {
  const [brightness, contrast, size] = ["brightness", "contrast", "mark-size"].map(byId);
  const apply = () => stage.light(Number(brightness.value), Number(contrast.value));
  brightness.addEventListener("input", apply);
  contrast.addEventListener("input", apply);
  size.addEventListener("input", () => stage.set("radius", Number(size.value)));
  byId("plain").addEventListener("click", () => {
    brightness.value = contrast.value = "1";
    apply();
  });
}

async function start() {
  buildToolbars();
  listenToPrompt();
  listenToOffer();
  listenToLook();
  listenToKeys(actions);
  store.on("clicked", (x, y) => clicked(store, x, y));
  store.on("job-ended", (job) => dialogs.jobEnded(job) || notices.job(job));
  window.addEventListener("beforeunload", (event) => {
    if (store.queue.length) event.preventDefault();
  });
  try {
    await store.open();
  } catch (error) {
    setText(byId("saved"), "not opened");
    notices.show([make("strong", { text: "The page could not be opened. " }), make("span", { text: error.message })], "error");
    return;
  }
  byId("stage").focus({ preventScroll: true });
  // Where nothing is labelled yet, a person begins with the frame that is most worth it.
  const firstSteps = () => {
    if (store.proposals && store.proposals.kind === "first" && store.frame === 0) goNext(store);
  };
  store.on("first-steps", firstSteps);
  welcome(() => {
    if (store.names.length) firstSteps();
    else dialogs.askKeypoints();
  });
}

// For tests and for people who like to look: nothing of the page depends on it.
window.poof = { store, stage, player, timeline, strip };
start();
