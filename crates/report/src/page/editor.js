// @ts-check
// The editor of `routefuse explore`: text on the left, and the page follows. The server has the address of this page; it gives
// documents for texts, and what is wrong with a text as places in it.

/** Milliseconds from a key to the question for the graph, and from the graph's answer to that for its machine code. */
const PAUSE = { graph: 25, code: 250 };

/** @type {any} */
const editor = {
  /** What the server said at first: `{ text, name, target, targets, examples }`. */
  settings: null,
  target: "host",
  name: "graph.route",
  /** @type {AbortController | null} ends the question that a newer edit has overtaken */
  asking: null,
  /** @type {{ code: string, message: string, help: string | null, context: string | null, line: number, start: number, end: number }[]} */
  wrong: [],
  timer: 0,
};

/** @param {any} settings */
function startEditor(settings) {
  editor.settings = settings;
  editor.target = settings.target;
  editor.name = settings.name;
  const root = byId("editor");
  root.hidden = false;
  const option = (value, chosen, text = value) => element("option", { value, selected: value === chosen }, text);
  root.append(
    element("div", { class: "head" }, element("h2", { id: "editor-title" }, "Edit"), element("span", { id: "editor-state", role: "status" })),
    element("div", { class: "controls" },
      element("select", { id: "example", "aria-label": "Begin with an example", onchange: beginWith },
        element("option", { value: "" }, "Begin with …"),
        settings.examples.map((group) => element("optgroup", { label: group.title }, group.names.map((name) => option(name, ""))))),
      element("select", { id: "machine", "aria-label": "Target", onchange: (e) => { editor.target = e.target.value; ask(0); } },
        settings.targets.map((name) => option(name, settings.target))),
      element("button", { type: "button", id: "reset", onclick: () => write(settings.text, settings.name) }, "Reset")),
    element("div", { class: "paper" },
      element("pre", { id: "layer", "aria-hidden": "true" }),
      element("textarea", { id: "text", "aria-label": "The graph's text", "aria-describedby": "wrong", spellcheck: "false", autocomplete: "off", autocapitalize: "off", wrap: "off" })),
    element("ul", { id: "wrong", "aria-label": "What is wrong" }),
    element("div", { class: "controls" },
      element("button", { type: "button", id: "save-text", onclick: () => save(editor.name, byId("text").value, "text/plain") }, "Download the text"),
      element("button", { type: "button", id: "save-report", onclick: saveReport }, "Download the report")));
  const text = byId("text");
  text.addEventListener("input", () => {
    paint();
    ask(PAUSE.graph);
  });
  text.addEventListener("scroll", align);
  text.addEventListener("keyup", placeNote);
  text.addEventListener("click", placeNote);
  write(settings.text, settings.name);
}

/** Puts a text into the editor. */
function write(text, name) {
  byId("text").value = text;
  editor.name = name;
  editor.wrong = [];
  paint();
  ask(0);
}

/** Asks the server beside this page. */
function post(what, body, signal) {
  return fetch(what, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal, cache: "no-store", credentials: "omit" });
}

async function beginWith(e) {
  const name = e.target.value;
  if (!name) return;
  e.target.value = "";
  // What is typed while the answer is on its way stays.
  const before = byId("text").value;
  try {
    const answer = await post("example", { name });
    if (!answer.ok) status(`There is no example ${name}.`);
    else if (byId("text").value === before) write((await answer.json()).text, `${name}.route`);
  } catch (error) {
    status(gone(error));
  }
}

/** @param {number} pause */
function ask(pause) {
  clearTimeout(editor.timer);
  editor.asking?.abort();
  editor.timer = setTimeout(follow, pause);
}

/** The page follows the text: first all but the drawing and machine code, then the drawing, if its layout is a new one, then machine
 * code; unless another edit comes between. */
async function follow() {
  const asking = (editor.asking = new AbortController());
  const body = { text: byId("text").value, name: editor.name, target: editor.target };
  try {
    const first = await answered(await post("document", body, asking.signal), asking.signal);
    if (!first) return;
    pending = true;
    show(first);
    status("Compiling …");
    if (first.graph === null) {
      const drawn = await post("drawing", body, asking.signal);
      const drawing = drawn.ok ? await drawn.json() : null;
      if (asking.signal.aborted) return;
      if (drawing) showDrawing(drawing);
    }
    await new Promise((done) => setTimeout(done, PAUSE.code));
    if (asking.signal.aborted) return;
    const whole = await answered(await post("code", body, asking.signal), asking.signal, true);
    if (!whole) return;
    pending = false;
    show(whole);
    status("");
  } catch (error) {
    if (asking.signal.aborted) return;
    endWaiting();
    status(gone(error));
  }
}

/** @param {Error} error */
function gone(error) {
  return `The server does not answer (${error.message}). Is it still running?`;
}

/** Whether machine code is still to come. */
let pending = false;

/** Panes that say that machine code is being compiled say so no longer. */
function endWaiting() {
  if (!pending) return;
  pending = false;
  tell("panes");
}

/** The document of an answer; where there is none, what is wrong is shown. `whole`: of machine code, without which the graph that is
 * shown is the text's all the same. */
async function answered(answer, signal, whole = false) {
  const body = await answer.json().catch(() => ({}));
  if (signal.aborted) return null;
  editor.wrong = answer.ok ? [] : body.diagnostics || [{ code: String(answer.status), message: body.error || answer.statusText, help: null, context: null, line: 0, start: 0, end: 0 }];
  byId("main").classList.toggle("stale", !answer.ok && !whole);
  paint();
  if (answer.ok) return body;
  endWaiting();
  const shown = whole ? "there is no machine code." : "the page shows the last graph that was right.";
  status(`${counted(editor.wrong.length, "error")}; ${shown}`);
  return null;
}

/** @param {string} text */
function status(text) {
  byId("editor-state").textContent = text;
}

/** The place in a text, in units of JavaScript, of a place in its UTF-8. */
function unitAt(text, byte) {
  let at = 0;
  let unit = 0;
  for (const c of text) {
    if (at >= byte) break;
    const point = c.codePointAt(0);
    at += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    unit += c.length;
  }
  return unit;
}

/** Draws the layer under the text: words in their colours, and a line under what is wrong. */
function paint() {
  const text = byId("text").value;
  const spans = editor.wrong.filter((w) => w.line > 0).map((w) => {
    const [start, end] = [unitAt(text, w.start), unitAt(text, w.end)];
    return { start, end: Math.max(end, start + 1) };
  });
  let offset = 0;
  fill(byId("layer"), ...text.split("\n").map((line) => {
    const own = spans.filter((s) => s.start <= offset + line.length && s.end > offset).map((s) => [Math.max(0, s.start - offset), Math.min(line.length, s.end - offset)]);
    offset += line.length + 1;
    const row = element("div", { class: "row" });
    if (!own.length) row.append(...words(line, "graph"));
    else row.append(...underlined(line, own));
    if (!line) row.append("\u200b");
    return row;
  }));
  byId("text").setAttribute("aria-invalid", String(editor.wrong.length > 0));
  fill(byId("wrong"), ...editor.wrong.map((w) => element("li", {},
    w.line ? element("button", { type: "button", class: "link", onclick: () => goTo(w) }, `line ${w.line}`) : null,
    element("code", {}, w.code), element("span", { class: "message" }, w.message),
    w.help ? element("p", { class: "hint" }, w.help) : null)));
  placeNote();
  align();
}

/** A line's text with underlined parts; one at the end of a line underlines a space. */
function underlined(line, parts) {
  const marked = new Array(line.length + 1).fill(false);
  for (const [start, end] of parts) for (let i = start; i < Math.max(end, start + 1); i += 1) marked[i] = true;
  const out = [];
  for (let i = 0; i <= line.length; ) {
    let end = i + 1;
    while (end <= line.length && marked[end] === marked[i]) end += 1;
    const text = line.slice(i, end) || (marked[i] ? " " : "");
    if (marked[i]) out.push(element("span", { class: "error" }, text));
    else out.push(...words(text, "graph"));
    i = end;
  }
  return out;
}

/** The first error under its line, unless the reader writes in the lines that it would cover. */
function placeNote() {
  const layer = byId("layer");
  layer.querySelector(".note")?.remove();
  const first = editor.wrong.find((w) => w.line > 0);
  if (!first) return;
  const text = byId("text");
  const caret = text.value.slice(0, text.selectionStart).split("\n").length;
  const row = layer.querySelectorAll(".row")[first.line - 1];
  if (!row || (document.activeElement === text && caret > first.line && caret <= first.line + 3)) return;
  const start = unitAt(text.value, first.start);
  const column = start - (text.value.lastIndexOf("\n", start - 1) + 1);
  const note = element("div", { class: "note" }, element("b", {}, first.code), ` ${first.message}`, first.help ? element("span", { class: "cure" }, first.help) : null);
  note.style.setProperty("--column", String(Math.min(column, 24)));
  row.append(note);
}

function align() {
  const [text, layer] = [byId("text"), byId("layer")];
  layer.scrollTo(text.scrollLeft, text.scrollTop);
}

function goTo(wrong) {
  const text = byId("text");
  text.focus();
  text.setSelectionRange(unitAt(text.value, wrong.start), unitAt(text.value, wrong.end));
  text.scrollTop = Math.max(0, (wrong.line - 4) * parseFloat(getComputedStyle(text).lineHeight));
}

/** Offers a text as a file. */
function save(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

async function saveReport() {
  const button = byId("save-report");
  const label = button.textContent;
  button.disabled = true;
  button.textContent = "Making the report …";
  try {
    const answer = await post("report", { text: byId("text").value, name: editor.name, target: editor.target });
    if (answer.ok) {
      save(editor.name.replace(/^.*\//, "").replace(/\.(route|json)$/, "") + ".html", await answer.text(), "text/html");
    } else {
      const wrong = await answer.json().catch(() => ({}));
      status(wrong.error || wrong.diagnostics?.[0]?.message || "The text has no report while something is wrong with it.");
    }
  } catch (error) {
    status(gone(error));
  } finally {
    button.disabled = false;
    button.textContent = label;
  }
}
