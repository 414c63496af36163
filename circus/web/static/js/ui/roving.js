/** The keyboard in a row of things of which one has the focus: arrows go round, Home and End to the ends. */

/**
 * Where a key leads.
 * @param {string} key as the event names it
 * @param {number} at the one that has the focus, counted from 0
 * @param {number} length how many there are
 * @param {[string, string]} arrows the key for the one before, and for the one after
 * @returns {number|undefined} none for any other key
 */
export function roving(key, at, length, [back, forth]) {
  return { [forth]: (at + 1) % length, [back]: (at - 1 + length) % length, Home: 0, End: length - 1 }[key];
}
