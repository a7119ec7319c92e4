// @ts-check
// Search over the text of all stages.

/** Hits that are listed; all are counted. */
const LISTED = 120;

/**
 * The lines of all stages that have a text, in any case.
 * @param {any} doc
 * @param {string} query
 */
function search(doc, query) {
  const wanted = query.toLowerCase();
  if (!wanted) return [];
  return doc.stages.map((stage) => {
    const hits = [];
    splitLines(stage.text).forEach((text, line) => {
      const column = text.toLowerCase().indexOf(wanted);
      if (column >= 0) hits.push({ line, text, column });
    });
    return { stage, hits };
  }).filter((found) => found.hits.length);
}

function drawFound() {
  const { doc, query } = state;
  const panel = byId("found");
  const found = search(doc, query);
  panel.hidden = query === "";
  lightWords();
  if (panel.hidden) return;
  const count = found.reduce((sum, f) => sum + f.hits.length, 0);
  const most = Math.max(3, Math.floor(LISTED / (found.length || 1)));
  fill(panel,
    element("div", { class: "head" },
      element("p", { class: "sum" }, count ? `“${query}” is in ${counted(count, "line")} of ${counted(found.length, "stage")}` : `No stage has “${query}”`),
      element("button", { type: "button", onclick: endSearch }, "Close")),
    found.map(({ stage, hits }) => element("section", {},
      element("h3", {}, `${stageName(stage)}: ${hits.length}`),
      element("ol", {}, hits.slice(0, most).map((hit) => element("li", {},
        element("button", { type: "button", class: "hit", onclick: () => openStage(stage.id, hit.line) },
          element("span", { class: "no" }, String(hit.line + 1)), excerpt(hit, query.length))))),
      hits.length > most ? element("p", { class: "hint" }, `and ${counted(hits.length - most, "line")} more`) : null)));
  say(count ? `${count} lines found` : "Nothing found");
}

/** A line around what was found in it. */
function excerpt({ text, column }, length) {
  const from = Math.max(0, column - 40);
  return element("code", {}, (from ? "…" : "") + text.slice(from, column).trimStart(), element("mark", {}, text.slice(column, column + length)), text.slice(column + length, column + length + 60));
}

function endSearch() {
  state.query = byId("find").value = "";
  drawFound();
  byId("find").focus();
}

/** Marks what was found in the panes, where the browser can without touching their text. */
function lightWords() {
  if (!("highlights" in CSS)) return;
  CSS.highlights.delete("found");
  const wanted = state.query.toLowerCase();
  if (!wanted) return;
  const ranges = [];
  for (const text of byId("stages").querySelectorAll(".src")) {
    const at = text.textContent.toLowerCase().indexOf(wanted);
    if (at >= 0 && ranges.length < 2000) ranges.push(rangeIn(text, at, wanted.length));
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}

/** The range of characters of an element, which may be in several text nodes. */
function rangeIn(node, start, length) {
  const range = document.createRange();
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  let at = 0;
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const size = text.textContent.length;
    if (at <= start && start < at + size) range.setStart(text, start - at);
    if (at < start + length && start + length <= at + size) {
      range.setEnd(text, start + length - at);
      break;
    }
    at += size;
  }
  return range;
}

when("document", drawFound);
when("panes", lightWords);
