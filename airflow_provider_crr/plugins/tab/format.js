// Numbers, sizes, ages, shares and keys as people read them: what humanize.py and legible.py do for logs and reports.
// tests/ui compares both.

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const AGES = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
const fixed = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** A number with its thousands apart: 1,234,567. */
export const count = (n) => whole.format(n);

/** A number and its noun: "1 object", "4 objects". */
export const things = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

/** Bytes in the largest fitting binary unit: 12.3 GiB. */
export function size(bytes) {
  if (Math.abs(bytes) < 1024) return `${count(bytes)} B`;
  let value = bytes;
  for (const unit of UNITS) {
    value /= 1024;
    if (Math.abs(value) < 1023.95) return `${fixed.format(value)} ${unit}`;
  }
  return `${fixed.format(value)} ${UNITS.at(-1)}`;
}

/** A time span in its two largest units: 42s, 3m12s, 2d4h, 412d. */
export function age(seconds) {
  let rest = Math.max(0, Math.trunc(seconds));
  for (const [index, [unit, length]] of AGES.entries()) {
    if (rest < length) continue;
    const units = Math.floor(rest / length);
    rest %= length;
    if (index + 1 === AGES.length || units >= 100) return `${count(units)}${unit}`;
    const [nextUnit, nextLength] = AGES[index + 1];
    const part = Math.floor(rest / nextLength);
    return part ? `${units}${unit}${part}${nextUnit}` : `${units}${unit}`;
  }
  return "0s";
}

/** A part of a whole in percent, rounded down: "100 %" is every single one, "0 %" not one. */
export function share(part, all) {
  if (all <= 0) return "n/a";
  if (part === 0 || part === all) return part === 0 ? "0 %" : "100 %";
  // Beyond 2^53 a double cannot hold the product.
  const hundredths = Number((BigInt(part) * 10000n) / BigInt(all));
  if (hundredths === 0) return "< 0.01 %";
  if (BigInt(part) * 10000n > BigInt(all) * 9999n) return "> 99.99 %";
  if (hundredths >= 100 && hundredths < 9900) return `${(Math.floor(hundredths / 10) / 10).toFixed(1)} %`;
  return `${(hundredths / 100).toFixed(2)} %`;
}

/** A moment, UTC: 2026-11-20 01:00. */
export function moment(text) {
  const found = new Date(text);
  return Number.isNaN(found.getTime()) ? text : found.toISOString().slice(0, 16).replace("T", " ");
}

/** The time of a moment, UTC; with its day if that is not today: 14:02, or 2026-11-20 14:02. */
export function clock(text, now = Date.now()) {
  const whole = moment(text);
  return whole.slice(0, 10) === new Date(now).toISOString().slice(0, 10) ? whole.slice(11) : whole;
}

/** How far away a moment is, from now: "in 3m12s", "3m12s ago". */
export function away(text, now = Date.now()) {
  const seconds = (Date.parse(text) - now) / 1000;
  return seconds >= 0 ? `in ${age(seconds)}` : `${age(-seconds)} ago`;
}

const UNSEEN = /^[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Zs}]$/u;
const MARK = /^[\p{Mn}\p{Me}]$/u;

/** Text in pieces, [text, whether it stands for what cannot be seen]: controls, direction overrides, lost spaces. */
export function pieces(text) {
  const lost = new Set();
  for (const match of text.matchAll(/^ +| +$| {2,}/g)) {
    for (let i = 0; i < match[0].length; i += 1) lost.add(match.index + i);
  }
  const found = [];
  let marks = 0;
  let index = 0;
  for (const character of text) {
    marks = MARK.test(character) ? marks + 1 : 0;
    const unseen = (character !== " " && UNSEEN.test(character)) || lost.has(index) || marks > 3;
    index += character.length;
    const code = `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    const last = found.at(-1);
    if (last && last[1] === unseen) last[0] += unseen ? ` ${code}` : character;
    else found.push([unseen ? code : character, unseen]);
  }
  return found;
}

/** The lines of a text that have something on them. */
export const lines = (text) => text.split("\n").filter((line) => line.trim());
