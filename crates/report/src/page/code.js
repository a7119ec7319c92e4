// @ts-check
// The lines of one stage: numbers, marks, live registers, colours of words, and the difference to an earlier stage.

/** Two letters for what a line of machine code does: never colour alone. */
const MARK_LETTERS = { load: "ld", store: "st", wait: "wt", barrier: "ba", exchange: "ex", branch: "br" };

/** Lines are put into chunks, so that a browser lays out only what is in sight. */
const CHUNK = 200;

/** Equal lines around a change that stay in sight. */
const AROUND = 3;

const WORDS = /("(?:[^"\\]|\\.)*")|(\/\/.*|#.*|;.*)|(%[\w.$]+|@[\w.$]+|\$L\w+|\.L\w+)|(\b(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:e[-+]?\d+)?)\b)|(\b(?:graph|dim|input|output|const|kernel|schedule|variants|program|func|return|load|store|row|route|define|declare|entry|param|reg)\b)/g;
const WORD_CLASSES = ["text", "comment", "name", "digits", "keyword"];

/**
 * A line's text with its words marked. A `#` begins a comment only in the project's own forms.
 * @param {string} text
 * @param {string} group
 */
function words(text, group) {
  if (text.length > 400) return [text];
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(WORDS)) {
    const kind = match.slice(1).findIndex((m) => m !== undefined);
    const comment = match[2];
    if (comment && ((comment[0] === "#" && group === "code") || (comment[0] === ";" && group !== "code"))) continue;
    if (match.index > end) parts.push(text.slice(end, match.index));
    parts.push(element("span", { class: WORD_CLASSES[kind] }, match[0]));
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push(text.slice(end));
  return parts;
}

/**
 * The lines of a text. A last line that is empty is none.
 * @param {string} text
 */
function splitLines(text) {
  const lines = text.split("\n");
  if (lines[lines.length - 1] === "") lines.pop();
  return lines;
}

/**
 * What a pane shows of a stage: its lines, or with `difference` those of both stages.
 * @param {any} stage
 * @param {boolean} difference
 * @returns {{ sign: string, line: number | null, text: string }[]}
 */
function shownLines(stage, difference) {
  const own = splitLines(stage.text);
  const from = difference && stage.diff && state.doc.stages.find((s) => s.id === stage.diff.from);
  if (!from) return own.map((text, line) => ({ sign: " ", line, text }));
  const old = splitLines(from.text);
  const shown = [];
  let [a, b] = [0, 0];
  for (const [sign, count] of stage.diff.runs) {
    for (let i = 0; i < count; i += 1) {
      if (sign === "-") shown.push({ sign, line: null, text: old[a] ?? "" });
      else shown.push({ sign: sign === "=" ? " " : "+", line: b, text: own[b] ?? "" });
      if (sign !== "+") a += 1;
      if (sign !== "-") b += 1;
    }
  }
  return shown;
}

/**
 * Which of the shown lines are folded away: equal ones far from any change.
 * @param {{ sign: string }[]} shown
 */
function folded(shown) {
  const near = new Array(shown.length).fill(false);
  shown.forEach(({ sign }, i) => {
    if (sign !== " ") for (let j = Math.max(0, i - AROUND); j <= Math.min(shown.length - 1, i + AROUND); j += 1) near[j] = true;
  });
  return near.map((kept) => !kept);
}

/**
 * The box with a stage's lines.
 * @param {any} stage
 * @param {boolean} difference
 */
function codeBox(stage, difference) {
  const shown = shownLines(stage, difference);
  const changed = shown.some((l) => l.sign !== " ");
  const away = difference && changed ? folded(shown) : shown.map(() => false);
  const marks = new Map((stage.marks || []).map((m) => [m.line, m]));
  const most = stage.live ? Math.max(1, ...stage.live.map((n) => n || 0)) : 0;
  const box = element("div", {
    class: `code${stage.live ? " with-live" : ""}${marks.size ? " with-marks" : ""}${difference ? " with-signs" : ""}`,
    tabindex: "0", role: "region", "aria-label": `${stageName(stage)}, text`,
  });
  if (difference && !changed) box.append(element("p", { class: "fold" }, "Nothing changed."));
  let chunk = null;
  let hidden = 0;
  const endFold = (at) => {
    if (!hidden) return;
    const rows = shown.slice(at - hidden, at);
    const button = element("button", { type: "button", class: "fold" }, `⋯ ${counted(rows.length, "equal line")}`);
    button.addEventListener("click", () => button.replaceWith(...rows.map((l) => lineRow(stage, l, marks, most))));
    chunk.append(button);
    hidden = 0;
  };
  shown.forEach((l, i) => {
    if (i % CHUNK === 0) {
      if (chunk) endFold(i);
      chunk = element("div", { class: i >= CHUNK ? "chunk beyond" : "chunk" });
      box.append(chunk);
    }
    if (away[i]) {
      hidden += 1;
      return;
    }
    endFold(i);
    chunk.append(lineRow(stage, l, marks, most));
  });
  if (chunk) endFold(shown.length);
  if (shown.length > CHUNK) box.append(element("p", { class: "printed" }, `… and ${grouped(shown.length - CHUNK)} lines more, in the page.`));
  box.addEventListener("click", (e) => {
    const row = e.target.closest(".line");
    if (row && getSelection()?.isCollapsed) chooseOfLine(row);
  });
  box.addEventListener("keydown", (e) => walkLines(box, e));
  return box;
}

/** One line. */
function lineRow(stage, { sign, line, text }, marks, most) {
  const ids = line === null ? [] : stage.lines[line] || [];
  const row = element("div", {
    class: `line${ids.length ? ` linked ${hue(ids[0])}` : ""}${sign === "+" ? " plus" : sign === "-" ? " minus" : ""}`,
    "data-line": line, "data-values": ids.length ? ids.join(" ") : null,
    title: ids.length ? ids.map((id) => valueOf(id)?.name).join(", ") : null,
  }, element("span", { class: "no", "aria-hidden": "true" }, line === null ? "" : String(line + 1)));
  if (sign !== " ") row.append(element("span", { class: "sign" }, sign === "-" ? "−" : "+"));
  if (stage.live) {
    const live = line === null ? null : stage.live[line];
    const bar = element("span", { class: "live", title: live === null || live === undefined ? null : `${counted(live, "register")} live after this line` }, live ? String(live) : "");
    bar.style.setProperty("--live", String((live || 0) / most));
    row.append(bar);
  }
  if (marks.size) {
    const mark = line === null ? null : marks.get(line);
    row.append(mark ? element("span", { class: `mark ${mark.kind}`, title: mark.what }, MARK_LETTERS[mark.kind] || mark.kind.slice(0, 2)) : element("span", { class: "mark" }));
  }
  row.append(element("span", { class: "src" }, text === "" ? " " : words(text, stage.group)));
  return row;
}

/** Chooses the line's value; on a line of several, the one after the chosen. */
function chooseOfLine(row) {
  const ids = (row.dataset.values || "").split(" ").filter(Boolean).map(Number);
  if (!ids.length) return;
  const chosen = chosenValue();
  choose(ids[(ids.indexOf(chosen ? chosen.id : -1) + 1) % ids.length]);
}

/** By keyboard: the lines that belong to values are walked with the arrows, and chosen with Enter. */
function walkLines(box, e) {
  if (!["ArrowDown", "ArrowUp", "Enter"].includes(e.key) || e.ctrlKey || e.metaKey || e.altKey || e.target !== box) return;
  const rows = [...box.querySelectorAll(".line.linked")];
  const at = rows.findIndex((row) => row.classList.contains("cursor"));
  e.preventDefault();
  if (e.key === "Enter") {
    if (at >= 0) chooseOfLine(rows[at]);
    return;
  }
  const next = at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + (e.key === "ArrowDown" ? 1 : -1)));
  if (!rows[next]) return;
  rows[at]?.classList.remove("cursor");
  rows[next].classList.add("cursor");
  intoView(box, rows[next]);
  say(rows[next].querySelector(".src").textContent.trim());
}

/** Where a box ends, or the window before it. */
function bottomOf(frame) {
  return frame.top + 40 < innerHeight ? Math.min(frame.bottom, innerHeight) : frame.bottom;
}

/** Scrolls a box, and nothing around it, so that a line of it is in sight. */
function intoView(box, row) {
  const [frame, at] = [box.getBoundingClientRect(), row.getBoundingClientRect()];
  const bottom = bottomOf(frame);
  if (at.top >= frame.top + 8 && at.bottom <= bottom - 8) return;
  box.scrollTo({ top: box.scrollTop + at.top - frame.top - (bottom - frame.top) / 3, behavior: still() ? "instant" : "smooth" });
}
