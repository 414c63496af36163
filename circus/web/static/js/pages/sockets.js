/** The listening sockets that the daemons hold: where, how full, who uses them. */

import { attr, h, put, text } from "../dom.js";
import { UNKNOWN, count, percent } from "../format.js";
import { watcherHref } from "../router.js";
import { sparkColumn } from "../ui/sparkline.js";
import { DataTable, figure } from "../ui/table.js";
import { endpointPage, standing } from "./endpoint_blocks.js";
import { panel } from "./panel.js";
import { markStale } from "./parts.js";

/** What belongs to Circus itself, and has no page. */
const HOUSE = new Set(["circushttpd", "circusd-stats"]);

export function mount(ctx) {
  ctx.setHead({ title: "Sockets" });
  return endpointPage(ctx, "sockets", (eid) => {
    const table = socketTable(ctx, eid);
    const block = panel("", { cls: "flush" });
    block.body.append(table.element);
    return {
      element: block,
      destroy: () => table.destroy(),
      update(endpoint, topic) {
        const { name, stale } = standing(ctx, eid, endpoint, topic);
        text(block.heading, name);
        attr(block, "aria-label", `Sockets of ${name}`);
        markStale(block, stale, topic.time);
        table.setRows(
          Object.values(endpoint.sockets || {}),
          "This daemon holds no sockets. A section [socket:NAME] makes one; watchers with use_sockets get it.",
        );
      },
    };
  });
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
      figure("fd", "Fd", (fd) => String(fd ?? UNKNOWN), { cls: "c-small p2", descending: false }),
      figure("queue", "Queue", count, {
        title: "Connections that wait to be accepted, of the backlog",
        cls: "c-queue",
        make: () =>
          h(
            "span",
            { class: "queue" },
            h("meter", { min: "0", max: "1", low: "0.5", high: "0.8", optimum: "0" }),
            h("span"),
          ),
        update: drawQueue,
      }),
      figure("reads", "Arrivals", count, {
        title: "Connections that arrived in the last period",
        cls: "c-figure p1",
        sort: (row) => row.reads ?? row.hits,
        text: (row) => count(row.reads ?? row.hits),
      }),
      sparkColumn("spark", "Arrivals, last minute", "queue", "p2", (row) => row.spark?.reads, 4),
      figure("overflows", "Overflows", count, {
        title: "Connections the kernel turned away on this host",
        cls: "c-figure p1",
      }),
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
