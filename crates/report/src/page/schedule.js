// @ts-check
// How rows and columns meet lanes: who holds what, what crosses lanes, and what the notation says.

/** The shape that was chosen by hand, by kernel; otherwise the one that the chosen rows take. */
const shapesChosen = new Map();

/** Lanes and columns that are drawn one by one. */
const MOST_LANES = 64;

/** The drawn shapes of a schedule: none where its lanes are not known. */
function shapesOf(schedule) {
  return schedule.shapes || [];
}

/** @param {any} schedule */
function shapeAt(schedule) {
  const by = shapesChosen.get(schedule.kernel);
  if (by !== undefined && shapesOf(schedule)[by]) return by;
  const launch = state.doc.launches.after[schedule.kernel];
  const rows = launch ? extentOf(launch.rows) : 1;
  const at = shapesOf(schedule).findIndex((s) => s.from <= rows && (s.to === null || rows <= s.to));
  return Math.max(0, at);
}

function drawSchedule() {
  const { doc } = state;
  const known = doc.schedules || [];
  shapesDrawn = known.map(shapeAt).join();
  fill(byId("schedule"),
    element("div", { class: "head" }, element("h2", { id: "schedule-title" }, "Schedule"),
      element("p", { class: "hint" }, "How the rows and columns of a kernel meet the lanes of the machine.")),
    ...(known.length ? known.map(drawKernel) : [element("p", { class: "empty" }, "No schedule is shown.")]));
}

/** The schedule of one kernel. */
function drawKernel(schedule) {
  const { doc } = state;
  const kernel = doc.launches.after[schedule.kernel];
  const at = shapeAt(schedule);
  const chosen = shapesOf(schedule)[at];
  const name = kernel ? kernel.name : `kernel ${schedule.kernel}`;
  const tabs = shapesOf(schedule).length > 1 ? element("div", { class: "tabs", role: "group", "aria-label": `Shapes of ${name}` },
    shapesOf(schedule).map((s, i) => element("button", {
      type: "button", "aria-pressed": String(i === at),
      onclick: () => {
        shapesChosen.set(schedule.kernel, i);
        drawSchedule();
        byId("schedule").querySelectorAll(`[data-kernel="${schedule.kernel}"] .tabs button`)[i].focus();
      },
    }, shapeRows(s)))) : null;
  return element("article", { class: "kernel", "data-kernel": schedule.kernel },
    element("h3", {}, name, element("span", { class: "tag" }, schedule.target)),
    tabs,
    chosen ? element("p", {}, shapeSentence(chosen)) : null,
    element("div", { class: "lay drawn" }, chosen ? [spreads(chosen), phases(chosen)] : null),
    notation(schedule));
}

/** Which rows a shape is for. */
function shapeRows(s) {
  if (s.from <= 1 && s.to === null) return "any number of rows";
  if (s.to === null) return `${grouped(s.from)} rows and more`;
  return s.from <= 1 ? `up to ${grouped(s.to)} rows` : `${grouped(s.from)} to ${grouped(s.to)} rows`;
}

function shapeSentence(s) {
  const lanes = s.lanes === 0 ? "Threads take pieces of rows" : s.lanes === 1 ? "One lane has a row" : `${s.lanes} lanes share a row`;
  const threads = s.threads > 1 ? `; ${counted(s.threads, "thread")} are a block` : "";
  const block = s.rows_a_block > 1 ? `, which has ${counted(s.rows_a_block, "row")} at a time` : "";
  return `For ${s.rows || shapeRows(s)}: ${lanes}${threads}${block}.`;
}

/** What a lane of a drawing is. */
const LANES = { thread: "thread", loop: "the one thread, column by column", vector_lane: "lane of a vector register" };

/** Lanes down, columns across: what lies over lanes in one way. */
function spreadFigure(spread) {
  const { columns, rows, owner } = spread;
  const elements = columns * rows;
  const shown = owner.slice(0, MOST_LANES);
  const [left, top, width] = [58, rows > 1 ? 42 : 30, 560];
  const height = Math.max(9, Math.min(20, 400 / shown.length));
  const x = (at) => left + (at / elements) * width;
  const every = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].find((n) => elements / n <= 18) || 1024;
  const ticks = [];
  for (let c = 0; c < elements; c += every) ticks.push(c);
  const bottom = top + shown.length * height;
  const name = (first, last) => {
    const of = rows > 1 ? ` of row ${Math.floor(first / columns)}` : "";
    const [a, b] = [first % columns, last % columns];
    return Math.floor(first / columns) !== Math.floor(last / columns) ? `elements ${first} to ${last}` : a === b ? `column ${a}${of}` : `columns ${a} to ${b}${of}`;
  };
  const picture = shape("svg", { class: "lanes", viewBox: `0 0 ${left + width + 10} ${bottom + 8}`, role: "img", "aria-label": `Which lane has which of ${counted(columns, "column")}: ${spread.what}` },
    shape("text", { class: "sub", x: left, y: 11 }, rows > 1 ? "row and column" : "column"),
    ticks.map((c) => [shape("path", { class: "tick", d: `M${x(c)} ${top - 4}V${bottom}` }), shape("text", { class: "sub", x: x(c) + 2, y: top - 6 }, String(c % columns))]),
    rows > 1 ? Array.from({ length: rows }, (_, row) => [shape("path", { class: "row", d: `M${x(row * columns)} ${top - 16}V${bottom}` }), shape("text", { class: "sub", x: x(row * columns) + 3, y: top - 18 }, `row ${row}`)]) : null,
    shown.map((runs, lane) => {
      const y = top + lane * height;
      return shape("g", {},
        height >= 11 || lane % 4 === 0 ? shape("text", { class: "sub", x: left - 6, y: y + height / 2 + 3.5, "text-anchor": "end" }, lane ? String(lane) : "lane 0") : null,
        runs.map(([first, last]) => [
          shape("rect", { class: `own hue${lane % 7}`, x: x(first), y: y + 1, width: Math.max(2, x(last + 1) - x(first) - 1), height: height - 2, rx: 2 }, shape("title", {}, `lane ${lane}: ${name(first, last)}`)),
          height >= 12 && x(last + 1) - x(first) >= 46 ? shape("text", { class: "in", x: (x(first) + x(last + 1)) / 2, y: y + height / 2 + 3.5, "text-anchor": "middle" }, first === last ? String(first % columns) : `${first % columns}–${last % columns}`) : null]));
    }));
  const without = owner.filter((runs) => !runs.length).length;
  const notes = [
    `A lane is a ${LANES[spread.lane] || spread.lane}`.replace("a the", "the"),
    spread.interleaved && "a lane's columns are runs that lie apart",
    spread.segment < columns && `columns are treated ${spread.segment} together`,
    spread.times > 1 && `all of it lies ${spread.times} times over the lanes; the first store it`,
    without && `${counted(without, "lane")} ${without === 1 ? "has" : "have"} none`,
    owner.length > shown.length && `the first ${shown.length} of ${owner.length} lanes are drawn`,
    spread.more_lanes && `${counted(spread.more_lanes, "further lane")} go on in the same manner`,
  ].filter(Boolean);
  return element("figure", { class: "own" },
    element("figcaption", {}, element("b", {}, spread.what), element("span", { class: "chips" }, spread.values.map(named))),
    element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": `Lanes and columns: ${spread.what}` }, picture),
    element("p", { class: "hint" }, `${notes.join("; ")}.`));
}

/** All ways in which columns lie over lanes; the widest two stand open. */
function spreads(s) {
  const drawn = s.spreads.filter((spread) => spread.owner.some((runs) => runs.length));
  if (!drawn.length) return null;
  const rest = drawn.slice(2);
  return element("div", { class: "spreads" }, drawn.slice(0, 2).map(spreadFigure),
    rest.length ? element("details", {}, element("summary", {}, `${counted(rest.length, "further way", "further ways")} in which columns lie over lanes`), rest.map(spreadFigure)) : null);
}

/** A value by its name in the source or in the kernel: the source's can be chosen. */
function named(name) {
  const value = state.doc.values.find((v) => v.name === name);
  return value ? chip(value.id) : element("code", { class: "plain" }, name);
}

/** The phases of a row, in order, with what crosses lanes. */
function phases(s) {
  if (!s.phases.length) return null;
  const line = (title, names) => (names.length ? element("p", { class: "chips" }, element("span", { class: "hint" }, `${title} `), names.map(named)) : null);
  return element("ol", { class: "phases" }, s.phases.map((p) => element("li", { class: p.crosses_lanes ? "crosses" : null },
    element("b", {}, p.title),
    element("span", { class: "badge" }, p.crosses_lanes ? "⇄ crosses lanes" : "within a lane"),
    p.why ? element("p", {}, p.why) : null,
    line("reads", p.loads), line("computes", p.values), line("stores", p.stores),
    p.crossing ? element("p", {}, p.crossing) : null,
    p.then ? element("p", { class: "then" }, p.then) : null)));
}

/** The notation, each word of it explained. */
function notation(schedule) {
  if (!schedule.notation) return null;
  return element("details", { class: "notation", open: true },
    element("summary", {}, "As the text form of kernels writes it"),
    element("pre", { tabindex: "0", "aria-label": "Notation of the schedule" }, schedule.notation),
    schedule.words && schedule.words.length ? element("dl", {}, schedule.words.map((w) => [element("dt", {}, w.term), element("dd", {}, w.meaning)])) : null);
}

/** Which shapes are drawn: other rows mostly have the same. */
let shapesDrawn = "";

when("document", drawSchedule);
when("rows", () => {
  shapesChosen.clear();
  if ((state.doc.schedules || []).map(shapeAt).join() !== shapesDrawn) drawSchedule();
});
