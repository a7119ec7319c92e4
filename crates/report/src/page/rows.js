// @ts-check
// The slider of rows, and what a launch of so many rows moves and takes.

/** Marks under the slider. */
const MARKS = [1, 8, 64, 512, 4096, 65536];

/** The rows that the slider stops at: every integer at first, then eight a doubling, and where another variant begins. */
let stops = [1];

/** What the rows are called. A graph without a symbol has one row. */
function rowsName() {
  return state.doc.dim ? state.doc.dim.name : "rows";
}

/** @param {any} doc */
function stopsOf(doc) {
  const most = mostRows();
  const all = new Set([sliderRows(), most]);
  for (let step = 0; 2 ** (step / 8) <= most; step += 1) all.add(Math.round(2 ** (step / 8)));
  for (const rows of thresholds(doc)) [rows - 1, rows].filter((r) => r <= most).forEach((r) => all.add(r));
  for (const side of /** @type {Side[]} */ (["before", "after"])) measuredPoints(doc, side).forEach((p) => all.add(p.rows));
  return [...all].sort((a, b) => a - b);
}

/**
 * The place of a number of rows among the stops, between 0 and their last index.
 * @param {number} rows
 */
function stopOf(rows) {
  const next = stops.findIndex((s) => s >= rows);
  if (next <= 0) return next === 0 ? 0 : stops.length - 1;
  return stops[next] === rows || stops[next] - rows < rows - stops[next - 1] ? next : next - 1;
}

function drawRows() {
  const doc = state.doc;
  stops = stopsOf(doc);
  const last = stops.length - 1;
  const name = rowsName();
  const slider = element("input", {
    id: "slider", type: "range", min: 0, max: last, step: 1, "aria-label": `Rows of a launch, ${name}`,
    oninput: (e) => chooseRows(stops[Number(e.target.value)]),
  });
  const exact = element("input", {
    id: "exact", type: "number", min: 1, max: mostRows(), "aria-label": `${name}, exactly`,
    onchange: (e) => chooseRows(Number(e.target.value)),
  });
  const marks = element("div", { class: "marks", "aria-hidden": "true" }, MARKS.map((rows) => {
    const mark = element("span", { onclick: () => chooseRows(rows) }, grouped(rows));
    mark.style.setProperty("--at", String(stopOf(rows) / last));
    return mark;
  }));
  fill(byId("rows"),
    doc.dim && element("div", { class: "slide" },
      element("label", { class: "dim", for: "exact" }, `${name} =`), exact,
      element("div", { class: "track" }, slider, marks),
      otherDims(doc)),
    element("dl", { id: "figures" }));
  drawFigures();
}

/** A field for each dim that the slider does not move. */
function otherDims(doc) {
  const others = doc.dims.filter((dim) => dim.name !== doc.dim.name);
  if (!others.length) return null;
  return element("div", { class: "others" }, others.map((dim) => element("label", { class: "dim" }, `${dim.name} = `,
    element("input", { type: "number", min: 1, value: extentOf(dim.name), "data-dim": dim.name, onchange: (e) => chooseExtent(dim.name, Number(e.target.value)) }))));
}

/**
 * A figure: what it is, its value before and after.
 * @param {string} key
 * @param {string} title
 * @param {string | null} before
 * @param {string | null} after
 * @param {string} [note]
 */
function figure(key, title, before, after, note = "") {
  const both = before !== null && before !== after;
  return element("div", { "data-figure": key, title: note || null },
    element("dt", {}, title),
    element("dd", {},
      both ? element("span", { class: "before" }, before) : null,
      both ? element("span", { class: "arrow" }, element("span", { class: "unseen" }, " becomes "), element("span", { "aria-hidden": "true" }, "→")) : null,
      element("span", { class: "after" }, after ?? "–")));
}

/** Draws the figures at the chosen rows. */
function drawFigures() {
  const { doc, extents } = state;
  const rows = sliderRows();
  if (doc.dim) {
    byId("slider").value = String(stopOf(rows));
    byId("slider").setAttribute("aria-valuetext", counted(rows, "row"));
    byId("exact").value = String(rows);
    for (const field of byId("rows").querySelectorAll("[data-dim]")) field.value = String(extentOf(field.dataset.dim));
  }
  const [moved, kept] = [bytesMoved(doc.launches.before, extents), bytesMoved(doc.launches.after, extents)];
  const figures = [
    figure("launches", "launches", String(doc.launches.before.length), String(doc.launches.after.length)),
    figure("bytes", "bytes moved", bytes(moved), bytes(kept), moved ? `${percent(kept / moved)} of what the graph moves as written` : ""),
  ];
  if (doc.bandwidth) {
    const note = `The time that memory takes for these bytes at ${bytes(doc.bandwidth.bytes_per_second)}/s: ${doc.bandwidth.of}`;
    figures.push(figure("floor", "memory's time", duration(floorAt(doc, "before", extents)), duration(floorAt(doc, "after", extents)), note));
  }
  const times = { before: timeAt(doc, "before", rows), after: timeAt(doc, "after", rows) };
  if (times.before || times.after) {
    const shown = times.after || times.before;
    const note = (shown.between ? `Between what was measured at ${shown.between[0]} and ${shown.between[1]} rows` : "Measured") + `, ${shown.card}`;
    figures.push(figure("time", shown.between ? "time, between" : "time, measured", times.before && duration(times.before.seconds), times.after && duration(times.after.seconds), note));
    if (doc.bandwidth) {
      const share = (side) => times[side] && percent(floorAt(doc, side, extents) / times[side].seconds);
      figures.push(figure("share", "of the roofline", share("before"), share("after"), "Memory's time as a share of the measured time"));
    }
  }
  const variants = doc.launches.after.flatMap((launch) => variantsAt(launch, extents).slice(0, 1));
  if (variants.length) {
    const names = [...new Set(variants.map((v) => v.name))];
    figures.push(figure("variant", names.length > 1 ? "variants" : "variant", null, names.join(", "), variants[0].when));
  }
  fill(byId("figures"), ...figures);
}

when("document", drawRows);
when("rows", drawFigures);
