/** For an address that means nothing. */

import { h } from "../dom.js";

export function mount(ctx) {
  ctx.setHead({ title: "Not found" });
  ctx.root.append(
    h(
      "div",
      { class: "empty-state" },
      h("p", null, "There is no page ", h("code", null, `/${ctx.params.path}`), "."),
      h("a", { class: "button", href: ctx.router.href("") }, "To the overview"),
    ),
  );
}
