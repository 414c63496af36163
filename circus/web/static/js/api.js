/**
 * The REST interface: one function per request, the CSRF token in every change, problems as {@link Problem}.
 * Knows paths relative to the page's base only, so the console works under any URL prefix.
 */

/** What the server says went wrong (RFC 9457), or that it could not be reached (status 0). */
export class Problem extends Error {
  /** @param {number} status @param {Object<string, any>} told */
  constructor(status, told) {
    super(told.detail || told.title || `the server answered ${status}`);
    this.name = "Problem";
    this.status = status;
    this.told = told;
    /** @type {Object<string, string>} by field */
    this.errors = told.errors || {};
    this.circusctl = told.circusctl || "";
  }
}

export class Api {
  constructor() {
    /** @type {{user: string|null, role: string|null, csrf: string, auth: string, version: string}} */
    this.session = { user: null, role: null, csrf: "", auth: "password", version: "" };
    /** Called when the server wants a login. */
    this.onLoginNeeded = () => {};
  }

  /** The absolute URL of a path below the base. */
  url(path, query = {}) {
    const url = new URL(path, document.baseURI);
    for (const [key, value] of Object.entries(query)) {
      if (value !== null && value !== undefined && value !== "") url.searchParams.set(key, String(value));
    }
    return url;
  }

  get(path, query) {
    return this.send("GET", path, { query });
  }

  post(path, body = {}, query) {
    return this.send("POST", path, { body, query });
  }

  /**
   * @param {string} method
   * @param {string} path below `api/v1/`
   * @param {{body?: any, query?: Object<string, any>, signal?: AbortSignal}} [options]
   */
  async send(method, path, { body, query, signal } = {}) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (method !== "GET") headers["X-CSRF-Token"] = this.session.csrf;
    let response;
    try {
      response = await fetch(this.url(`api/v1/${path}`, query), {
        method,
        headers,
        signal,
        credentials: "same-origin",
        cache: "no-store",
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, { title: "The console's server cannot be reached" });
    }
    const told = await this.#read(response);
    if (response.ok) return told;
    if (response.status === 401 && path !== "login") this.onLoginNeeded();
    throw new Problem(response.status, { retryAfter: response.headers.get("Retry-After"), ...told });
  }

  async #read(response) {
    const raw = await response.text();
    if (!raw) return {};
    try {
      return JSON.parse(raw);
    } catch {
      return { title: response.ok ? "" : `The server answered ${response.status} ${response.statusText}`, text: raw };
    }
  }

  async readSession() {
    this.session = { ...this.session, ...(await this.get("session")) };
    return this.session;
  }

  async login(credentials) {
    this.session = { ...this.session, ...(await this.post("login", credentials)) };
    return this.session;
  }

  async logout() {
    await this.post("logout");
    this.session = { ...this.session, user: null, role: null };
  }

  /** Whether the session's role reaches as far as the one needed. */
  may(role) {
    const ranks = ["viewer", "operator", "admin"];
    return ranks.indexOf(this.session.role || "") >= ranks.indexOf(role);
  }
}

/** The path of a watcher in the REST interface. */
export function watcherPath(name, action = "") {
  return `watchers/${encodeURIComponent(name)}${action ? `/${action}` : ""}`;
}
