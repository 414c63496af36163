/** Numbers, spans and instants as people read them. Unknown values are an en dash everywhere. */

export const UNKNOWN = "–";

/** @param {number|null|undefined|string} value */
export function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

export function count(value) {
  return known(value) ? Math.round(value).toLocaleString("en-GB") : UNKNOWN;
}

/** CPU percent. */
export function percent(value) {
  if (!known(value)) return UNKNOWN;
  return `${value >= 100 ? Math.round(value) : value.toFixed(1)}%`;
}

const UNITS = ["B", "K", "M", "G", "T", "P"];

/** Bytes with one unit letter, three digits. */
export function bytes(value) {
  if (!known(value)) return UNKNOWN;
  let scaled = Math.abs(value);
  let unit = 0;
  while (scaled >= 1000 && unit < UNITS.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2;
  return `${value < 0 ? "−" : ""}${scaled.toFixed(digits)} ${UNITS[unit]}`;
}

/** Bytes a second. */
export function rate(value) {
  return known(value) ? `${bytes(value)}/s` : UNKNOWN;
}

/** A span of seconds in at most two units: `20 ms`, `4.2 s`, `3 m 10 s`, `5 h 2 m`, `12 d 3 h`. */
export function span(seconds) {
  if (!known(seconds)) return UNKNOWN;
  const s = Math.max(0, seconds);
  if (s > 0 && s < 0.1) return `${Math.max(1, Math.round(s * 1000))} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${Math.floor(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} m`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** As {@link span} without tenths: for what ticks on the screen. */
export function age(seconds) {
  return known(seconds) && seconds < 10 ? `${Math.max(0, Math.floor(seconds))} s` : span(seconds);
}

const pad = (number) => String(number).padStart(2, "0");

/** Time of day of an epoch; the date in front when it is not today. */
export function clock(epoch, { millis = false } = {}) {
  if (!known(epoch)) return UNKNOWN;
  const at = new Date(epoch * 1000);
  const day = at.toDateString() === new Date().toDateString() ? "" : `${pad(at.getMonth() + 1)}-${pad(at.getDate())} `;
  const tail = millis ? `.${String(at.getMilliseconds()).padStart(3, "0")}` : "";
  return `${day}${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}${tail}`;
}

/** Date and time in full, for titles. */
export function instant(epoch) {
  if (!known(epoch)) return UNKNOWN;
  return new Date(epoch * 1000).toLocaleString("sv-SE", { timeZoneName: "short" });
}

/** `1 worker`, `3 workers`. */
export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** Any option value as text. */
export function optionText(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

/** Seconds since the epoch, now. */
export function now() {
  return Date.now() / 1000;
}

/** Join command words for a POSIX shell. */
export function shellWords(words) {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${String(word).replaceAll("'", "'\\''")}'`))
    .join(" ");
}
