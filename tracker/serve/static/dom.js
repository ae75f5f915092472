/** Small helpers for elements. Text is only ever set as text, never as HTML. */

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/**
 * Returns a new element.
 * @param {string} tag
 * @param {object} attributes `onclick` and the like are listeners; false and null are left out.
 * @param {...(Node|string)} children
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** Returns an icon of icons.svg that assistive technology leaves out. */
export function icon(name) {
  const svg = svgNode("svg", { class: "icon", "aria-hidden": "true" });
  svg.append(svgNode("use", { href: `static/icons.svg#${name}` }));
  return svg;
}

export function svgNode(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** Sets the text of an element, only where it differs: a live region reads each change. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Shows a text in an element, or hides the element without one. */
export function show(node, text) {
  node.hidden = !text;
  setText(node, text ?? "");
}

/** Has a screen reader say a text when it is idle. */
export function announce(text) {
  byId("announcer").textContent = text;
}

/** Asks a question in a dialog; returns a promise of whether the answer was yes. */
export function confirmed(question, yes) {
  const dialog = byId("confirm");
  byId("confirm-text").textContent = question;
  byId("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
