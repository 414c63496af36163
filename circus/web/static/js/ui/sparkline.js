/** A small curve without axes. The number beside it says the same, so it is hidden from screen readers. */

import { attr, svg } from "../dom.js";

const WIDTH = 72;
const HEIGHT = 20;
const POINTS = 60;

/** @param {string} name colour class: `cpu`, `mem`, `io`, `queue` */
function sparkline(name) {
  const area = svg("path", { class: "spark-area" });
  const line = svg("path", { class: "spark-line" });
  const node = svg(
    "svg",
    {
      class: `spark spark-${name}`,
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      width: WIDTH,
      height: HEIGHT,
      "aria-hidden": "true",
      focusable: "false",
    },
    area,
    line,
  );
  node._parts = { area, line };
  return node;
}

/**
 * The column of a table that holds such curves; nobody sorts by it.
 * @param {string} key @param {string} title
 * @param {string} name as for {@link sparkline} @param {string} rank class of the column
 * @param {(row: any) => Array<number|null>|undefined} valuesOf @param {number} floor as for {@link drawSpark}
 */
export function sparkColumn(key, title, name, rank, valuesOf, floor) {
  return {
    key,
    label: "",
    title,
    cls: `c-spark ${rank}`,
    make: () => sparkline(name),
    update: (node, row) => drawSpark(node, valuesOf(row), floor),
  };
}

/**
 * Draw the newest values, right-aligned.
 * @param {any} node made by {@link sparkline}
 * @param {Array<number|null>|undefined} values
 * @param {number} floor the top of the scale is at least this
 */
function drawSpark(node, values, floor = 1) {
  const shown = (values || []).slice(-POINTS);
  let top = floor;
  for (const value of shown) if (value > top) top = value;
  const step = WIDTH / (POINTS - 1);
  let x = WIDTH - (shown.length - 1) * step;
  let line = "";
  let area = "";
  let begun = -1;
  for (const value of shown) {
    if (value === null || value === undefined) {
      if (begun >= 0) area += `L${(x - step).toFixed(1)} ${HEIGHT}Z`;
      begun = -1;
    } else {
      const y = (HEIGHT - 1.5 - (Math.max(0, value) / top) * (HEIGHT - 3)).toFixed(1);
      line += `${begun < 0 ? "M" : "L"}${x.toFixed(1)} ${y}`;
      area += begun < 0 ? `M${x.toFixed(1)} ${HEIGHT}L${x.toFixed(1)} ${y}` : `L${x.toFixed(1)} ${y}`;
      begun = begun < 0 ? x : begun;
    }
    x += step;
  }
  if (begun >= 0) area += `L${(x - step).toFixed(1)} ${HEIGHT}Z`;
  attr(node._parts.line, "d", line || "M0 0");
  attr(node._parts.area, "d", area || "M0 0");
}
