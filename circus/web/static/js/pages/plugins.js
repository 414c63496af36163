/** The plugins of the daemons: state, class, options; each is a watcher and has its page. */

import { attr, h, keyed, put, show, text } from "../dom.js";
import { age, bytes, count, optionText, percent } from "../format.js";
import { watcherHref } from "../router.js";
import { setFacts } from "../ui/facts.js";
import { icon } from "../ui/icons.js";
import { kindOf, setStatus, statusPill } from "../ui/status.js";
import { endpointPage, standing } from "./endpoint_blocks.js";
import { endpointsOf, markStale } from "./parts.js";

export function mount(ctx) {
  ctx.setHead({ title: "Plugins" });
  return endpointPage(ctx, "plugins", (eid) => pluginBlock(ctx, eid));
}

/** One daemon's plugins. */
function pluginBlock(ctx, eid) {
  const title = h("h2", { class: "block-title" });
  const cards = h("div", { class: "cards" });
  const none = h(
    "p",
    { class: "empty" },
    "This daemon runs no plugins. A section [plugin:NAME] with use = circus.plugins.… makes one.",
  );
  const element = h("section", { class: "stack", "aria-label": "Plugins" }, title, cards, none);
  return {
    element,
    update(endpoint, topic) {
      const { name, stale } = standing(ctx, eid, endpoint, topic);
      text(title, name);
      show(title, endpointsOf(topic.data).length > 1);
      markStale(element, stale, topic.time);
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
    setFacts(
      options,
      Object.entries(changed.options || {}).map(([key, value]) => [key, optionText(value)]),
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
