// @ts-check
// The graph before and after fusion: two drawings that can be moved, enlarged and walked by keyboard.

/** What each kind of box is called. */
const KINDS = {
  input: "input", output: "output", memory: "memory between kernels", constant: "constant", op: "operation inside a kernel",
  kernel: "operation that is a kernel",
};

/** Smaller than this, labels cannot be read. */
const LEAST_SCALE = 0.56;

/** @type {ReturnType<typeof view>[]} */
let views = [];

/**
 * One drawing in its frame.
 * @param {Side} side
 * @param {any} drawing
 * @param {string} title
 */
function view(side, drawing, title) {
  let [x, y, scale] = [0, 0, 1];
  const content = shape("g");
  const head = (id) => shape("marker", { id: `${id}-${side}`, class: id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" }, shape("path", { d: "M0 0L8 4L0 8z" }));
  const svg = shape("svg", { class: "canvas", role: "group", "aria-label": title, tabindex: "0" }, shape("defs", {}, head("head"), head("lit")), content);
  const small = minimap();

  function place() {
    content.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${scale.toFixed(4)})`);
    small.move();
  }
  function zoom(factor, cx = svg.clientWidth / 2, cy = svg.clientHeight / 2) {
    const next = Math.min(4, Math.max(0.08, scale * factor));
    x = cx - ((cx - x) * next) / scale;
    y = cy - ((cy - y) * next) / scale;
    scale = next;
    place();
  }
  /** The whole drawing; or, where labels would be too small, its beginning. */
  function fit(least = LEAST_SCALE) {
    const [w, h] = [svg.clientWidth || 400, svg.clientHeight || 300];
    const whole = Math.min((w - 24) / drawing.width, (h - 24) / drawing.height, 1.1);
    scale = Math.max(whole, least);
    x = (w - drawing.width * scale) / 2;
    y = drawing.height * scale > h - 24 ? 12 : (h - drawing.height * scale) / 2;
    if (drawing.width * scale > w - 24) x = centred(w);
    place();
  }
  /** Where the drawing is wider than its frame, the middle of its first row of boxes is in the frame's middle. */
  function centred(w) {
    const top = Math.min(...drawing.boxes.map((b) => b.y));
    const first = drawing.boxes.filter((b) => b.y - top < 30);
    const middle = first.reduce((sum, b) => sum + b.x + b.w / 2, 0) / (first.length || 1);
    return Math.min(12, Math.max(w - 12 - drawing.width * scale, w / 2 - middle * scale));
  }
  /** Moves the least that shows a box. */
  function reveal(b, centre) {
    const [w, h, edge] = [svg.clientWidth, svg.clientHeight, 16];
    const [left, top, right, bottom] = [b.x * scale + x, b.y * scale + y, (b.x + b.w) * scale + x, (b.y + b.h) * scale + y];
    if (left >= edge && right <= w - edge && top >= edge && bottom <= h - edge) return;
    if (centre) {
      x += w / 2 - (left + right) / 2;
      y += h / 2 - (top + bottom) / 2;
    } else {
      x += left < edge ? edge - left : Math.min(0, w - edge - right);
      y += top < edge ? edge - top : Math.min(0, h - edge - bottom);
    }
    place();
  }

  for (const hull of drawing.hulls) {
    content.append(shape("g", { class: "hull" },
      shape("rect", { x: hull.x, y: hull.y, width: hull.w, height: hull.h, rx: 10 }),
      shape("text", { x: hull.x + 8, y: hull.y + 15 }, hull.title)));
  }
  const edges = drawing.edges.map((edge) => {
    const path = shape("path", { class: edge.memory ? "edge memory" : "edge", d: edge.path }, shape("title"));
    content.append(path);
    return { edge, path };
  });
  const boxes = drawing.boxes.map((b, index) => {
    const value = valueOf(b.value);
    const node = shape("g", {
      class: `box ${b.kind}`, role: value ? "button" : "img", tabindex: "-1",
      "data-value": b.value, "aria-label": `${b.hint}, ${KINDS[b.kind] || b.kind}`, "aria-pressed": value ? "false" : null,
      onclick: () => value && choose(b.value), onfocus: () => reveal(b, false),
    },
      shape("title", {}, b.hint),
      shape("rect", { x: b.x, y: b.y, width: b.w, height: b.h, rx: b.kind === "kernel" ? 9 : b.kind === "op" ? 4 : 0 }),
      b.kind === "input" ? shape("path", { class: "band", d: `M${b.x} ${b.y + 1.5}h${b.w}` }) : null,
      b.kind === "output" ? shape("path", { class: "band", d: `M${b.x} ${b.y + b.h - 1.5}h${b.w}` }) : null,
      b.lines.map((line, i) => label(b, line, i)));
    content.append(node);
    return { b, node, index };
  });

  /** Down goes along an edge to a use, up to an operand; sideways, and where there is no edge, to what is nearest. */
  function next(key, direction) {
    const [here, there] = key === "ArrowDown" ? ["from", "to"] : key === "ArrowUp" ? ["to", "from"] : [null, null];
    const along = here && drawing.edges.find((edge) => edge[here] === at);
    return along ? along[there] : nearest(boxes, at, direction);
  }
  /** The box that the keyboard is at. */
  let at = -1;
  function focus(index) {
    if (index < 0) return;
    at = index;
    boxes[index].node.focus({ preventScroll: true });
  }
  svg.addEventListener("keydown", (e) => {
    const directions = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (directions[e.key]) focus(at < 0 ? 0 : next(e.key, directions[e.key]));
    else if ((e.key === "Enter" || e.key === " ") && at >= 0) {
      // A box that stands for no value leaves the choice as it is.
      if (valueOf(boxes[at].b.value)) choose(boxes[at].b.value);
    }
    else if (e.key === "+" || e.key === "=") zoom(1.25);
    else if (e.key === "-") zoom(0.8);
    else if (e.key === "0") fit();
    else return;
    e.preventDefault();
  });
  svg.addEventListener("focusin", (e) => {
    const found = boxes.findIndex((box) => box.node === e.target);
    if (found >= 0) at = found;
  });
  svg.addEventListener("wheel", (e) => {
    if (!e.ctrlKey && !e.metaKey && !svg.contains(document.activeElement)) return;
    e.preventDefault();
    const frame = svg.getBoundingClientRect();
    zoom(Math.exp(-e.deltaY * (e.ctrlKey ? 0.008 : 0.0018)), e.clientX - frame.left, e.clientY - frame.top);
  }, { passive: false });
  drag(svg, (dx, dy) => {
    x += dx;
    y += dy;
    place();
  });

  /** All of the drawing in little, where only a part is in the frame. */
  function minimap() {
    const size = Math.min(96 / drawing.width, 110 / drawing.height);
    const frame = shape("rect", { class: "frame" });
    const map = shape("svg", { class: "minimap", width: drawing.width * size, height: drawing.height * size, viewBox: `0 0 ${drawing.width} ${drawing.height}`, "aria-hidden": "true" },
      drawing.hulls.map((h) => shape("rect", { class: "hull", x: h.x, y: h.y, width: h.w, height: h.h })),
      drawing.boxes.map((b) => shape("rect", { x: b.x, y: b.y, width: b.w, height: b.h })), frame);
    map.addEventListener("pointerdown", (e) => {
      const at = map.getBoundingClientRect();
      x = svg.clientWidth / 2 - ((e.clientX - at.left) / size) * scale;
      y = svg.clientHeight / 2 - ((e.clientY - at.top) / size) * scale;
      place();
    });
    return {
      map,
      move() {
        const [w, h] = [svg.clientWidth / scale, svg.clientHeight / scale];
        const all = -x / scale <= 1 && -y / scale <= 1 && -x / scale + w >= drawing.width - 1 && -y / scale + h >= drawing.height - 1;
        map.classList.toggle("idle", all);
        attributes(frame, { x: -x / scale, y: -y / scale, width: w, height: h, "stroke-width": 2 / size });
      },
    };
  }

  const root = element("figure", { class: "view", "data-side": side },
    element("figcaption", {}, element("span", {}, title),
      element("span", { class: "zoom" },
        element("button", { type: "button", "aria-label": `Smaller, ${side}`, onclick: () => zoom(0.8) }, "−"),
        element("button", { type: "button", "aria-label": `Larger, ${side}`, onclick: () => zoom(1.25) }, "+"),
        element("button", { type: "button", "aria-label": `All of the graph, ${side}`, onclick: () => fit(0.05) }, "all"))),
    element("div", { class: "frame" }, svg, small.map));
  return {
    root, fit,
    /** Widths of edges at the chosen rows, against the widest of both drawings. */
    weigh(most) {
      for (const { edge, path } of edges) {
        const count = bytesOf(edge);
        path.setAttribute("stroke-width", edge.memory ? (1.5 + 7 * Math.sqrt(count / most)).toFixed(2) : "1");
        const value = valueOf(edge.value);
        const name = value ? `${value.name}: ` : "";
        path.firstChild.textContent = edge.memory ? `${name}${bytes(count)} through memory` : `${name}stays in registers`;
      }
    },
    most: () => edges.reduce((most, { edge }) => (edge.memory ? Math.max(most, bytesOf(edge)) : most), 1),
    light() {
      const chosen = chosenValue();
      const id = chosen && chosen.id;
      for (const { b, node } of boxes) {
        const on = id !== null && b.value === id;
        node.classList.toggle("lit", on);
        if (node.hasAttribute("aria-pressed")) node.setAttribute("aria-pressed", String(on));
      }
      for (const { edge, path } of edges) {
        const on = id !== null && edge.value === id;
        path.classList.toggle("lit", on);
        path.setAttribute("marker-end", `url(#${on ? "lit" : "head"}-${side})`);
      }
      // Where a value is made, rather than the memory that it goes to.
      const all = boxes.filter(({ b }) => id !== null && b.value === id);
      const found = all.find(({ b }) => b.kind === "op" || b.kind === "kernel") || all[0];
      if (found && !svg.contains(document.activeElement)) reveal(found.b, true);
    },
  };
}

/** Bytes of a value, or of what an arrow carries, at the extents of dims. */
function bytesOf(of) {
  return of.row_bytes * extentOf(of.rows) + of.once_bytes;
}

/** A line of a box, as wide as it was laid out whatever font there is. */
function label(b, line, i) {
  const cells = [...line].reduce((sum, c) => sum + (c.codePointAt(0) >= 0x1100 && c !== "…" && c !== "→" ? 2 : 1), 0);
  const width = Math.min(cells * 7.2, b.w - 4);
  return shape("text", {
    class: i ? "sub" : null, x: b.x + (b.w - width) / 2, y: b.y + b.h / 2 + (i - (b.lines.length - 1) / 2) * 16 + 4,
    textLength: width.toFixed(1), lengthAdjust: "spacingAndGlyphs",
  }, line);
}

/** The index of the nearest box in a direction, or the same. */
function nearest(boxes, at, [dx, dy]) {
  const centre = ({ b }) => [b.x + b.w / 2, b.y + b.h / 2];
  const [x, y] = centre(boxes[at]);
  let [best, least] = [at, Infinity];
  boxes.forEach((box, index) => {
    const [bx, by] = centre(box);
    const [along, beside] = [(bx - x) * dx + (by - y) * dy, Math.abs((bx - x) * dy) + Math.abs((by - y) * dx)];
    if (index !== at && along > 2 && along + 2 * beside < least) [best, least] = [index, along + 2 * beside];
  });
  return best;
}

/** Calls `moved` while the pointer drags; a click that moves little stays a click. */
function drag(svg, moved) {
  /** @type {any} */
  let from = null;
  svg.addEventListener("pointerdown", (e) => {
    if (e.button === 0) from = { x: e.clientX, y: e.clientY, far: false };
  });
  svg.addEventListener("pointermove", (e) => {
    if (!from) return;
    const [dx, dy] = [e.clientX - from.x, e.clientY - from.y];
    if (!from.far && Math.hypot(dx, dy) < 4) return;
    if (!from.far) svg.setPointerCapture(e.pointerId);
    svg.classList.add("dragged");
    from = { x: e.clientX, y: e.clientY, far: true };
    moved(dx, dy);
  });
  const end = () => {
    from = null;
    svg.classList.remove("dragged");
  };
  svg.addEventListener("pointerup", end);
  svg.addEventListener("pointercancel", end);
}

function drawGraph() {
  const { doc } = state;
  const title = (side, words) => `${words}: ${counted(doc.launches[side].length, "launch", "launches")}`;
  const drawings = doc.graph;
  // What is still to be laid out has the last drawing in its place, which nothing can be chosen in.
  byId("graph").classList.toggle("pending", drawings === null);
  if (drawings === null) {
    views = [];
    for (const old of byId("graph").querySelectorAll(".view")) old.inert = true;
    if (byId("value")) drawValue();
    else fill(byId("graph"), element("div", { class: "head" }, element("h2", { id: "graph-title" }, "Graph")), element("div", { class: "views" }, element("p", { class: "empty" }, "Being drawn …"), element("aside", { id: "value", "aria-label": "The chosen value" })));
    return;
  }
  views = drawings.before.boxes.length && drawings.after.boxes.length ? [view("before", drawings.before, title("before", "As written")), view("after", drawings.after, title("after", "As compiled"))] : [];
  fill(byId("graph"),
    element("div", { class: "head" }, element("h2", { id: "graph-title" }, "Graph"), legend()),
    element("div", { class: "views" },
      views.length ? views.map((v) => v.root) : element("p", { class: "empty" }, drawings.after.title),
      element("aside", { id: "value", "aria-label": "The chosen value" })));
  drawValue();
  views.forEach((v) => v.fit());
  weigh();
  views.forEach((v) => v.light());
}

function legend() {
  const key = (kind, text) => element("li", {}, element("span", { class: `swatch ${kind}`, "aria-hidden": "true" }), text);
  return element("ul", { class: "legend" },
    key("input", "input"), key("output", "output"), key("memory", "memory between kernels"), key("kernel", "kernel: one launch"),
    key("op", "operation in a kernel"), key("thick", "through memory, as wide as its bytes"), key("thin", "in registers"));
}

/** Widths of edges at the chosen rows: both drawings have one scale. */
function weigh() {
  const most = Math.max(...views.map((v) => v.most()), 1);
  views.forEach((v) => v.weigh(most));
}

when("document", drawGraph);
when("drawing", drawGraph);
when("rows", weigh);
when("choice", () => views.forEach((v) => v.light()));
