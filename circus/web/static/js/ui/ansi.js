/** Colours that programs put into their output (ECMA-48 SGR), as runs of text with classes. Other sequences vanish. */

import { h } from "../dom.js";

// eslint-disable-next-line no-control-regex -- the escape character is the subject here
const SEQUENCE = /\x1b(?:\[([0-9;:]*)([A-Za-z@`])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])|[\x00-\x08\x0b-\x1f\x7f]/g;
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/** The text without any of it. */
export function plain(line) {
  return line.includes("\x1b") || /[\x00-\x08\x0b-\x1f\x7f]/.test(line) ? line.replace(SEQUENCE, "") : line;
}

/**
 * @typedef {{fg: string, bg: string, bold: boolean, dim: boolean, italic: boolean, underline: boolean, inverse: boolean}} Look
 * @returns {Array<{text: string, look: Look|null}>}
 */
export function parseAnsi(line) {
  if (!line.includes("\x1b")) return [{ text: plain(line), look: null }];
  const runs = [];
  let look = null;
  let at = 0;
  for (const match of line.matchAll(SEQUENCE)) {
    if (match.index > at) runs.push({ text: line.slice(at, match.index), look });
    at = match.index + match[0].length;
    if (match[2] === "m") look = change(look, match[1]);
  }
  if (at < line.length) runs.push({ text: line.slice(at), look });
  return runs;
}

const FRESH = { fg: "", bg: "", bold: false, dim: false, italic: false, underline: false, inverse: false };

function change(before, parameters) {
  const look = { ...(before || FRESH) };
  const codes = (parameters || "0").split(/[;:]/).map((code) => Number(code) || 0);
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i];
    if (code === 0) Object.assign(look, FRESH);
    else if (code === 1) look.bold = true;
    else if (code === 2) look.dim = true;
    else if (code === 3) look.italic = true;
    else if (code === 4) look.underline = true;
    else if (code === 7) look.inverse = true;
    else if (code === 22) look.bold = look.dim = false;
    else if (code === 23) look.italic = false;
    else if (code === 24) look.underline = false;
    else if (code === 27) look.inverse = false;
    else if (code === 39) look.fg = "";
    else if (code === 49) look.bg = "";
    else if (code >= 30 && code <= 37) look.fg = NAMES[code - 30];
    else if (code >= 90 && code <= 97) look.fg = `bright-${NAMES[code - 90]}`;
    else if (code >= 40 && code <= 47) look.bg = NAMES[code - 40];
    else if (code >= 100 && code <= 107) look.bg = `bright-${NAMES[code - 100]}`;
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes, i);
      look[code === 38 ? "fg" : "bg"] = colour;
      i += used;
    }
  }
  return look;
}

function extended(codes, at) {
  if (codes[at + 1] === 2)
    return [
      `rgb(${codes
        .slice(at + 2, at + 5)
        .map((part) => Math.min(255, part || 0))
        .join(", ")})`,
      4,
    ];
  if (codes[at + 1] !== 5) return ["", 1];
  const number = codes[at + 2] || 0;
  if (number < 8) return [NAMES[number], 2];
  if (number < 16) return [`bright-${NAMES[number - 8]}`, 2];
  if (number >= 232) {
    const grey = 8 + (number - 232) * 10;
    return [`rgb(${grey}, ${grey}, ${grey})`, 2];
  }
  const steps = [0, 95, 135, 175, 215, 255];
  const cube = number - 16;
  return [`rgb(${steps[Math.floor(cube / 36) % 6]}, ${steps[Math.floor(cube / 6) % 6]}, ${steps[cube % 6]})`, 2];
}

/** The runs as elements, with the matches of a search marked. @param {RegExp|null} search a global one */
export function ansiNodes(line, search = null) {
  const runs = parseAnsi(line);
  return runs.map((run) => {
    const inner = search ? marked(run.text, search) : run.text;
    return run.look ? dressed(run.look, inner) : inner;
  });
}

function dressed(look, inner) {
  const classes = [];
  const style = {};
  const ground = (name, property, colour) => {
    if (!colour) return;
    if (colour.startsWith("rgb")) style[property] = colour;
    else classes.push(`${name}-${colour}`);
  };
  ground("fg", "color", look.inverse ? look.bg || "black" : look.fg);
  ground("bg", "background-color", look.inverse ? look.fg || "white" : look.bg);
  for (const name of ["bold", "dim", "italic", "underline"]) if (look[name]) classes.push(name);
  return h("span", { class: classes.join(" "), style }, inner);
}

function marked(words, search) {
  const parts = [];
  let at = 0;
  search.lastIndex = 0;
  for (const match of words.matchAll(search)) {
    if (!match[0]) break;
    if (match.index > at) parts.push(words.slice(at, match.index));
    parts.push(h("mark", null, match[0]));
    at = match.index + match[0].length;
  }
  parts.push(words.slice(at));
  return parts;
}
