/**
 * Which page the address means. Addresses are relative to the page's base; filters live in the query and change it
 * without leaving the page.
 */

export class Router {
  /** @param {Array<{pattern: RegExp, names: string[], page: string}>} routes */
  constructor(routes) {
    this.routes = routes;
    /** Called with (route, params, query) on every change of page. */
    this.onChange = (_found) => {};
    this.base = new URL(".", document.baseURI).pathname;
    addEventListener("popstate", () => this.run());
    document.addEventListener("click", (event) => this.#clicked(event));
  }

  /** The path below the base, without slashes at its ends. */
  get path() {
    const path = location.pathname;
    return (path.startsWith(this.base) ? path.slice(this.base.length) : path).replace(/^\/+|\/+$/g, "");
  }

  get query() {
    return new URLSearchParams(location.search);
  }

  /** An address below the base for links. @param {string} path @param {Object<string, any>} [query] */
  href(path, query = {}) {
    const parameters = new URLSearchParams();
    for (const [key, value] of Object.entries(query)) {
      if (value !== null && value !== undefined && value !== "") parameters.set(key, String(value));
    }
    const tail = parameters.toString();
    return this.base + path + (tail ? `?${tail}` : "");
  }

  go(href, { replace = false } = {}) {
    history[replace ? "replaceState" : "pushState"](null, "", href);
    this.run();
  }

  /** Change parameters of the query in place; empty ones go. The page stays. */
  setQuery(changes) {
    const query = this.query;
    for (const [key, value] of Object.entries(changes)) {
      if (value === null || value === undefined || value === "" || value === false) query.delete(key);
      else query.set(key, String(value));
    }
    const tail = query.toString();
    history.replaceState(null, "", location.pathname + (tail ? `?${tail}` : "") + location.hash);
  }

  run() {
    const path = this.path;
    for (const route of this.routes) {
      const match = route.pattern.exec(path);
      if (!match) continue;
      const params = {};
      try {
        route.names.forEach((name, index) => (params[name] = decodeURIComponent(match[index + 1])));
      } catch {
        continue; // not an address of ours
      }
      this.onChange({ page: route.page, params });
      return;
    }
    this.onChange({ page: "missing", params: { path } });
  }

  #clicked(event) {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (!link.pathname.startsWith(this.base) || /\/(api|static|metrics)(\/|$)/.test(link.pathname)) return;
    if (link.hash && link.pathname === location.pathname) return;
    event.preventDefault();
    this.go(link.href);
  }
}

/** The path of a watcher's page. */
export function watcherHref(router, eid, name, query) {
  return router.href(`watcher/${encodeURIComponent(eid)}/${encodeURIComponent(name)}`, query);
}
