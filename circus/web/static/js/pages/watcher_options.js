/** The options of a watcher: read as a table, changed in a form that tells what each change does before it is saved. */

import { attr, h, keyed, put, show, text } from "../dom.js";
import { optionText, plural } from "../format.js";
import { watcherPath } from "../api.js";
import { copyLine } from "../ui/copyline.js";
import { openDialog } from "../ui/dialog.js";
import { EFFECTS, grouped, optionField } from "../ui/fields.js";
import { icon, iconButton } from "../ui/icons.js";

/** The option table, asked for once. */
let schema = null;

export function readSchema(api) {
  schema ||= api.get("schema/options").catch((error) => {
    schema = null;
    throw error;
  });
  return schema;
}

export function optionsTab(page) {
  const body = h("div", null, h("p", { class: "loading", role: "status" }, "Reading the option table…"));
  const element = h("div", { class: "options" }, body);
  let view = null;
  readSchema(page.api).then(
    (told) => {
      page.signals = told.signals;
      if (element.isConnected) read(told);
    },
    (error) =>
      put(body, h("p", { class: "empty", role: "alert" }, `The option table could not be read: ${error.message}`)),
  );

  function read(told) {
    view = readView(page, told, (focus) => edit(told, focus));
    put(body, view.element);
  }

  function edit(told, focus) {
    view = editView(page, told, focus, () => read(told));
    put(body, view.element);
    view.focus();
  }

  return { element, update: () => view?.update?.() };
}

/** Rows of the table that the watcher reports, and what it reports that the table does not know. */
function rowsOf(page, told) {
  const values = page.data.options || {};
  const known = new Set(told.options.map((row) => row.name));
  const rows = told.options
    .filter((row) => !row.family || row.name !== row.family)
    .filter((row) => row.name in values || row.settable);
  const free = Object.keys(values)
    .filter((name) => !known.has(name) && !isLeftover(name, values[name]))
    .map((name) => [
      name,
      told.options.find((row) => row.family && name.startsWith(row.family) && row.name === row.family) || null,
    ])
    .map(([name, row]) => ({
      kind: "text",
      choices: null,
      default: null,
      doc: row?.doc || "An option of its own.",
      on_change: row?.on_change || "nothing",
      settable: row?.settable ?? false,
      fixed: "",
      deprecated: "",
      family: row?.family || "",
      ...(row || {}),
      name,
    }));
  return [...rows, ...free];
}

/** What old readers of files leave behind, and nobody set. */
function isLeftover(name, value) {
  return name.startsWith("__") || (name.endsWith("_stream_conf") && optionText(value) === "{}");
}

function valueOf(page, row) {
  const values = page.data.options || {};
  return row.name in values ? values[row.name] : row.default;
}

function readView(page, told, edit) {
  const filter = h("input", {
    type: "search",
    class: "input filter",
    placeholder: "Find an option",
    "aria-label": "Find an option",
    "data-filter": "",
    on: { input: () => update() },
  });
  const changed = h("input", { type: "checkbox", on: { change: () => update() } });
  const forbidden = page.actions.forbidden("set");
  const button = h(
    "button",
    {
      type: "button",
      class: "button primary",
      disabled: !!forbidden,
      title: forbidden || null,
      on: { click: () => edit("") },
    },
    icon("edit"),
    h("span", null, "Edit options"),
  );
  const list = h("div", { class: "option-groups" });
  const none = h("p", { class: "empty" }, "No option by that name.");
  const element = h(
    "div",
    null,
    h(
      "div",
      { class: "bar-row" },
      h("div", { class: "filter-box" }, icon("search"), filter),
      h("label", { class: "check" }, changed, " Only what differs from the default"),
      h("span", { class: "grow" }),
      button,
    ),
    list,
    none,
  );
  function update() {
    const words = filter.value.trim().toLowerCase();
    const rows = rowsOf(page, told).filter(
      (row) =>
        (!words || row.name.includes(words) || row.doc.toLowerCase().includes(words)) &&
        (!changed.checked || differs(page, row)),
    );
    show(none, !rows.length);
    keyed(
      list,
      grouped(rows),
      ([title]) => title,
      ([title]) => h("section", { class: "option-group" }, h("h3", null, title), h("dl")),
      (node, [, mine]) =>
        keyed(
          node.lastElementChild,
          mine,
          (row) => row.name,
          (row) => readRow(page, row, edit),
          (line) => line.refresh(),
        ),
    );
  }
  update();
  return { element, update };
}

function differs(page, row) {
  return optionText(valueOf(page, row)) !== optionText(row.default);
}

function readRow(page, row, edit) {
  const value = h("dd", { class: "option-value" });
  const pencil =
    row.settable && !page.actions.forbidden("set")
      ? iconButton("edit", `Edit ${row.name}`, () => edit(row.name), { title: `Edit ${row.name}`, size: 14 })
      : null;
  const node = h(
    "div",
    { class: "option-row", title: row.doc.replaceAll("`", "") },
    h("dt", null, row.name),
    value,
    h("span", { class: "option-tools" }, pencil),
  );
  node.refresh = () => {
    const now = valueOf(page, row);
    node.classList.toggle("default", !differs(page, row));
    node.classList.toggle("long", row.name === "cmd" || optionText(now).length > 60);
    if (row.kind === "variables" && now && typeof now === "object") {
      const key = JSON.stringify(now);
      if (node.shown !== key) put(value, envList(page, now));
      node.shown = key;
    } else text(value, optionText(now) || "none");
  };
  return node;
}

/** Variables with secrets masked; who may can look at them one by one. */
function envList(page, env) {
  const secrets = new Set(page.data.secrets || []);
  const keys = Object.keys(env).sort();
  if (!keys.length) return "none";
  return h(
    "ul",
    { class: "env" },
    keys.map((key) => {
      const secret = secrets.has(`env.${key}`);
      const words = h("span", { class: `env-value ${secret ? "masked" : ""}` }, optionText(env[key]));
      return h(
        "li",
        null,
        h("span", { class: "env-key" }, key),
        words,
        secret && page.api.may("admin") ? revealButton(page, key, words) : null,
      );
    }),
  );
}

function revealButton(page, key, words) {
  return h(
    "button",
    {
      type: "button",
      class: "link-button",
      "aria-label": `Reveal ${key}`,
      on: {
        click: async (event) => {
          const button = event.currentTarget;
          try {
            const told = await page.api.get(watcherPath(page.name, "options"), { endpoint: page.eid, reveal: 1 });
            text(words, optionText((told.options || told).env?.[key]));
            words.classList.remove("masked");
            button.remove();
          } catch (error) {
            page.toasts.tell("failed", `Could not reveal ${key}`, error.message);
          }
        },
      },
    },
    "Reveal",
  );
}

function editView(page, told, focus, done) {
  const all = rowsOf(page, told);
  const rows = all.filter((row) => row.settable);
  const fixed = all.filter((row) => !row.settable).map((row) => row.name);
  const fields = [];
  const sum = h("p", { class: "save-sum", role: "status" });
  const review = h("button", { type: "submit", class: "button primary", disabled: true }, "Review the changes");
  const groups = grouped(rows).map(([title, mine]) =>
    h(
      "fieldset",
      { class: "option-group" },
      h("legend", null, title),
      mine.map((row) => {
        const field = optionField(row, { value: valueOf(page, row), effect: true, onInput: (each) => heard(each) });
        fields.push(field);
        return field.element;
      }),
    ),
  );
  const form = h(
    "form",
    { class: "option-form", novalidate: true },
    groups,
    fixed.length
      ? h("p", { class: "hint" }, `Not to be set while it runs, only in the configuration file: ${fixed.join(", ")}.`)
      : null,
    h(
      "div",
      { class: "save-bar" },
      sum,
      h("button", { type: "button", class: "button", on: { click: () => done() } }, "Cancel"),
      review,
    ),
  );
  const changedFields = () => fields.filter((field) => field.changed);

  function heard(field) {
    field.mark();
    field.complain(field.changed ? field.read().error : "");
    const changed = changedFields();
    const effects = new Set(changed.map((each) => each.row.on_change));
    const worst = effects.has("replace")
      ? "The watcher needs a restart."
      : effects.has("roll")
        ? "Workers will be reloaded."
        : "Workers stay.";
    text(sum, changed.length ? `${plural(changed.length, "change")}. ${worst}` : "Nothing changed.");
    review.disabled = !changed.length || changed.some((each) => each.read().error);
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const options = Object.fromEntries(changedFields().map((field) => [field.row.name, field.read().value]));
    if (await reviewChanges(page, options, fields)) done();
  });
  text(sum, "Nothing changed.");
  return {
    element: form,
    focus: () => {
      const field = fields.find((each) => each.row.name === focus) || fields.find((each) => !each.control.disabled);
      field?.control.focus({ preventScroll: !focus });
      field?.element.scrollIntoView({ block: focus ? "center" : "nearest" });
    },
  };
}

/** Ask the server what the changes do, show it, and save when it is agreed. @returns {Promise<boolean>} */
async function reviewChanges(page, options, fields) {
  let told;
  try {
    told = await page.api.send("PUT", watcherPath(page.name), {
      body: { options, dry_run: true },
      query: { endpoint: page.eid },
    });
  } catch (error) {
    for (const field of fields) if (error.errors?.[field.row.name]) field.complain(error.errors[field.row.name]);
    page.toasts.tell("failed", "The changes were refused", error.message, error.circusctl);
    return false;
  }
  const wrong = (told.changes || []).filter((change) => change.error);
  for (const change of wrong) fields.find((field) => field.row.name === change.option)?.complain(change.error);
  const dialog = openDialog({
    title: `Change ${page.name}?`,
    cls: "wide",
    body: h(
      "div",
      { class: "stack" },
      h("ul", { class: "changes" }, (told.changes || []).map(changeItem)),
      h("div", null, h("p", { class: "hint" }, "The same on the command line"), copyLine(told.circusctl)),
    ),
    buttons: [
      h("button", { type: "button", class: "button", on: { click: () => dialog.close() } }, "Back"),
      h(
        "button",
        {
          type: "button",
          class: "button primary",
          disabled: wrong.length > 0,
          autofocus: true,
          on: { click: () => dialog.close("yes") },
        },
        "Apply",
      ),
    ],
  });
  if ((await dialog.closed) !== "yes") return false;
  const reply = await page.actions.run(
    `Changing ${page.name}`,
    () => page.api.send("PUT", watcherPath(page.name), { body: { options }, query: { endpoint: page.eid } }),
    { line: told.circusctl },
  );
  return !!reply;
}

function changeItem(change) {
  const [words, kind] = EFFECTS[change.on_change] || EFFECTS.nothing;
  return h(
    "li",
    { class: "change" },
    h(
      "p",
      null,
      h("strong", { class: "mono" }, change.option),
      h("span", { class: `effect ${kind}` }, change.effect || words),
    ),
    h(
      "p",
      { class: "from" },
      h("span", { class: "diff-mark", "aria-label": "before" }, "−"),
      optionText(change.from) || "none",
    ),
    h(
      "p",
      { class: "to" },
      h("span", { class: "diff-mark", "aria-label": "after" }, "+"),
      optionText(change.to) || "none",
    ),
    change.error ? h("p", { class: "field-error" }, change.error) : null,
  );
}

/** What is called at the points of its life. */
export function hooksTab(page) {
  const list = h("div", { class: "option-groups" });
  const element = h("div", null, list);
  const asked = readSchema(page.api).then(
    (told) => told.hooks || [],
    () => [],
  );
  let known = [];
  asked.then((hooks) => {
    known = hooks;
    update();
  });
  const update = () => {
    const options = page.data.options || {};
    const set = { ...(options.hooks && typeof options.hooks === "object" ? options.hooks : {}) };
    for (const [name, value] of Object.entries(options)) if (name.startsWith("hooks.")) set[name.slice(6)] = value;
    const answers = page.data.why?.hooks || [];
    const names = [...new Set([...Object.keys(set), ...known.map((hook) => hook.name)])];
    const rows = names
      .map((name) => ({
        name,
        set: set[name],
        doc: known.find((hook) => hook.name === name)?.doc || "",
        answer: answers.findLast?.((each) => each.hook === name || each.name === name),
      }))
      .sort((a, b) => (b.set ? 1 : 0) - (a.set ? 1 : 0));
    keyed(
      list,
      rows,
      (row) => row.name,
      (row) =>
        h(
          "div",
          { class: "hook-row" },
          h("strong", { class: "mono" }, row.name),
          h("span", { class: "mono hook-what" }),
          h("p", { class: "hint" }, row.doc),
          h("p", { class: "hook-answer" }),
        ),
      (node, row) => {
        attr(node, "data-set", row.set ? "yes" : null);
        text(node.children[1], row.set ? hookText(row.set) : "not set");
        text(node.children[3], row.answer ? row.answer.error || row.answer.text || "refused" : "");
      },
    );
  };
  update();
  return { element, update };
}

function hookText(value) {
  if (Array.isArray(value)) return `${value[0]}${value[1] ? " (a failure is ignored)" : ""}`;
  return optionText(value);
}
