// @ts-check
// The check against the interpreter, the timings of the compile, keys, proofs and reasons.

function drawNumbers() {
  const { numbers, left_out: leftOut } = state.doc;
  const parts = [checkPart(numbers.check), reasonsPart(numbers), compilePart(numbers.compile), keysPart(numbers.keys), leftOutPart(leftOut)];
  fill(byId("numbers"),
    element("div", { class: "head" }, element("h2", { id: "numbers-title" }, "Numbers")),
    ...parts.filter(Boolean));
}

/** The outputs beside the interpreter's. */
function checkPart(check) {
  if (!check) return null;
  const differing = check.outputs.reduce((sum, o) => sum + o.differing, 0);
  const compared = check.outputs.reduce((sum, o) => sum + o.compared, 0);
  return element("article", { class: "check" },
    element("h3", {}, "Check against the interpreter"),
    element("p", { class: differing ? "verdict bad" : "verdict good" }, element("span", { "aria-hidden": "true" }, differing ? "✗ " : "✓ "),
      differing ? `${grouped(differing)} of ${counted(compared, "element")} differ` : `All ${counted(compared, "element")} have the same bits`,
      `: ${check.dims.map((d) => `${d.name} = ${grouped(d.at)}`).join(", ") || counted(check.rows, "row")}, ${check.inputs}.`),
    check.outputs.map((output) => element("details", { open: output.differing > 0 || check.outputs.length <= 3 },
      element("summary", {}, element("code", {}, output.name), ` ${output.type}: `, output.differing ? `${grouped(output.differing)} of ${grouped(output.compared)} differ` : `${grouped(output.compared)} equal`),
      firstRows(output))));
}

/** The first rows of an output: ours, and the reference's under it where it differs. */
function firstRows(output) {
  const wide = Math.max(0, ...output.ours.map((r) => r.length));
  const most = Math.min(wide, 32);
  const rows = output.ours.flatMap((ours, row) => {
    const reference = output.reference[row] || [];
    const cells = (of, other) => of.slice(0, most).map((v, c) => [String(v), String(v) === String(other[c]) ? RIGHT : { class: "number differs", title: `the reference has ${other[c]}` }]);
    return [
      [[`row ${row}`, { class: "side" }], ["compiled", { class: "side" }], ...cells(ours, reference)],
      [["", { class: "side" }], ["reference", { class: "side" }], ...cells(reference, ours)],
    ];
  });
  const grid = table(`First rows of ${output.name}${wide > most ? `, first ${most} of ${wide} columns` : ""}`, ["", "", ...Array.from({ length: most }, (_, c) => [String(c), RIGHT])], rows);
  grid.querySelectorAll("tbody tr:nth-child(even)").forEach((row) => row.classList.add("reference"));
  return grid;
}

/** What was proved, what is checked at run time, and why there are not fewer kernels. */
function reasonsPart(numbers) {
  const list = (title, items, none) => element("div", {}, element("h3", {}, title),
    items && items.length ? element("ul", {}, items.map((item) => element("li", {}, item))) : element("p", { class: "empty" }, none));
  return element("article", { class: "reasons" },
    list("Proved", numbers.proved, "No gather needs a proof."),
    list("Checked at run time", numbers.checked, "Nothing."),
    list("Why not fewer kernels", numbers.why_not_fewer, "One kernel is the fewest."),
    numbers.tuned.length ? list("Tuned, by records of the cache", numbers.tuned, "") : null);
}

/** The phases of each compile as one bar. */
function compilePart(compile) {
  if (!compile.length) return null;
  const total = (c) => c.phases.reduce((sum, [, us]) => sum + us, 0);
  const most = Math.max(1, ...compile.map(total));
  const names = [...new Set(compile.flatMap((c) => c.phases.map(([name]) => name)))];
  const rows = compile.map((c) => {
    const bar = element("span", { class: "stack", "aria-hidden": "true" }, c.phases.map(([name, us]) => {
      const part = element("span", { class: `hue${names.indexOf(name) % 7}`, title: `${name}: ${duration(us * 1e-6)}` });
      part.style.setProperty("--part", String(us / most));
      return part;
    }));
    return [kernelName(c.kernel), c.variant, [duration(total(c) * 1e-6), RIGHT], bar, ...names.map((name) => {
      const found = c.phases.find(([n]) => n === name);
      return [found ? duration(found[1] * 1e-6) : "", RIGHT];
    }), [bytes(c.code_bytes), RIGHT]];
  });
  return element("article", {}, element("h3", {}, "Compile"),
    table("Time of each phase", ["kernel", "variant", ["time", RIGHT], "phases", ...names.map((n, i) => [element("span", {}, element("span", { class: `dot hue${i % 7}`, "aria-hidden": "true" }), n), RIGHT]), ["code", RIGHT]], rows));
}

/** @param {number} kernel */
function kernelName(kernel) {
  return state.doc.launches.after[kernel].name;
}

/** What is not in the document, and the command that shows it. */
function leftOutPart(leftOut) {
  if (!leftOut || !leftOut.length) return null;
  return element("article", {}, element("h3", {}, "Left out"), element("ul", { class: "left-out" }, leftOut.map(({ what, command }) => element("li", {}, what, command ? [": ", element("code", { class: "whole" }, command)] : null))));
}

/** The key of each kernel and variant, with the text that it is the hash of. */
function keysPart(keys) {
  if (!keys.length) return null;
  return element("article", {}, element("h3", {}, "Keys"),
    element("p", { class: "hint" }, "A cache key is the hash of a text of all that decides a kernel's code. The number of rows is not in it."),
    keys.map((k) => element("details", {},
      element("summary", {}, `${kernelName(k.kernel)} · ${k.variant} `, element("code", {}, k.key.slice(0, 16) + "…")),
      element("p", {}, element("code", { class: "whole" }, k.key)),
      element("pre", { tabindex: "0", "aria-label": "Text of the key" }, k.text))));
}

when("document", drawNumbers);
