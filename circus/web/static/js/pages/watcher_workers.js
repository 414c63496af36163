/** The workers of a watcher: sortable, with what can be done to each. */

import { attr } from "../dom.js";
import { UNKNOWN, age, bytes, count, percent, rate } from "../format.js";
import { icon } from "../ui/icons.js";
import { menuButton } from "../ui/menu.js";
import { setStatus, statusPill } from "../ui/status.js";
import { DataTable, figure } from "../ui/table.js";
import { askSignal } from "./ask_signal.js";

export function workersTab(page) {
  const table = new DataTable({
    label: "Workers",
    cls: "workers",
    keyOf: (row) => String(row.pid ?? `w${row.wid}`),
    sort: { key: "wid" },
    decorate: (row, tr) => attr(tr, "data-kind", row.state === "running" || row.state === "active" ? "active" : "busy"),
    columns: [
      figure("wid", "Worker", count, { cls: "c-wid", descending: false }),
      figure("pid", "Pid", (pid) => String(pid ?? UNKNOWN), { cls: "c-pid", descending: false }),
      {
        key: "state",
        label: "State",
        cls: "c-status",
        sort: (row) => row.state,
        make: () => statusPill(),
        update: (pill, row) => setStatus(pill, row.state || "running"),
      },
      figure("cpu", "CPU", percent),
      figure("rss", "Memory", bytes),
      figure("vms", "Virtual", bytes, { cls: "c-figure p3" }),
      figure("threads", "Threads", count, { cls: "c-small p2" }),
      figure("fds", "Files", count, { cls: "c-small p3", title: "Open file descriptors" }),
      figure("read_rate", "Read", rate, { cls: "c-figure p2" }),
      figure("write_rate", "Written", rate, { cls: "c-figure p2" }),
      figure("age", "Age", age, { cls: "c-uptime p1" }),
      figure("restarts", "Restarts", count, { cls: "c-figure p2" }),
      figure("dropped", "Lost", bytes, {
        cls: "c-small p3",
        title: "Output that was lost because it was written faster than it could be read",
      }),
      {
        key: "tools",
        label: "",
        title: "Actions",
        cls: "c-tools",
        make: (row, now) =>
          menuButton({
            content: icon("more"),
            cls: "icon-button",
            label: `Actions for worker ${row.wid}, pid ${row.pid}`,
            items: () => items(page, now()),
          }),
      },
    ],
  });
  const update = () => {
    const { watcher } = page.data;
    table.setRows(
      Object.values(page.data.workers || {}),
      watcher.status === "stopped"
        ? "It is stopped: no workers."
        : watcher.next_try
          ? "No worker runs; the next try is on its way."
          : "No workers.",
    );
  };
  update();
  return { element: table.element, update, destroy: () => table.destroy() };
}

function items(page, worker) {
  const why = page.actions.forbidden("kill");
  const { watcher } = page.data;
  const kill = (body) => () => page.actions.watcher(page.eid, watcher, "kill", { pid: worker.pid, ...body });
  return [
    {
      label: "Its output",
      icon: "logs",
      run: () => page.router.go(page.router.href("logs", { w: page.name, e: page.eid, pid: worker.pid })),
    },
    {
      label: "Send a signal…",
      icon: "signal",
      disabled: why,
      run: () => askSignal(page, page.eid, watcher, worker, page.signals),
    },
    null,
    { label: "End it (another takes its place)…", icon: "stop", disabled: why, run: kill({}) },
    { label: "Kill it at once…", icon: "close", danger: true, disabled: why, run: kill({ signum: "KILL" }) },
  ];
}
