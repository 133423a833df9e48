// What the section on drift says in words: names and explanations for people who do not know the acronyms.

import { ago, percent } from "./dom.js";

// detectors by name: what each looks at, and what its score means.
export const detectors = {
  bbsd: { title: "How sure it is of each class", hint: "Distance between the probabilities now and those of the reference: 0 alike, 1 apart (Kolmogorov–Smirnov).", part: "class" },
  mmd: { title: "What its last layer sees", hint: "Notices change that leaves the answers alone: 0 alike (maximum mean discrepancy of embeddings)." },
  classifier: { title: "Can the two be told apart?", hint: "How well a small classifier tells today's images from the reference: 0.5 is guessing, 1 certain (AUC).", base: 0.5 },
  ood: { title: "Unlike every class", hint: "How much further images lie from all classes that it knows: 0 alike, 1 apart (out-of-distribution score)." },
  properties: { title: "Look of the images", hint: "Brightness, colour, sharpness, size: that which moved most (population stability index).", part: "property" },
  classes: { title: "Mix of its answers", hint: "How often each class is answered: 0 alike, 1 apart (Jensen–Shannon).", part: "class" },
};

export const properties = {
  brightness: "Brightness (0 black, 1 white)",
  contrast: "Contrast (0 none)",
  saturation: "Colour (0 grey, 1 vivid)",
  sharpness: "Sharpness (0 blurred)",
  flatness: "Flatness (pixels like their neighbour)",
  size: "Size (side, in pixels)",
  aspect: "Width over height",
};

// verdict is what a status comes to: { state, head, more }; the state is for the style sheet.
export function verdict(s) {
  if (!s.reference) {
    return { state: "none", head: "Nothing to compare with.", more: "This version has no reference. Make one with torchlit export --reference, of labelled images that are as they should be." };
  }
  const windows = s.windows ?? [];
  if (windows.length === 0) {
    return { state: "none", head: "No window has been tested yet.", more: `One is when ${s.window.toLocaleString("en")} answers are there; so far there are ${s.waiting.toLocaleString("en")}.` };
  }
  const newest = windows.at(-1);
  const row = s.alarm.row;
  if (s.alarm.raised) {
    const calm = row ? ` The newest ${many(row, "window does", "windows do")} not drift; ${many(s.in_row - row, "more clears", "more clear")} it.` : "";
    return { state: "alarm", head: `Alarm since ${moment(s.alarm.since)}.`, more: `What the model sees no longer looks like its reference.${why(newest)}${calm}` };
  }
  if (row) {
    return { state: "watch", head: `${many(row, "window has", "windows in a row have")} drifted.`, more: `${many(s.in_row - row, "more raises", "more in a row raise")} the alarm.${why(newest)} One in ${Math.round(1 / s.alpha)} drifts by chance.` };
  }
  return { state: "calm", head: "No drift.", more: `What the model sees looks like its reference, by ${many(windows.length, "window", "windows")}; the newest ended ${ago(Date.now() - Date.parse(newest.until))}.` };
}

// why names what moved furthest in a window that drifted.
function why(w) {
  if (!w.drifted) {
    return "";
  }
  const test = w.tests.find((t) => t.detector === w.detector);
  const known = detectors[w.detector];
  const part = test?.part && known?.part ? `, most of all the ${known.part} ${test.part.replaceAll("_", " ")}` : "";
  return known ? ` It shows most in: ${known.title.toLowerCase().replace("?", "")}${part}.` : "";
}

export const many = (n, one, more) => `${n.toLocaleString("en")} ${n === 1 ? one : more}`;

const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

// moment is a time as one says it; the year 1 is none.
export function moment(text) {
  const t = new Date(text);
  return t.getFullYear() < 1970 ? "–" : day.format(t);
}

// figure writes a score with as many digits as one can read.
export function figure(x) {
  if (x === null || x === undefined || Number.isNaN(x)) {
    return "–";
  }
  const size = Math.abs(x);
  return size >= 100 ? Math.round(x).toLocaleString("en") : size >= 10 ? Number(x.toFixed(1)).toString() : size >= 0.1 || size === 0 ? Number(x.toFixed(2)).toString() : Number(x.toPrecision(2)).toString();
}

export const chance = (p) => (p < 0.0001 ? "p < 0.0001" : `p = ${p < 0.1 ? p.toPrecision(1) : p.toFixed(2)}`);

export const band = (e) => `${percent(e.low)} to ${percent(e.high)}`;
