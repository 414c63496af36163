/** The frame around every page: navigation, title line, connection state, offline banner, theme, user. */

import { attr, h, put, show, soon, text } from "./dom.js";
import { age, clock, count } from "./format.js";
import { icon, iconButton } from "./ui/icons.js";
import { menuButton } from "./ui/menu.js";

const PAGES = [
  ["", "overview", "Overview", "o"],
  ["logs", "logs", "Logs", "l"],
  ["events", "events", "Events", "e"],
  ["sockets", "sockets", "Sockets", "s"],
  ["plugins", "plugins", "Plugins", "p"],
  ["daemon", "daemon", "Daemon", "d"],
];

export class Shell {
  /** @param {any} ctx the parts of the console @param {{openPalette: () => void, help: () => void, logout: () => void}} does */
  constructor(ctx, does) {
    this.ctx = ctx;
    this.does = does;
    this.links = new Map();
    this.badge = h("span", { class: "badge bad", hidden: true });
    this.title = h("h1", { tabindex: "-1", id: "title" });
    this.crumbs = h("p", { class: "crumbs" });
    this.tools = h("div", { class: "head-tools" });
    this.page = h("div", { class: "page" });
    this.banner = h("div", { class: "banner", role: "alert", hidden: true });
    this.link = h("span", { class: "link-state", role: "status" });
    this.endpoints = h("ul", { class: "endpoint-list" });
    this.user = h("div", { class: "side-user" });
    this.side = this.#sidebar();
    this.menu = h(
      "button",
      {
        type: "button",
        class: "icon-button menu-toggle",
        "aria-label": "Menu",
        "aria-expanded": "false",
        "aria-controls": "side",
        on: { click: () => this.#toggleSide() },
      },
      icon("menu"),
    );
    this.main = h("main", { id: "main", tabindex: "-1" }, this.page);
    this.element = h(
      "div",
      { class: "shell" },
      h(
        "a",
        { class: "skip", href: "#main", on: { click: (event) => (event.preventDefault(), this.main.focus()) } },
        "Skip to the content",
      ),
      this.side,
      h(
        "div",
        { class: "body" },
        h(
          "header",
          { class: "head" },
          this.menu,
          h("div", { class: "head-title" }, this.crumbs, this.title),
          this.tools,
          this.link,
        ),
        this.banner,
        this.main,
      ),
    );
    this.side.addEventListener("click", (event) => event.target.closest("a") && this.#toggleSide(false));
    this.#follow();
  }

  destroy() {
    clearInterval(this.timer);
    this.stops.forEach((stop) => stop());
  }

  /** Title line of the page. @param {{title: string, crumbs?: any[], tools?: any[], focus?: boolean}} head */
  setHead({ title, crumbs = [], tools = [], focus = false }) {
    text(this.title, title);
    attr(this.title, "title", title.length > 30 ? title : null); // it may be cut
    put(this.crumbs, crumbs);
    show(this.crumbs, crumbs.length > 0);
    put(this.tools, tools);
    document.title = `${title} · Circus`;
    if (focus) this.title.focus({ preventScroll: true });
  }

  mark(page) {
    for (const [key, link] of this.links)
      attr(link, "aria-current", key === page || (page === "watcher" && key === "overview") ? "page" : null);
  }

  // -- inside ------------------------------------------------------------------------------------------

  #sidebar() {
    const { router } = this.ctx;
    const item = ([path, key, label, letter]) => {
      const link = h(
        "a",
        { href: router.href(path), class: "side-link", title: `${label} (g ${letter})` },
        icon(key),
        h("span", null, label),
        key === "overview" ? this.badge : null,
      );
      this.links.set(key, link);
      return h("li", null, link);
    };
    const add = h("a", { href: router.href("add"), class: "side-link" }, icon("add"), h("span", null, "Add watcher"));
    const reload = h(
      "a",
      { href: router.href("reload"), class: "side-link" },
      icon("reload"),
      h("span", null, "Reload config"),
    );
    this.links.set("add", add);
    this.links.set("reload", reload);
    return h(
      "nav",
      { class: "side", id: "side", "aria-label": "Console" },
      h(
        "a",
        { class: "brand", href: router.href("") },
        h("img", { src: this.ctx.asset("icon.svg"), alt: "", width: "24", height: "24" }),
        h("span", null, "Circus"),
      ),
      h(
        "button",
        { type: "button", class: "find", on: { click: () => this.does.openPalette() } },
        icon("search"),
        h("span", null, "Go to or do…"),
        h("kbd", null, "Ctrl K"),
      ),
      h("ul", { class: "side-list" }, PAGES.map(item)),
      h("ul", { class: "side-list second" }, h("li", null, add), h("li", null, reload)),
      h(
        "div",
        { class: "side-section" },
        h("h2", null, "Endpoints"),
        this.endpoints,
        h("a", { class: "side-link small", href: router.href("connect") }, icon("link"), h("span", null, "Connect…")),
      ),
      this.user,
    );
  }

  #toggleSide(open = !this.element.classList.contains("side-open")) {
    this.element.classList.toggle("side-open", open);
    attr(this.menu, "aria-expanded", open ? "true" : "false");
    if (open) this.side.querySelector("a")?.focus();
  }

  #follow() {
    const { store, live } = this.ctx;
    this.draw = () => this.#draw();
    this.stops = [
      store.follow("overview", () => this.#overview()),
      live.on("state", () => soon(this.draw)),
      live.on("endpoint", () => soon(this.draw)),
    ];
    this.timer = setInterval(this.draw, 1000);
    this.drawUser();
    this.#draw();
  }

  drawUser() {
    const { session } = this.ctx.api;
    const theme = menuButton({
      cls: "icon-button",
      label: "Light or dark",
      content: icon("sun"),
      items: () =>
        ["system", "light", "dark"].map((each) => ({
          label: each[0].toUpperCase() + each.slice(1),
          icon: chosenTheme() === each ? "check" : undefined,
          run: () => chooseTheme(each),
        })),
    });
    put(
      this.user,
      h(
        "span",
        { class: "who" },
        h("strong", null, session.user || "everybody"),
        h("small", null, session.auth === "none" ? "no login" : session.role || ""),
      ),
      theme,
      iconButton("help", "Keyboard shortcuts", () => this.does.help(), { title: "Keyboard shortcuts (?)" }),
      session.auth === "none"
        ? null
        : iconButton("leave", "Log out", () => this.does.logout(), { title: "Log out" }),
    );
  }

  #overview() {
    const data = this.ctx.store.peek("overview");
    const endpoints = Object.entries(data?.endpoints || {});
    const problems = endpoints.reduce((sum, [, each]) => sum + (each.online ? each.totals?.failing || 0 : 0), 0);
    show(this.badge, problems > 0);
    text(this.badge, count(problems));
    attr(this.badge, "title", `${problems} with a problem`);
    const key = endpoints.map(([eid, each]) => [eid, each.name, each.online].join()).join(";");
    if (key !== this.endpointsKey) {
      this.endpointsKey = key;
      put(
        this.endpoints,
        endpoints.map(([eid, each]) =>
          h(
            "li",
            null,
            h(
              "a",
              {
                class: "endpoint-link",
                href: this.ctx.router.href("", { e: endpoints.length > 1 ? eid : "" }),
                title: each.endpoint,
              },
              h("span", { class: `dot ${each.online ? "on" : "off"}`, "aria-hidden": "true" }),
              h("span", { class: "cut" }, each.name || each.endpoint),
              each.online ? null : h("small", null, "offline"),
            ),
          ),
        ),
      );
    }
    soon(this.draw);
  }

  #draw() {
    const { live } = this.ctx;
    const { phase, since, retryAt } = live.state;
    const here = Date.now() / 1000;
    document.documentElement.dataset.link = phase === "online" ? "online" : "offline";
    const daemons = this.#lostDaemons();
    attr(this.link, "data-kind", phase === "online" ? (daemons.length ? "part" : "on") : "off");
    text(
      this.link,
      phase === "online"
        ? daemons.length
          ? "Daemon offline"
          : "Live"
        : phase === "connecting"
          ? "Connecting…"
          : "Offline",
    );
    if (phase === "offline") {
      this.#banner(
        `Offline since ${clock(since)} (${age(here - since)}): the console's server does not answer. What is shown is not current.`,
        retryAt > here ? `Trying again in ${age(retryAt - here)}.` : "Trying now…",
      );
    } else if (phase === "online" && daemons.length) {
      this.#banner(
        daemons
          .map(
            (each) =>
              `${each.name} is offline since ${clock(each.since)} (${age(live.now() - each.since)})${each.reason ? `: ${each.reason}` : ""}.`,
          )
          .join(" "),
        "What is shown of it is not current.",
      );
    } else show(this.banner, false);
  }

  #lostDaemons() {
    const endpoints = this.ctx.store.peek("overview")?.endpoints || {};
    return Object.entries(endpoints)
      .filter(([, each]) => each.online === false)
      .map(([eid, each]) => ({
        name: each.name || each.endpoint,
        since: this.ctx.live.lost.get(eid)?.since || each.since,
        reason: this.ctx.live.lost.get(eid)?.reason || each.reason || "",
      }));
  }

  #banner(words, tail) {
    if (!this.bannerParts) {
      // Only the first words are said aloud; the seconds that tick are not.
      this.bannerParts = {
        words: h("span", { "aria-live": "off" }),
        tail: h("small", { "aria-live": "off" }),
        retry: h(
          "button",
          { type: "button", class: "button small", on: { click: () => this.ctx.live.retry() } },
          "Try now",
        ),
      };
      put(
        this.banner,
        icon("warning"),
        h("span", { class: "banner-words" }, this.bannerParts.words, " ", this.bannerParts.tail),
        this.bannerParts.retry,
      );
    }
    text(this.bannerParts.words, words);
    text(this.bannerParts.tail, tail);
    show(this.bannerParts.retry, this.ctx.live.state.phase === "offline");
    show(this.banner, true);
  }
}

export function chosenTheme() {
  return document.documentElement.dataset.theme || "system";
}

export function chooseTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem("circus.theme");
    else localStorage.setItem("circus.theme", theme);
  } catch {
    /* storage is forbidden: it holds for this page */
  }
  document.dispatchEvent(new Event("themechange"));
}
