/** The daemons themselves: their own cost, versions, endpoints and global options; and this console's server. */

import { attr, h, keyed, put, text } from "../dom.js";
import { UNKNOWN, age, bytes, clock, count, instant, optionText, percent, shellWords, span } from "../format.js";
import { ChartGroup, oneLine } from "../ui/chart.js";
import { confirm } from "../ui/dialog.js";
import { setFacts } from "../ui/facts.js";
import { icon } from "../ui/icons.js";
import { endpointPage } from "./endpoint_blocks.js";
import { panel, tile } from "./panel.js";
import { markStale } from "./parts.js";

export function mount(ctx) {
  ctx.setHead({ title: "Daemon" });
  const own = ownPanel();
  return endpointPage(ctx, "daemon", (eid) => daemonBlock(ctx, eid), {
    below: [own.element, auditPanel(ctx)],
    onTopic: (topic) => own.update(topic.data.console || {}, topic),
  });
}

function daemonBlock(ctx, eid) {
  let daemon = {};
  const quit = h(
    "button",
    {
      type: "button",
      class: "button danger-quiet",
      disabled: !!ctx.actions.forbidden("quit"),
      title: ctx.actions.forbidden("quit") || null,
      on: { click: () => askQuit(ctx, eid, daemon) },
    },
    icon("leave"),
    "Quit the daemon…",
  );
  const reload = h(
    "a",
    { class: "button", href: ctx.router.href("reload", { e: eid }) },
    icon("reload"),
    "Reload config",
  );
  const block = panel("", { tools: [reload, quit] });
  const tiles = {
    cpu: tile("CPU"),
    rss: tile("Memory"),
    stall: tile("Loop stall"),
    threads: tile("Threads"),
    fds: tile("Open files"),
    uptime: tile("Uptime"),
  };
  const group = new ChartGroup({ span: 300 });
  const charts = group.grid([
    oneLine("cpu", "CPU of the daemon", percent, { label: "CPU", floor: 5 }),
    oneLine("rss", "Memory", bytes, { tone: "mem", floor: 1024 * 1024, binary: true }),
    oneLine("stall", "Loop stall", milliseconds, { label: "Stall", tone: "bad", floor: 0.01 }),
  ]);
  const processes = h("tbody");
  const facts = h("dl", { class: "facts" });
  const globals = h("dl", { class: "facts mono-values" });
  block.body.append(
    h("dl", { class: "tiles" }, Object.values(tiles)),
    charts,
    h(
      "div",
      { class: "columns" },
      h(
        "section",
        null,
        h("h3", null, "Processes of Circus"),
        plainTable(
          "Processes of Circus",
          ["Process", "Pid", "CPU", "Memory", "Age"].map((label, index) =>
            h("th", { scope: "col", class: index ? "num" : "" }, label),
          ),
          processes,
        ),
        h("h3", null, "About"),
        facts,
      ),
      h("section", null, h("h3", null, "Global options"), globals),
    ),
  );
  return {
    element: block,
    destroy: () => group.destroy(),
    update(now, topic) {
      daemon = now;
      text(block.heading, now.name || now.endpoint);
      attr(block, "aria-label", `Daemon ${now.name || now.endpoint}`);
      markStale(block, !topic.fresh || now.online === false, now.online === false ? now.since : topic.time);
      tiles.cpu.set(percent(now.cpu));
      tiles.rss.set(bytes(now.rss));
      tiles.stall.set(milliseconds(now.stall), "worst of late");
      tiles.stall.classList.toggle("bad", now.stall > 0.5);
      tiles.threads.set(count(now.threads));
      tiles.fds.set(count(now.fds));
      tiles.uptime.set(age(now.uptime));
      group.set(now.series || { time: [] }, [], ctx.live.now());
      keyed(
        processes,
        Object.entries(now.processes || {}),
        ([role]) => role,
        ([role]) =>
          h(
            "tr",
            null,
            h("th", { scope: "row" }, role),
            h("td", { class: "num" }),
            h("td", { class: "num" }),
            h("td", { class: "num" }),
            h("td", { class: "num" }),
          ),
        (node, [, each]) => {
          [String(each.pid ?? UNKNOWN), percent(each.cpu), bytes(each.rss), age(each.age)].forEach((words, index) =>
            text(node.children[index + 1], words),
          );
        },
      );
      setFacts(
        facts,
        [
          ["Circus", now.version],
          ["Python", now.python],
          ["Pid", now.pid],
          ["Endpoint", now.endpoint],
          ["Events", now.pubsub_endpoint],
          ["Statistics", now.stats_endpoint || "none: set statsd = True"],
          [now.online === false ? "Offline since" : "Connected since", now.since ? instant(now.since) : ""],
        ].map(([key, value]) => [key, optionText(value) || UNKNOWN]),
      );
      setFacts(
        globals,
        Object.entries(now.globals || {})
          .sort(([a], [b]) => a.localeCompare(b))
          .map(([key, value]) => [key, optionText(value) || "none"]),
      );
    },
  };
}

/** A short table that nobody sorts. @param {any[]} heads its `th` */
function plainTable(label, heads, body) {
  return h(
    "div",
    { class: "scroll-x" },
    h("table", { class: "plain", "aria-label": label }, h("thead", null, h("tr", null, heads)), body),
  );
}

function milliseconds(value) {
  return typeof value === "number"
    ? value < 1
      ? `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms`
      : span(value)
    : UNKNOWN;
}

async function askQuit(ctx, eid, daemon) {
  const line = shellWords(["circusctl", "--endpoint", daemon.endpoint, "quit", "--waiting"]);
  const asked = await confirm({
    title: `Quit ${daemon.name}?`,
    action: "Quit the daemon",
    danger: true,
    typed: "quit",
    line,
    body: h(
      "p",
      null,
      "All its workers are stopped, then circusd ends. This console cannot start it again: that is for the init system, or for somebody on that host.",
    ),
  });
  if (asked) ctx.actions.run(`Quitting ${daemon.name}`, () => ctx.api.post("quit", {}, { endpoint: eid }), { line });
}

/** What this console itself costs. */
function ownPanel() {
  const block = panel("This console");
  const tiles = {
    cpu: tile("CPU"),
    rss: tile("Memory"),
    pages: tile("Open pages"),
    uptime: tile("Uptime"),
    version: tile("Version"),
  };
  block.body.append(h("dl", { class: "tiles" }, Object.values(tiles)));
  return {
    element: block,
    update(own, topic) {
      markStale(block, !topic.fresh, topic.time);
      tiles.cpu.set(percent(own.cpu));
      tiles.rss.set(bytes(own.rss));
      tiles.pages.set(count(own.pages));
      tiles.uptime.set(age(own.uptime));
      tiles.version.set(own.version || UNKNOWN);
    },
  };
}

/** Who did what, for administrators. */
function auditPanel(ctx) {
  const box = h("div");
  if (!ctx.api.may("admin")) return box;
  ctx.api.get("audit", { limit: 100 }).then(
    (told) => {
      const entries = (told.entries || []).slice().sort((a, b) => b.time - a.time);
      const block = panel("Audit", { cls: "flush", hint: "The last actions taken through this console" });
      block.body.append(
        entries.length
          ? plainTable(
              "Audit",
              ["Time", "User", "Address", "Action", "Target", "Outcome"].map((label) =>
                h("th", { scope: "col" }, label),
              ),
              h(
                "tbody",
                null,
                entries.map((entry) =>
                  h(
                    "tr",
                    null,
                    h("td", { title: instant(entry.time) }, clock(entry.time)),
                    h("td", null, entry.user || UNKNOWN),
                    h("td", null, entry.address || ""),
                    h("td", null, entry.action),
                    h("td", null, optionText(entry.target)),
                    h("td", null, optionText(entry.outcome)),
                  ),
                ),
              ),
            )
          : h("p", { class: "empty" }, "Nobody has done anything yet."),
      );
      put(box, block);
    },
    () => {},
  ); // the server keeps none
  return box;
}
