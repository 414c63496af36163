/** Round numbers for axes, and the colours of the theme for the canvas, which knows no style sheets. */

/** The smallest round number that is not below the greatest value. */
export function niceTop(top, { binary = false, whole = false } = {}) {
  if (binary) {
    let unit = 1;
    while (top / unit >= 1000) unit *= 1024;
    return niceTop(top / unit) * unit;
  }
  const power = 10 ** Math.floor(Math.log10(top));
  for (const step of [1, 1.2, 1.5, 2, 3, 4, 5, 6, 8, 10]) {
    const round = step * power;
    if (round >= top * 0.9999 && (!whole || Number.isInteger(round / 2))) return round;
  }
  return whole ? 2 * Math.ceil(top / 2 + 0.01) : 10 * power;
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

/** Instants for the axis of time, at round times of day. */
export function timeTicks(from, to, most) {
  const step = STEPS.find((each) => (to - from) / each <= most) || 86400;
  const shift = new Date().getTimezoneOffset() * 60;
  const ticks = [];
  for (let at = Math.ceil((from - shift) / step) * step + shift; at <= to; at += step) {
    const date = new Date(at * 1000);
    const parts = [date.getHours(), date.getMinutes(), ...(step < 60 ? [date.getSeconds()] : [])];
    ticks.push({ time: at, label: parts.map((part) => String(part).padStart(2, "0")).join(":") });
  }
  return ticks;
}

const tones = new Map();

/** The colour of the class `tone-NAME` as it is now. */
export function toneOf(name) {
  let colour = tones.get(name);
  if (!colour) {
    const probe = document.createElement("span");
    probe.className = `tone-${name}`;
    probe.hidden = true;
    document.body.append(probe);
    colour = getComputedStyle(probe).color;
    probe.remove();
    tones.set(name, colour);
  }
  return colour;
}

document.addEventListener("themechange", () => tones.clear());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  document.dispatchEvent(new Event("themechange")),
);
