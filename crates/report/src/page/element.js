// @ts-check
// Making elements. Text reaches the page as text nodes and attributes only, so that no name can become markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Sets attributes: a function is a listener (`onclick`), `false`, `null` and `undefined` are left out.
 * @param {Element} node
 * @param {Record<string, any>} attributes
 */
function attributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
}

/**
 * An element of HTML: `element("p", { class: "note" }, "text", other)`.
 * @param {string} name
 * @param {Record<string, any>} [given]
 * @param {...any} children
 * @returns {any}
 */
function element(name, given = {}, ...children) {
  const node = document.createElement(name);
  attributes(node, given);
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * An element of SVG.
 * @param {string} name
 * @param {Record<string, any>} [given]
 * @param {...any} children
 * @returns {any}
 */
function shape(name, given = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  attributes(node, given);
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * Gives an element other children; lists are taken apart, and what is nothing is left out.
 * @param {Element} node
 * @param {...any} children
 */
function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

/**
 * The element of the skeleton with an id.
 * @param {string} id
 * @returns {any}
 */
function byId(id) {
  return document.getElementById(id);
}

/**
 * A table in a box that scrolls by itself where it is wider than the page.
 * @param {string} caption
 * @param {any[]} head
 * @param {any[][]} rows cells; one that is an array `[cell, attributes]` has attributes
 */
function table(caption, head, rows) {
  const cell = (name, content) => (Array.isArray(content) ? element(name, content[1], content[0]) : element(name, {}, content));
  return element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
    element("table", {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, head.map((h) => (Array.isArray(h) ? element("th", { scope: "col", ...h[1] }, h[0]) : element("th", { scope: "col" }, h))))),
      element("tbody", {}, rows.map((row) => element("tr", {}, row.map((c) => cell("td", c)))))));
}

/** The cells of numbers stand at the right. */
const RIGHT = { class: "number" };

/** Whether motion is unwelcome. */
function still() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/**
 * Says something to who cannot see it.
 * @param {string} text
 */
function say(text) {
  byId("said").textContent = text;
}
