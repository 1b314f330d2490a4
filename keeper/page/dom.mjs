// Builds elements and brings them into the page without moving what is there: focus, selection and scroll stay.

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "rect", "line", "title", "g"]);

/** An element. `set` are its attributes; what is null or false is left out. */
export function h(tag, set = {}, ...children) {
  const element = DRAWN.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(set)) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** Makes the children of `parent` be like `wanted`, and keeps each node that is of the same kind. */
export function fill(parent, ...wanted) {
  const next = wanted.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  next.forEach((child, i) => {
    const node = child instanceof Node ? child : document.createTextNode(child);
    const old = parent.childNodes[i];
    if (!old) parent.append(node);
    else if (!alike(old, node)) old.replaceWith(node);
    else become(old, node);
  });
  while (parent.childNodes.length > next.length) parent.lastChild.remove();
}

function alike(a, b) {
  return a.nodeName === b.nodeName && a.nodeType === b.nodeType && a.dataset?.key === b.dataset?.key;
}

function become(old, node) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== node.data) old.data = node.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!node.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of node.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  fill(old, ...node.childNodes);
}

/** The element of an id. */
export const at = (id) => document.getElementById(id);
