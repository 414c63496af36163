/** The plugins of the daemons: state, class, options; each is a watcher and has its page. */

import { attr, h, keyed, put, show, text } from "../dom.js";
import { age, bytes, count, optionText, percent } from "../format.js";
import { watcherHref } from "../router.js";
import { icon } from "../ui/icons.js";
import { kindOf, setStatus, statusPill } from "../ui/status.js";
import { endpointsOf, loading, markStale } from "./parts.js";

export function mount(ctx) {
  ctx.setHead({ title: "Plugins" });
  const wait = loading();
  const blocks = h("div", { class: "stack" });
  ctx.root.append(wait, blocks);
  const stop = ctx.store.follow("plugins", (topic) => {
    if (!topic.data) return;
    show(wait, false);
    const all = endpointsOf(topic.data);
    keyed(
      blocks,
      all,
      ([eid]) => eid,
      () =>
        h(
          "section",
          { class: "stack", "aria-label": "Plugins" },
          h("h2", { class: "block-title" }),
          h("div", { class: "cards" }),
          h(
            "p",
            { class: "empty" },
            "This daemon runs no plugins. A section [plugin:NAME] with use = circus.plugins.… makes one.",
          ),
        ),
      (node, [eid, endpoint]) => {
        const known = ctx.store.peek("overview")?.endpoints?.[eid];
        const [title, cards, none] = [...node.children].filter((each) => !each.classList.contains("stale-note"));
        text(title, endpoint.name || known?.name || eid);
        show(title, all.length > 1);
        markStale(node, !topic.fresh || known?.online === false || endpoint.online === false, topic.time);
        const plugins = Object.values(endpoint.plugins || {}).sort(
          (a, b) => (b.problem ? 1 : 0) - (a.problem ? 1 : 0) || a.name.localeCompare(b.name),
        );
        show(none, !plugins.length);
        keyed(
          cards,
          plugins,
          (plugin) => plugin.name,
          (plugin) => card(ctx, eid, plugin),
          (each, plugin) => each.update(plugin),
        );
      },
    );
  });
  const stopOverview = ctx.store.follow("overview", () => {});
  return () => {
    stop();
    stopOverview();
  };
}

function card(ctx, eid, plugin) {
  const pill = statusPill();
  const use = h("p", { class: "mono hint" });
  const problem = h("p", { class: "card-problem", hidden: true });
  const figures = h("p", { class: "card-figures" });
  const options = h("dl", { class: "card-options" });
  const toggle = h("button", {
    type: "button",
    class: "button small",
    on: { click: () => ctx.actions.watcher(eid, now, now.status === "stopped" ? "start" : "stop") },
  });
  const element = h(
    "article",
    { class: "card" },
    h(
      "header",
      null,
      h("h3", null, h("a", { href: watcherHref(ctx.router, eid, plugin.name) }, plugin.name.replace(/^plugin:/, ""))),
      pill,
    ),
    use,
    problem,
    figures,
    options,
    h(
      "footer",
      null,
      toggle,
      h(
        "a",
        { class: "button small", href: watcherHref(ctx.router, eid, plugin.name, { tab: "output" }) },
        icon("logs"),
        "Output",
      ),
    ),
  );
  let now = plugin;
  element.update = (changed) => {
    now = changed;
    setStatus(pill, changed.status, kindOf(changed));
    text(use, changed.use || "");
    show(problem, !!changed.problem);
    text(problem, changed.problem || "");
    text(
      figures,
      `CPU ${percent(changed.cpu)} · memory ${bytes(changed.rss)} · up ${age(changed.uptime)} · restarts ${count(changed.restarts)}`,
    );
    keyed(
      options,
      Object.entries(changed.options || {}),
      ([key]) => key,
      ([key]) => h("div", null, h("dt", null, key), h("dd")),
      (node, [, value]) => text(node.lastElementChild, optionText(value)),
    );
    const stopped = changed.status === "stopped";
    if (element.stopped !== stopped) put(toggle, icon(stopped ? "start" : "stop"), stopped ? "Start" : "Stop");
    element.stopped = stopped;
    const why = ctx.actions.forbidden("stop");
    toggle.disabled = !!why;
    attr(toggle, "title", why || ctx.actions.line(stopped ? "start" : "stop", changed.name));
  };
  return element;
}
