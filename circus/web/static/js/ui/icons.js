/** The few icons, drawn as strokes on a 16 by 16 grid. Always decoration: the words stand beside or in the label. */

import { h, svg } from "../dom.js";

const PATHS = {
  overview: "M2 3h5v5H2zM9 3h5v3H9zM9 8h5v5H9zM2 10h5v3H2z",
  logs: "M2.500 3.500h11M2.500 6.500h8M2.500 9.500h11M2.500 12.500h6",
  events: "M8 2v12M8 4h5M8 8H3M8 12h4",
  sockets: "M5 2v4M11 2v4M3.500 6h9v2a4.500 4.500 0 0 1-9 0zM8 12.500V15",
  plugins: "M6.500 2.500a1.500 1.500 0 0 1 3 0V4H13v3.500h-1.500a1.500 1.500 0 0 0 0 3H13V14H3V4h3.500z",
  daemon: "M2.500 3.500h11v4h-11zM2.500 9h11v4h-11zM5 5.500h.01M5 11h.01",
  add: "M8 3v10M3 8h10",
  reload: "M13 8a5 5 0 1 1-1.500-3.500L13 6M13 2.500V6H9.500",
  start: "M5 3l8 5-8 5z",
  stop: "M4 4h8v8H4z",
  restart: "M3 8a5 5 0 1 1 1.500 3.500L3 10M3 13.500V10h3.500",
  more: "M3.500 8h.01M8 8h.01M12.500 8h.01",
  copy: "M6 6h7v7H6zM3.500 10V3.500H10",
  check: "M3 8.500l3.500 3.500L13 4.500",
  close: "M4 4l8 8M12 4l-8 8",
  menu: "M2.500 4h11M2.500 8h11M2.500 12h11",
  search: "M7 2.500a4.500 4.500 0 1 1 0 9 4.500 4.500 0 0 1 0-9zM10.300 10.300L14 14",
  sun: "M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
  help: "M6 6a2 2 0 1 1 2.700 1.900c-.5.2-.7.6-.7 1.100v.5M8 12h.01M8 1.500a6.500 6.500 0 1 1 0 13 6.500 6.500 0 0 1 0-13z",
  leave: "M9.500 3H3.500v10h6M7 8h7M11.500 5.500L14 8l-2.500 2.500",
  warning: "M8 2.500L14.500 13.500h-13zM8 6.500v3.500M8 11.800h.01",
  down: "M4 6l4 4 4-4",
  right: "M6 4l4 4-4 4",
  pause: "M5.500 3.500v9M10.500 3.500v9",
  download: "M8 2.500v8M4.500 7.500L8 11l3.500-3.500M3 13.500h10",
  link: "M6.500 9.500l3-3M7 4.500l1.500-1.500a2.800 2.800 0 0 1 4 4L11 8.500M9 11.500L7.500 13a2.800 2.800 0 0 1-4-4L5 7.500",
  minus: "M3 8h10",
  endpoint: "M3 3h10v10H3zM6 6h4v4H6z",
  signal: "M9 1.500L4 9h4l-1 5.500L12 7H8z",
  edit: "M3 13l.7-2.700L10.500 3.500l2 2-6.800 6.800z",
  filter: "M2.500 3.500h11L9.500 8.500v4l-3 1v-5z",
  wrap: "M2.500 4h11M2.500 8h8.500a2 2 0 0 1 0 4H8M9.500 10.500L8 12l1.500 1.500M2.500 12h3",
};

/** @param {keyof typeof PATHS} name */
export function icon(name, size = 16) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 16 16", width: size, height: size, "aria-hidden": "true", focusable: "false" },
    svg("path", { d: PATHS[name] || PATHS.more }),
  );
}

/**
 * A button that is nothing but an icon.
 * @param {keyof typeof PATHS} name
 * @param {string} label for screen readers
 * @param {() => void} [click]
 * @param {{title?: string, size?: number}} [more] title: what the pointer is told
 */
export function iconButton(name, label, click, { title, size } = {}) {
  return h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title, on: click && { click } },
    icon(name, size),
  );
}
