/** Keyboard shortcuts: single keys and two-key sequences such as `g o`, never while somebody types. */

import { h } from "../dom.js";
import { openDialog } from "./dialog.js";

const PAUSE = 1200;

export class Keys {
  constructor() {
    /** @type {Array<{keys: string, what: string, run: () => void, group: string}>} */
    this.bindings = [];
    this.pending = "";
    document.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /**
   * Bind keys. @param {string} group heading in the help
   * @param {Object<string, [string, () => void]>} table keys to what they do
   * @returns {() => void} takes them away
   */
  bind(group, table) {
    const added = Object.entries(table).map(([keys, [what, run]]) => ({ keys, what, run, group }));
    this.bindings.push(...added);
    return () => (this.bindings = this.bindings.filter((each) => !added.includes(each)));
  }

  #pressed(event) {
    if (event.defaultPrevented || event.isComposing) return;
    const typing =
      event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]");
    const name = `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${event.key.length === 1 && (event.ctrlKey || event.metaKey) ? event.key.toLowerCase() : event.key}`;
    if (event.altKey || (typing && !name.startsWith("Ctrl+"))) {
      if (typing && event.key === "Escape") event.target.blur();
      return;
    }
    if (document.querySelector("dialog[open]") || event.target.closest?.("[role=menu]")) return;
    const wanted = this.pending ? `${this.pending} ${name}` : name;
    // The binding added last is the page's own and goes first.
    const found =
      this.bindings.findLast((each) => each.keys === wanted) || this.bindings.findLast((each) => each.keys === name);
    clearTimeout(this.timer);
    this.pending = "";
    if (found) {
      event.preventDefault();
      found.run();
    } else if (this.bindings.some((each) => each.keys.startsWith(`${name} `))) {
      this.pending = name;
      this.timer = setTimeout(() => (this.pending = ""), PAUSE);
    }
  }

  /** The list of what holds now. */
  help() {
    const groups = new Map();
    for (const each of this.bindings) groups.set(each.group, [...(groups.get(each.group) || []), each]);
    const body = [...groups].reverse().map(([group, bindings]) =>
      h(
        "section",
        { class: "keys-group" },
        h("h3", null, group),
        h(
          "dl",
          { class: "keys" },
          bindings.map((each) =>
            h(
              "div",
              null,
              h(
                "dt",
                null,
                each.keys.split(" ").map((key) => h("kbd", null, key)),
              ),
              h("dd", null, each.what),
            ),
          ),
        ),
      ),
    );
    openDialog({ title: "Keyboard shortcuts", body: h("div", { class: "keys-groups" }, body), cls: "wide" });
  }
}
