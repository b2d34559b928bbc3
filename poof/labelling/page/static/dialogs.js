// What opens over the page: the list of keys, names, export, jobs to start. Each closes with Escape.

import { byId, fill, make } from "./dom.js";

/** Show a modal dialog; returns {dialog, close}. Focus goes back to the frame when it closes. */
export function openDialog(title, children, { wide = false, onClose = null } = {}) {
  const dialog = make("dialog", { class: wide ? "wide" : "", "aria-label": title, tabindex: "-1" });
  const close = () => dialog.close();
  const head = make("header", {}, [
    make("h2", { text: title }),
    make("button", { type: "button", class: "small close", "aria-label": "Close", text: "×", on: { click: close } }),
  ]);
  dialog.append(head, ...children);
  dialog.addEventListener("close", () => {
    dialog.remove();
    byId("stage").focus({ preventScroll: true });
    if (onClose) onClose();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  byId("dialogs").append(dialog);
  dialog.showModal();
  dialog.focus();
  return { dialog, close };
}

/** A dialog with one line to fill in; `done(text)` may return words that say what is wrong with it. */
export function ask(title, { label, value = "", hint = "", button = "OK", done }) {
  const input = make("input", { type: "text", value, autocomplete: "off", spellcheck: "false", id: "asked" });
  const wrong = make("p", { class: "wrong", role: "alert" });
  const form = make("form", { method: "dialog" }, [
    make("label", { for: "asked", text: label }),
    input,
    make("p", { class: "hint", text: hint }),
    wrong,
    make("div", { class: "buttons" }, [make("button", { type: "submit", class: "main", text: button })]),
  ]);
  const { close } = openDialog(title, [form]);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const words = await done(input.value.trim());
    if (words) wrong.textContent = words;
    else close();
  });
  input.focus();
  input.select();
}

export class Dialogs {
  constructor(store, stage) {
    this.store = store;
    this.stage = stage;
    this.groups = []; // of actions, for the list of keys
    store.on("no-keypoints", () => this.askKeypoints());
  }

  get isOpen() {
    return document.querySelector("dialog[open]") !== null;
  }

  // ---------------------------------------------------------------- the list of keys

  openHelp() {
    const sections = this.groups.map(({ title, actions }) =>
      make("section", {}, [
        make("h3", { text: title }),
        make(
          "dl",
          {},
          actions.flatMap(({ list, keys, words }) => {
            const [pressed, does] = list || [keys.map(readable).join("  "), words];
            return [make("dt", {}, [make("kbd", { text: pressed })]), make("dd", { text: does })];
          }),
        ),
      ]),
    );
    openDialog("Keys", [make("div", { class: "help" }, sections)], { wide: true });
  }

  // ---------------------------------------------------------------- keypoints and limbs

  askFrame() {
    const last = this.store.video.frames - 1;
    ask("Go to a frame", {
      label: `Frame, 0 to ${last}`,
      value: String(this.store.frame),
      button: "Go",
      done: (text) => {
        if (!/^\d+$/.test(text)) return "A frame is a whole number.";
        if (Number(text) > last) return `The last frame is ${last}.`;
        this.store.goTo(Number(text));
        return "";
      },
    });
  }

  askKeypoints() {
    const { store } = this;
    const first = store.names.length === 0;
    ask(first ? "Which points do you want to follow?" : "Add keypoints", {
      label: "Names, with commas between them",
      hint: first ? "For example: nose, left ear, right ear, tail. More can be added at any time." : "They are added after those there are; labels stay as they are.",
      button: "Add",
      done: async (text) => {
        const names = text.split(",").map((name) => name.trim()).filter(Boolean);
        if (!names.length) return "Give at least one name.";
        const twice = names.find((name, i) => store.names.includes(name) || names.indexOf(name) !== i);
        if (twice !== undefined) return `There is already a keypoint '${twice}'.`;
        const before = store.names.length;
        const answer = await store.edit(names.map((name) => ({ op: "add_keypoint", name })));
        if (answer) store.select(Math.min(before, store.names.length - 1));
        if (answer && first) store.emit("first-steps");
        return answer ? "" : "It could not be added; the notice on the page says why.";
      },
    });
  }

  askName() {
    const { store } = this;
    const keypoint = store.keypoint;
    if (!store.names.length) return;
    ask("Rename the keypoint", {
      label: "Name",
      value: store.names[keypoint],
      button: "Rename",
      done: async (name) => {
        if (!name) return "A keypoint needs a name.";
        if (name === store.names[keypoint]) return "";
        if (store.names.includes(name)) return `There is already a keypoint '${name}'.`;
        await store.edit([{ op: "rename_keypoint", keypoint, name }]);
        return "";
      },
    });
  }

  askEdge() {
    const { store } = this;
    if (store.names.length < 2) {
      store.tell("A limb joins two keypoints; there are not two yet");
      return;
    }
    const chooser = (id, chosen) => {
      const options = store.names.map((name, k) => make("option", { value: String(k), text: name, selected: k === chosen }));
      return make("select", { id }, options);
    };
    const a = chooser("limb-from", store.keypoint);
    const b = chooser("limb-to", (store.keypoint + 1) % store.names.length);
    const button = make("button", { type: "submit", class: "main" });
    const joined = () => store.video.skeleton.edges.some(([p, q]) => [p, q].sort().join() === [Number(a.value), Number(b.value)].sort().join());
    const say = () => {
      button.textContent = joined() ? "Part them" : "Join them";
      button.disabled = a.value === b.value;
    };
    const form = make("form", { method: "dialog" }, [
      make("div", { class: "pair" }, [make("label", { for: "limb-from", text: "From" }), a, make("label", { for: "limb-to", text: "to" }), b]),
      make("div", { class: "buttons" }, [button]),
    ]);
    for (const select of [a, b]) select.addEventListener("change", say);
    const { close } = openDialog("Limb", [form]);
    say();
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const [p, q] = [Number(a.value), Number(b.value)];
      await store.edit([{ op: joined() ? "remove_edge" : "add_edge", a: p, b: q }]);
      // The next limb mostly goes on from the end of this one.
      a.value = String(q);
      b.value = String((q + 1) % store.names.length);
      say();
      if (event.submitter === null) close();
    });
    a.focus();
  }

  // ---------------------------------------------------------------- picture

  brighten(by) {
    moveSlider(byId("brightness"), by);
  }

  contrast(by) {
    moveSlider(byId("contrast"), by);
  }

  // ---------------------------------------------------------------- long jobs

  async startRefine() {
    const start = make("button", { type: "button", class: "main", text: "Start" });
    const words = "Two small networks learn this footage from your labels and repair points that were lost. Your labels stay as they are. It takes some minutes; you can go on labelling and stop it at any time.";
    const { close } = openDialog("Refine", [make("p", { text: words }), make("div", { class: "buttons" }, [start])]);
    start.addEventListener("click", () => {
      close();
      this.store.startJob({ kind: "refine" }).catch(() => {});
    });
    start.focus();
  }

  async startTrain() {
    const epochs = make("input", { type: "number", id: "epochs", min: "1", max: "10000", step: "1", placeholder: "as many as fit" });
    const start = make("button", { type: "submit", class: "main", text: "Start" });
    const form = make("form", { method: "dialog" }, [
      make("p", { text: "A pose model is trained on your labels and on the points followed from them. It finds the keypoints in other videos (poof predict)." }),
      make("label", { for: "epochs", text: "Rounds over the labels (epochs)" }),
      epochs,
      make("div", { class: "buttons" }, [start]),
    ]);
    openDialog("Train", [form]);
    form.addEventListener("submit", () => this.store.startJob({ kind: "train", epochs: epochs.value ? Number(epochs.value) : null }).catch(() => {}));
    start.focus();
  }

  stopJobs() {
    const running = [...this.store.jobs.values()].filter((job) => job.state === "running");
    if (!running.length) this.store.tell("Nothing is running");
    for (const job of running) this.store.stopJob(job.id);
  }

  // ---------------------------------------------------------------- export

  openExport() {
    const { store } = this;
    // The native format first: it holds everything.
    const formats = [...store.session.formats].sort((a, b) => (b.name === "coco") - (a.name === "coco"));
    const stem = store.video.name.replace(/\.[^.]*$/, "");
    const format = make("select", { id: "format" }, formats.map(({ name, label, ending }) => make("option", { value: name, text: `${label} (${ending})` })));
    const what = make("select", { id: "what" }, [
      make("option", { value: "all", text: "all points: labels and followed ones" }),
      make("option", { value: "labels", text: "my labels only" }),
    ]);
    const name = make("input", { type: "text", id: "export-name", autocomplete: "off", spellcheck: "false" });
    const wrong = make("p", { class: "wrong", role: "alert" });
    const replace = make("input", { type: "checkbox", id: "replace" });
    const replaceRow = make("label", { class: "replace", hidden: true }, [replace, " replace the file that is there"]);
    const ending = () => (formats.find((one) => one.name === format.value) || formats[0]).ending;
    const suggest = () => (name.value = `${stem}.export${ending()}`);
    format.addEventListener("change", suggest);
    suggest();
    const done = make("div", { class: "done", role: "status" });
    const run = async (job) => {
      wrong.textContent = "";
      // A short job may have ended before the answer to its start is here.
      this.awaited = { kind: job.kind, id: null, show: (ended) => fill(done, outcome(ended)) };
      try {
        const started = await store.startJob({ ...job, force: replace.checked });
        replaceRow.hidden = true;
        replace.checked = false;
        this.awaited.id = started.id;
        const now = store.jobs.get(started.id);
        if (now.state === "running") fill(done, [make("p", { text: "Writing…" })]);
        else this.jobEnded(now);
      } catch (error) {
        this.awaited = null;
        wrong.textContent = error.message;
        if (error.answer && error.answer.exists) replaceRow.hidden = false;
      }
    };
    const form = make("form", { method: "dialog", class: "export" }, [
      make("div", { class: "grid" }, [
        make("label", { for: "format", text: "Format" }), format,
        make("label", { for: "what", text: "Points" }), what,
        make("label", { for: "export-name", text: "File" }), name,
      ]),
      replaceRow,
      wrong,
      make("div", { class: "buttons" }, [
        make("button", { type: "button", text: "Contact sheet", on: { click: () => run({ kind: "sheet" }) } }),
        make("button", { type: "button", text: "Overlay video", on: { click: () => run({ kind: "overlay" }) } }),
        make("button", { type: "submit", class: "main", text: "Export" }),
      ]),
      done,
      make("p", { class: "hint", text: `Your labels are always on disk: ${store.video.labels_file || ""}` }),
    ]);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run({ kind: "export", format: format.value, what: what.value, name: name.value.trim() || null });
    });
    openDialog("Export", [form], { onClose: () => (this.awaited = null) });
    form.querySelector("button[type=submit]").focus();
  }

  /** Called with each job that has ended; true if an open dialog shows it. */
  jobEnded(job) {
    if (!this.awaited || (this.awaited.id === null ? this.awaited.kind !== job.kind : this.awaited.id !== job.id)) return false;
    this.awaited.show(job);
    return true;
  }
}

/** What a job that has ended left: its words, its files. */
export function outcome(job) {
  const parts = [make("p", { text: job.message || { done: "Done", stopped: "Stopped", failed: "It failed" }[job.state] || "" })];
  (job.files || []).forEach((file, i) => {
    const row = [make("code", { text: file })];
    if (job.state === "done") row.push(make("a", { href: `/api/jobs/${job.id}/files/${i}`, download: file.split("/").at(-1), text: "Download" }));
    parts.push(make("p", { class: "file" }, row));
  });
  return parts;
}

/** 'Shift+ArrowLeft' as 'Shift ←'. */
export function readable(key) {
  return key
    .replace("ArrowLeft", "←").replace("ArrowRight", "→").replace("PageDown", "Page ↓").replace("PageUp", "Page ↑")
    .replace("Escape", "Esc").replace(/\+(?=.)/g, " ");
}

function moveSlider(slider, by) {
  slider.value = String(Number(slider.value) + by);
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  byId("look").open = true;
}
