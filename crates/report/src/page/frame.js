// @ts-check
// The header, the theme, the keys, and the first drawing.

const THEMES = { system: "Theme: system", light: "Theme: light", dark: "Theme: dark" };

/** A reader's theme outlives the page where the browser keeps such things for a file. */
function remembered() {
  try {
    return localStorage.getItem("routefuse-theme");
  } catch {
    return null;
  }
}

/** @param {string} theme */
function setTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  byId("theme").textContent = THEMES[theme];
  try {
    localStorage.setItem("routefuse-theme", theme);
  } catch {
    // It is chosen anew next time.
  }
}

function nextTheme() {
  const all = Object.keys(THEMES);
  setTheme(all[(all.indexOf(document.documentElement.dataset.theme || "system") + 1) % all.length]);
}

const KEYS = [
  ["/", "search all stages"], ["Escape", "end the search"], ["[ and ]", "the value before and after"],
  ["arrows, in a drawing", "the next box in that direction"], ["Enter, in a drawing or a text", "choose the value"],
  ["arrows, in a text", "the next line of a value"], ["+ − 0, in a drawing", "larger, smaller, as at first"],
  ["Ctrl and the wheel", "larger or smaller where the pointer is"], ["arrows, on the slider", "fewer or more rows"],
  ["t", "the next theme"], ["?", "this list"],
];

function drawHelp() {
  fill(byId("help"),
    element("h2", { id: "help-title" }, "Keys"),
    element("dl", {}, KEYS.map(([key, what]) => [element("dt", {}, element("kbd", {}, key)), element("dd", {}, what)])),
    element("form", { method: "dialog" }, element("button", {}, "Close")));
}

function drawFrame() {
  const { doc } = state;
  document.title = `${doc.title} · routefuse`;
  byId("title").textContent = doc.title.replace(` for ${doc.target}`, "");
  byId("target").textContent = doc.target;
  fill(byId("foot"),
    element("p", {}, element("code", {}, doc.command)),
    element("p", {}, `routefuse ${doc.version}. This page is one file, which asks no other machine for anything.`));
}

document.addEventListener("keydown", (e) => {
  const target = /** @type {any} */ (e.target);
  if (e.key === "Escape" && state.query) endSearch();
  if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
  if (e.key === "/") byId("find").focus();
  else if (e.key === "[") chooseNeighbour(-1);
  else if (e.key === "]") chooseNeighbour(1);
  else if (e.key === "t") nextTheme();
  else if (e.key === "?") byId("help").showModal();
  else return;
  e.preventDefault();
});

function start() {
  byId("theme").addEventListener("click", nextTheme);
  byId("keys").addEventListener("click", () => byId("help").showModal());
  byId("find").addEventListener("input", (e) => {
    state.query = e.target.value;
    drawFound();
  });
  const theme = remembered();
  setTheme(theme && theme in THEMES ? theme : "system");
  drawHelp();
  when("document", drawFrame);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (width !== innerWidth) views.forEach((v) => v.fit());
    width = innerWidth;
  });
  const given = JSON.parse(byId("document").textContent);
  if (document.documentElement.dataset.mode === "explore") startEditor(given);
  else show(given);
}
