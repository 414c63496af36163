/** Reloading the configuration: the plan first, then the deed. */

import { h, put, show, text } from "../dom.js";
import { clock } from "../format.js";
import { copyLine } from "../ui/copyline.js";
import { confirm } from "../ui/dialog.js";
import { icon } from "../ui/icons.js";
import { chosenEndpoint, endpointSelect } from "./endpoint_select.js";
import { panel } from "./panel.js";
import { loading } from "./parts.js";

/** By the first word of what a step does: its colour, its mark, and the mark in words. */
const MARKS = {
  add: ["plus", "+", "added"],
  remove: ["less", "−", "removed"],
  replace: ["again", "↻", "replaced"],
  restart: ["less", "↻", "restarted"],
};
const CHANGED = ["other", "•", "changed"];

export function mount(ctx) {
  ctx.setHead({ title: "Reload configuration", crumbs: [h("a", { href: ctx.router.href("daemon") }, "Daemon")] });
  const endpoint = endpointSelect(ctx, () => plan());
  const again = h(
    "button",
    { type: "button", class: "button", on: { click: () => plan() } },
    icon("reload"),
    "Compare again",
  );
  const forbidden = ctx.actions.forbidden("reloadconfig");
  const apply = h(
    "button",
    { type: "button", class: "button primary", disabled: true, title: forbidden || null, on: { click: () => run() } },
    "Apply the plan",
  );
  const stamp = h("p", { class: "hint", role: "status" });
  const list = h("div");
  const line = copyLine("");
  const block = panel("The plan", { tools: [endpoint, again], hint: "What differs between the file and what runs" });
  block.body.append(stamp, list, h("div", { class: "save-bar" }, h("div", { class: "grow" }, line), apply));
  ctx.root.append(block);
  let turn = 0;
  let begun = false;
  let restarts = false;
  const eid = () => endpoint.value || chosenEndpoint(ctx);

  async function plan() {
    turn += 1;
    const mine = turn;
    apply.disabled = true;
    put(list, loading("The daemon reads its files and compares…"));
    try {
      const told = await ctx.api.post("reloadconfig", { dry_run: true }, { endpoint: eid() });
      if (mine !== turn) return;
      draw(told);
    } catch (error) {
      if (mine !== turn) return;
      text(stamp, "");
      const heading =
        error.status === 422 ? "The file has errors; nothing would be changed." : "There is no plan.";
      put(list, refusal(heading, error.message, error.told.problems));
    }
  }

  function draw(told) {
    const problems = told.problems || [];
    const steps = told.steps || [];
    line.setLine(ctx.actions.line("reloadconfig", "", [], eid()));
    text(stamp, `Compared at ${clock(ctx.live.now())}.`);
    put(
      list,
      problems.length ? refusal("It cannot be loaded; nothing would be changed.", "", problems) : null,
      steps.length ? h("ol", { class: "plan" }, steps.map(planItem)) : null,
      steps.length || problems.length
        ? null
        : h(
            "div",
            { class: "empty-state small" },
            icon("check", 24),
            h("p", null, "Nothing to do: what runs is what the file says."),
          ),
    );
    restarts = steps.some((step) => step.act === "restart daemon");
    apply.disabled = !steps.length || problems.length > 0 || !!forbidden;
  }

  async function run() {
    const line = ctx.actions.line("reloadconfig", "", [], eid());
    if (restarts && !(await askRestart(line))) return;
    apply.disabled = true;
    const reply = await ctx.actions.run(
      "Reloading the configuration",
      () => ctx.api.post("reloadconfig", { waiting: true }, { endpoint: eid() }),
      { line },
    );
    if (reply || list.isConnected) plan();
  }

  const stop = ctx.store.follow("overview", () => {
    endpoint.refresh();
    if (begun) return;
    begun = true;
    plan();
  });
  show(apply, true);
  return stop;
}

function askRestart(line) {
  return confirm({
    title: "Restart the daemon?",
    action: "Apply the plan",
    danger: true,
    typed: "restart",
    line,
    body: h("p", null, "The new configuration needs it. The daemon and all its workers are stopped and started again."),
  });
}

/** Why there is nothing to apply. */
function refusal(heading, words, problems = []) {
  return h(
    "div",
    { class: "notice bad", role: "alert" },
    icon("warning"),
    h(
      "div",
      null,
      h("p", null, h("strong", null, heading), ` ${words}`),
      problems.length
        ? h(
            "ul",
            null,
            problems.map((problem) => h("li", { class: "mono" }, problem)),
          )
        : null,
    ),
  );
}

/** A step of the plan, and what differs. */
function planItem(step) {
  const [kind, mark, said] = MARKS[step.act.split(" ")[0]] || CHANGED;
  return h(
    "li",
    { class: `plan-item ${kind}` },
    h("span", { class: "diff-mark", role: "img", "aria-label": said }, mark),
    h("div", null, h("p", null, `${step.act} ${step.name}`), step.changes.map(changeLines)),
  );
}

function changeLines(change) {
  if (change.note) return h("p", { class: "hint" }, change.note);
  if (change.old === undefined && change.new === undefined) {
    return h("p", { class: "hint" }, `${change.option} changes`); // its values may be secret
  }
  const side = (name, words, mark, value) =>
    value === undefined
      ? null
      : h(
          "p",
          { class: name },
          h("span", { class: "diff-mark", role: "img", "aria-label": words }, mark),
          `${change.option}: ${value}`,
        );
  return [side("from", "before", "−", change.old), side("to", "after", "+", change.new)];
}
