/**
 * A table of many rows: sorted by any column, only the rows in view are in the page, cells change in place. While the
 * pointer or the focus is in it the order of rows is held, so that nobody clicks a row that has just moved.
 */

import { attr, h, keyed, show, soon, text } from "../dom.js";

/**
 * @typedef {Object} Column
 * @property {string} key
 * @property {string} label
 * @property {string} [title] longer words for the header
 * @property {"left"|"right"} [align]
 * @property {string} [cls] class of header and cells; `p2`, `p3` are hidden on narrower screens
 * @property {(row: any) => any} [sort] value to sort by; none: not sortable
 * @property {boolean} [descending] biggest first at the first click
 * @property {(row: any) => string} [text] what the cell says
 * @property {(row: any) => Node} [make] makes the content once for a row
 * @property {(content: any, row: any) => void} [update] changes it
 */

const OVERSCAN = 12;

/**
 * The column of a figure: to the right, and sorted by it, the biggest first.
 * @param {string} key of the figure in a row
 * @param {string} label
 * @param {(value: any) => string} say how it is written
 * @param {Partial<Column>} [more] what is different
 * @returns {Column}
 */
export function figure(key, label, say, more) {
  return {
    key,
    label,
    align: "right",
    cls: "c-figure",
    descending: true,
    sort: (row) => row[key],
    text: (row) => say(row[key]),
    ...more,
  };
}

export class DataTable {
  /**
   * @param {Object} options
   * @param {string} options.label for screen readers
   * @param {Column[]} options.columns
   * @param {(row: any) => string} options.keyOf
   * @param {{key: string, descending?: boolean}} options.sort
   * @param {(sort: {key: string, descending: boolean}) => void} [options.onSort]
   * @param {(row: any) => string} [options.hrefOf] where Enter on a row leads; the first link of the row by default
   * @param {(row: any, tr: HTMLElement) => void} [options.decorate]
   * @param {(a: any, b: any) => number} [options.rank] goes before the chosen order
   * @param {string} [options.empty]
   * @param {string} [options.cls]
   */
  constructor(options) {
    this.options = options;
    this.columns = options.columns;
    this.sort = { descending: false, ...options.sort };
    /** @type {any[]} */
    this.rows = [];
    /** @type {any[]} */
    this.ordered = [];
    this.rowHeight = 0;
    this.held = false;
    this.body = h("tbody", null);
    this.above = h("tr", { class: "pad", "aria-hidden": "true" }, h("td", null));
    this.below = h("tr", { class: "pad", "aria-hidden": "true" }, h("td", null));
    this.empty = h("p", { class: "empty", role: "status" });
    this.table = h(
      "table",
      { class: `data ${options.cls || ""}`, "aria-label": options.label },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          this.columns.map((column) => this.#header(column)),
        ),
      ),
      h("tbody", { class: "pads" }, this.above),
      this.body,
      h("tbody", { class: "pads" }, this.below),
    );
    this.element = h("div", { class: "table-box" }, this.table, this.empty);
    this.draw = () => this.#draw();
    this.#listen();
    this.#markSort();
  }

  /** Take the rows to show; drawn in the next frame. */
  setRows(rows, emptyText) {
    this.rows = rows;
    if (emptyText !== undefined) this.options.empty = emptyText;
    soon(this.draw);
  }

  destroy() {
    removeEventListener("scroll", this.scrolled, true);
    removeEventListener("resize", this.scrolled);
  }

  // -- inside ------------------------------------------------------------------------------------------

  #header(column) {
    const cls = `${column.cls || ""} ${column.align === "right" ? "num" : ""}`;
    if (!column.sort) {
      return h(
        "th",
        { class: cls, scope: "col" },
        column.label ? column.label : h("span", { class: "sr" }, column.title || "Actions"),
      );
    }
    const button = h(
      "button",
      { type: "button", class: "sort", title: column.title || null, on: { click: () => this.#sortBy(column) } },
      column.label,
    );
    column.header = h("th", { class: cls, scope: "col" }, button);
    return column.header;
  }

  #sortBy(column) {
    const again = this.sort.key === column.key;
    this.sort = { key: column.key, descending: again ? !this.sort.descending : !!column.descending };
    this.#markSort();
    this.options.onSort?.(this.sort);
    this.held = false;
    soon(this.draw);
  }

  #markSort() {
    for (const column of this.columns) {
      if (!column.header) continue;
      const chosen = column.key === this.sort.key;
      attr(column.header, "aria-sort", chosen ? (this.sort.descending ? "descending" : "ascending") : null);
    }
  }

  #listen() {
    this.scrolled = () => soon(this.draw);
    addEventListener("scroll", this.scrolled, { capture: true, passive: true });
    addEventListener("resize", this.scrolled);
    this.body.addEventListener("pointerenter", (event) => (this.held = event.pointerType === "mouse"));
    this.body.addEventListener("pointerleave", () => (this.held = this.body.contains(document.activeElement)));
    this.body.addEventListener("focusin", () => (this.held = true));
    this.body.addEventListener("focusout", () => (this.held = false));
    this.body.addEventListener("keydown", (event) => this.#keyed(event));
  }

  #keyed(event) {
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea"))
      return;
    const row = event.target.closest("tr");
    const next = step > 0 ? row?.nextElementSibling : row?.previousElementSibling;
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    (next.querySelector("a, button") || next).focus();
    next.scrollIntoView({ block: "nearest" });
  }

  /** Put the focus on the first row; for the key `j`. */
  focusFirst() {
    this.body.querySelector("tr a, tr button")?.focus();
  }

  #order() {
    const { keyOf, rank } = this.options;
    if (this.held && this.ordered.length) {
      const now = new Map(this.rows.map((row) => [keyOf(row), row]));
      const kept = [];
      for (const old of this.ordered) {
        const row = now.get(keyOf(old));
        if (row) {
          kept.push(row);
          now.delete(keyOf(old));
        }
      }
      return [...kept, ...now.values()];
    }
    const column = this.columns.find((each) => each.key === this.sort.key && each.sort);
    const turn = this.sort.descending ? -1 : 1;
    const valued = this.rows.map((row) => ({ row, value: column ? column.sort(row) : 0, key: keyOf(row) }));
    valued.sort((a, b) => (rank ? rank(a.row, b.row) : 0) || turn * compare(a.value, b.value) || compare(a.key, b.key));
    return valued.map((each) => each.row);
  }

  #draw() {
    this.ordered = this.#order();
    const total = this.ordered.length;
    show(this.empty, total === 0);
    show(this.table, total > 0);
    text(this.empty, total ? "" : this.options.empty || "Nothing here.");
    if (!this.element.isConnected) return;
    const height = this.rowHeight || 34;
    let first = 0;
    let last = total;
    if (total > 3 * OVERSCAN) {
      const top = this.above.getBoundingClientRect().top;
      first = clamp(Math.floor(-top / height) - OVERSCAN, 0, total);
      last = clamp(Math.ceil((innerHeight - top) / height) + OVERSCAN, first, total);
    }
    attr(this.table, "aria-rowcount", total + 1);
    pad(this.above, first * height);
    pad(this.below, (total - last) * height);
    keyed(
      this.body,
      this.ordered.slice(first, last),
      this.options.keyOf,
      () => this.#row(),
      (tr, row) => this.#update(tr, row),
    );
    let index = first;
    for (const tr of this.body.children) attr(tr, "aria-rowindex", (index += 1) + 1);
    const sample = this.body.firstElementChild;
    if (sample && !this.rowHeight) {
      this.rowHeight = sample.getBoundingClientRect().height || 34;
      if (this.rowHeight !== height) soon(this.draw);
    }
  }

  #row() {
    const tr = h("tr", null);
    for (const column of this.columns) {
      tr.append(h("td", { class: `${column.cls || ""} ${column.align === "right" ? "num" : ""}` }));
    }
    return tr;
  }

  #update(tr, row) {
    const made = tr._made || (tr._made = []);
    tr._row = row;
    this.columns.forEach((column, index) => {
      const cell = tr.children[index];
      if (column.make) {
        if (!made[index]) cell.append((made[index] = column.make(row, () => tr._row)));
        column.update?.(made[index], row);
      } else text(cell, column.text(row));
    });
    this.options.decorate?.(row, tr);
  }
}

function pad(row, height) {
  const wanted = `${Math.max(0, height)}px`;
  const cell = row.firstElementChild;
  if (cell.style.height !== wanted) cell.style.setProperty("height", wanted);
  show(row, height > 0 || row.parentElement.previousElementSibling?.tagName === "THEAD");
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

/** Order of any two values; unknown ones come last when ascending. */
export function compare(a, b) {
  const noA = a === null || a === undefined;
  const noB = b === null || b === undefined;
  if (noA || noB) return noA && noB ? 0 : noA ? -1 : 1;
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true, sensitivity: "base" });
}
