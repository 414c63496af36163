/**
 * What became of an action: a card in the corner that tells progress, then the honest outcome and the command line.
 * Said to screen readers, too. A failure stays until it is closed.
 */

import { attr, h, show, text } from "../dom.js";
import { copyLine } from "./copyline.js";
import { icon, iconButton } from "./icons.js";

const STAYS = 7000;
const WORDS = { ok: "Done", partial: "Partly done", failed: "Failed", pending: "Still going on", busy: "Working" };
const ICONS = { ok: "check", partial: "warning", failed: "close", pending: "more", busy: "reload" };

export class Toasts {
  constructor() {
    this.element = h("section", { class: "toasts", "aria-label": "Notifications" });
    this.polite = h("div", { class: "sr", "aria-live": "polite", role: "status" });
    this.urgent = h("div", { class: "sr", role: "alert" });
  }

  say(words, urgent = false) {
    text(urgent ? this.urgent : this.polite, words);
  }

  /** A card that begins busy. @param {string} title */
  begin(title) {
    const toast = new Toast(this, title);
    this.element.append(toast.element);
    return toast;
  }

  /** A card that says one thing. @param {"ok"|"partial"|"failed"|"pending"} kind */
  tell(kind, title, words = "", line = "") {
    const toast = this.begin(title);
    toast.end(kind, words, line);
    return toast;
  }
}

class Toast {
  constructor(home, title) {
    this.home = home;
    this.title = title;
    this.words = h("p", { class: "toast-words" });
    this.mark = h("span", { class: "toast-mark" });
    this.state = h("span", { class: "toast-state" });
    this.bar = h("progress", { class: "bar", max: "1", "aria-label": title });
    this.line = copyLine("");
    this.element = h(
      "article",
      { class: "toast", "data-kind": "busy" },
      this.mark,
      h(
        "div",
        { class: "toast-main" },
        h("p", { class: "toast-title" }, h("strong", null, title), this.state),
        this.words,
        this.bar,
        this.line,
      ),
      iconButton("close", "Dismiss", () => this.close()),
    );
    this.#kind("busy");
    this.bar.removeAttribute("value");
    this.element.addEventListener("pointerenter", () => clearTimeout(this.timer));
  }

  #kind(kind) {
    attr(this.element, "data-kind", kind);
    this.mark.replaceChildren(icon(ICONS[kind]));
    text(this.state, WORDS[kind]);
  }

  /** Tell how far it is. */
  progress(done, of, words) {
    if (of > 0) {
      this.bar.max = of;
      this.bar.value = Math.min(done, of);
    }
    text(this.words, words);
  }

  end(kind, words, line = "") {
    this.#kind(kind);
    text(this.words, words);
    show(this.bar, false);
    this.line.setLine(line);
    this.home.say(`${this.title}: ${WORDS[kind]}. ${words}`, kind === "failed");
    if (kind === "ok") this.timer = setTimeout(() => this.close(), STAYS);
  }

  close() {
    clearTimeout(this.timer);
    this.element.remove();
  }
}
