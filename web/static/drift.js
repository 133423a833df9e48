// The dashboard's section on drift: what the server knows of one version's windows, and, when somebody asks for them, its pictures.

import { $, amount, element, percent, plain, setText } from "./dom.js";
import { swatch } from "./charts.js";
import { drawAccuracy, drawScores, drawShare } from "./driftcharts.js";
import { band, chance, detectors, figure, many, moment, properties, verdict } from "./driftwords.js";
import { Pictures } from "./pictures.js";
import { Table } from "./tables.js";

const every = 30000; // ms between two questions: a window takes minutes
const mostClasses = 8;

export class DriftSection {
  #status = null;
  #asked = 0;
  #asking = false;
  #offered = null;
  #fillTiles;
  #pictures = new Pictures();
  #multiples = new Map(); // by detector
  #tables = {};

  // fillTiles fills a list of tiles.
  constructor(fillTiles) {
    this.#fillTiles = fillTiles;
    legend($("accuracy"), [["estimate", "line", "estimated"], ["band", "fill", "its band"], ["reference", "line", "on the reference"], ["realised", "line", "by labels that came back"], ["unsure", "mark", "unsure"]]);
    legend($("strange"), [["score", "line", "of the window"], ["reference", "line", "of the reference"], ["drifted", "mark", "window that drifted"]]);
    legend($("moved-classes"), [["was", "fill", "reference"], ["is", "fill", "newest window"]]);
    this.#tables = { accuracy: new Table($("accuracy")), strange: new Table($("strange")) };
    $("drift-version").addEventListener("change", () => this.#choose());
    new ResizeObserver(() => this.#status && this.#draw(this.#status)).observe($("drift-figures"));
  }

  // offer names the versions that are watched; it is told again with each answer of /v1/stats.
  offer(models, chosen) {
    const watched = models.filter((m) => m.watched);
    $("drift").hidden = watched.length === 0;
    const key = watched.map((m) => `${m.name}/${m.version}`).join(" ");
    const select = $("drift-version");
    if (key !== this.#offered) {
      this.#offered = key;
      const was = select.value;
      select.replaceChildren(...watched.map((m) => new Option(`${m.name} version ${m.version}`, JSON.stringify([m.name, m.version]))));
      select.value = was;
      if (select.selectedIndex < 0 && watched.length) {
        const first = watched.find((m) => m.drift?.detected) ?? watched.find((m) => m.role === "default") ?? watched[0];
        select.value = JSON.stringify([first.name, first.version]);
      }
      this.#choose();
    }
    if (chosen) {
      const want = JSON.stringify([chosen.name, chosen.version]);
      if (want !== select.value && want !== this.followed && [...select.options].some((o) => o.value === want)) {
        select.value = want;
        this.#choose();
      }
      this.followed = want; // once: afterwards the reader may look at another
    }
    if (watched.length && Date.now() - this.#asked > every) {
      this.#ask();
    }
  }

  #choose() {
    this.#pictures.clear();
    this.#asked = 0;
    if ($("drift-version").value) {
      this.#ask();
    }
  }

  async #ask() {
    if (this.#asking) {
      return;
    }
    this.#asking = true;
    this.#asked = Date.now();
    const value = $("drift-version").value;
    const [model, version] = JSON.parse(value);
    let trouble = "";
    try {
      const response = await fetch(`/v1/models/${encodeURIComponent(model)}/versions/${encodeURIComponent(version)}/drift`, { cache: "no-store" });
      const reply = await response.json();
      if (!response.ok) {
        throw new Error(reply.error);
      }
      this.#status = reply;
      trouble = reply.trouble ? `The last look at the log failed: ${reply.trouble}` : "";
    } catch (error) {
      trouble = error.name === "TypeError" ? "The server does not answer." : error.message;
    }
    this.#asking = false;
    $("drift-trouble").hidden = !trouble;
    setText($("drift-trouble"), trouble);
    if (value !== $("drift-version").value) {
      this.#ask();
    } else if (this.#status) {
      this.#draw(this.#status);
    }
  }

  #draw(s) {
    const v = verdict(s);
    $("verdict").dataset.state = v.state;
    setText($("verdict").firstElementChild, v.head);
    setText($("verdict").lastElementChild, v.more);
    const windows = s.windows ?? [];
    this.#fillTiles($("drift-tiles"), tiles(s));
    $("drift-figures").hidden = windows.length === 0;
    this.#pictures.of(s.model, s.version);
    showComparisons(s);
    if (windows.length === 0) {
      return;
    }
    this.#drawAccuracy(s, windows);
    this.#drawStrange(windows);
    this.#drawTests(s, windows);
    showClasses(windows.at(-1));
    showProperties(windows.at(-1), s.alpha);
  }

  #drawAccuracy(s, windows) {
    const e = windows.at(-1).estimated_accuracy;
    const a = s.accuracy;
    const realised = a ? { value: a.correct / a.labelled, low: a.interval[0], high: a.interval[1] } : null;
    drawAccuracy($("accuracy").querySelector(":scope > svg"), {
      windows, reference: s.reference.accuracy, realised, format: wholePercent,
      label: `Accuracy over ${many(windows.length, "window", "windows")}. Newest: estimated ${percent(e.accuracy)}, ${band(e)}${e.unsure ? ", unsure" : ""}. On the reference ${percent(s.reference.accuracy)}.` +
        (realised ? ` By labels ${percent(realised.value)}.` : ""),
    });
    this.#tables.accuracy.show(() => ({
      caption: "Accuracy of the newest windows", first: "window until", heads: ["answers", "estimated", "band", "unsure"],
      rows: newestFirst(windows).map((w) => [moment(w.until), w.answers.toLocaleString("en"), percent(w.estimated_accuracy.accuracy), band(w.estimated_accuracy), w.estimated_accuracy.unsure ? "yes" : "no"]),
    }));
  }

  #drawStrange(windows) {
    const known = windows.some((w) => w.strange_share !== null);
    $("strange").hidden = !known;
    if (!known) {
      return;
    }
    const newest = windows.at(-1).strange_share;
    drawShare($("strange").querySelector(":scope > svg"), {
      windows, values: windows.map((w) => w.strange_share), drifted: windows.map((w) => w.drifted), usual: 0.01, format: wholePercent,
      label: `Images unlike any class over ${many(windows.length, "window", "windows")}. Newest: ${newest === null ? "not known" : percent(newest)}; usual is 1 %.`,
    });
    this.#tables.strange.show(() => ({
      caption: "Images unlike any class", first: "window until", heads: ["share", "drifted"],
      rows: newestFirst(windows).map((w) => [moment(w.until), w.strange_share === null ? "–" : percent(w.strange_share), w.drifted ? "yes" : "no"]),
    }));
  }

  #drawTests(s, windows) {
    setText($("tests-hint"), `A window drifts when chance would bring one of these as far in less than ${wholePercent(s.alpha)} of windows. ${many(s.in_row, "window", "windows in a row")} that drift raise the alarm.`);
    const newest = windows.at(-1);
    for (const t of newest.tests) {
      const m = this.#multiple(t.detector);
      const of = windows.map((w) => w.tests.find((other) => other.detector === t.detector));
      const values = of.map((o) => (o && !o.skipped ? o.score : null));
      m.root.classList.toggle("drifted", t.drifted);
      setText(m.value, t.skipped ? "not made" : `${figure(t.score)}, ${chance(t.adjusted_p)}${t.drifted ? ", drifted" : ""}`);
      const part = t.part && !t.skipped && t.drifted && detectors[t.detector]?.part ? ` Most: ${plain(t.part)}.` : "";
      setText(m.hint, (detectors[t.detector]?.hint ?? "") + (t.skipped ? ` Not made: ${t.skipped}.` : part));
      const any = values.some((v) => v !== null);
      m.chart.toggleAttribute("hidden", !any);
      if (any) {
        drawScores(m.chart, {
          windows, values, drifted: of.map((o) => Boolean(o?.drifted)), base: detectors[t.detector]?.base, format: figure,
          label: `${m.title} over ${many(windows.length, "window", "windows")}: newest ${figure(t.score)}, ${chance(t.adjusted_p)}; ${many(of.filter((o) => o?.drifted).length, "window", "windows")} drifted by it.`,
        });
      }
      m.table.show(() => ({
        caption: m.title, first: "window until", heads: ["score", "p", "drifted"],
        rows: newestFirst(windows).map((w) => {
          const o = w.tests.find((other) => other.detector === t.detector);
          return o && !o.skipped ? [moment(w.until), figure(o.score), chance(o.adjusted_p).slice(2).replace(/^= /, ""), o.drifted ? "yes" : "no"] : [moment(w.until), "–", "–", "–"];
        }),
      }));
    }
  }

  // multiple is the small chart of a detector, made when it is first seen.
  #multiple(name) {
    let m = this.#multiples.get(name);
    if (!m) {
      const root = element("figure", "chart");
      const caption = element("figcaption");
      const title = detectors[name]?.title ?? name;
      const chart = swatchless();
      m = { root, title, chart, value: element("p", "now"), hint: element("p", "hint") };
      const head = element("h2", "", title);
      head.append(" ", element("small", "", name));
      caption.append(head, m.value);
      root.append(caption, chart, m.hint);
      m.table = new Table(root);
      $("tests").append(root);
      this.#multiples.set(name, m);
    }
    return m;
  }
}

function swatchless() {
  const root = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  root.setAttribute("role", "img");
  return root;
}

const wholePercent = (x) => `${Number((x * 100).toFixed(1))} %`;
// fine keeps two digits of the shares of very many classes.
const fine = (x) => (x < 0.01 ? `${Number((x * 100).toPrecision(2))} %` : percent(x));
const newestFirst = (windows) => windows.slice(-30).reverse();

function legend(figure, entries) {
  figure.querySelector(".legend").append(...entries.map(([name, kind, words]) => {
    const item = element("span");
    item.append(kind === "mark" ? element("span", `sign ${name}`) : swatch(name, kind), words);
    return item;
  }));
}

function tiles(s) {
  const windows = s.windows ?? [];
  const newest = windows.at(-1);
  const out = [];
  if (s.reference) {
    const drifted = windows.slice(-20).filter((w) => w.drifted).length;
    out.push(["Alarm", s.alarm.raised ? "raised" : "none", "", windows.length ? `${drifted} of the last ${Math.min(20, windows.length)} windows drifted` : "nothing tested yet", s.alarm.raised]);
    out.push(["Next window", amount(Math.min(s.waiting, s.window)), `of ${amount(s.window)}`, s.waiting > s.window ? `${amount(s.waiting)} answers wait` : "answers are there"]);
  }
  if (newest) {
    const e = newest.estimated_accuracy;
    out.push(["Estimated accuracy", percent(e.accuracy).replace(" %", ""), "%", e.unsure ? `unsure: ${band(e)}` : band(e), !e.unsure && e.high < s.reference.accuracy - 0.05]);
  }
  if (s.accuracy) {
    out.push(["By labels", percent(s.accuracy.correct / s.accuracy.labelled).replace(" %", ""), "%", `of ${amount(s.accuracy.labelled)}: ${band({ low: s.accuracy.interval[0], high: s.accuracy.interval[1] })}`]);
  } else {
    out.push(["By labels", "–", "", "no labels came back"]);
  }
  if (s.reference) {
    out.push(["On the reference", percent(s.reference.accuracy).replace(" %", ""), "%", `${many(s.reference.images, "image", "images")}: ${s.reference.source || "unnamed"}`]);
  }
  if (newest && newest.strange_share !== null) {
    out.push(["Unlike any class", percent(newest.strange_share).replace(" %", ""), "%", "of the newest window"]);
  }
  return out;
}

function showClasses(w) {
  const shown = (w.classes ?? []).slice(0, mostClasses);
  const most = Math.max(1e-9, ...shown.flatMap((c) => [c.reference, c.window]));
  $("moved-classes").querySelector("ol").replaceChildren(...shown.map((c) => {
    const li = element("li");
    const name = element("span", "name", plain(c.label));
    name.title = c.label;
    const bars = element("span", "bars");
    for (const [kind, share] of [["was", c.reference], ["is", c.window]]) {
      const meter = swatchless();
      meter.setAttribute("viewBox", "0 0 100 8");
      meter.setAttribute("preserveAspectRatio", "none");
      meter.setAttribute("aria-hidden", "true");
      meter.removeAttribute("role");
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [a, v] of [["width", (100 * share / most).toFixed(2)], ["height", "8"], ["class", `fill s-${kind}`]]) {
        rect.setAttribute(a, v);
      }
      meter.append(rect);
      bars.append(meter);
    }
    li.append(name, element("span", "from", `${fine(c.reference)} → ${fine(c.window)}`), bars);
    return li;
  }));
}

function showProperties(w, alpha) {
  const table = $("moved-properties").querySelector("table");
  const row = (tag, cells) => {
    const tr = element("tr");
    tr.append(...cells.map((text, i) => {
      const cell = element(i === 0 ? "th" : tag, i ? "n" : "", text);
      if (i === 0 || tag === "th") {
        cell.scope = tag === "th" ? "col" : "row";
      }
      return cell;
    }));
    return tr;
  };
  const head = element("thead");
  head.append(row("th", ["property", "reference", "now", "PSI", "p"]));
  const body = element("tbody");
  for (const p of w.properties ?? []) {
    const tr = row("td", [properties[p.property] ?? p.property, ...(p.known ? [figure(p.reference), figure(p.window), figure(p.psi), chance(p.p).slice(2).replace(/^= /, "")] : ["–", "–", "–", "not known"])]);
    tr.classList.toggle("moved", p.known > 0 && p.p * w.properties.length <= alpha);
    body.append(tr);
  }
  table.replaceChildren(element("caption", "visually-hidden", "Medians of what the images look like"), head, body);
}

function showComparisons(s) {
  const all = (s.comparisons ?? []).filter((c) => c.images > 0);
  $("comparisons").hidden = all.length === 0;
  $("comparisons").querySelector("ul").replaceChildren(...all.map((c) => {
    const labelled = c.labelled
      ? ` Of ${amount(c.labelled)} with a label both were right on ${amount(c.both_right)}, only ${c.version} on ${amount(c.only_version)}, only ${c.other} on ${amount(c.only_other)}, neither on ${amount(c.neither_right)}.`
      : " No label has come back for them.";
    const li = element("li");
    li.append(element("b", "", `Version ${c.version} and version ${c.other}`), ` found the same class likeliest on ${percent(c.agreed / c.images)} of ${many(c.images, "image", "images")}.${labelled}`);
    return li;
  }));
}
