// @ts-check
// Every launch with its bytes and variant at the chosen rows, and the times over all rows.

function drawLaunches() {
  const { doc } = state;
  const section = byId("launches");
  fill(section,
    element("div", { class: "head" }, element("h2", { id: "launches-title" }, "Launches"),
      element("p", { class: "hint" }, doc.dim ? `What each launch moves at ${extentsText()}.` : "What each launch moves.")),
    element("div", { class: "lay" },
      element("div", {}, launchTable("after", "As compiled"), launchTable("before", "As written")), chart(doc)));
}

/** Launches of a side that are listed one by one; all are counted. */
const LISTED_LAUNCHES = 300;

/**
 * @param {Side} side
 * @param {string} title
 */
function launchTable(side, title) {
  const { doc, extents } = state;
  const launches = doc.launches[side];
  const variants = launches.some((l) => l.variants.length);
  const dims = doc.dims.length > 1;
  const body = launches.slice(0, LISTED_LAUNCHES).map((launch) => {
    const [first, ...others] = variantsAt(launch, extents);
    const variant = first ? element("span", { title: first.when }, first.name, others.length ? element("span", { class: "hint" }, `, else ${others.map((v) => v.name).join(", ")}`) : null) : "";
    return [launch.name, ...(dims ? [launch.rows ?? ""] : []), [bytes(bytesRead(launch, extents)), RIGHT], [bytes(bytesWritten(launch, extents)), RIGHT], ...(variants ? [variant] : [])];
  });
  const more = launches.length - body.length;
  if (more > 0) body.push([`and ${grouped(more)} more`, ...(dims ? [""] : []), "", "", ...(variants ? [""] : [])]);
  const sum = (of) => launches.reduce((total, launch) => total + of(launch, extents), 0);
  body.push([`all ${launches.length}`, ...(dims ? [""] : []), [bytes(sum(bytesRead)), RIGHT], [bytes(sum(bytesWritten)), RIGHT], ...(variants ? [""] : [])]);
  const grid = table(`${title}: ${counted(launches.length, "launch", "launches")}`, ["launch", ...(dims ? ["rows"] : []), ["reads", RIGHT], ["writes", RIGHT], ...(variants ? ["variant"] : [])], body);
  grid.querySelector("tbody tr:last-child").classList.add("sum");
  return grid;
}

/** Times over rows, both on a logarithmic scale: memory's least time as lines, what was measured as points. */
function chart(doc) {
  if (!doc.bandwidth || !doc.dim) return null;
  const most = mostRows();
  const at = (rows) => ({ ...state.extents, [doc.dim.name]: rows });
  const [left, top, width, height] = [56, 12, 420, 250];
  const sides = /** @type {Side[]} */ (["before", "after"]);
  const all = sides.flatMap((side) => [1, most].map((r) => floorAt(doc, side, at(r))).concat(measuredPoints(doc, side).map((p) => p.microseconds * 1e-6))).filter((t) => t !== null && t > 0);
  if (!all.length) return null;
  const [low, high] = [Math.floor(Math.log10(Math.min(...all))), Math.ceil(Math.log10(Math.max(...all)))];
  const x = (rows) => left + (Math.log2(rows) / Math.log2(most)) * width;
  const y = (seconds) => top + height - ((Math.log10(seconds) - low) / (high - low || 1)) * height;
  const decades = [];
  for (let d = low; d <= high; d += 1) decades.push(10 ** d);
  const samples = [];
  for (let r = 1; r <= most; r *= 2) samples.push(r);
  const line = (points) => points.map(([px, py], i) => `${i ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`).join("");
  const measured = sides.some((side) => measuredPoints(doc, side).length);
  const words = `Time over rows: what memory takes at the least${measured ? ", and what was measured" : ""}`;
  const picture = shape("svg", { class: "chart", viewBox: `0 0 ${left + width + 16} ${top + height + 40}`, role: "img", "aria-label": words },
    decades.map((t) => [shape("path", { class: "tick", d: `M${left} ${y(t)}h${width}` }), shape("text", { class: "sub", x: left - 6, y: y(t) + 4, "text-anchor": "end" }, duration(t))]),
    MARKS.map((r) => [shape("path", { class: "tick", d: `M${x(r)} ${top}v${height}` }), shape("text", { class: "sub", x: x(r), y: top + height + 16, "text-anchor": "middle" }, String(r))]),
    shape("text", { class: "sub", x: left + width / 2, y: top + height + 34, "text-anchor": "middle" }, rowsName()),
    sides.map((side) => shape("path", { class: `floor ${side}`, d: line(samples.map((r) => [x(r), y(floorAt(doc, side, at(r)))])) })),
    sides.map((side) => {
      const points = measuredPoints(doc, side).map((p) => [x(p.rows), y(p.microseconds * 1e-6)]);
      return points.length ? [shape("path", { class: `measured ${side}`, d: line(points) }), points.map(([px, py]) => side === "after"
        ? shape("circle", { class: `point ${side}`, cx: px, cy: py, r: 3.5 }) : shape("rect", { class: `point ${side}`, x: px - 3, y: py - 3, width: 6, height: 6 }))] : null;
    }),
    shape("path", { class: "now", d: `M${x(sliderRows())} ${top}v${height}` }));
  const key = (name, text) => element("li", {}, element("span", { class: `swatch ${name}`, "aria-hidden": "true" }), text);
  return element("figure", { class: "times" }, picture,
    element("figcaption", {}, element("ul", { class: "legend" }, key("floor before", "as written, memory's time"), key("floor after", "as compiled, memory's time"),
      measured ? [key("measured before", "as written, measured"), key("measured after", "as compiled, measured")] : null),
      element("p", { class: "hint" }, `Memory's time is bytes over ${bytes(doc.bandwidth.bytes_per_second)}/s, ${doc.bandwidth.of}: a launch at 100 % of the roofline takes no longer.`)));
}

when("document", drawLaunches);
when("rows", drawLaunches);
