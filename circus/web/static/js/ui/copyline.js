/** A command line that can be copied: what `circusctl` or `curl` would do the same. */

import { h, put, text } from "../dom.js";
import { icon, iconButton } from "./icons.js";

/** Copy text; works without https, too (the clipboard interface does not). @returns {Promise<boolean>} */
export async function copyText(value) {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(value);
      return true;
    }
  } catch {
    /* not allowed: the old way below */
  }
  const field = h("textarea", { class: "sr", "aria-hidden": "true", tabindex: "-1" });
  field.value = value;
  (document.querySelector("dialog[open]") || document.body).append(field);
  field.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch {
    /* told below */
  }
  field.remove();
  return done;
}

/** A button that copies what a function gives and says so. */
export function copyButton(valueOf, label = "Copy the command line") {
  const button = iconButton("copy", label, undefined, { title: label });
  button.addEventListener("click", async () => {
    const done = await copyText(valueOf());
    put(button, icon(done ? "check" : "close"));
    button.setAttribute("aria-label", done ? "Copied" : "Could not copy");
    setTimeout(() => {
      put(button, icon("copy"));
      button.setAttribute("aria-label", label);
    }, 1600);
  });
  return button;
}

/** The line with its button. Change it by `setLine`. */
export function copyLine(line = "") {
  const code = h("code", { class: "line-text", tabindex: "0", "aria-label": "Command line" }, line);
  const box = h(
    "div",
    { class: "copy-line" },
    h("span", { class: "prompt", "aria-hidden": "true" }, "$"),
    code,
    copyButton(() => code.textContent),
  );
  box.setLine = (value) => {
    text(code, value);
    box.hidden = !value;
  };
  box.setLine(line);
  return box;
}
