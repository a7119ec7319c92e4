// @ts-check
// What the reader has chosen, and who is told when it changes. The document itself is never changed.

/** @type {any} */
const state = {
  /** The document that is shown. */
  doc: null,
  /** The rows of a launch. */
  rows: 64,
  /** The name of the chosen value: names outlive an edit, ids do not. */
  chosen: null,
  /** The panes of stages: `{ stage, difference }`. */
  panes: null,
  /** Whether the reader has chosen the panes; until then they are the first ones of each document. */
  ownPanes: false,
  /** What is searched for. */
  query: "",
};

/** @type {Record<string, (() => void)[]>} */
const listeners = {};

/**
 * @param {"document" | "rows" | "choice" | "panes"} event
 * @param {() => void} listener
 */
function when(event, listener) {
  (listeners[event] ||= []).push(listener);
}

/** @param {string} event */
function tell(event) {
  for (const listener of listeners[event] || []) listener();
}

/**
 * Shows a document.
 * @param {any} doc
 */
function show(doc) {
  const first = state.doc === null;
  state.doc = { ...doc, stages: [...written(doc.source), ...doc.stages] };
  if (first && doc.dim) state.rows = Math.max(1, doc.dim.at);
  if (state.chosen !== null && chosenValue() === null) state.chosen = null;
  tell("document");
}

/**
 * What the user wrote, as a stage. A preset's text is the first stage by itself.
 * @param {any} source
 */
function written(source) {
  if (source.form === "preset") return [];
  return [{ id: "source", title: "as written", group: "graph", kernel: null, variant: null, text: source.text, lines: source.lines, diff: null, marks: [], live: null, counts: [] }];
}

/** @param {number} rows */
function chooseRows(rows) {
  const within = Math.min(MOST_ROWS, Math.max(1, Math.round(rows) || 1));
  if (within === state.rows) return;
  state.rows = within;
  tell("rows");
}

/** Rows that the slider ends at. */
const MOST_ROWS = 131072;

/**
 * Chooses a value by its id, or none. Choosing it again leaves it chosen.
 * @param {number | null} id
 */
function choose(id) {
  const value = id === null ? null : valueOf(id);
  state.chosen = value && value.name;
  tell("choice");
  say(value ? `${value.name}, ${value.type}, ${value.place}` : "No value is chosen.");
}

/**
 * @param {number | null} id
 * @returns {any}
 */
function valueOf(id) {
  return id === null || id === undefined ? null : byIdOf(state.doc).get(id) || null;
}

/** @type {WeakMap<any, Map<number, any>>} */
const indices = new WeakMap();

/** @param {any} doc */
function byIdOf(doc) {
  let index = indices.get(doc);
  if (!index) {
    index = new Map(doc.values.map((v) => [v.id, v]));
    indices.set(doc, index);
  }
  return index;
}

/** @returns {any} the chosen value in the document that is shown */
function chosenValue() {
  return state.chosen === null ? null : state.doc.values.find((v) => v.name === state.chosen) || null;
}

/**
 * One of the seven hues that link a value across the page; the name stands beside it wherever it is used.
 * @param {number} id
 */
function hue(id) {
  return `hue${id % 7}`;
}
