/** Tabs: arrow keys go from one to the next, only the chosen panel is made. */

import { attr, h, put, uid } from "../dom.js";
import { roving } from "./roving.js";

/**
 * @param {Object} options
 * @param {string} options.label
 * @param {Array<{key: string, label: string, make: () => {element: any, update?: () => void, destroy?: () => void}}>} options.tabs
 * @param {string} options.chosen
 * @param {(key: string) => void} options.onChange
 */
export function makeTabs({ label, tabs, chosen, onChange }) {
  const id = uid("tabs");
  const panel = h("div", { role: "tabpanel", class: "tab-panel", id: `${id}-panel`, tabindex: "-1" });
  let current = null;
  let key = "";
  const buttons = tabs.map((tab) =>
    h(
      "button",
      {
        type: "button",
        role: "tab",
        id: `${id}-${tab.key}`,
        "aria-controls": `${id}-panel`,
        class: "tab",
        on: { click: () => choose(tab.key) },
      },
      tab.label,
      h("span", { class: "tab-count" }),
    ),
  );
  const bar = h("div", { role: "tablist", "aria-label": label, class: "tabs" }, buttons);
  bar.addEventListener("keydown", (event) => {
    const at = tabs.findIndex((tab) => tab.key === key);
    const to = roving(event.key, at, tabs.length, ["ArrowLeft", "ArrowRight"]);
    if (to === undefined) return;
    event.preventDefault();
    choose(tabs[to].key);
    buttons[to].focus();
  });

  function choose(wanted, quiet = false) {
    const tab = tabs.find((each) => each.key === wanted) || tabs[0];
    if (tab.key === key) return;
    key = tab.key;
    tabs.forEach((each, index) => {
      attr(buttons[index], "aria-selected", each.key === key ? "true" : "false");
      attr(buttons[index], "tabindex", each.key === key ? "0" : "-1");
    });
    attr(panel, "aria-labelledby", `${id}-${key}`);
    current?.destroy?.();
    current = tab.make();
    put(panel, current.element);
    if (!quiet) onChange(key);
  }

  choose(chosen, true);
  return {
    bar,
    panel,
    choose,
    /** The panel on the screen takes what is new. */
    update: () => current?.update?.(),
    setCount: (which, words) => {
      const index = tabs.findIndex((tab) => tab.key === which);
      if (index >= 0) buttons[index].querySelector(".tab-count").textContent = words || "";
    },
    destroy: () => current?.destroy?.(),
  };
}
