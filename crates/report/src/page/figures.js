// @ts-check
// Numbers as text: bytes, times and shares, three digits each.

/**
 * @param {number} value
 * @returns {string} three significant digits, never in powers of ten
 */
function digits(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toString();
  return value.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : Math.min(6, 2 - Math.floor(Math.log10(size)))).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

/**
 * @param {number} value
 * @param {string[]} units each a thousand of the one before
 */
function scaled(value, units) {
  let unit = 0;
  while (Math.abs(value) >= 999.5 && unit + 1 < units.length) {
    value /= 1000;
    unit += 1;
  }
  return `${digits(value)} ${units[unit]}`;
}

/** @param {number} count */
function bytes(count) {
  return scaled(count, ["B", "kB", "MB", "GB", "TB"]);
}

/** @param {number} seconds */
function duration(seconds) {
  return scaled(seconds * 1e9, ["ns", "µs", "ms", "s"]);
}

/** @param {number} share of one */
function percent(share) {
  return `${digits(share * 100)} %`;
}

/** @param {number} count */
function grouped(count) {
  return count.toLocaleString("en").replace(/,/g, "\u202f");
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
function counted(count, one, many = `${one}s`) {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}
