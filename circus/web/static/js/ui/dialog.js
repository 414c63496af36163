/** Dialogs: the browser's own <dialog>, which keeps the focus inside, closes by Escape and gives the focus back. */

import { h, uid } from "../dom.js";
import { copyLine } from "./copyline.js";
import { iconButton } from "./icons.js";

/**
 * Open a dialog.
 * @param {Object} options
 * @param {string} options.title
 * @param {any} options.body
 * @param {any[]} [options.buttons]
 * @param {string} [options.cls]
 * @returns {{element: HTMLDialogElement, closed: Promise<string>, close: (value?: string) => void}}
 */
export function openDialog({ title, body, buttons = [], cls = "" }) {
  const id = uid("dialog");
  const close = (value = "") => element.open && element.close(value);
  const element = h(
    "dialog",
    { class: `dialog ${cls}`, "aria-labelledby": id },
    h(
      "header",
      { class: "dialog-head" },
      h("h2", { id }, title),
      iconButton("close", "Close", () => close()),
    ),
    h("div", { class: "dialog-body" }, body),
    buttons.length ? h("footer", { class: "dialog-foot" }, buttons) : null,
  );
  element.addEventListener("pointerdown", (event) => event.target === element && close());
  const closed = new Promise((resolve) => {
    element.addEventListener("close", () => {
      element.remove();
      resolve(element.returnValue);
    });
  });
  document.body.append(element);
  element.showModal();
  element.querySelector("[autofocus]")?.focus();
  return { element, closed, close };
}

/**
 * Ask before something is done.
 * @param {Object} options
 * @param {string} options.title
 * @param {any} options.body
 * @param {string} options.action the word on the button
 * @param {string} [options.line] the command line that does the same
 * @param {boolean} [options.danger]
 * @param {string} [options.typed] what has to be typed to show that it is meant
 * @returns {Promise<boolean>}
 */
export async function confirm({ title, body, action, line = "", danger = false, typed = "" }) {
  const button = h(
    "button",
    {
      type: "submit",
      class: `button ${danger ? "danger" : "primary"}`,
      autofocus: !typed,
      disabled: !!typed,
      value: "yes",
    },
    action,
  );
  const field = typed
    ? h("input", {
        type: "text",
        class: "input",
        autocomplete: "off",
        autofocus: true,
        spellcheck: "false",
        on: { input: (event) => (button.disabled = event.target.value !== typed) },
      })
    : null;
  const form = h(
    "form",
    { method: "dialog", class: "stack" },
    h("div", { class: "prose" }, body),
    typed ? h("label", { class: "field" }, h("span", null, "Type ", h("code", null, typed), " to go on"), field) : null,
    line ? h("div", null, h("p", { class: "hint" }, "The same on the command line"), copyLine(line)) : null,
    h(
      "div",
      { class: "dialog-foot" },
      h("button", { type: "button", class: "button", on: { click: () => dialog.close() } }, "Cancel"),
      button,
    ),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close("yes");
  });
  const dialog = openDialog({ title, body: form });
  return (await dialog.closed) === "yes";
}
