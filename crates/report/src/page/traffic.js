// @ts-check
// What launches move and take at the extents of dims: functions of the document and of those alone.

/**
 * @typedef {{ name: string, when: string, rows_from: number, rows_to: number | null }} Variant
 * @typedef {{ name: string, read_row: number, written_row: number, read_once: number, written_once: number, rows: string | null, variants: Variant[] }} Launch
 * @typedef {"before" | "after"} Side
 * @typedef {Record<string, number>} Extents
 */

/**
 * The rows of a launch: the extent of the dim that it counts them in. One that counts none has one row.
 * @param {Launch} launch
 * @param {Extents} extents
 */
function rowsOf(launch, extents) {
  return launch.rows === null ? 1 : extents[launch.rows] ?? 1;
}

/**
 * Bytes that a launch reads.
 * @param {Launch} launch
 * @param {Extents} extents
 */
function bytesRead(launch, extents) {
  return launch.read_row * rowsOf(launch, extents) + launch.read_once;
}

/**
 * Bytes that a launch writes.
 * @param {Launch} launch
 * @param {Extents} extents
 */
function bytesWritten(launch, extents) {
  return launch.written_row * rowsOf(launch, extents) + launch.written_once;
}

/**
 * Bytes that all launches move.
 * @param {Launch[]} launches
 * @param {Extents} extents
 */
function bytesMoved(launches, extents) {
  return launches.reduce((sum, launch) => sum + bytesRead(launch, extents) + bytesWritten(launch, extents), 0);
}

/**
 * The variants of a launch that take its rows: the first whose assumptions hold is used.
 * @param {Launch} launch
 * @param {Extents} extents
 */
function variantsAt(launch, extents) {
  const own = rowsOf(launch, extents);
  return launch.variants.filter((v) => v.rows_from <= own && (v.rows_to === null || own <= v.rows_to));
}

/**
 * The numbers of rows at which another variant begins, of launches that count rows in the slider's dim.
 * @param {any} doc
 * @returns {number[]}
 */
function thresholds(doc) {
  const own = doc.launches.after.filter((launch) => doc.dim && launch.rows === doc.dim.name);
  const all = own.flatMap((launch) => launch.variants.map((v) => v.rows_from));
  return [...new Set(all.filter((rows) => rows > 1))].sort((a, b) => a - b);
}

/**
 * The measured points of a side, by rows.
 * @param {any} doc
 * @param {Side} side
 * @returns {{ rows: number, microseconds: number, card: string }[]}
 */
function measuredPoints(doc, side) {
  return (doc.measured || []).filter((m) => m.launches === side).sort((a, b) => a.rows - b.rows);
}

/**
 * The time of a side at a number of rows: as measured there, or on the line between its measured neighbours.
 * @param {any} doc
 * @param {Side} side
 * @param {number} rows
 * @returns {{ seconds: number, between: [number, number] | null, card: string } | null}
 */
function timeAt(doc, side, rows) {
  const points = measuredPoints(doc, side);
  const exact = points.find((p) => p.rows === rows);
  if (exact) return { seconds: exact.microseconds * 1e-6, between: null, card: exact.card };
  const after = points.findIndex((p) => p.rows > rows);
  if (after <= 0) return null;
  const [a, b] = [points[after - 1], points[after]];
  const part = Math.log(rows / a.rows) / Math.log(b.rows / a.rows);
  const microseconds = Math.exp(Math.log(a.microseconds) * (1 - part) + Math.log(b.microseconds) * part);
  return { seconds: microseconds * 1e-6, between: [a.rows, b.rows], card: a.card };
}

/**
 * The least time in which memory can move the bytes of a side.
 * @param {any} doc
 * @param {Side} side
 * @param {Extents} extents
 */
function floorAt(doc, side, extents) {
  return doc.bandwidth ? bytesMoved(doc.launches[side], extents) / doc.bandwidth.bytes_per_second : null;
}
