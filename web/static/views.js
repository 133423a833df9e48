// The dashboard's charts: each view makes of the samples what its chart draws, what its label says, and, while that is
// open, the table that says the same.

import { $, amount, element, millis, setText } from "./dom.js";
import { Chart, swatch } from "./charts.js";
import { meanBatch, outcomes, parts, pick } from "./feed.js";
import { Table } from "./tables.js";

const bins = 60; // columns of a stacked chart, whatever the time shown

const outcomeNames = { ok: "ok", client_error: "client error", refused: "refused", deadline: "deadline", error: "error" };
const quantiles = ["p50", "p90", "p99"];
const fillOf = (name) => (["client_error", "refused", "deadline", "queue", "decode"].includes(name) ? `url(#fill-${name})` : "");

// makeViews returns functions that show a range: { from, to, samples, version, window, words }.
export function makeViews() {
  return [
    view("rates", outcomes, outcomeNames, "fill", rates),
    view("latency", quantiles, {}, "line", latency),
    view("batches", ["size"], { size: "runs" }, "fill", batches),
    view("queue", ["depth", "limit"], { depth: "waiting", limit: "limit" }, "line", queue),
    view("parts", parts, {}, "fill", times),
  ];
}

function view(id, names, words, kind, make) {
  const figure = $(id);
  const chart = new Chart(figure);
  const values = legend(figure.querySelector(".legend"), names, words, kind);
  const table = new Table(figure);
  return (range) => {
    const { spec, now, rows } = make(range);
    chart.draw({ from: range.from, to: range.to, ...spec });
    names.forEach((name, i) => setText(values[i], now[i]));
    table.show(rows);
  };
}

function legend(root, names, words, kind) {
  return names.map((name) => {
    const item = element("span");
    const value = element("b");
    item.append(swatch(name, kind, fillOf(name)), words[name] ?? name, " ", value);
    root.append(item);
    return value;
  });
}

// inBins adds samples up to columns. The columns stand still: their ends are whole multiples of their length.
function inBins({ from, to, samples, version }) {
  const span = (to - from) / bins;
  const first = Math.floor(from / span) * span;
  const columns = Array.from({ length: bins + 1 }, (_, i) => ({ t: first + i * span, seconds: 0, figures: [] }));
  for (const s of samples) {
    const column = columns[Math.ceil((s.t - first) / span) - 1];
    if (column) {
      column.seconds += s.seconds;
      column.figures.push(pick(s, version));
    }
  }
  return { span, times: columns.map((c) => Math.max(c.t, from)), columns };
}

function rates(range) {
  const { span, times, columns } = inBins(range);
  const series = outcomes.map((name) => ({
    name, fill: fillOf(name),
    values: columns.map((c) => (c.seconds ? c.figures.reduce((n, f) => n + (f?.requests[name] ?? 0), 0) / c.seconds : 0)),
  }));
  const sums = columns.map((_, i) => series.reduce((n, s) => n + s.values[i], 0));
  const highest = Math.max(...sums);
  const last = range.samples.slice(-1);
  const now = outcomes.map((name) => amount(last.reduce((n, s) => n + (pick(s, range.version)?.requests[name] ?? 0) / s.seconds, 0)));
  return {
    spec: {
      label: `Requests per second, ${range.words}. In the last second: ${outcomes.map((o, i) => `${now[i]} ${outcomeNames[o]}`).join(", ")}. Highest: ${amount(highest)}.`,
      empty: highest === 0 ? "No requests" : "", y: { max: highest || 4, format: amount },
      layers: [{ kind: "stack", series, times, span }],
    },
    now,
    rows: () => ({
      caption: `Requests per second, ${range.words}`, heads: outcomes.map((o) => outcomeNames[o]),
      rows: seconds(range, (f, s) => outcomes.map((o) => (f?.requests[o] ?? 0) / s), "mean", amount),
    }),
  };
}

function latency(range) {
  const points = quantiles.map((q) => range.samples.map((s) => [s.t, pick(s, range.version)?.latency_ms?.[q] ?? null]));
  const all = points.flat().map(([, v]) => v).filter((v) => v !== null);
  const now = quantiles.map((q, i) => points[i].at(-1)?.[1] ?? null);
  const ends = apart(now.map((v, i) => ({ v, text: quantiles[i] })).filter((e) => e.v !== null));
  const words = now.map((v) => (v === null ? "–" : millis(v)));
  const whole = range.window?.latency_ms;
  return {
    spec: {
      label: `Latency, ${range.words}. ${now[0] === null ? "No request in the last second" : `In the last second: ${quantiles.map((q, i) => `${q} ${words[i]}`).join(", ")}`}.` +
        (whole ? ` In all: ${quantiles.map((q) => `${q} ${millis(whole[q])}`).join(", ")}.` : ""),
      empty: all.length ? "" : "No requests", right: 38,
      y: { log: true, min: all.length ? Math.max(Math.min(...all), 0.01) : 1, max: all.length ? Math.max(...all, 0.1) : 100, format: axisMillis },
      layers: points.map((p, i) => ({ kind: "line", name: quantiles[i], points: p, end: ends.find((e) => e.text === quantiles[i]) })),
    },
    now: words,
    rows: () => ({
      caption: `Latency, ${range.words}: the highest of each time`, heads: quantiles,
      rows: seconds(range, (f) => quantiles.map((q) => f?.latency_ms?.[q] ?? null), "max", millis),
    }),
  };
}

function axisMillis(ms) {
  if (ms >= 1000) {
    return `${ms / 1000} s`;
  }
  return ms >= 1 || ms === 0 ? `${ms} ms` : `${Math.round(ms * 1000)} µs`;
}

// apart keeps the labels of lines from covering each other: each at least a line below the one above.
function apart(ends) {
  const line = 12;
  const highestFirst = [...ends].sort((a, b) => b.v - a.v || b.text.localeCompare(a.text));
  for (const [i, end] of highestFirst.entries()) {
    end.y = (y) => (i === 0 ? y(end.v) : Math.max(y(end.v), highestFirst[i - 1].y(y) + line));
  }
  return ends;
}

function batches(range) {
  const counts = new Map((range.window?.batches ?? []).map((b) => [b.size, b.count]));
  const largest = Math.max(0, ...counts.keys());
  const { names, values } = sizes(counts, Math.max(largest, 8));
  const runs = [...counts.values()].reduce((n, c) => n + c, 0);
  const mean = meanBatch(range.window).toFixed(1);
  return {
    spec: {
      label: runs ? `Batch sizes, ${range.words}: ${runs.toLocaleString("en")} runs of ${mean} images on average, ${largest} at most.` : `Batch sizes, ${range.words}: no runs.`,
      empty: runs ? "" : "No batches", categories: names, y: { max: Math.max(...values, 4), format: amount },
      layers: [{ kind: "bars", name: "size", values }],
    },
    now: [runs ? `${amount(runs)}, of ${mean} images on average` : "0"],
    rows: () => ({ caption: `Runs by batch size, ${range.words}`, first: "images", heads: ["runs"], rows: names.map((n, i) => [n, amount(values[i])]) }),
  };
}

// sizes gives each size up to 32 a column, and groups larger ones so that there are no more columns than that.
function sizes(counts, most) {
  const step = Math.ceil(most / 32);
  const names = [];
  const values = [];
  for (let low = 1; low <= most; low += step) {
    names.push(step === 1 ? String(low) : `${low}–${low + step - 1}`);
    values.push(0);
  }
  for (const [size, n] of counts) {
    values[Math.floor((size - 1) / step)] += n;
  }
  return { names, values };
}

function queue(range) {
  const of = (s) => pick(s, range.version)?.queue ?? { peak: 0, depth: 0, limit: 0 };
  const depth = range.samples.map((s) => [s.t, of(s).peak]);
  let known = 0; // a version to which nothing happens has no sample; its limit has not gone
  const limit = range.samples.map((s) => [s.t, (known = of(s).limit || known) || null]);
  const last = range.samples.at(-1);
  const highest = Math.max(0, ...depth.map(([, v]) => v));
  const most = limit.at(-1)?.[1] ?? null;
  const near = most !== null && highest > most / 5; // else the line would press the queue flat
  return {
    spec: {
      label: `Images that wait, ${range.words}. Now: ${last ? of(last).depth : 0}. Most: ${highest}. ${most === null ? "The limit is not known." : `The limit is ${most}.`}`,
      right: 38, y: { max: Math.max(highest, near ? most : 1, 4), format: amount },
      layers: [
        ...(near ? [{ kind: "line", name: "limit", points: limit, end: { text: "limit", y: (y) => y(most) } }] : []),
        { kind: "line", name: "depth", points: depth },
      ],
    },
    now: [`${last ? of(last).peak : 0}`, most === null ? "not known" : amount(most)],
    rows: () => ({
      caption: `Images that wait, ${range.words}: the most of each time`, heads: ["waiting", "limit"],
      rows: seconds(range, (f) => [f?.queue.peak ?? 0, f?.queue.limit || most], "max", amount),
    }),
  };
}

function times(range) {
  const { span, times: at, columns } = inBins(range);
  const meanOf = (figures, p) => {
    const some = figures.filter((f) => f?.mean_ms && f.requests.ok);
    const n = some.reduce((sum, f) => sum + f.requests.ok, 0);
    return n ? some.reduce((sum, f) => sum + f.mean_ms[p] * f.requests.ok, 0) / n : 0;
  };
  const fills = { decode: fillOf("decode"), queue: fillOf("queue"), inference: "" };
  const series = parts.map((name) => ({ name, fill: fills[name], values: columns.map((c) => meanOf(c.figures, name)) }));
  const highest = Math.max(...at.map((_, i) => series.reduce((n, s) => n + s.values[i], 0)));
  const mean = range.window?.mean_ms;
  const now = parts.map((p) => (mean ? millis(mean[p]) : "–"));
  return {
    spec: {
      label: `Where the time goes, ${range.words}. ${mean ? `On average: ${parts.map((p, i) => `${p} ${now[i]}`).join(", ")}.` : "No request reached a model."}`,
      empty: highest === 0 ? "No requests" : "", y: { max: highest || 100, format: axisMillis },
      layers: [{ kind: "stack", series, times: at, span }],
    },
    now,
    rows: () => ({
      caption: `Where the time goes, ${range.words}`, heads: parts,
      rows: seconds(range, (f) => parts.map((p) => f?.mean_ms?.[p] ?? null), "mean", millis),
    }),
  };
}

// seconds sums samples up to twelve rows: the mean, or the highest, of what has a value.
function seconds({ from, to, samples, version }, of, how, format) {
  const rows = 12;
  const span = (to - from) / rows;
  const out = [];
  for (let i = rows - 1; i >= 0; i--) {
    const lines = samples.filter((s) => s.t > from + i * span && s.t <= from + (i + 1) * span).map((s) => of(pick(s, version), s.seconds));
    const name = `${Math.round((to - from - (i + 1) * span) / 1000)} s ago`;
    const cells = (lines[0] ?? []).map((_, c) => {
      const some = lines.map((l) => l[c]).filter((v) => v !== null);
      if (some.length === 0) {
        return "–";
      }
      return format(how === "max" ? Math.max(...some) : some.reduce((a, b) => a + b, 0) / some.length);
    });
    out.push([i === rows - 1 ? "now" : name, ...cells]);
  }
  const most = Math.max(...out.map((r) => r.length));
  return out.map((r) => [...r, ...Array(most - r.length).fill("–")]); // of times before the server was there
}
