// @ts-check
// The header, the theme, the keys, and the first drawing.

const THEMES = { system: "Theme: system", light: "Theme: light", dark: "Theme: dark" };

/**
 * What a reader has set outlives the page where the browser keeps such things for a file.
 * @param {string} name
 */
function remembered(name) {
  try {
    return localStorage.getItem(`routefuse-${name}`);
  } catch {
    return null;
  }
}

/**
 * @param {string} name
 * @param {string} value
 */
function remember(name, value) {
  try {
    localStorage.setItem(`routefuse-${name}`, value);
  } catch {
    // It is set anew next time.
  }
}

/** Whether keys of one character do something wherever the focus is. Who speaks to a computer turns them off. */
let characterKeys = true;

/** @param {boolean} on */
function setCharacterKeys(on) {
  characterKeys = on;
  byId("find").placeholder = on ? "Search all stages  /" : "Search all stages";
  remember("keys", on ? "on" : "off");
}

/** @param {string} theme */
function setTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  byId("theme").textContent = THEMES[theme];
  remember("theme", theme);
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
    element("label", { class: "setting" },
      element("input", { type: "checkbox", id: "character-keys", checked: characterKeys, onchange: (e) => setCharacterKeys(e.target.checked) }),
      " Keys of one character (/, [, ], t, ?) work wherever the focus is"),
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
  const help = byId("help");
  // Nothing behind an open dialog hears a key; the one that opens it closes it.
  if (help.open) {
    if (e.key === "?" && characterKeys) help.close();
    return;
  }
  if (e.key === "Escape" && state.query) endSearch();
  if (!characterKeys) return;
  if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
  if (e.key === "/") byId("find").focus();
  else if (e.key === "[") chooseNeighbour(-1);
  else if (e.key === "]") chooseNeighbour(1);
  else if (e.key === "t") nextTheme();
  else if (e.key === "?") help.showModal();
  else return;
  e.preventDefault();
});

/** On paper everything stands open: what was closed is closed again afterwards. */
function openOnPaper() {
  const paper = matchMedia("print");
  /** @type {any[]} */
  let opened = [];
  const turn = () => {
    if (paper.matches) {
      opened = [...document.querySelectorAll("details:not([open])")];
      for (const details of opened) details.open = true;
    } else {
      for (const details of opened) details.open = false;
      opened = [];
    }
    views.forEach((v) => v.fit());
  };
  paper.addEventListener("change", turn);
}

function start() {
  byId("theme").addEventListener("click", nextTheme);
  byId("keys").addEventListener("click", () => byId("help").showModal());
  byId("find").addEventListener("input", (e) => {
    state.query = e.target.value;
    drawFound();
  });
  const theme = remembered("theme");
  setTheme(theme && theme in THEMES ? theme : "system");
  if (remembered("keys") === "off") setCharacterKeys(false);
  drawHelp();
  openOnPaper();
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
