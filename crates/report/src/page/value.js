// @ts-check
// What is known of the chosen value, and the ways from it to its lines and its neighbours.

/** Where a value is after fusion, in words. */
const PLACES = {
  input: "in an input's memory", output: "in an output's memory", memory: "in memory between two kernels", registers: "in registers",
  recomputed: "computed wherever it is asked for", code: "a part of the code", nowhere: "nowhere: the passes left nothing of it",
};

/** @type {WeakMap<any, Map<string, number>>} */
const idsByName = new WeakMap();

/** The ids of values by name. */
function idsOf(values) {
  let ids = idsByName.get(values);
  if (!ids) idsByName.set(values, (ids = new Map(values.map((v) => [v.name, v.id]))));
  return ids;
}

/** The names of other values in a value's own text: what it reads. */
function readBy(value) {
  const names = idsOf(state.doc.values);
  const found = (value.text || "").match(/%[^\s,(){}:]+/g) || [];
  return [...new Set(found.filter((name) => name !== value.name && names.has(name)).map((name) => names.get(name)))];
}

/**
 * A button that chooses a value.
 * @param {number} id
 */
function chip(id) {
  const value = valueOf(id);
  if (!value) return null;
  return element("button", { type: "button", class: `chip ${hue(id)}`, title: value.text || value.type, onclick: () => choose(id) }, value.name);
}

/** @param {number} by */
function chooseNeighbour(by) {
  const { values } = state.doc;
  if (!values.length) return;
  const at = values.findIndex((v) => v.name === state.chosen);
  choose(values[(at + by + values.length + (at < 0 && by < 0 ? 1 : 0)) % values.length].id);
}

function drawValue() {
  const { doc } = state;
  if (!byId("value")) return;
  const value = chosenValue();
  const list = element("select", { id: "values", "aria-label": "Choose a value", onchange: (e) => choose(e.target.value === "" ? null : Number(e.target.value)) },
    element("option", { value: "" }, "Choose a value"),
    doc.values.map((v) => element("option", { value: v.id, selected: value !== null && v.id === value.id }, v.name)));
  const head = element("div", { class: "pick" },
    element("button", { type: "button", "aria-label": "The value before", onclick: () => chooseNeighbour(-1) }, "‹"), list,
    element("button", { type: "button", "aria-label": "The value after", onclick: () => chooseNeighbour(1) }, "›"));
  if (!value) {
    fill(byId("value"), head,
      element("p", { class: "empty" }, "Click a box, a line, or choose a value here. Its lines in every stage light up."));
    return;
  }
  const moved = bytesOf(value);
  const users = usersOf(doc).get(value.id) || [];
  const pair = (name, ...content) => [element("dt", {}, name), element("dd", {}, ...content)];
  const launch = value.kernel === null ? null : doc.launches.after[value.kernel];
  const places = doc.stages.map((stage) => ({ stage, lines: linesOf(stage, value) })).filter((p) => p.lines.length);
  fill(byId("value"), head,
    element("h3", { class: hue(value.id) }, value.name, element("span", { class: "type" }, value.type)),
    value.text ? element("pre", { class: "own", tabindex: "0", "aria-label": "Its operation" }, value.text) : null,
    element("dl", {},
      value.range ? pair("range", value.range) : null,
      pair("place", PLACES[value.place] || value.place, launch ? `, kernel ${launch.name}` : ""),
      pair("bytes", value.row_bytes ? `${bytes(value.row_bytes)} a row` : bytes(value.once_bytes), value.row_bytes ? `, ${bytes(moved)} at ${value.rows} = ${grouped(extentOf(value.rows))}` : " in all"),
      readBy(value).length ? pair("reads", readBy(value).map(chip)) : null,
      users.length ? pair("used by", users.map(chip)) : null,
      value.gone ? pair("went into", value.gone.constant ? element("code", { class: "plain" }, value.gone.constant) : value.gone.into.length ? value.gone.into.map(chip) : "nothing", element("p", { class: "hint" }, value.gone.why)) : null,
      value.note ? pair("note", value.note) : null),
    element("h4", {}, "Its lines"),
    element("ul", { class: "places" }, places.map(({ stage, lines }) =>
      element("li", {}, element("button", { type: "button", class: "link", onclick: () => openStage(stage.id, lines[0]) },
        `${stageName(stage)}: ${lines.length > 1 ? "lines" : "line"} ${lines.slice(0, 4).map((l) => l + 1).join(", ")}${lines.length > 4 ? ", …" : ""}`)))));
}

/**
 * The values that use each value.
 * @param {any} doc
 * @returns {Map<number, number[]>}
 */
function usersOf(doc) {
  let users = usersOfDocument.get(doc.values);
  if (!users) {
    users = new Map();
    for (const v of doc.values) for (const read of readBy(v)) users.set(read, [...(users.get(read) || []), v.id]);
    usersOfDocument.set(doc.values, users);
  }
  return users;
}

/** @type {WeakMap<any, Map<number, number[]>>} */
const usersOfDocument = new WeakMap();

/**
 * The values whose lines are a value's in a stage: its own, or where it is gone those that it went into, which may be gone themselves.
 * @param {any} stage
 * @param {any} value
 * @param {Set<number>} [seen]
 * @returns {number[]}
 */
function standIns(stage, value, seen = new Set()) {
  if (seen.has(value.id)) return [];
  seen.add(value.id);
  if (!value.gone || stage.lines.some((ids) => ids.includes(value.id))) return [value.id];
  return value.gone.into.flatMap((id) => standIns(stage, valueOf(id), seen));
}

/**
 * The lines of a stage that a value is in, counted from 0.
 * @param {any} stage
 * @param {any} value
 */
function linesOf(stage, value) {
  const wanted = standIns(stage, value);
  const found = [];
  stage.lines.forEach((ids, line) => {
    if (ids.some((id) => wanted.includes(id))) found.push(line);
  });
  return found;
}

when("choice", drawValue);
when("rows", drawValue);
