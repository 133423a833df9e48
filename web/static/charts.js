// Charts in SVG, drawn anew with each answer: at most a few hundred points, and a dozen elements each. Colours come from the
// style sheet by class; what they tell apart is told by a pattern, a dash or a label, too.

const ns = "http://www.w3.org/2000/svg";
const height = 190;
const left = 46;
const bottom = 22;
const top = 10;

// svg appends an element to another.
export function svg(parent, tag, attributes, text) {
  const e = document.createElementNS(ns, tag);
  for (const [name, value] of Object.entries(attributes)) {
    e.setAttribute(name, value);
  }
  if (text !== undefined) {
    e.textContent = text;
  }
  parent.append(e);
  return e;
}

// Chart draws into the svg of a figure, again when the figure gets another width.
export class Chart {
  #svg;
  #spec = null;

  constructor(figure) {
    this.#svg = figure.querySelector(":scope > svg");
    new ResizeObserver(() => this.#spec && this.draw(this.#spec)).observe(figure);
  }

  // draw shows a spec: { label, empty, from, to, right, y: {max, min, log, format}, layers: [...] }. Layers have a kind
  // ("stack", "line", "limit" or "bars"); x is a time from "from" to "to", in ms.
  draw(spec) {
    this.#spec = spec;
    const width = Math.max(240, this.#svg.getBoundingClientRect().width);
    const area = { x: left, y: top, w: width - left - (spec.right ?? 8), h: height - top - bottom };
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#svg.setAttribute("aria-label", spec.label);
    this.#svg.replaceChildren();
    const y = axisY(this.#svg, area, spec.y);
    const x = spec.categories ? axisCategories(this.#svg, area, spec.categories) : axisTime(this.#svg, area, spec.from, spec.to);
    for (const layer of spec.layers) {
      drawings[layer.kind](this.#svg, layer, x, y, area);
    }
    if (spec.empty) {
      svg(this.#svg, "text", { x: area.x + area.w / 2, y: area.y + area.h / 2, class: "nothing", "text-anchor": "middle" }, spec.empty);
    }
  }
}

function axisY(root, area, { max, min = 0, log = false, format }) {
  const ticks = log ? logTicks(min, max) : linearTicks(max);
  const low = log ? Math.min(min, ticks[0]) : 0;
  const high = Math.max(max, ticks.at(-1));
  const y = (v) => {
    const share = log ? Math.log(Math.max(v, low) / low) / Math.log(high / low) : v / high;
    return area.y + area.h * (1 - Math.min(1, share));
  };
  for (const t of ticks) {
    svg(root, "line", { x1: area.x, x2: area.x + area.w, y1: y(t), y2: y(t), class: t === 0 ? "base" : "grid" });
    svg(root, "text", { x: area.x - 6, y: y(t) + 4, "text-anchor": "end" }, format(t));
  }
  return y;
}

// linearTicks goes in steps of 1, 2 or 5 times a power of ten from 0 to above max.
export function linearTicks(max) {
  const rough = Math.max(max, 1e-9) / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const ticks = [];
  for (let i = 0; i === 0 || ticks.at(-1) < max; i++) {
    ticks.push(Number((i * step).toPrecision(6)));
  }
  return ticks;
}

// logTicks are 1, 2 and 5 times the powers of ten from below min to above max, or only the powers where that is many.
export function logTicks(min, max) {
  for (const steps of [[1, 2, 5], [1]]) {
    const all = [];
    for (let p = Math.floor(Math.log10(min)); p <= Math.ceil(Math.log10(max)); p++) {
      all.push(...steps.map((s) => Number((s * 10 ** p).toPrecision(6))));
    }
    const first = all.findLastIndex((t) => t <= min);
    const last = all.findIndex((t) => t >= max);
    const ticks = all.slice(Math.max(first, 0), last < 0 ? all.length : last + 1);
    if (ticks.length <= 7) {
      return ticks.length > 1 ? ticks : [ticks[0], ticks[0] * 10];
    }
    if (steps.length === 1) {
      return ticks;
    }
  }
}

function axisTime(root, area, from, to) {
  const x = (t) => area.x + area.w * (t - from) / (to - from);
  const seconds = Math.round((to - from) / 1000);
  const wide = area.w > 330;
  const [step, unit, of] = seconds > 90 ? [wide ? 60 : 120, "min", 60] : [wide ? 10 : 20, "s", 1];
  for (let s = 0; s <= seconds; s += step) {
    const anchor = s === 0 ? "end" : s === seconds ? "start" : "middle";
    svg(root, "text", { x: x(to - s * 1000), y: height - 5, "text-anchor": anchor }, s === 0 ? "now" : `−${s / of} ${unit}`);
  }
  return x;
}

function axisCategories(root, area, names) {
  const each = area.w / names.length;
  const x = (i) => area.x + each * i;
  const room = Math.ceil(34 / each); // a label takes about so many pixels
  names.forEach((name, i) => {
    if (i % room === 0) {
      svg(root, "text", { x: x(i + 0.5), y: height - 5, "text-anchor": "middle" }, name);
    }
  });
  return x;
}

const drawings = {
  // series: [{ name, fill, values }]; values[i] reaches from times[i] to times[i] + span.
  stack(root, { series, times, span }, x, y) {
    const below = times.map(() => 0);
    for (const s of series) {
      let d = "";
      s.values.forEach((v, i) => {
        if (v > 0) {
          const x0 = x(times[i]);
          const w = Math.max(1, x(times[i] + span) - x0 - 1);
          const y0 = y(below[i]);
          below[i] += v;
          d += `M${x0.toFixed(1)} ${y0.toFixed(1)}h${w.toFixed(1)}V${y(below[i]).toFixed(1)}h${(-w).toFixed(1)}z`;
        }
      });
      if (d) {
        const path = svg(root, "path", { d, class: `fill s-${s.name}` });
        if (s.fill) {
          path.setAttribute("fill", s.fill);
        }
      }
    }
  },

  // points: [t, value or null]; null interrupts the line. A lone point is a dot.
  line(root, { name, points, end }, x, y, area) {
    let d = "";
    let pen = false;
    points.forEach(([t, v], i) => {
      if (v === null) {
        pen = false;
        return;
      }
      d += `${pen ? "L" : "M"}${x(t).toFixed(1)} ${y(v).toFixed(1)}`;
      if (!pen && (points[i + 1]?.[1] ?? null) === null) {
        d += "h.01";
      }
      pen = true;
    });
    if (d) {
      svg(root, "path", { d, class: `line s-${name}` });
    }
    if (end) {
      svg(root, "text", { x: area.x + area.w + 6, y: end.y(y) + 4, class: `end s-${name}` }, end.text);
    }
  },

  // values[i] belongs to category i.
  bars(root, { name, values }, x, y, area) {
    const base = area.y + area.h;
    let d = "";
    values.forEach((v, i) => {
      if (v > 0) {
        const gap = Math.min(4, (x(1) - x(0)) / 5);
        const w = x(i + 1) - x(i) - gap;
        d += `M${(x(i) + gap / 2).toFixed(1)} ${base}h${w.toFixed(1)}V${Math.min(y(v), base - 1).toFixed(1)}h${(-w).toFixed(1)}z`;
      }
    });
    if (d) {
      svg(root, "path", { d, class: `fill s-${name}` });
    }
  },
};

// swatch is a legend's sign for a series.
export function swatch(name, kind, fill) {
  const root = document.createElementNS(ns, "svg");
  for (const [a, v] of [["class", "swatch"], ["viewBox", "0 0 16 12"], ["aria-hidden", "true"], ["focusable", "false"]]) {
    root.setAttribute(a, v);
  }
  if (kind === "line") {
    svg(root, "path", { d: "M0 6H16", class: `line s-${name}` });
  } else {
    const rect = svg(root, "rect", { width: 16, height: 12, class: `fill s-${name}` });
    if (fill) {
      rect.setAttribute("fill", fill);
    }
  }
  return root;
}
