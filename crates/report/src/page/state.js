// @ts-check
// What the reader has chosen, and who is told when it changes. The document itself is never changed.

/** @type {any} */
const state = {
  /** The document that is shown. */
  doc: null,
  /** The extent of each dim, by name: names outlive an edit. */
  extents: Object.create(null),
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
 * @param {"document" | "drawing" | "rows" | "choice" | "panes"} event
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
  state.doc = { ...doc, stages: [...written(doc.source), ...doc.stages] };
  for (const dim of doc.dims) state.extents[dim.name] ??= Math.max(1, dim.at);
  if (state.chosen !== null && chosenValue() === null) state.chosen = null;
  tell("document");
}

/**
 * Shows a drawing that was still to come.
 * @param {any} graph
 */
function showDrawing(graph) {
  state.doc = { ...state.doc, graph };
  tell("drawing");
}

/**
 * What the user wrote, as a stage. A preset's text is the first stage by itself.
 * @param {any} source
 */
function written(source) {
  if (source.form === "preset") return [];
  return [{ id: "source", title: "as written", group: "graph", kernel: null, variant: null, text: source.text, lines: source.lines, diff: null, marks: [], live: null, counts: [], loops: [] }];
}

/** Rows that the slider ends at, unless what is shown has more. */
const MOST_ROWS = 131072;

/** The largest extent of the slider: that which the document begins at and all that was measured are within. */
function mostRows() {
  const { doc } = state;
  return Math.max(MOST_ROWS, doc.dim ? doc.dim.at : 1, ...(doc.measured || []).map((m) => m.rows));
}

/**
 * The extent of a dim; what has none has one row.
 * @param {string | null} name
 */
function extentOf(name) {
  return name === null ? 1 : state.extents[name] ?? 1;
}

/** The rows that the slider is at. */
function sliderRows() {
  return extentOf(state.doc.dim ? state.doc.dim.name : null);
}

/**
 * @param {string} name
 * @param {number} extent
 */
function chooseExtent(name, extent) {
  const most = state.doc.dim && name === state.doc.dim.name ? mostRows() : Number.MAX_SAFE_INTEGER;
  const within = Math.min(most, Math.max(1, Math.round(extent) || 1));
  if (within === state.extents[name]) return;
  state.extents[name] = within;
  tell("rows");
}

/** @param {number} rows */
function chooseRows(rows) {
  if (state.doc.dim) chooseExtent(state.doc.dim.name, rows);
}

/** Every dim with its extent: `T = 64, S = 5`. */
function extentsText() {
  return state.doc.dims.map((d) => `${d.name} = ${grouped(extentOf(d.name))}`).join(", ");
}

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
