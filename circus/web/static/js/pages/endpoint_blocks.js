/** What pages tell daemon by daemon: one block for each, made when it comes, changed in place, ended when it goes. */

import { h, keyed, show } from "../dom.js";
import { endpointsOf, loading } from "./parts.js";

/** @typedef {{element: HTMLElement, update: (endpoint: any, told: any) => any, destroy?: () => void}} Block */

export class EndpointBlocks {
  /** @param {(eid: string) => Block} make */
  constructor(make) {
    this.make = make;
    this.element = h("div", { class: "stack" });
    /** @type {Map<string, Block>} */
    this.made = new Map();
  }

  /**
   * @param {Array<[string, any]>} endpoints id and data of those to show, in their order
   * @param {(block: Block, endpoint: any) => void} change tells a block what is new
   */
  update(endpoints, change) {
    const kept = new Set(endpoints.map(([eid]) => eid));
    for (const eid of [...this.made.keys()]) if (!kept.has(eid)) this.#end(eid);
    keyed(
      this.element,
      endpoints,
      ([eid]) => eid,
      ([eid]) => {
        this.made.set(eid, this.make(eid));
        return this.made.get(eid).element;
      },
      (_node, [eid, endpoint]) => change(this.made.get(eid), endpoint),
    );
  }

  destroy() {
    for (const eid of [...this.made.keys()]) this.#end(eid);
  }

  #end(eid) {
    this.made.get(eid).destroy?.();
    this.made.delete(eid);
  }
}

/**
 * Mount a page that is made of such blocks.
 * @param {any} ctx
 * @param {string} name of the topic
 * @param {(eid: string) => Block} make its `update` takes the endpoint and the topic
 * @param {{below?: any[], onTopic?: (topic: any) => void}} [more] what stands below the blocks; who is told the topic
 * @returns {() => void} ends it
 */
export function endpointPage(ctx, name, make, { below = [], onTopic = () => {} } = {}) {
  const wait = loading();
  const blocks = new EndpointBlocks(make);
  ctx.root.append(wait, below.length ? h("div", { class: "stack" }, blocks.element, below) : blocks.element);
  const stop = ctx.store.follow(name, (topic) => {
    if (!topic.data) return;
    show(wait, false);
    blocks.update(endpointsOf(topic.data), (block, endpoint) => block.update(endpoint, topic));
    onTopic(topic);
  });
  return () => {
    stop();
    blocks.destroy();
  };
}

/** What a daemon is called, and whether what a topic tells of it is old; the overview may know better. */
export function standing(ctx, eid, endpoint, topic) {
  const known = ctx.store.peek("overview")?.endpoints?.[eid];
  return {
    name: endpoint.name || known?.name || eid,
    stale: !topic.fresh || known?.online === false || endpoint.online === false,
  };
}
