/**
 * Making and changing elements. Data reaches the page through text nodes and attributes only, never as markup.
 * Knows nothing of Circus.
 */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Node|string|number|null|undefined|false|Array<any>} Child */

/**
 * Make an HTML element.
 * @param {string} tag
 * @param {Object<string, any>|null} [props] attributes; `class`; `on` {event: listener}; `style` {property: value}
 *   (set through the CSSOM, as the content policy forbids style attributes); booleans set or leave out
 * @param {...Child} children strings become text nodes
 * @returns {any}
 */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** Make an SVG element; arguments as for {@link h}. @returns {any} */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "style") for (const [key, each] of Object.entries(value)) node.style.setProperty(key, each);
    else if (name === "class") node.setAttribute("class", value);
    else if (name === "value" || name === "checked") node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  add(node, children);
  return node;
}

/** Append children; arrays are flattened, empty ones left out. */
export function add(node, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) add(node, child);
    else node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

/** Replace all children. */
export function put(node, ...children) {
  node.replaceChildren();
  return add(node, children);
}

/** Set the text of an element that holds nothing else; the page is not touched when it is the same. */
export function text(node, value) {
  const wanted = value === null || value === undefined ? "" : String(value);
  const first = node.firstChild;
  if (first && first.nodeType === 3 && !first.nextSibling) {
    if (first.nodeValue !== wanted) first.nodeValue = wanted;
  } else if (wanted || first) node.textContent = wanted;
}

/** Set or remove an attribute, only when it changes. */
export function attr(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else {
    const wanted = value === true ? "" : String(value);
    if (node.getAttribute(name) !== wanted) node.setAttribute(name, wanted);
  }
}

/** Show or hide. */
export function show(node, visible) {
  if (node.hidden === !!visible) node.hidden = !visible;
}

/**
 * Keep a container's children in step with a list, reusing the elements of the same key.
 * @param {Element} box
 * @param {Array<any>} items
 * @param {(item: any) => string} keyOf
 * @param {(item: any) => Element & {update?: (item: any) => void}} make
 * @param {(node: any, item: any) => void} [update] also called for new ones
 */
export function keyed(box, items, keyOf, make, update) {
  const old = box._keyed || new Map();
  const fresh = new Map();
  let cursor = box.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    const node = old.get(key) || make(item);
    old.delete(key);
    fresh.set(key, node);
    if (update) update(node, item);
    if (node === cursor) cursor = cursor.nextSibling;
    else box.insertBefore(node, cursor);
  }
  for (const node of old.values()) node.remove();
  box._keyed = fresh;
}

const due = new Set();
let frame = 0;

/** Run a function once in the next animation frame, however often it is asked for until then. */
export function soon(task) {
  due.add(task);
  if (!frame) frame = requestAnimationFrame(runDue);
}

function runDue() {
  frame = 0;
  const tasks = [...due];
  due.clear();
  for (const task of tasks) task();
}

let serial = 0;

/** An id that no other element has. */
export function uid(prefix = "u") {
  serial += 1;
  return `${prefix}-${serial}`;
}
