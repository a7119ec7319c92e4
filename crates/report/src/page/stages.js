// @ts-check
// Panes side by side, a stage in each.

/** @param {any} stage */
function stageName(stage) {
  const { after } = state.doc.launches;
  const kernel = after.length > 1 && stage.kernel !== null ? after[stage.kernel].name : null;
  return [stage.title, kernel, stage.variant].filter((part, i) => part && (i === 0 || !stage.title.includes(part))).join(" · ");
}

/** The titles of groups in the list of stages. */
const GROUPS = { graph: "The graph", passes: "Passes", kernel: "Kernels", code: "Code" };

/** The panes at first: the source, the kernel, and the last form of its code. */
function firstPanes(doc) {
  const of = (group) => doc.stages.filter((s) => s.group === group);
  const codes = of("code");
  const first = codes[0];
  const code = first && codes.filter((s) => s.kernel === first.kernel && s.variant === first.variant).pop();
  // Machine code that is still to come has its place already.
  const last = code ? { stage: code.id, difference: false } : pending ? { stage: "", title: "machine code", difference: false } : null;
  const kernels = of("kernel");
  const shown = [of("graph")[0], kernels.find((s) => s.kernel !== null) || kernels[0], last ? null : of("passes").pop()];
  return [...shown.filter(Boolean).map((s) => ({ stage: s.id, difference: false })), last].filter(Boolean);
}

/** Where panes were scrolled to, by stage: an edit leaves them there. */
const scrolled = new Map();

function drawStages() {
  const { doc } = state;
  const known = new Set(doc.stages.map((s) => s.id));
  if (!state.ownPanes || (!pending && state.panes.every((p) => !known.has(p.stage)))) state.panes = firstPanes(doc);
  fill(byId("stages"),
    element("div", { class: "head" }, element("h2", { id: "stages-title" }, "Stages"),
      element("p", { class: "hint" }, "A stripe's colour links a value's lines. Click a line to choose its value."),
      element("button", { type: "button", id: "add-pane", onclick: addPane }, "Add a pane")),
    element("div", { class: "panes" }, state.panes.map((pane, i) => drawPane(pane, i, known))));
  lightLines(true);
}

function addPane() {
  const used = new Set(state.panes.map((p) => p.stage));
  const next = state.doc.stages.find((s) => !used.has(s.id)) || state.doc.stages[0];
  state.ownPanes = true;
  state.panes.push({ stage: next.id, difference: false });
  tell("panes");
  byId("stages").querySelector(".pane:last-child select").focus();
}

/** One pane: the choice of its stage, its switches, its figures, its text. */
function drawPane(pane, index, known) {
  const { doc } = state;
  const stage = doc.stages.find((s) => s.id === pane.stage);
  const groups = [...new Set(doc.stages.map((s) => s.group))];
  const list = element("select", {
    "aria-label": `Stage in pane ${index + 1}`,
    onchange: (e) => {
      state.ownPanes = true;
      pane.stage = e.target.value;
      pane.difference = pane.difference && !!doc.stages.find((s) => s.id === pane.stage).diff;
      tell("panes");
      byId("stages").querySelectorAll(".pane select")[index].focus();
    },
  },
    known.has(pane.stage) ? null : element("option", { value: pane.stage, selected: true }, pane.title || pane.stage),
    groups.map((group) => element("optgroup", { label: GROUPS[group] || group },
      doc.stages.filter((s) => s.group === group).map((s) => element("option", { value: s.id, selected: s.id === pane.stage }, stageName(s))))));
  if (stage) pane.title = stageName(stage);
  const from = stage && stage.diff && doc.stages.find((s) => s.id === stage.diff.from);
  const difference = from && element("button", {
    type: "button", class: "toggle", "aria-pressed": String(pane.difference), title: `What changed since “${stageName(from)}”`,
    onclick: () => {
      state.ownPanes = true;
      pane.difference = !pane.difference;
      tell("panes");
      byId("stages").querySelectorAll(".pane")[index].querySelector(".toggle").focus();
    },
  }, "Difference");
  const close = state.panes.length > 1 && element("button", {
    type: "button", "aria-label": `Close pane ${index + 1}`, title: "Close this pane",
    onclick: () => {
      state.ownPanes = true;
      state.panes.splice(index, 1);
      tell("panes");
      byId("add-pane").focus();
    },
  }, "×");
  const counts = stage && stage.counts && stage.counts.length
    ? element("ul", { class: "counts" }, stage.counts.map(([name, count]) => element("li", {}, element("b", {}, typeof count === "number" ? digits(count) : String(count)), ` ${name}`)), loopsOf(stage)) : null;
  const text = stage ? codeBox(stage, pane.difference && !!from)
    : element("p", { class: "empty" }, pending ? "Being compiled …" : "The graph no longer has this stage.");
  const root = element("article", { class: "pane", "data-stage": pane.stage, "aria-label": stage ? stageName(stage) : pane.stage },
    element("div", { class: "choice" }, list, difference, close), counts, text);
  if (stage) {
    const place = `${index} ${stage.id} ${pane.difference}`;
    text.addEventListener("scroll", () => scrolled.set(place, [text.scrollLeft, text.scrollTop]), { passive: true });
    requestAnimationFrame(() => scrolled.has(place) && text.scrollTo(...scrolled.get(place)));
  }
  return root;
}

/** The loops of machine code: what a trip is, and how many there are where the code says it. */
function loopsOf(stage) {
  return (stage.loops || []).map((l) => element("li", { class: "loop" },
    element("button", { type: "button", class: "link", onclick: () => openStage(stage.id, l.header) }, `loop at line ${l.header + 1}`),
    element("span", {}, ": ", element("b", {}, grouped(l.instructions)), " instructions a trip, ", l.trips === null ? "trips by the data" : [element("b", {}, grouped(l.trips)), l.trips === 1 ? " trip" : " trips"])));
}

/**
 * Lights the lines of the chosen value in every pane, and scrolls the first of them into sight.
 * @param {boolean} [inPlace] without scrolling
 */
function lightLines(inPlace = false) {
  const chosen = chosenValue();
  for (const box of byId("stages").querySelectorAll(".code")) {
    const stage = state.doc.stages.find((s) => s.id === box.closest(".pane").dataset.stage);
    const wanted = chosen && stage ? standIns(stage, chosen).map(String) : [];
    let first = null;
    let seen = false;
    const frame = box.getBoundingClientRect();
    for (const row of box.querySelectorAll(".line")) {
      const on = (row.dataset.values || "").split(" ").some((id) => wanted.includes(id));
      row.classList.toggle("lit", on);
      if (on) {
        first ||= row;
        const at = row.getBoundingClientRect();
        seen ||= at.top >= frame.top && at.bottom <= bottomOf(frame);
      }
    }
    if (first && !seen && !inPlace) intoView(box, first);
  }
}

/**
 * Shows a line of a stage: in the pane that has the stage, or else in the last.
 * @param {string} id
 * @param {number} line
 */
function openStage(id, line) {
  let index = state.panes.findIndex((p) => p.stage === id);
  if (index < 0) {
    state.ownPanes = true;
    index = state.panes.length - 1;
    state.panes[index] = { stage: id, difference: false };
    tell("panes");
  }
  if (state.panes[index].difference) {
    state.panes[index].difference = false;
    tell("panes");
  }
  const pane = byId("stages").querySelectorAll(".pane")[index];
  pane.scrollIntoView({ block: "nearest", behavior: still() ? "instant" : "smooth" });
  const [box, row] = [pane.querySelector(".code"), pane.querySelector(`[data-line="${line}"]`)];
  for (const old of box.querySelectorAll(".cursor")) old.classList.remove("cursor");
  if (!row) return;
  row.classList.add("cursor");
  box.focus({ preventScroll: true });
  intoView(box, row);
}

when("document", drawStages);
when("panes", drawStages);
when("choice", () => lightLines());
