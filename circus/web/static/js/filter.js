/**
 * The filter box: words that must occur in the name, `-word` that must not, `is:problem`, `status:stopped`, and
 * comparisons such as `cpu>50`, `mem>200M`, `restarts>0`. Pure.
 */

const SIZES = { k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };
const MEASURES = {
  cpu: "cpu",
  mem: "rss",
  rss: "rss",
  memory: "rss",
  restarts: "restarts",
  workers: "count",
  count: "count",
  uptime: "uptime",
  queue: "queue",
  pid: "pid",
  wid: "wid",
};
const COMPARISON = /^([a-z]+)(>=|<=|>|<|=)(\d+(?:\.\d+)?)([kmgt])?$/i;

/** @param {string} typed @returns {(row: any) => boolean} */
export function makeFilter(typed) {
  const tests = typed.trim().split(/\s+/).filter(Boolean).map(makeTest);
  return (row) => tests.every((test) => test(row));
}

function makeTest(word) {
  if (word.length > 1 && word.startsWith("-")) {
    const inner = makeTest(word.slice(1));
    return (row) => !inner(row);
  }
  const compared = COMPARISON.exec(word);
  if (compared && MEASURES[compared[1].toLowerCase()]) return comparison(compared);
  const low = word.toLowerCase();
  if (low.startsWith("is:")) return (row) => kinds(row).has(low.slice(3));
  if (low.startsWith("status:")) return (row) => String(row.status || row.state || "").startsWith(low.slice(7));
  return (row) =>
    String(row.name ?? "")
      .toLowerCase()
      .includes(low) || String(row.pid ?? "") === low;
}

function comparison([, name, operator, digits, unit]) {
  const key = MEASURES[name.toLowerCase()];
  const bound = Number(digits) * (unit ? SIZES[unit.toLowerCase()] : 1);
  return (row) => {
    const value = row[key];
    if (typeof value !== "number") return false;
    return { ">": value > bound, "<": value < bound, ">=": value >= bound, "<=": value <= bound, "=": value === bound }[
      operator
    ];
  };
}

function kinds(row) {
  const found = new Set([row.status || row.state]);
  if (row.problem) found.add("problem");
  if (row.plugin) found.add("plugin");
  if (row.on_demand) found.add("on-demand");
  return found;
}
