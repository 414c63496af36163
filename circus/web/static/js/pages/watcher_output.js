/** The live output of one watcher, in a tab of its page. */

import { h, show } from "../dom.js";
import { icon } from "../ui/icons.js";
import { LogList } from "../ui/loglist.js";

const LINES = 300;

export function outputTab(page) {
  const list = new LogList({ label: `Output of ${page.name}`, showWatcher: false });
  list.setEmpty("Waiting for output…");
  const pause = h(
    "button",
    {
      type: "button",
      class: "button small",
      "aria-pressed": "false",
      on: {
        click: () => {
          list.pause(!list.paused);
          pause.setAttribute("aria-pressed", String(list.paused));
          pause.lastElementChild.textContent = list.paused ? "Go on" : "Pause";
        },
      },
    },
    icon("pause"),
    h("span", null, "Pause"),
  );
  const remedy = h(
    "p",
    { class: "notice", hidden: true },
    icon("warning"),
    h(
      "span",
      null,
      "Its output is not captured. Set ",
      h("code", null, "capture = true"),
      " for it or in [circus], or give it a ",
      h("code", null, "stdout_stream"),
      ".",
    ),
  );
  const element = h(
    "div",
    { class: "tab-output" },
    h(
      "div",
      { class: "bar-row" },
      pause,
      h(
        "a",
        { class: "button small", href: page.router.href("logs", { w: page.name, e: page.eid }) },
        icon("search"),
        "Search in Logs",
      ),
    ),
    remedy,
    list.element,
  );
  const stop = page.live.on("lines", (message) => {
    if (message.endpoint !== page.eid) return;
    if (message.first) {
      list.clear();
      const captured = message.captured?.[page.name] ?? Object.values(message.captured || {})[0];
      show(remedy, captured === false);
      list.setEmpty(captured === false ? "Nothing to show." : "It has not written anything yet.");
    }
    list.add(message.lines || [], message.lost);
  });
  page.live.followLogs({ endpoint: page.eid, watchers: [page.name], lines: LINES });
  return {
    element,
    destroy() {
      stop();
      list.destroy();
      page.live.followLogs(null);
    },
  };
}
