/** Names with what they stand for, kept in step with a list. Knows nothing of Circus. */

import { h, keyed, text } from "../dom.js";

/**
 * Fill a list of facts; each name keeps its row.
 * @param {HTMLElement} list a `dl`
 * @param {Array<[string, any]>} facts name and value
 */
export function setFacts(list, facts) {
  keyed(
    list,
    facts,
    ([name]) => name,
    ([name]) => h("div", null, h("dt", null, name), h("dd")),
    (row, [, value]) => text(row.lastElementChild, value),
  );
}
