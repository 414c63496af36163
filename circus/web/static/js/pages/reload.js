/** Reloading the configuration: the plan first, then the deed. */

import { h, put, show, text } from "../dom.js";
import { clock } from "../format.js";
import { copyLine } from "../ui/copyline.js";
import { icon } from "../ui/icons.js";
import { chosenEndpoint, endpointSelect } from "./endpoint_select.js";
import { panel } from "./panel.js";
import { loading } from "./parts.js";

const VERBS = [
  [/^(add|start)/i, "plus", "+", "added"],
  [/^(remove|stop)/i, "less", "−", "removed"],
  [/^(replace|restart|reload|roll)/i, "again", "↻", "replaced"],
  [/^restart daemon/i, "again", "↻", "restarted"],
];

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
      put(
        list,
        h(
          "div",
          { class: "notice bad", role: "alert" },
          icon("warning"),
          h(
            "div",
            null,
            h(
              "p",
              null,
              h(
                "strong",
                null,
                error.status === 422 ? "The file has errors; nothing would be changed." : "There is no plan.",
              ),
              ` ${error.message}`,
            ),
            error.told.problems?.length
              ? h(
                  "ul",
                  null,
                  error.told.problems.map((problem) => h("li", { class: "mono" }, problem)),
                )
              : null,
          ),
        ),
      );
    }
  }

  function draw(told) {
    const lines = (told.plan || []).filter((each) => !/^nothing to do$/i.test(each));
    line.setLine(ctx.actions.line("reloadconfig", "", [], eid()));
    text(stamp, `Compared at ${clock(ctx.live.now())}.`);
    put(
      list,
      lines.length
        ? h("ol", { class: "plan" }, lines.map(planItem))
        : h(
            "div",
            { class: "empty-state small" },
            icon("check", 24),
            h("p", null, "Nothing to do: what runs is what the file says."),
          ),
    );
    apply.disabled = !lines.length || !!forbidden;
  }

  async function run() {
    apply.disabled = true;
    const reply = await ctx.actions.run(
      "Reloading the configuration",
      () => ctx.api.post("reloadconfig", { waiting: true }, { endpoint: eid() }),
      { line: ctx.actions.line("reloadconfig", "", [], eid()) },
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

function planItem(words) {
  const [, kind, mark, said] = VERBS.find(([pattern]) => pattern.test(words)) || [null, "other", "•", "changed"];
  return h(
    "li",
    { class: `plan-item ${kind}` },
    h("span", { class: "diff-mark", role: "img", "aria-label": said }, mark),
    h("span", null, words),
  );
}
