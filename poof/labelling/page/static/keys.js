// From key presses to actions.

const NAMED = { " ": "Space", Esc: "Escape", Del: "Delete" };

/** The name of a key press, as in the list of actions: 'Ctrl+Shift+Z', 'ArrowLeft', '?'. */
export function keyName(event) {
  let key = NAMED[event.key] || event.key;
  const sign = key.length === 1 && !/[a-z0-9]/i.test(key);
  if (key.length === 1) key = key.toUpperCase();
  let name = "";
  if (event.ctrlKey || event.metaKey) name += "Ctrl+";
  if (event.altKey) name += "Alt+";
  // A sign such as '?' or '[' needs Shift or AltGr on some keyboards: it is itself, however it is typed.
  if (sign) return event.ctrlKey && !event.altKey ? `${name}${key}` : key;
  if (event.shiftKey) name += "Shift+";
  return name + key;
}

function writes(target) {
  return target.closest("input:not([type=range]):not([type=checkbox]), textarea, select, dialog[open]") !== null;
}

/** Whether the key belongs to what has the focus: a button's Space, a slider's arrows, Tab outside the frame. */
function theirs(target, name) {
  if (writes(target)) return true;
  if (target.closest("button, summary, a") && ["Space", "Enter", "Tab", "Shift+Tab"].includes(name)) return true;
  if (target.closest("input[type=range]") && /Arrow|Home|End|Page|Tab/.test(name)) return true;
  return /Tab$/.test(name) && target.closest("#stage") === null && target !== document.body;
}

export function listenToKeys(actions) {
  window.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented) return;
    const name = keyName(event);
    if (name === "F6" && document.querySelector("dialog[open]")) return;
    if (name !== "F6" && theirs(event.target instanceof Element ? event.target : document.body, name)) return;
    if (actions.press(name)) event.preventDefault();
  });
  // A button that was clicked gives the keys back to the frame.
  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target.closest("button, summary, input[type=range], li[role=option], canvas") : null;
    if (target && event.detail > 0 && !target.closest("dialog")) document.getElementById("stage").focus({ preventScroll: true });
  });
  document.addEventListener("change", (event) => {
    if (event.target instanceof Element && event.target.matches("header select, #subject, #speed, input[type=range]")) {
      document.getElementById("stage").focus({ preventScroll: true });
    }
  });
}
