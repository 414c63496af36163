/** The command palette: jump to any page or watcher, or do something, by typing a few letters of it. */

import { h, put, uid } from "../dom.js";
import { openDialog } from "./dialog.js";
import { icon } from "./icons.js";

const SHOWN = 30;

/**
 * @typedef {Object} Entry
 * @property {string} label
 * @property {string} [detail]
 * @property {string} [icon]
 * @property {() => void} run
 */

/** How well letters fit a label: 0 for not at all. */
export function fits(label, letters) {
  if (!letters) return 1;
  const low = label.toLowerCase();
  const at = low.indexOf(letters);
  if (at >= 0) return 1000 - at - low.length / 100;
  let position = -1;
  let gaps = 0;
  for (const letter of letters.replaceAll(" ", "")) {
    const next = low.indexOf(letter, position + 1);
    if (next < 0) return 0;
    gaps += next - position - 1;
    position = next;
  }
  return 500 / (1 + gaps) + 0.001;
}

/** @param {Entry[]} entries */
export function openPalette(entries) {
  const listId = uid("palette");
  let found = [];
  let chosen = 0;
  const list = h("ul", { class: "palette-list", role: "listbox", id: listId, "aria-label": "Matches" });
  const field = h("input", {
    type: "text",
    class: "input palette-field",
    placeholder: "Go to a watcher or page, or do something…",
    autofocus: true,
    role: "combobox",
    "aria-expanded": "true",
    "aria-controls": listId,
    "aria-label": "Go to or do",
    autocomplete: "off",
    spellcheck: "false",
  });
  const dialog = openDialog({ title: "Go to or do", body: [field, list], cls: "palette" });
  const draw = () => {
    const letters = field.value.trim().toLowerCase();
    found = entries
      .map((entry) => ({ entry, score: fits(`${entry.label} ${entry.detail || ""}`, letters) }))
      .filter((each) => each.score > 0)
      .sort((a, b) => b.score - a.score)
      .slice(0, SHOWN)
      .map((each) => each.entry);
    chosen = Math.min(chosen, Math.max(0, found.length - 1));
    put(
      list,
      found.map((entry, index) =>
        h(
          "li",
          {
            role: "option",
            id: `${listId}-${index}`,
            class: "palette-item",
            "aria-selected": index === chosen ? "true" : "false",
            on: { click: () => pick(index) },
          },
          icon(entry.icon || "right"),
          h("span", null, entry.label),
          h("small", null, entry.detail || ""),
        ),
      ),
      found.length ? null : h("li", { class: "empty" }, "Nothing by that name."),
    );
    field.setAttribute("aria-activedescendant", found.length ? `${listId}-${chosen}` : "");
    list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  };
  const pick = (index) => {
    const entry = found[index];
    dialog.close();
    entry?.run();
  };
  field.addEventListener("input", () => {
    chosen = 0;
    draw();
  });
  field.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length) {
      chosen = (chosen + step + found.length) % found.length;
      draw();
    } else if (event.key === "Enter") pick(chosen);
    else return;
    event.preventDefault();
  });
  draw();
}
