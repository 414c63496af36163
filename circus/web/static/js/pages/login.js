/** Logging in by name and password, or by the one-time link that the server prints at its first start. */

import { h, show, text } from "../dom.js";

export function mount(ctx) {
  const { api, router, root } = ctx;
  document.title = "Log in · Circus";
  const user = h("input", {
    type: "text",
    class: "input",
    name: "user",
    autocomplete: "username",
    required: true,
    autofocus: true,
    spellcheck: "false",
    autocapitalize: "none",
  });
  const password = h("input", {
    type: "password",
    class: "input",
    name: "password",
    autocomplete: "current-password",
    required: true,
  });
  const token = h("input", {
    type: "text",
    class: "input mono",
    name: "token",
    autocomplete: "off",
    spellcheck: "false",
  });
  const problem = h("p", { class: "form-error", role: "alert", hidden: true });
  const button = h("button", { type: "submit", class: "button primary wide" }, "Log in");
  const form = h(
    "form",
    { class: "login-form", novalidate: true },
    h("label", { class: "field" }, h("span", null, "User"), user),
    h("label", { class: "field" }, h("span", null, "Password"), password),
    problem,
    button,
  );
  const tokenForm = h(
    "form",
    { class: "login-form" },
    h("label", { class: "field" }, h("span", null, "One-time token"), token),
    h("button", { type: "submit", class: "button wide" }, "Use the token"),
  );
  root.replaceChildren(
    h(
      "main",
      { class: "login" },
      h(
        "div",
        { class: "login-card" },
        h("img", { src: ctx.asset("icon.svg"), width: "44", height: "44", alt: "" }),
        h("h1", null, "Circus"),
        h("p", { class: "hint" }, "Log in to the console of this host."),
        form,
        h(
          "details",
          null,
          h("summary", null, "First start? Use the token that circus-httpd printed"),
          tokenForm,
          h("p", { class: "hint" }, "Make users with ", h("code", null, "circus-httpd --add-user NAME"), "."),
        ),
      ),
    ),
  );

  async function enter(credentials, focus) {
    button.disabled = true;
    show(problem, false);
    try {
      await api.login(credentials);
      ctx.enter();
    } catch (error) {
      text(problem, explain(error));
      show(problem, true);
      focus.focus();
      focus.select?.();
    } finally {
      button.disabled = false;
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!user.value || !password.value) {
      text(problem, "Give a user and a password.");
      show(problem, true);
      (user.value ? password : user).focus();
    } else enter({ user: user.value, password: password.value }, password);
  });
  tokenForm.addEventListener("submit", (event) => {
    event.preventDefault();
    if (token.value.trim()) enter({ token: token.value.trim() }, token);
  });
  /** A link with a token, followed now or pasted while this page is open. @returns {boolean} whether there is one */
  function takeLink() {
    const given = new URLSearchParams(location.hash.slice(1)).get("token") || router.query.get("token");
    if (!given) return false;
    history.replaceState(null, "", router.href("login")); // the token must not stay in the address
    enter({ token: given }, user);
    return true;
  }

  addEventListener("hashchange", takeLink);
  if (!takeLink()) {
    if (api.session.auth === "none") ctx.enter();
    else user.focus();
  }
  return () => removeEventListener("hashchange", takeLink);
}

function explain(error) {
  if (error.status === 401) return error.told.detail || "User and password do not match.";
  if (error.status === 429) return `Too many attempts. Try again in ${error.told.retryAfter || "a few"} seconds.`;
  return error.message;
}
