/**
 * Form fields made from the option table, and the check of what is typed into them. What the server says of a value
 * stands above what is found here: the check is for telling early.
 */

import { attr, h, text, uid } from "../dom.js";
import { optionText } from "../format.js";

/**
 * @typedef {Object} OptionRow as the server tells it (/api/v1/schema/options)
 * @property {string} name
 * @property {string} kind
 * @property {string[]|null} choices
 * @property {number|null} minimum
 * @property {number|null} maximum
 * @property {any} default
 * @property {string} doc
 * @property {string} on_change
 * @property {boolean} settable
 * @property {boolean} addable
 * @property {string} fixed
 * @property {string} deprecated
 * @property {string} family
 * @property {boolean} [required]
 */

/** What a change does to a running watcher, in words. */
export const EFFECTS = {
  nothing: ["takes effect at the next use", "quiet"],
  reconcile: ["takes effect at once; healthy workers stay", "quiet"],
  roll: ["will reload: workers are replaced gracefully", "roll"],
  stream: ["output is switched over; workers stay", "quiet"],
  replace: ["needs restart: the watcher is stopped and made again", "replace"],
};

/** Groups for the forms, by option name; what is in none comes last. */
export const GROUPS = [
  [
    "What runs",
    ["name", "cmd", "args", "working_dir", "shell", "shell_args", "executable", "virtualenv", "virtualenv_py_ver"],
  ],
  [
    "How many",
    ["numprocesses", "singleton", "priority", "autostart", "on_demand", "warmup_delay", "max_age", "max_age_variance"],
  ],
  ["As whom, with what", ["uid", "gid", "env", "copy_env", "copy_path", "login_env", "circus_env", "umask", "rlimit_"]],
  [
    "Restarting",
    [
      "respawn",
      "max_retry",
      "stop_exit_codes",
      "respawn_backoff.base",
      "respawn_backoff.factor",
      "respawn_backoff.cap",
      "respawn_backoff.stable",
      "respawn_backoff.jitter",
    ],
  ],
  ["Stopping and reloading", ["stop_signal", "stop_children", "graceful_timeout", "send_hup", "reload_overlap"]],
  ["Sockets", ["use_sockets", "listen_fds", "stdin_socket"]],
  [
    "Output",
    [
      "stdout_stream",
      "stderr_stream",
      "stdout_stream.",
      "stderr_stream.",
      "capture",
      "close_child_stdin",
      "close_child_stdout",
      "close_child_stderr",
    ],
  ],
  ["Hooks", ["hooks", "hooks.", "hook_timeout"]],
];

/** Sort options into the groups. @param {OptionRow[]} rows @returns {Array<[string, OptionRow[]]>} */
export function grouped(rows) {
  const left = new Map(rows.map((row) => [row.name, row]));
  const found = GROUPS.map(([title, names]) => {
    const mine = names.filter((name) => left.has(name)).map((name) => left.get(name));
    mine.forEach((row) => left.delete(row.name));
    return [title, mine];
  });
  return [...found, ["More", [...left.values()]]].filter(([, mine]) => mine.length);
}

/**
 * Read what was typed. @param {OptionRow} row @param {string} typed
 * @returns {{value?: any, error?: string}}
 */
export function readValue(row, typed) {
  const words = typed.trim();
  if (row.required && !words) return { error: "It cannot be empty." };
  if (words === "") return { value: null };
  const kind = row.kind.toLowerCase();
  if (kind === "integer") {
    if (!/^[+-]?\d+$/.test(words)) return { error: "A whole number is wanted." };
    return bounded(row, Number(words));
  }
  if (kind.includes("number") && !kind.includes("name")) {
    if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(words)) return { error: "A number is wanted." };
    return bounded(row, Number(words));
  }
  if (kind === "octal mask" && !/^(0o?)?[0-7]{1,4}$/.test(words))
    return { error: "An octal number is wanted, such as 022." };
  if (kind === "list of exit codes" && !/^\d{1,3}([\s,]+\d{1,3})*$/.test(words))
    return { error: "Exit codes are wanted, such as 0 78." };
  if (kind.startsWith("size") && !/^\d+\s*[kmgtKMGT]?i?[bB]?$/.test(words))
    return { error: "A size is wanted, such as 64K or 10M." };
  if (kind === "command line") {
    const quote = openQuote(words);
    if (quote) return { error: `The quote ${quote} is not closed.` };
  }
  return { value: words };
}

/** The quote that is still open at the end, as a POSIX shell reads words; empty when none is. */
function openQuote(words) {
  let open = "";
  for (let i = 0; i < words.length; i += 1) {
    const letter = words[i];
    if (letter === "\\" && open !== "'") i += 1;
    else if (open) open = letter === open ? "" : open;
    else if (letter === "'" || letter === '"') open = letter;
  }
  return open;
}

function bounded(row, number) {
  if (row.minimum !== null && row.minimum !== undefined && number < row.minimum)
    return { error: `It must be at least ${row.minimum}.` };
  if (row.maximum !== null && row.maximum !== undefined && number > row.maximum)
    return { error: `It must be at most ${row.maximum}.` };
  return { value: number };
}

/**
 * A field for an option.
 * @param {OptionRow} row
 * @param {{value?: any, onInput: (field: any) => void, effect?: boolean, disabled?: string}} options
 */
export function optionField(row, { value, onInput, effect = false, disabled = "" }) {
  const id = uid("option");
  const control = makeControl(row, id, value, () => onInput(field));
  const problem = h("p", { class: "field-error", id: `${id}-error`, role: "alert" });
  const doc = h("p", { class: "hint", id: `${id}-doc` }, row.doc.replaceAll("`", ""));
  const [words, kind] = EFFECTS[row.on_change] || EFFECTS.nothing;
  const badge = effect ? h("span", { class: `effect ${kind}`, hidden: true }, words) : null;
  attr(control, "aria-describedby", `${id}-doc ${id}-error`);
  if (disabled) {
    control.disabled = true;
    doc.append(` (${disabled})`);
  }
  const label = h(
    "label",
    { for: id, class: "field-name" },
    row.name,
    row.required ? h("span", { class: "needed" }, " required") : null,
  );
  const element = h(
    "div",
    { class: `option-field ${row.kind === "boolean" ? "flag" : ""}`, "data-option": row.name },
    h("div", { class: "field-head" }, label, badge),
    control,
    problem,
    doc,
  );
  const before = row.kind === "boolean" ? !!value : typedForm(row, value);
  const field = {
    element,
    row,
    control,
    get typed() {
      return row.kind === "boolean" ? control.checked : control.value;
    },
    get changed() {
      return field.typed !== before;
    },
    read() {
      if (row.kind === "boolean") return { value: control.checked };
      if (row.kind === "variables") return readEnv(control.value);
      return readValue(row, control.value);
    },
    complain(why) {
      text(problem, why || "");
      attr(control, "aria-invalid", why ? "true" : null);
    },
    mark() {
      element.classList.toggle("changed", field.changed);
      if (badge) badge.hidden = !field.changed;
    },
  };
  return field;
}

function typedForm(row, value) {
  if (row.kind === "variables")
    return Object.entries(value || {})
      .map(([key, each]) => `${key}=${each}`)
      .join("\n");
  if (row.kind === "list of exit codes" && Array.isArray(value)) return value.join(" ");
  return optionText(value);
}

function makeControl(row, id, value, heard) {
  if (row.kind === "boolean")
    return h("input", { type: "checkbox", id, class: "switch", checked: !!value, on: { change: heard } });
  if (row.kind === "variables") {
    return h("textarea", {
      id,
      class: "input mono",
      rows: "4",
      spellcheck: "false",
      value: typedForm(row, value),
      placeholder: "NAME=value, one on a line",
      on: { input: heard },
    });
  }
  if (row.choices) {
    return h(
      "select",
      { id, class: "input", on: { change: heard } },
      ["", ...row.choices].map((choice) =>
        h(
          "option",
          { value: choice, selected: choice === optionText(value) },
          choice || `default (${optionText(row.default) || "none"})`,
        ),
      ),
    );
  }
  const numeric = ["integer", "number"].includes(row.kind);
  return h("input", {
    type: "text",
    id,
    class: `input ${numeric ? "short" : "mono"}`,
    inputmode: numeric ? "decimal" : null,
    spellcheck: "false",
    autocomplete: "off",
    value: typedForm(row, value),
    placeholder: optionText(row.default) || null,
    on: { input: heard },
  });
}

/** Variables, one on a line. */
export function readEnv(typed) {
  const value = {};
  for (const [index, line] of typed.split("\n").entries()) {
    if (!line.trim()) continue;
    const at = line.indexOf("=");
    const key = line.slice(0, at).trim();
    if (at < 1 || !/^[A-Za-z_]\w*$/.test(key)) return { error: `Line ${index + 1} is not NAME=value.` };
    value[key] = line.slice(at + 1);
  }
  return { value };
}
