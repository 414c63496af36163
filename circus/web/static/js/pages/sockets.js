/** The listening sockets that the daemons hold: where, how full, who uses them. */

import { attr, h, keyed, put, show, text } from "../dom.js";
import { UNKNOWN, count, percent } from "../format.js";
import { watcherHref } from "../router.js";
import { icon } from "../ui/icons.js";
import { drawSpark, sparkline } from "../ui/sparkline.js";
import { DataTable } from "../ui/table.js";
import { endpointsOf, loading, markStale, panel } from "./parts.js";

/** What belongs to Circus itself, and has no page. */
const HOUSE = new Set(["circushttpd", "circusd-stats"]);

export function mount(ctx) {
  ctx.setHead({ title: "Sockets" });
  const wait = loading();
  const blocks = h("div", { class: "stack" });
  ctx.root.append(wait, blocks);
  const made = new Map();
  const stop = ctx.store.follow("sockets", (topic) => {
    if (!topic.data) return;
    show(wait, false);
    keyed(
      blocks,
      endpointsOf(topic.data),
      ([eid]) => eid,
      ([eid]) => {
        const table = socketTable(ctx, eid);
        const block = panel("", { cls: "flush" });
        block.body.append(table.element);
        made.set(eid, table);
        return block;
      },
      (node, [eid, endpoint]) => {
        const known = ctx.store.peek("overview")?.endpoints?.[eid];
        text(node.heading, endpoint.name || known?.name || eid);
        attr(node, "aria-label", `Sockets of ${endpoint.name || known?.name || eid}`);
        markStale(node, !topic.fresh || known?.online === false || endpoint.online === false, topic.time);
        made
          .get(eid)
          .setRows(
            Object.values(endpoint.sockets || {}),
            "This daemon holds no sockets. A section [socket:NAME] makes one; watchers with use_sockets get it.",
          );
      },
    );
  });
  const stopOverview = ctx.store.follow("overview", () => {});
  return () => {
    stop();
    stopOverview();
    for (const table of made.values()) table.destroy();
  };
}

function socketTable(ctx, eid) {
  return new DataTable({
    label: "Sockets",
    cls: "sockets",
    keyOf: (row) => String(row.name ?? row.fd),
    sort: { key: "name" },
    decorate: (row, tr) => attr(tr, "data-kind", row.overflows > 0 || fullness(row) > 0.8 ? "problem" : null),
    columns: [
      { key: "name", label: "Socket", cls: "c-name", sort: (row) => row.name, text: (row) => row.name },
      {
        key: "address",
        label: "Address",
        cls: "c-address",
        sort: (row) => row.address,
        make: () => h("code", { class: "cut" }),
        update: (node, row) => text(node, row.address || UNKNOWN),
      },
      {
        key: "family",
        label: "Family",
        cls: "c-small p3",
        sort: (row) => row.family,
        text: (row) => String(row.family || UNKNOWN).replace("AF_", ""),
      },
      {
        key: "fd",
        label: "Fd",
        align: "right",
        cls: "c-small p2",
        sort: (row) => row.fd,
        text: (row) => String(row.fd ?? UNKNOWN),
      },
      {
        key: "queue",
        label: "Queue",
        title: "Connections that wait to be accepted, of the backlog",
        cls: "c-queue",
        align: "right",
        descending: true,
        sort: (row) => row.queue,
        make: () =>
          h(
            "span",
            { class: "queue" },
            h("meter", { min: "0", max: "1", low: "0.5", high: "0.8", optimum: "0" }),
            h("span"),
          ),
        update: drawQueue,
      },
      {
        key: "reads",
        label: "Arrivals",
        title: "Connections that arrived in the last period",
        align: "right",
        cls: "c-figure p1",
        descending: true,
        sort: (row) => row.reads ?? row.hits,
        text: (row) => count(row.reads ?? row.hits),
      },
      {
        key: "spark",
        label: "",
        title: "Arrivals, last minute",
        cls: "c-spark p2",
        make: () => sparkline("queue"),
        update: (node, row) => drawSpark(node, row.spark?.reads, 4),
      },
      {
        key: "overflows",
        label: "Overflows",
        title: "Connections the kernel turned away on this host",
        align: "right",
        cls: "c-figure p1",
        descending: true,
        sort: (row) => row.overflows,
        text: (row) => count(row.overflows),
      },
      {
        key: "consumers",
        label: "Used by",
        cls: "c-users p2",
        sort: (row) => (row.consumers || []).join(),
        make: () => h("span", { class: "users" }),
        update: (node, row) => {
          const key = (row.consumers || []).join();
          if (node.shown === key) return;
          node.shown = key;
          put(
            node,
            row.consumers?.length
              ? row.consumers.map((name) =>
                  HOUSE.has(name) ? h("span", null, name) : h("a", { href: watcherHref(ctx.router, eid, name) }, name),
                )
              : h("span", { class: "hint" }, "nobody"),
          );
        },
      },
    ],
  });
}

function fullness(row) {
  return row.backlog > 0 && row.queue !== null && row.queue !== undefined ? row.queue / row.backlog : 0;
}

function drawQueue(node, row) {
  const [meter, words] = node.children;
  attr(meter, "value", fullness(row).toFixed(3));
  attr(meter, "aria-label", `Accept queue of ${row.name}: ${percent(fullness(row) * 100)} full`);
  text(words, `${count(row.queue)} / ${count(row.backlog)}`);
}
