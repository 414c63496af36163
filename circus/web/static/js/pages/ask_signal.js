/** The question which signal to send, to a worker or to all of a watcher. */

import { h } from "../dom.js";
import { copyLine } from "../ui/copyline.js";
import { openDialog } from "../ui/dialog.js";

/** Ask which signal to send. */
export async function askSignal(ctx, eid, watcher, worker, signals) {
  const select = h(
    "select",
    { class: "input", autofocus: true },
    (signals?.length
      ? signals
      : ["HUP", "INT", "QUIT", "TERM", "KILL", "USR1", "USR2", "TTIN", "TTOU", "WINCH", "CONT", "STOP"]
    ).map((name) => h("option", { value: name }, name)),
  );
  const children = h("input", { type: "checkbox" });
  const line = copyLine("");
  const words = () =>
    ctx.actions.line("signal", watcher.name, [
      ...(worker ? [worker.pid] : []),
      select.value,
      ...(children.checked ? ["--recursive"] : []),
    ]);
  const draw = () => line.setLine(words());
  select.addEventListener("change", draw);
  children.addEventListener("change", draw);
  draw();
  const dialog = openDialog({
    title: worker
      ? `Send a signal to worker ${worker.wid} (pid ${worker.pid})`
      : `Send a signal to all workers of ${watcher.name}`,
    body: h(
      "div",
      { class: "stack" },
      h("label", { class: "field" }, h("span", null, "Signal"), select),
      h("label", { class: "check" }, children, " Its child processes, too"),
      line,
    ),
    buttons: [
      h("button", { type: "button", class: "button", on: { click: () => dialog.close() } }, "Cancel"),
      h("button", { type: "button", class: "button primary", on: { click: () => dialog.close("yes") } }, "Send"),
    ],
  });
  if ((await dialog.closed) !== "yes") return;
  await ctx.actions.watcher(eid, watcher, "signal", {
    signum: select.value,
    ...(worker ? { pid: worker.pid } : {}),
    ...(children.checked ? { recursive: true } : {}),
  });
}
