/** Why a watcher is in its state: the short answer at the top of its page, the whole story in a tab. */

import { attr, h, keyed, put, show, text } from "../dom.js";
import { age, bytes, clock, instant, known, span } from "../format.js";
import { plain } from "../ui/ansi.js";
import { setFacts } from "../ui/facts.js";
import { icon } from "../ui/icons.js";
import { kindOf } from "../ui/status.js";

/** The short answer. */
export function whyPanel(page, openStory) {
  const reason = h("p", { class: "why-reason" });
  const facts = h("dl", { class: "why-facts" });
  const losses = h("div", { class: "why-last", hidden: true });
  const output = h("pre", { class: "why-output", tabindex: "0", "aria-label": "Last output" });
  const outputHead = h("p", { class: "hint" });
  const box = h("div", { class: "why-last", hidden: true }, outputHead, output);
  const element = h(
    "section",
    { class: "panel why", "aria-label": "Why it is in this state" },
    h("div", { class: "why-main" }, h("span", { class: "why-mark" }), h("div", { class: "why-words" }, reason, facts)),
    losses,
    box,
    h(
      "div",
      { class: "why-tools" },
      h("button", { type: "button", class: "button small", on: { click: openStory } }, "Whole story"),
      h(
        "a",
        { class: "button small", href: page.router.href("logs", { w: page.name, e: page.eid }) },
        icon("logs"),
        "Logs",
      ),
    ),
  );
  const mark = element.querySelector(".why-mark");
  let shownKind = "";
  return {
    element,
    update() {
      const { watcher } = page.data;
      const why = page.data.why || {};
      const kind = kindOf(watcher);
      if (kind !== shownKind)
        put(
          mark,
          icon(kind === "problem" ? "warning" : kind === "stopped" ? "stop" : kind === "busy" ? "reload" : "check"),
        );
      shownKind = kind;
      attr(element, "data-kind", kind);
      text(reason, watcher.problem || watcher.reason || why.reason || watcher.status);
      const nextTry = watcher.next_try ?? why.next_try;
      setFacts(facts, [
        ["Cause", watcher.cause || why.cause],
        [
          "Since",
          watcher.since || why.since
            ? `${clock(watcher.since || why.since)} (${age(page.live.now() - (watcher.since || why.since))})`
            : "",
        ],
        ["Now", watcher.problem && watcher.reason !== watcher.problem ? watcher.reason || why.reason : ""],
        [
          "Next",
          nextTry
            ? `${(watcher.next || why.next || "next try").replace(/^next try in [^:]+/, "next try")}${nextTry > page.live.now() ? ` (in ${span(nextTry - page.live.now())})` : ""}`
            : watcher.next || why.next,
        ],
      ].filter(([, words]) => words));
      updateLosses(losses, why.streams);
      const last = (why.exits || []).findLast((each) => !each.expected) || null;
      const wanted = (kind === "problem" || (kind === "stopped" && why.wanted === "running")) && last;
      show(box, !!wanted);
      if (!wanted) return;
      text(
        outputHead,
        `Worker ${last.wid} (pid ${last.pid}) ${last.exit} at ${clock(last.time)} after ${span(last.uptime)}${last.hint ? `: ${last.hint}` : ""}. ${last.lines?.length ? "Its last words:" : "Its output is not captured, or it said nothing."}`,
      );
      show(output, !!last.lines?.length);
      text(output, (last.lines || []).map(plain).join("\n"));
    },
  };
}

/** Output that was dropped, and streams that take nothing: a notice for each stream concerned. */
function updateLosses(box, streams) {
  const told = Object.entries(streams || {})
    .map(([name, stream]) => [name, lossWords(name, stream)])
    .filter(([, words]) => words);
  show(box, told.length > 0);
  keyed(
    box,
    told,
    ([name]) => name,
    () => h("p", { class: "notice" }, icon("warning"), h("span", { class: "attention-words" })),
    (notice, [, words]) => text(notice.lastElementChild, words),
  );
}

function lossWords(name, stream) {
  const facts = [];
  if (stream?.dropped > 0) facts.push(`${bytes(stream.dropped)} dropped since it was opened`);
  if (known(stream?.stuck)) facts.push(`has taken nothing for ${span(stream.stuck)}`);
  if (!facts.length) return "";
  return `Output of ${name}${stream.to ? ` to ${plain(String(stream.to))}` : ""}: ${facts.join(", ")}`;
}

/** The whole story. */
export function storyTab(page) {
  const workers = h("ul", { class: "story-list" });
  const exits = h("ol", { class: "exit-list" });
  const story = h("ol", { class: "story-list" });
  const none = h("p", { class: "empty" }, "Nothing has happened yet.");
  const element = h(
    "div",
    { class: "story" },
    h("section", null, h("h3", null, "Last ends of workers"), exits, none),
    h("section", null, h("h3", null, "What happened"), story),
    h("section", null, h("h3", null, "Workers"), workers),
  );
  const update = () => {
    const why = page.data.why || {};
    const ends = (why.exits || []).slice().reverse();
    show(none, !ends.length);
    text(none, "No worker has ended since the watcher was made.");
    keyed(
      exits,
      ends.map((end, index) => ({ end, again: index > 0 && !!end.lines?.length && sameLines(end, ends[index - 1]) })),
      ({ end }) => `${end.pid}:${end.time}`,
      ({ end }) => exitItem(end),
      (node, { again }) => {
        if (again) show(node._parts.output, false);
        show(node._parts.same, again);
      },
    );
    keyed(
      story,
      (why.story || []).slice().reverse(),
      (each) => `${each.time}:${each.text}`,
      (each) =>
        h("li", null, h("time", { title: instant(each.time) }, clock(each.time)), h("span", null, plain(each.text))),
    );
    keyed(
      workers,
      why.workers || [],
      (each) => `${each.wid}:${each.pid}`,
      (each) => h("li", null, h("span", { class: "mono" }, `${each.wid}`), h("span")),
      (node, each) => {
        text(
          node.lastElementChild,
          `${each.pid ? `pid ${each.pid}, ` : ""}${each.state}${typeof each.age === "number" ? ` for ${age(each.age)}` : ""}${each.why ? `: ${each.why}` : ""}`,
        );
      },
    );
  };
  update();
  return { element, update };
}

function sameLines(one, other) {
  return JSON.stringify(one.lines) === JSON.stringify(other.lines);
}

function exitItem(end) {
  const output = h(
    "pre",
    { class: "why-output", tabindex: "0", "aria-label": `Last output of pid ${end.pid}`, hidden: !end.lines?.length },
    (end.lines || []).map(plain).join("\n"),
  );
  const same = h("p", { class: "hint", hidden: true }, "The same output as above.");
  const item = h(
    "li",
    { class: `exit ${end.expected ? "" : "bad"}` },
    h(
      "p",
      null,
      h("time", { title: instant(end.time) }, clock(end.time)),
      h("strong", null, `worker ${end.wid} (pid ${end.pid}) ${end.exit}`),
      ` after ${span(end.uptime)}`,
      end.expected ? ", as asked" : ", unexpected",
      end.cause && end.cause !== end.exit ? `: ${end.cause}` : "",
      end.hint ? h("em", null, ` ${end.hint}`) : null,
    ),
    output,
    same,
  );
  item._parts = { output, same };
  return item;
}
