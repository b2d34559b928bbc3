// What is known of a keypoint in a frame, in one word, and how that word is said to a person.

export const VISIBLE = 2;
export const COVERED = 1;
export const ABSENT = -1;

/** Confidence under which a point is called uncertain. */
export const UNCERTAIN = 0.5;

/**
 * 'none' nothing known, 'label' set by a person, 'covered' the same but hidden in the picture, 'absent' a person says
 * it is not there, 'gone' the machine says so, 'sure' or 'uncertain' a carried point, 'disputed' one on which flow and
 * appearance do not agree.
 */
export function stateOf(point) {
  if (!point) return "none";
  const human = point.human;
  if (point.visible === ABSENT) return human ? "absent" : "gone";
  if (!Number.isFinite(point.x)) return "none";
  if (human) return point.visible === COVERED ? "covered" : "label";
  if (point.disputed) return "disputed";
  return point.confidence < UNCERTAIN ? "uncertain" : "sure";
}

/** Whether a person has said where the keypoint is, or that it is not there. */
export function settled(point) {
  return Boolean(point) && point.human;
}

/** Whether the point has a place. */
export function placed(point) {
  return Boolean(point) && Number.isFinite(point.x);
}

const WORDS = {
  none: "not set",
  label: "label",
  covered: "label, covered",
  absent: "absent",
  gone: "probably absent",
  disputed: "disputed",
};

/** The state in plain words: 'followed, 83 % sure'. */
export function describe(point) {
  const state = stateOf(point);
  if (state in WORDS) return WORDS[state];
  const percent = Number.isFinite(point.confidence) ? `${Math.round(100 * point.confidence)} %` : "";
  const covered = point.visible === COVERED ? ", covered" : "";
  return `followed${percent ? ` ${percent}` : ""}${covered}`;
}
