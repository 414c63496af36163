/** Which of the daemons a page is about, and the choice between them. */

import { h, put, show } from "../dom.js";
import { endpointsOf } from "./parts.js";

export function endpointName(ctx, eid) {
  const endpoint = ctx.store.peek("overview")?.endpoints?.[eid];
  return endpoint?.name || endpoint?.endpoint || eid;
}

/** The endpoint the page is about: the one in the query, or the only one, or the first that is online. */
export function chosenEndpoint(ctx) {
  const all = endpointsOf(ctx.store.peek("overview"));
  const wanted = ctx.router.query.get("e");
  return (all.find(([eid]) => eid === wanted) || all.find(([, each]) => each.online) || all[0] || ["", null])[0];
}

/** A select of endpoints; hidden when there is only one. */
export function endpointSelect(ctx, onChange, { all = "" } = {}) {
  const select = h("select", {
    class: "input",
    "aria-label": "Endpoint",
    on: {
      change: () => {
        ctx.router.setQuery({ e: select.value });
        onChange(select.value);
      },
    },
  });
  let key = "";
  select.refresh = () => {
    const found = endpointsOf(ctx.store.peek("overview"));
    const now = found.map(([eid, each]) => eid + each.name).join();
    if (now === key) return;
    key = now;
    const before = select.value || ctx.router.query.get("e") || (all ? "" : chosenEndpoint(ctx));
    put(
      select,
      all ? h("option", { value: "" }, all) : null,
      found.map(([eid, each]) => h("option", { value: eid, selected: eid === before }, each.name || each.endpoint)),
    );
    show(select, found.length > 1);
  };
  return select;
}
