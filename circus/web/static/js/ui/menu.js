/** A button with a menu: arrow keys, letters, Escape. */

import { h, uid } from "../dom.js";
import { icon } from "./icons.js";
import { roving } from "./roving.js";

/**
 * @typedef {Object} Item
 * @property {string} label
 * @property {() => void} [run]
 * @property {string} [icon]
 * @property {boolean} [danger]
 * @property {string} [disabled] why not, or empty
 * @property {string} [key] shortcut to tell
 */

/**
 * @param {Object} options
 * @param {any} options.content of the button
 * @param {string} [options.label] for screen readers
 * @param {string} [options.cls]
 * @param {() => Array<Item|null>} options.items asked for when it opens; null is a line between groups
 */
export function menuButton({ content, label, cls = "button", items }) {
  const button = h(
    "button",
    {
      type: "button",
      class: cls,
      "aria-haspopup": "menu",
      "aria-expanded": "false",
      "aria-label": label || null,
      title: label || null,
    },
    content,
  );
  button.addEventListener("click", () => openMenu(button, items()));
  button.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      event.stopPropagation(); // a table around it would go to the next row
      openMenu(button, items());
    }
  });
  return button;
}

function openMenu(button, items) {
  const id = uid("menu");
  const menu = h(
    "div",
    { class: "menu", role: "menu", id, tabindex: "-1" },
    items.map((item) => menuItem(item, close)),
  );
  (button.closest("dialog") || document.body).append(menu);
  place(menu, button);
  button.setAttribute("aria-expanded", "true");
  button.setAttribute("aria-controls", id);
  const outside = (event) => !menu.contains(event.target) && close(false);
  const scrolled = (event) => !menu.contains(event.target) && close(false);
  setTimeout(() => {
    addEventListener("pointerdown", outside, true);
    addEventListener("scroll", scrolled, true);
  });
  menu.addEventListener("keydown", (event) => move(event, menu, close));
  menu.addEventListener(
    "focusout",
    (event) => event.relatedTarget && !menu.contains(event.relatedTarget) && close(false),
  );
  choices(menu)[0]?.focus();

  function close(back = true) {
    removeEventListener("pointerdown", outside, true);
    removeEventListener("scroll", scrolled, true);
    menu.remove();
    button.setAttribute("aria-expanded", "false");
    button.removeAttribute("aria-controls");
    if (back && button.isConnected) button.focus();
  }
}

function menuItem(item, close) {
  if (item === null) return h("div", { class: "menu-line", role: "separator" });
  const node = h(
    "button",
    {
      type: "button",
      role: "menuitem",
      tabindex: "-1",
      class: `menu-item ${item.danger ? "danger" : ""}`,
      "aria-disabled": item.disabled ? "true" : null,
      title: item.disabled || null,
    },
    item.icon ? icon(item.icon) : h("span", { class: "icon" }),
    h("span", { class: "menu-label" }, item.label, item.disabled ? h("small", null, item.disabled) : null),
    item.key ? h("kbd", null, item.key) : null,
  );
  node.addEventListener("click", () => {
    if (item.disabled) return;
    close();
    item.run();
  });
  return node;
}

const choices = (menu) => [...menu.querySelectorAll("[role=menuitem]")];

function move(event, menu, close) {
  const all = choices(menu);
  const at = all.indexOf(document.activeElement);
  const to = roving(event.key, at, all.length, ["ArrowUp", "ArrowDown"]);
  if (to !== undefined) all[to]?.focus();
  else if (event.key === "Escape" || event.key === "Tab") close();
  else if (event.key.length === 1 && event.key !== " ") {
    const found =
      all.find((each, index) => index > at && each.textContent.toLowerCase().startsWith(event.key.toLowerCase())) ||
      all.find((each) => each.textContent.toLowerCase().startsWith(event.key.toLowerCase()));
    found?.focus();
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

function place(menu, button) {
  const at = button.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.right - size.width, innerWidth - size.width - 8));
  const below = at.bottom + 4 + size.height <= innerHeight - 8;
  menu.style.setProperty("left", `${left}px`);
  menu.style.setProperty("top", `${below ? at.bottom + 4 : Math.max(8, at.top - size.height - 4)}px`);
}
