/**
 * Charts over time, drawn on canvas by hand. Charts of one group share the window of time (drag to zoom, double click
 * to go back), the cursor and the marks of events. Knows times and numbers, not what they are of.
 */

import { attr, h, put, show, soon, text } from "../dom.js";
import { UNKNOWN, clock } from "../format.js";
import { niceTop, timeTicks, toneOf } from "./chartscale.js";

const LEFT = 52;
const BOTTOM = 16;
const TOP = 8;
const HEIGHT = 118;
/** Samples further apart than this many seconds are not joined. */
const GAP = 12;
const NEAR = 7;

/** @typedef {{time: number, text: string, kind: "bad"|"note"|"quiet"}} Mark */

/**
 * A chart of one line: what {@link ChartGroup#grid} takes.
 * @param {string} key of its column @param {string} title
 * @param {(value: number) => string} format
 * @param {{label?: string, tone?: string, floor?: number, binary?: boolean, whole?: boolean}} [more] the label is the
 *   title, the tone the key, unless told; the rest as for {@link TimeChart}
 */
export function oneLine(key, title, format, { label = title, tone = key, ...scale } = {}) {
  return { title, lines: [{ key, label, tone }], format, ...scale };
}

export class ChartGroup {
  /** @param {{span: number, onWindow?: () => void}} options span: seconds shown when nothing is zoomed */
  constructor({ span, onWindow }) {
    this.span = span;
    this.onWindow = onWindow || (() => {});
    /** @type {{from: number, to: number}|null} */
    this.zoom = null;
    this.cursor = null;
    this.drag = null;
    this.data = { time: [] };
    /** @type {Mark[]} */
    this.marks = [];
    this.charts = [];
    this.now = 0;
    this.note = h("p", { class: "chart-note", "aria-live": "off" });
    this.draw = () => this.charts.forEach((chart) => chart.draw());
    this.sized = new ResizeObserver(() => soon(this.draw));
    this.themed = () => soon(this.draw);
    document.addEventListener("themechange", this.themed);
  }

  /** @param {ConstructorParameters<typeof TimeChart>[1]} options */
  add(options) {
    const chart = new TimeChart(this, options);
    this.charts.push(chart);
    this.sized.observe(chart.canvas);
    return chart;
  }

  /** Add some charts. @returns {any} the element that holds them */
  grid(all) {
    return h(
      "div",
      { class: "chart-grid" },
      all.map((options) => this.add(options).element),
    );
  }

  /** @param {Object<string, number[]>} data columns of equal length, `time` among them */
  set(data, marks, now) {
    this.data = data || { time: [] };
    this.marks = marks;
    this.now = now;
    soon(this.draw);
  }

  get window() {
    if (this.zoom) return this.zoom;
    const last = this.data.time?.at(-1);
    const to = Math.max(this.now || 0, last || 0);
    return { from: to - this.span, to };
  }

  setSpan(seconds) {
    this.span = seconds;
    this.setZoom(null);
  }

  setZoom(zoom) {
    this.zoom = zoom;
    this.onWindow();
    soon(this.draw);
  }

  setCursor(time) {
    this.cursor = time;
    soon(this.draw);
    const { from, to } = this.window;
    const width = this.charts[0]?.width || 300;
    const reach = ((to - from) / width) * NEAR;
    const near = time === null ? [] : this.marks.filter((mark) => Math.abs(mark.time - time) <= reach).slice(-3);
    put(
      this.note,
      near.map((mark) => h("span", { class: `mark-note ${mark.kind}` }, `${clock(mark.time)}  ${mark.text}`)),
    );
  }

  destroy() {
    this.sized.disconnect();
    document.removeEventListener("themechange", this.themed);
  }
}

export class TimeChart {
  /**
   * @param {ChartGroup} group
   * @param {{title: string, lines: Array<{key: string, label: string, tone: string}>, format: (value: number) => string,
   *   floor?: number, binary?: boolean, whole?: boolean}} options floor: the scale reaches at least so far
   */
  constructor(group, options) {
    this.group = group;
    this.options = options;
    this.width = 0;
    this.values = options.lines.map((line) => h("span", { class: `chart-value tone-${line.tone}` }));
    this.canvas = h("canvas", { class: "chart-canvas", tabindex: "0", role: "img", "aria-label": options.title });
    this.at = h("span", { class: "chart-at" });
    this.none = h("p", { class: "chart-none", hidden: true }, "No figures yet.");
    this.element = h(
      "figure",
      { class: "chart" },
      h(
        "figcaption",
        null,
        h("span", { class: "chart-title" }, options.title),
        this.at,
        options.lines.map((line, index) =>
          h(
            "span",
            { class: "chart-legend" },
            options.lines.length > 1
              ? [h("i", { class: `swatch tone-${line.tone} dash-${index}`, "aria-hidden": "true" }), `${line.label} `]
              : null,
            this.values[index],
          ),
        ),
      ),
      h("div", { class: "chart-frame" }, this.canvas, this.none),
    );
    this.#listen();
  }

  // -- what the pointer and the keys do ----------------------------------------------------------------

  #listen() {
    const canvas = this.canvas;
    canvas.addEventListener("pointermove", (event) => {
      const time = this.#timeAt(event);
      if (this.group.drag) this.group.drag.to = time;
      this.group.setCursor(time);
    });
    canvas.addEventListener("pointerleave", () => !this.group.drag && this.group.setCursor(null));
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      canvas.setPointerCapture(event.pointerId);
      this.group.drag = { from: this.#timeAt(event), to: this.#timeAt(event) };
    });
    canvas.addEventListener("pointerup", () => this.#dropped());
    canvas.addEventListener("dblclick", () => this.group.setZoom(null));
    canvas.addEventListener("keydown", (event) => this.#keyed(event));
    canvas.addEventListener("blur", () => this.group.setCursor(null));
  }

  #dropped() {
    const drag = this.group.drag;
    this.group.drag = null;
    if (!drag) return;
    const from = Math.min(drag.from, drag.to);
    const to = Math.max(drag.from, drag.to);
    const whole = this.group.window;
    if (to - from > (whole.to - whole.from) / 50 && to - from >= 2) this.group.setZoom({ from, to });
    else soon(this.group.draw);
  }

  #keyed(event) {
    const { group } = this;
    const { from, to } = group.window;
    const middle = group.cursor ?? to;
    const step = (to - from) / 60;
    const zoomed = (factor) =>
      group.setZoom({ from: middle - (middle - from) * factor, to: middle + (to - middle) * factor });
    const moves = {
      ArrowLeft: () => group.setCursor(Math.max(from, middle - step)),
      ArrowRight: () => group.setCursor(Math.min(to, middle + step)),
      "+": () => zoomed(0.6),
      "-": () => zoomed(1.6),
      Escape: () => (group.setCursor(null), group.setZoom(null)),
    };
    if (!moves[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
    this.#describe();
  }

  #timeAt(event) {
    const { from, to } = this.group.window;
    const share = (event.offsetX - LEFT) / Math.max(1, this.width - LEFT - 4);
    return from + Math.min(1, Math.max(0, share)) * (to - from);
  }

  // -- drawing -----------------------------------------------------------------------------------------

  draw() {
    const { canvas } = this;
    const width = canvas.clientWidth;
    if (!width) return;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(HEIGHT * ratio)) canvas.height = Math.round(HEIGHT * ratio);
    this.width = width;
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, HEIGHT);
    const view = this.#view();
    this.#axes(context, view);
    this.#marks(context, view);
    this.options.lines.forEach((line, index) => this.#line(context, view, line, index));
    this.#cursor(context, view);
    this.#describe();
  }

  /** Scales for the present window. */
  #view() {
    const { time } = this.group.data;
    const { from, to } = this.group.window;
    let first = 0;
    while (first < time.length && time[first] < from - GAP) first += 1;
    let last = time.length;
    while (last > first && time[last - 1] > to + GAP) last -= 1;
    let top = this.options.floor || 1;
    let found = false;
    for (const { key } of this.options.lines) {
      const column = this.group.data[key] || [];
      for (let i = first; i < last; i += 1) {
        if (column[i] === null || column[i] === undefined) continue;
        found = true;
        if (column[i] > top) top = column[i];
      }
    }
    show(this.none, !found);
    top = niceTop(top, this.options);
    const inner = this.width - LEFT - 4;
    const height = HEIGHT - TOP - BOTTOM;
    return {
      from,
      to,
      first,
      last,
      top,
      x: (t) => LEFT + ((t - from) / (to - from)) * inner,
      y: (v) => TOP + height - (v / top) * height,
    };
  }

  #axes(context, view) {
    context.font = `10.5px ${getComputedStyle(this.canvas).fontFamily}`;
    context.lineWidth = 1;
    const grid = toneOf("grid");
    const words = toneOf("axis");
    for (const part of [0, 0.5, 1]) {
      const y = Math.round(view.y(view.top * part)) + 0.5;
      context.strokeStyle = grid;
      context.beginPath();
      context.moveTo(LEFT, y);
      context.lineTo(this.width - 4, y);
      context.stroke();
      context.fillStyle = words;
      context.textAlign = "right";
      context.textBaseline = "middle";
      context.fillText(this.options.format(view.top * part).replace(/\.0+(?=\D)/, ""), LEFT - 6, y);
    }
    context.textBaseline = "alphabetic";
    context.textAlign = "center";
    for (const tick of timeTicks(view.from, view.to, Math.max(2, Math.floor(this.width / 90)))) {
      const x = view.x(tick.time);
      if (x < LEFT + 16 || x > this.width - 20) continue;
      context.fillStyle = words;
      context.fillText(tick.label, x, HEIGHT - 3);
    }
  }

  #line(context, view, line, index) {
    const { time } = this.group.data;
    const column = this.group.data[line.key] || [];
    const colour = toneOf(line.tone);
    const runs = [];
    let run = [];
    for (let i = view.first; i < view.last; i += 1) {
      const value = column[i];
      const apart = run.length && time[i] - run.at(-1)[2] > Math.max(GAP, (view.to - view.from) / 40);
      if ((value === null || value === undefined || apart) && run.length) {
        runs.push(run);
        run = [];
      }
      if (value !== null && value !== undefined) run.push([view.x(time[i]), view.y(Math.max(0, value)), time[i]]);
    }
    if (run.length) runs.push(run);
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, this.width - LEFT - 3, HEIGHT - BOTTOM + 1);
    context.clip();
    context.lineJoin = "round";
    context.lineWidth = 1.5;
    context.setLineDash(index ? [5, 3] : []); // the second line differs by more than its colour
    context.strokeStyle = colour;
    for (const points of runs) {
      const path = new Path2D();
      points.forEach(([x, y], i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
      if (!index) {
        const area = new Path2D(path);
        area.lineTo(points.at(-1)[0], view.y(0));
        area.lineTo(points[0][0], view.y(0));
        context.globalAlpha = 0.13;
        context.fillStyle = colour;
        context.fill(area);
        context.globalAlpha = 1;
      }
      context.stroke(path);
    }
    context.restore();
  }

  #marks(context, view) {
    for (const mark of this.group.marks) {
      if (mark.kind === "quiet" || mark.time < view.from || mark.time > view.to) continue;
      const x = Math.round(view.x(mark.time)) + 0.5;
      context.strokeStyle = context.fillStyle = toneOf(mark.kind === "bad" ? "bad" : "note");
      context.globalAlpha = 0.55;
      context.setLineDash([2, 3]);
      context.beginPath();
      context.moveTo(x, TOP);
      context.lineTo(x, HEIGHT - BOTTOM);
      context.stroke();
      context.setLineDash([]);
      context.globalAlpha = 1;
      context.beginPath();
      if (mark.kind === "bad") {
        // a triangle for what went wrong, a diamond for what somebody did
        context.moveTo(x - 4, 1);
        context.lineTo(x + 4, 1);
        context.lineTo(x, 8);
      } else {
        context.moveTo(x, 0);
        context.lineTo(x + 3.5, 4);
        context.lineTo(x, 8);
        context.lineTo(x - 3.5, 4);
      }
      context.fill();
    }
  }

  #cursor(context, view) {
    const { cursor, drag } = this.group;
    if (drag) {
      context.fillStyle = toneOf("note");
      context.globalAlpha = 0.15;
      const [from, to] = [view.x(drag.from), view.x(drag.to)];
      context.fillRect(Math.min(from, to), TOP, Math.abs(to - from), HEIGHT - TOP - BOTTOM);
      context.globalAlpha = 1;
    }
    if (cursor === null || cursor < view.from || cursor > view.to) return;
    const x = Math.round(view.x(cursor)) + 0.5;
    context.strokeStyle = toneOf("axis");
    context.beginPath();
    context.moveTo(x, TOP);
    context.lineTo(x, HEIGHT - BOTTOM);
    context.stroke();
  }

  /** The figures in the caption, and in words for screen readers: at the cursor, or the newest. */
  #describe() {
    const { time } = this.group.data;
    const { cursor } = this.group;
    let index = time.length - 1;
    if (cursor !== null) {
      index = nearest(time, cursor);
      if (index >= 0 && Math.abs(time[index] - cursor) > Math.max(GAP, this.group.span / 40)) index = -1;
    }
    text(this.at, cursor === null ? "" : clock(cursor));
    const told = this.options.lines.map((line, i) => {
      const value = index < 0 ? null : this.group.data[line.key]?.[index];
      const words = value === null || value === undefined ? UNKNOWN : this.options.format(value);
      text(this.values[i], words);
      return `${line.label} ${words}`;
    });
    attr(
      this.canvas,
      "aria-label",
      `${this.options.title}${cursor === null ? " now" : ` at ${clock(cursor)}`}: ${told.join(", ")}. Arrow keys move the cursor, plus and minus zoom.`,
    );
  }
}

function nearest(times, wanted) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  if (low > 0 && (low === times.length || wanted - times[low - 1] < times[low] - wanted)) low -= 1;
  return low < times.length ? low : -1;
}
