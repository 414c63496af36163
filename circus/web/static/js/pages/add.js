/** Adding a watcher: a form made from the option table, checked while it is filled in. */

import { h, put, show, text } from "../dom.js";
import { optionText } from "../format.js";
import { watcherHref } from "../router.js";
import { copyLine } from "../ui/copyline.js";
import { grouped, optionField } from "../ui/fields.js";
import { icon } from "../ui/icons.js";
import { chosenEndpoint, endpointSelect } from "./endpoint_select.js";
import { loading } from "./parts.js";
import { readSchema } from "./watcher_options.js";

/** Shown at once; the rest is behind "More options". */
const FIRST = ["name", "cmd", "args", "working_dir", "numprocesses", "shell", "uid", "env", "capture"];
const PAUSE = 350;

export function mount(ctx) {
  ctx.setHead({ title: "Add watcher", crumbs: [h("a", { href: ctx.router.href("") }, "Overview")] });
  const wait = loading("Reading the option table…");
  ctx.root.append(wait);
  let form = null;
  readSchema(ctx.api).then(
    (schema) => {
      if (!wait.isConnected) return;
      show(wait, false);
      form = addForm(ctx, schema);
      ctx.root.append(form.element);
      form.focus();
    },
    (error) => put(wait, `The option table could not be read: ${error.message}`),
  );
  const stop = ctx.store.follow("overview", () => form?.refresh());
  return () => {
    stop();
    form?.destroy();
  };
}

function addForm(ctx, schema) {
  const rows = schema.options
    .filter((row) => row.addable && !row.deprecated && !(row.family && row.family === row.name))
    .map((row) => (row.name === "name" || row.name === "cmd" ? { ...row, required: true } : row));
  if (!rows.some((row) => row.name === "name"))
    rows.unshift({
      name: "name",
      kind: "text",
      choices: null,
      default: "",
      doc: "Name of the watcher. Compared without case.",
      on_change: "replace",
      required: true,
    });
  const fields = new Map();
  const make = (row) => {
    const field = optionField(row, {
      value: row.required ? "" : row.kind === "boolean" ? row.default : undefined,
      onInput: (each) => heard(each),
    });
    fields.set(row.name, field);
    return field.element;
  };
  const first = FIRST.map((name) => rows.find((row) => row.name === name)).filter(Boolean);
  const rest = rows.filter((row) => !FIRST.includes(row.name));
  const endpoint = endpointSelect(ctx, () => check());
  const endpointBox = h("label", { class: "field" }, h("span", null, "Daemon"), endpoint);
  const start = h("input", { type: "checkbox", class: "switch", checked: true, on: { change: () => check() } });
  const line = copyLine("circusctl add --start NAME CMD");
  const section = h("pre", {
    class: "ini",
    tabindex: "0",
    "aria-label": "The same as a section of the configuration file",
  });
  const problem = h("p", { class: "form-error", role: "alert", hidden: true });
  const forbidden = ctx.actions.forbidden("add");
  const submit = h(
    "button",
    { type: "submit", class: "button primary", disabled: !!forbidden, title: forbidden || null },
    icon("add"),
    "Add watcher",
  );
  const more = h(
    "details",
    { class: "more-options" },
    h("summary", null, `More options (${rest.length})`),
    grouped(rest).map(([title, mine]) =>
      h("fieldset", { class: "option-group" }, h("legend", null, title), mine.map(make)),
    ),
  );
  const element = h(
    "form",
    { class: "add-form", novalidate: true },
    h(
      "div",
      { class: "panel" },
      h("div", { class: "panel-body" }, endpointBox, h("div", { class: "option-group" }, first.map(make)), more),
    ),
    h(
      "aside",
      { class: "panel preview", "aria-label": "Preview" },
      h(
        "div",
        { class: "panel-body stack" },
        forbidden ? h("p", { class: "notice" }, icon("warning"), h("span", null, `Adding ${forbidden}.`)) : null,
        h("label", { class: "check" }, start, " Start it at once"),
        problem,
        submit,
        h("div", null, h("h3", null, "On the command line"), line),
        h(
          "div",
          null,
          h("h3", null, "In the configuration file"),
          section,
          h(
            "p",
            { class: "hint" },
            "What is added here lasts until the daemon ends. Write it into the file to keep it.",
          ),
        ),
      ),
    ),
  );
  let timer = 0;
  let asked = 0;

  function values() {
    const options = {};
    for (const [name, field] of fields) {
      if (name === "name" || name === "cmd" || !field.changed) continue;
      const { value } = field.read();
      if (value !== null && value !== undefined && !(name === "env" && !Object.keys(value).length))
        options[name] = value;
    }
    return {
      name: fields.get("name").typed.trim(),
      cmd: fields.get("cmd").typed.trim(),
      options,
      start: start.checked,
    };
  }

  /** Complaints that the browser finds by itself. */
  function ownErrors(all) {
    let wrong = 0;
    for (const field of fields.values()) {
      const { error } = field.changed || all ? field.read() : {};
      field.complain(error);
      if (error) wrong += 1;
    }
    return wrong;
  }

  function heard() {
    show(problem, false);
    ownErrors(false);
    preview();
    clearTimeout(timer);
    timer = setTimeout(check, PAUSE);
  }

  function preview() {
    const { name, cmd, options, start: starts } = values();
    const lines = [`[watcher:${name || "NAME"}]`, `cmd = ${cmd}`];
    for (const [key, value] of Object.entries(options)) if (key !== "env") lines.push(`${key} = ${optionText(value)}`);
    if (!starts) lines.push("autostart = False");
    if (options.env)
      lines.push(
        "",
        `[env:${name || "NAME"}]`,
        ...Object.entries(options.env).map(([key, value]) => `${key} = ${value}`),
      );
    text(section, lines.join("\n"));
  }

  /** What the server says of it. */
  async function check() {
    const wanted = values();
    if (!wanted.name || !wanted.cmd || forbidden) return;
    asked += 1;
    const turn = asked;
    try {
      const told = await ctx.api.post(
        "watchers",
        { ...wanted, dry_run: true },
        { endpoint: endpoint.value || chosenEndpoint(ctx) },
      );
      if (turn !== asked) return;
      if (told.circusctl) line.setLine(told.circusctl);
      for (const [name, why] of Object.entries(told.errors || {})) complain(name, why);
    } catch (error) {
      if (turn === asked) takeProblem(error);
    }
  }

  function complain(name, why) {
    const field = fields.get(name);
    if (field) {
      field.complain(why);
      if (!FIRST.includes(name)) more.open = true;
    } else {
      text(problem, `${name}: ${why}`);
      show(problem, true);
    }
  }

  function takeProblem(error) {
    const named = Object.entries(error.errors || {});
    for (const [name, why] of named) complain(name, why);
    if (!named.length) {
      text(problem, error.message);
      show(problem, true);
    }
  }

  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearTimeout(timer);
    asked += 1;
    if (ownErrors(true)) {
      const bad = [...fields.values()].find((field) => field.control.getAttribute("aria-invalid") === "true");
      if (bad && !FIRST.includes(bad.row.name)) more.open = true;
      bad?.control.focus();
      return;
    }
    submit.disabled = true;
    const wanted = values();
    const eid = endpoint.value || chosenEndpoint(ctx);
    let failed = null;
    const reply = await ctx.actions.run(
      `Adding ${wanted.name}`,
      () =>
        ctx.api.post("watchers", wanted, { endpoint: eid }).catch((error) => {
          failed = error;
          throw error;
        }),
      { line: line.querySelector("code").textContent },
    );
    submit.disabled = false;
    if (failed?.told) takeProblem(failed);
    if (reply) ctx.router.go(watcherHref(ctx.router, eid, wanted.name));
  });
  preview();
  return {
    element,
    focus: () => fields.get("name").control.focus({ preventScroll: true }),
    refresh() {
      endpoint.refresh();
      show(endpointBox, !endpoint.hidden);
    },
    destroy: () => clearTimeout(timer),
  };
}
