/** Starts the console: session, live connection, frame, and the page that the address means. */

import { Actions } from "./actions.js";
import { Api } from "./api.js";
import { h, put } from "./dom.js";
import { Live } from "./live.js";
import { Router, watcherHref } from "./router.js";
import { Shell, chooseTheme, chosenTheme } from "./shell.js";
import { Store } from "./state.js";
import { Keys } from "./ui/keys.js";
import { openPalette } from "./ui/palette.js";
import { Toasts } from "./ui/toast.js";

const ROUTES = [
  { pattern: /^$/, names: [], page: "overview" },
  { pattern: /^login$/, names: [], page: "login" },
  { pattern: /^watcher\/([^/]+)\/([^/]+)$/, names: ["eid", "name"], page: "watcher" },
  ...["connect", "logs", "events", "sockets", "plugins", "daemon", "add", "reload"].map((page) => ({
    pattern: new RegExp(`^${page}$`),
    names: [],
    page,
  })),
];

class Console {
  constructor(root) {
    this.root = root;
    const store = new Store();
    const api = new Api();
    const live = new Live(store);
    const toasts = new Toasts();
    this.ctx = {
      api,
      store,
      live,
      toasts,
      keys: new Keys(),
      router: new Router(ROUTES),
      actions: new Actions({ api, live, store, toasts }),
      asset: (path) => new URL(`../${path}`, import.meta.url).href,
      setHead: (head) => this.shell?.setHead(head),
      enter: () => this.#enter(),
      refreshUser: () => this.shell?.drawUser(),
    };
    this.shell = null;
    this.leave = null;
    this.turn = 0;
    api.onLoginNeeded = live.onLoginNeeded = () => this.#askLogin();
    live.onRefused = () => this.#askSession();
  }

  async start() {
    document.body.append(this.ctx.toasts.element, this.ctx.toasts.polite, this.ctx.toasts.urgent);
    this.#bindKeys();
    this.ctx.router.onChange = (found) => this.#open(found);
    try {
      await this.ctx.api.readSession();
    } catch (error) {
      put(
        this.root,
        h(
          "div",
          { class: "boot" },
          h("p", { role: "alert" }, error.message),
          h("button", { class: "button primary", type: "button", on: { click: () => location.reload() } }, "Try again"),
        ),
      );
      return;
    }
    if (this.ctx.api.session.user === null && this.ctx.api.session.auth !== "none" && this.ctx.router.path !== "login")
      this.#askLogin();
    else this.ctx.router.run();
  }

  /** After a login. */
  #enter() {
    const back = this.ctx.router.query.get("next") || "";
    const safe = back.startsWith(this.ctx.router.base) && !back.startsWith("//");
    this.ctx.router.go(safe ? back : this.ctx.router.href(""), { replace: true });
  }

  #askLogin() {
    const { router, api, live } = this.ctx;
    if (router.path === "login") return;
    api.session = { ...api.session, user: null, role: null };
    live.close();
    const next = location.pathname + location.search;
    router.go(router.href("login", { next: next === router.base ? "" : next }), { replace: true });
  }

  /** Whether it is the session that is over, or the server that is away. */
  async #askSession() {
    try {
      const session = await this.ctx.api.readSession();
      if (session.user === null && session.auth !== "none" && this.shell) this.#askLogin();
    } catch {
      /* it is away: the banner says so */
    }
  }

  async #open({ page, params }) {
    this.turn += 1;
    const turn = this.turn;
    this.#leavePage();
    const outside = page === "login";
    if (outside) this.#dropShell();
    else this.#needShell();
    const home = outside ? this.root : this.shell.page;
    if (!outside) this.shell.mark(page);
    put(home, h("p", { class: "loading", role: "status" }, "Loading…"));
    let module;
    try {
      module = await import(`./pages/${page}.js`);
    } catch (error) {
      if (turn === this.turn)
        put(home, h("p", { class: "empty", role: "alert" }, `This page could not be loaded: ${error.message}`));
      return;
    }
    if (turn !== this.turn) return;
    put(home);
    scrollTo(0, 0);
    this.leave = module.mount({ ...this.ctx, root: home, params }) || null;
    if (this.opened && !outside) this.shell.title.focus({ preventScroll: true });
    this.opened = true;
  }

  #leavePage() {
    this.leave?.();
    this.leave = null;
    this.ctx.toasts.say("");
  }

  #needShell() {
    if (this.shell) return;
    this.shell = new Shell(this.ctx, {
      openPalette: () => this.#palette(),
      help: () => this.ctx.keys.help(),
      logout: () => this.#logout(),
    });
    put(this.root, this.shell.element);
    this.ctx.live.open();
  }

  #dropShell() {
    this.shell?.destroy();
    this.shell = null;
    this.ctx.live.close();
  }

  async #logout() {
    await this.ctx.api.logout();
    this.ctx.router.go(this.ctx.router.href("login"));
  }

  #bindKeys() {
    const { keys, router } = this.ctx;
    const go = (path) => () => this.shell && router.go(router.href(path));
    keys.bind("Anywhere", {
      "?": ["This help", () => keys.help()],
      "Ctrl+k": ["Go to or do anything", () => this.#palette()],
      ":": ["The same", () => this.#palette()],
      "g o": ["Overview", go("")],
      "g l": ["Logs", go("logs")],
      "g e": ["Events", go("events")],
      "g s": ["Sockets", go("sockets")],
      "g p": ["Plugins", go("plugins")],
      "g d": ["Daemon", go("daemon")],
      "g a": ["Add a watcher", go("add")],
      "g r": ["Reload the configuration", go("reload")],
      "/": ["Filter or search", () => document.querySelector("[data-filter]")?.focus()],
      t: ["Switch light and dark", () => this.#switchTheme()],
      j: [
        "First row; then j and k, or the arrows",
        () => document.querySelector("table.data tbody:not(.pads) a")?.focus(),
      ],
    });
  }

  #switchTheme() {
    const dark =
      chosenTheme() === "dark" || (chosenTheme() === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
    chooseTheme(dark ? "light" : "dark");
  }

  #palette() {
    if (!this.shell) return;
    const { router, store, actions } = this.ctx;
    const go = (path) => () => router.go(router.href(path));
    const entries = [
      { label: "Overview", icon: "overview", run: go("") },
      { label: "Logs", icon: "logs", run: go("logs") },
      { label: "Events", icon: "events", run: go("events") },
      { label: "Sockets", icon: "sockets", run: go("sockets") },
      { label: "Plugins", icon: "plugins", run: go("plugins") },
      { label: "Daemon", icon: "daemon", run: go("daemon") },
      { label: "Add watcher", icon: "add", run: go("add") },
      { label: "Reload configuration", icon: "reload", run: go("reload") },
      { label: "Connect to another daemon", icon: "link", run: go("connect") },
      { label: "Switch light and dark", icon: "sun", run: () => this.#switchTheme() },
    ];
    const endpoints = Object.entries(store.peek("overview")?.endpoints || {});
    for (const [eid, endpoint] of endpoints) {
      const where = endpoints.length > 1 ? endpoint.name : "";
      for (const watcher of Object.values(endpoint.watchers || {})) {
        entries.push({
          label: watcher.name,
          detail: `${watcher.problem ? "problem" : watcher.status} ${where}`,
          icon: watcher.problem ? "warning" : "right",
          run: () => router.go(watcherHref(router, eid, watcher.name)),
        });
        if (actions.forbidden("stop")) continue;
        for (const action of watcher.status === "stopped" ? ["start"] : ["restart", "reload", "stop"]) {
          entries.push({
            label: `${action} ${watcher.name}`,
            detail: where,
            icon: action === "reload" ? "reload" : action,
            run: () => actions.watcher(eid, watcher, action),
          });
        }
        entries.push({
          label: `logs of ${watcher.name}`,
          detail: where,
          icon: "logs",
          run: () => router.go(router.href("logs", { w: watcher.name, e: where ? eid : "" })),
        });
      }
    }
    openPalette(entries);
  }
}

new Console(document.getElementById("app")).start();
