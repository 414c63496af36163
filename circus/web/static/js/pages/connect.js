/** Which daemons the console is connected to; connecting to more, typed or discovered. */

import { attr, h, keyed, show, text } from "../dom.js";
import { clock } from "../format.js";
import { confirm } from "../ui/dialog.js";
import { icon } from "../ui/icons.js";
import { panel } from "./panel.js";

const ENDPOINT = /^(tcp:\/\/[^\s/:]+:\d{1,5}|tcp:\/\/\[[0-9a-fA-F:]+\]:\d{1,5}|ipc:\/\/\S+)$/;
const REFRESH = 5000;

export function mount(ctx) {
  ctx.setHead({ title: "Connect", crumbs: [h("a", { href: ctx.router.href("") }, "Overview")] });
  const forbidden = ctx.actions.forbidden("connect");
  const field = h("input", {
    type: "text",
    class: "input mono",
    value: "tcp://127.0.0.1:5555",
    spellcheck: "false",
    autocomplete: "off",
    id: "endpoint",
    "aria-describedby": "endpoint-error",
  });
  const ssh = h("input", {
    type: "text",
    class: "input mono",
    placeholder: "[user@]host[:port]",
    spellcheck: "false",
    autocomplete: "off",
  });
  const problem = h("p", { class: "field-error", id: "endpoint-error", role: "alert" });
  const submit = h(
    "button",
    { type: "submit", class: "button primary", disabled: !!forbidden, title: forbidden || null },
    "Connect",
  );
  const form = h(
    "form",
    { class: "stack", novalidate: true },
    h("label", { class: "field" }, h("span", null, "Endpoint of circusd"), field),
    problem,
    h("label", { class: "field" }, h("span", null, "Through this ssh server (optional)"), ssh),
    h("div", null, submit),
  );
  const known = h("ul", { class: "known-list" });
  const none = h("p", { class: "empty" }, "No daemon yet.");
  const discovered = h("ul", { class: "known-list" });
  const quiet = h(
    "p",
    { class: "hint icon-hint" },
    icon("search"),
    h("span", null, "Nothing was discovered by multicast. Daemons on other networks have to be typed."),
  );
  const connected = panel("Connected");
  connected.body.append(known, none);
  const typed = panel("Connect to a daemon", { hint: "An endpoint such as tcp://host:5555 or ipc:///run/circus.sock" });
  typed.body.append(form);
  const found = panel("Discovered");
  found.body.append(discovered, quiet);
  ctx.root.append(
    h("div", { class: "columns" }, h("div", { class: "stack" }, connected), h("div", { class: "stack" }, typed, found)),
  );
  let timer = 0;

  async function read() {
    clearTimeout(timer);
    try {
      draw(await ctx.api.get("endpoints"));
    } catch (error) {
      text(none, error.message);
      show(none, true);
    }
    timer = setTimeout(read, REFRESH);
  }

  function draw(told) {
    const endpoints = told.endpoints || [];
    show(none, !endpoints.length);
    keyed(
      known,
      endpoints,
      (each) => each.id,
      (each) =>
        h(
          "li",
          null,
          h("span", { class: "dot" }),
          h(
            "a",
            { href: ctx.router.href("", { e: each.id }) },
            h("strong"),
            h("small", { class: "mono" }, each.endpoint),
          ),
          h("span", { class: "hint grow" }),
          each.source === "configured"
            ? null
            : h(
                "button",
                { type: "button", class: "button small", disabled: !!forbidden, on: { click: () => drop(each) } },
                "Disconnect",
              ),
        ),
      (node, each) => {
        attr(node.firstElementChild, "class", `dot ${each.online ? "on" : "off"}`);
        text(node.querySelector("strong"), each.name || each.endpoint);
        text(
          node.querySelector(".hint"),
          `${each.online ? "online" : "offline"}${each.since ? ` since ${clock(each.since)}` : ""} · ${each.source || ""}`,
        );
      },
    );
    const others = (told.discovered || []).filter((endpoint) => !endpoints.some((each) => each.endpoint === endpoint));
    show(quiet, !others.length);
    keyed(
      discovered,
      others,
      (endpoint) => endpoint,
      (endpoint) =>
        h(
          "li",
          null,
          h("span", { class: "mono grow" }, endpoint),
          h(
            "button",
            { type: "button", class: "button small", disabled: !!forbidden, on: { click: () => connect(endpoint) } },
            "Connect",
          ),
        ),
    );
  }

  async function connect(endpoint, through) {
    text(problem, "");
    submit.disabled = true;
    const reply = await ctx.actions.run(`Connecting to ${endpoint}`, () =>
      ctx.api.post("endpoints", { endpoint, ...(through ? { ssh: through } : {}) }),
    );
    submit.disabled = !!forbidden;
    if (reply) ctx.router.go(ctx.router.href(""));
    else read();
  }

  async function drop(each) {
    if (
      !(await confirm({
        title: `Disconnect from ${each.name || each.endpoint}?`,
        action: "Disconnect",
        body: h("p", null, "The daemon goes on as it is; this console no longer shows it."),
      }))
    )
      return;
    await ctx.actions.run(`Disconnecting from ${each.name || each.endpoint}`, () =>
      ctx.api.send("DELETE", `endpoints/${encodeURIComponent(each.id)}`),
    );
    read();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const endpoint = field.value.trim();
    if (!ENDPOINT.test(endpoint)) {
      text(problem, "An endpoint is tcp://HOST:PORT or ipc://PATH.");
      attr(field, "aria-invalid", "true");
      field.focus();
      return;
    }
    attr(field, "aria-invalid", null);
    connect(endpoint, ssh.value.trim());
  });
  read();
  return () => clearTimeout(timer);
}
