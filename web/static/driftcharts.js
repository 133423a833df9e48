// Charts over the windows of a version, oldest on the left. Windows come at no fixed times, so each takes the same room. A window
// that drifted has a filled mark, whatever its colour.

import { linearTicks, svg } from "./charts.js";

const mark = 3.2;

// frame prepares an svg: y goes from low to high; it returns where things are.
function frame(root, { height, low, high, ticks, format, windows, label, left = 46, right = 10 }) {
  const width = Math.max(200, root.getBoundingClientRect().width);
  const top = 8;
  const bottom = windows.length ? 20 : 8;
  const area = { x: left, y: top, w: width - left - right, h: height - top - bottom };
  root.setAttribute("viewBox", `0 0 ${width} ${height}`);
  root.setAttribute("aria-label", label);
  root.replaceChildren();
  const y = (v) => area.y + area.h * (1 - (Math.min(high, Math.max(low, v)) - low) / (high - low));
  const step = area.w / Math.max(1, windows.length);
  const x = (i) => area.x + step * (i + 0.5);
  for (const t of ticks) {
    svg(root, "line", { x1: area.x, x2: area.x + area.w, y1: y(t), y2: y(t), class: t === low ? "base" : "grid" });
    svg(root, "text", { x: area.x - 6, y: y(t) + 4, "text-anchor": "end" }, format(t));
  }
  if (windows.length) {
    svg(root, "text", { x: area.x, y: height - 4, "text-anchor": "start" }, time(windows[0].until));
    if (windows.length > 1 && area.w > 150) {
      svg(root, "text", { x: area.x + area.w, y: height - 4, "text-anchor": "end" }, time(windows.at(-1).until));
    }
  }
  return { x, y, area, step };
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

function time(text) {
  const t = new Date(text);
  return (Date.now() - t < 64800000 ? clock : date).format(t);
}

function path(points, { x, y }) {
  let d = "";
  let pen = false;
  points.forEach((v, i) => {
    if (v === null) {
      pen = false;
      return;
    }
    d += `${pen ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
    pen = true;
  });
  return d;
}

// marks: windows that drifted are filled; the others are drawn while there is room for them.
function marks(root, points, drifted, at) {
  points.forEach((v, i) => {
    if (v !== null && (drifted[i] || at.step > 9)) {
      svg(root, "circle", { cx: at.x(i).toFixed(1), cy: at.y(v).toFixed(1), r: mark, class: drifted[i] ? "w-drifted" : "w-calm" });
    }
  });
}

// drawScores shows a detector's scores: { windows, values, drifted, base, label, format }.
export function drawScores(root, { windows, values, drifted, base = 0, label, format }) {
  const known = values.filter((v) => v !== null);
  const high = Math.max(base + 1e-3, ...known);
  const low = Math.min(base, ...known);
  const ticks = base ? [base, high].filter((t, i) => i === 0 || high - base > 0.02) : linearTicks(high).filter((_, i, all) => i === 0 || i === all.length - 1);
  const at = frame(root, { height: 104, low: base ? low : Math.min(0, low), high: Math.max(high, ticks.at(-1)), ticks, format, windows, label, left: 40 });
  svg(root, "path", { d: path(values, at), class: "line s-score" });
  marks(root, values, drifted, at);
}

// drawAccuracy shows estimates with their band: { windows, reference, realised: { value, low, high } or null, label, format }.
export function drawAccuracy(root, { windows, reference, realised, label, format }) {
  const e = windows.map((w) => w.estimated_accuracy);
  const all = [reference, ...e.flatMap((b) => [b.low, b.high]), ...(realised ? [realised.low, realised.high] : [])];
  const span = niceShares(Math.min(...all), Math.max(...all));
  const at = frame(root, { height: 200, low: span[0], high: span.at(-1), ticks: span, format, windows, label, right: realised ? 34 : 10 });
  const half = Math.min(at.step / 2, 14);
  let d = "";
  if (e.length === 1) {
    d = `M${at.x(0) - half} ${at.y(e[0].high)}h${2 * half}V${at.y(e[0].low)}h${-2 * half}z`;
  } else {
    d = e.map((b, i) => `${i ? "L" : "M"}${at.x(i).toFixed(1)} ${at.y(b.high).toFixed(1)}`).join("") +
      e.map((_, i) => e.length - 1 - i).map((i) => `L${at.x(i).toFixed(1)} ${at.y(e[i].low).toFixed(1)}`).join("") + "z";
  }
  svg(root, "path", { d, class: "band" });
  const r = at.y(reference);
  svg(root, "path", { d: `M${at.area.x} ${r}H${at.area.x + at.area.w}`, class: "line s-reference" });
  svg(root, "path", { d: path(e.map((b) => b.accuracy), at), class: "line s-estimate" });
  e.forEach((b, i) => {
    if (b.unsure && at.step > 4) {
      svg(root, "path", { d: `M${at.x(i)} ${at.y(b.accuracy) - 5}l5 5l-5 5l-5-5z`, class: "w-unsure" });
    } else if (at.step > 9) {
      svg(root, "circle", { cx: at.x(i), cy: at.y(b.accuracy), r: mark, class: "w-estimate" });
    }
  });
  if (realised) {
    const x = at.area.x + at.area.w + 18;
    svg(root, "path", { d: `M${x} ${at.y(realised.low)}V${at.y(realised.high)}M${x - 5} ${at.y(realised.low)}h10M${x - 5} ${at.y(realised.high)}h10`, class: "line s-realised" });
    svg(root, "rect", { x: x - 4, y: at.y(realised.value) - 4, width: 8, height: 8, class: "w-realised" });
  }
}

// niceShares are ticks that hold shares from low to high, at 0 and 1 at most.
function niceShares(low, high) {
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25].find((s) => (high - low) / s <= 5) ?? 0.25;
  const from = Math.max(0, Math.floor(low / step + 1e-9));
  const to = Math.min(Math.round(1 / step), Math.max(from + 1, Math.ceil(high / step - 1e-9)));
  return Array.from({ length: to - from + 1 }, (_, i) => Number(((from + i) * step).toFixed(4)));
}

// drawShare shows a share of each window, and what is usual: { windows, values, drifted, usual, label, format }.
export function drawShare(root, { windows, values, drifted, usual, label, format }) {
  const high = Math.max(4 * usual, ...values.filter((v) => v !== null));
  const ticks = linearTicks(high).filter((t) => t <= 1);
  const at = frame(root, { height: 200, low: 0, high: Math.max(high, ticks.at(-1)), ticks, format, windows, label });
  const u = at.y(usual);
  svg(root, "path", { d: `M${at.area.x} ${u}H${at.area.x + at.area.w}`, class: "line s-reference" });
  svg(root, "path", { d: path(values, at), class: "line s-score" });
  marks(root, values, drifted, at);
}
