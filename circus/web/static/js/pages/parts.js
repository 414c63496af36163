/** Pieces that several pages use, the first one among them: what only some need stands beside, so it loads later. */

import { attr, h, show, text } from "../dom.js";
import { clock } from "../format.js";
import { icon } from "../ui/icons.js";

/** Mark a part of the page whose figures are not current, and say from when they are. */
export function markStale(element, stale, time) {
  element.classList.toggle("stale", stale);
  let note = element.staleNote;
  if (stale && !note) {
    note = h("p", { class: "stale-note" });
    element.staleNote = note;
    element.prepend(note);
  }
  if (note) {
    show(note, stale);
    if (stale) text(note, time ? `Not current: as of ${clock(time)}` : "Not current");
  }
}

/** A search box that keeps what is typed in the query of the address. */
export function filterBox(router, { name = "q", placeholder, label, onInput }) {
  const field = h("input", {
    type: "search",
    class: "input filter",
    placeholder,
    "aria-label": label || placeholder,
    "data-filter": "",
    value: router.query.get(name) || "",
    spellcheck: "false",
    autocomplete: "off",
    on: {
      input: () => {
        router.setQuery({ [name]: field.value });
        onInput(field.value);
      },
    },
  });
  return {
    field,
    element: h("div", { class: "filter-box" }, icon("search"), field, h("kbd", { "aria-hidden": "true" }, "/")),
  };
}

/** Buttons of which one is chosen. @param {Array<[string, string]>} choices key and label */
export function chips(label, choices, chosen, onChoose) {
  const buttons = choices.map(([key, words]) =>
    h(
      "button",
      {
        type: "button",
        class: "chip",
        "aria-pressed": key === chosen ? "true" : "false",
        on: { click: () => choose(key) },
      },
      words,
    ),
  );
  const element = h("div", { class: "chips", role: "group", "aria-label": label }, buttons);
  function choose(key) {
    choices.forEach(([each], index) => attr(buttons[index], "aria-pressed", each === key ? "true" : "false"));
    onChoose(key);
  }
  element.choose = choose;
  return element;
}

/** [id, endpoint] pairs of the overview, sorted by name. */
export function endpointsOf(data) {
  return Object.entries(data?.endpoints || {}).sort(([, a], [, b]) => String(a.name).localeCompare(String(b.name)));
}

/** A page's first state: a quiet placeholder until its topic has data. */
export function loading(words = "Waiting for the first figures…") {
  return h("p", { class: "loading", role: "status" }, words);
}
