/** Panels with a heading, and the figures in them. */

import { h, text } from "../dom.js";

/** A panel with a heading. @returns {any} its `.body` takes the content */
export function panel(title, { tools = [], cls = "", hint = "" } = {}) {
  const body = h("div", { class: "panel-body" });
  const heading = h("h2", null, title);
  const element = h(
    "section",
    { class: `panel ${cls}`, "aria-label": title },
    panelHead(heading, hint ? h("p", { class: "hint" }, hint) : null, tools),
    body,
  );
  element.body = body;
  element.heading = heading;
  return element;
}

/** The line at the top of a panel: heading, a remark, and what can be done. */
export function panelHead(heading, remark, tools) {
  return h("header", { class: "panel-head" }, heading, remark, h("div", { class: "panel-tools" }, tools));
}

/** A figure with its name. @returns {any} set it by `.set(value, detail)` */
export function tile(name, { tone = "" } = {}) {
  const value = h("span", { class: "tile-value" }, "–");
  const detail = h("span", { class: "tile-detail" });
  const element = h("div", { class: `tile ${tone}` }, h("dt", null, name), h("dd", null, value, detail));
  element.set = (words, more = "") => {
    text(value, words);
    text(detail, more);
  };
  element.value = value;
  return element;
}
