// The models that are served, and the one that pictures go to.

import { $, element, percent, plain } from "./dom.js";

const namedClasses = 24; // of a long list of classes, how many are shown
const key = "torchlit.model";

let models = []; // those that answer
let announce = () => {};

// loadModels shows the models, and asks again while there are none. changed is called whenever another one is chosen.
export async function loadModels(changed) {
  announce = changed;
  let all;
  try {
    const reply = await fetch("/v1/models");
    all = (await reply.json()).models;
  } catch {
    $("facts").textContent = "The server does not answer. Trying again…";
    setTimeout(loadModels, 3000, changed);
    return;
  }
  models = all.filter((m) => m.versions.length > 0);
  if (models.length === 0) {
    const why = all.flatMap((m) => m.version_states ?? []).find((v) => v.reason)?.reason;
    $("facts").textContent = why ? `No model can be loaded: ${why}` : "The model is still loading…";
    setTimeout(loadModels, 1500, changed);
    return;
  }
  fillPicker();
  show();
}

// fillPicker offers each model as the server routes it, and each of its versions where there are several.
function fillPicker() {
  const picker = $("model");
  picker.replaceChildren();
  for (const m of models) {
    const usual = option(m, "", m.versions.length > 1 ? `${m.name}, as the server decides` : m.name);
    if (m.versions.length === 1) {
      picker.append(usual);
      continue;
    }
    const group = document.createElement("optgroup");
    group.label = m.name;
    group.append(usual, ...m.versions.map((v) => option(m, v, `${m.name} version ${v}`)));
    picker.append(group);
  }
  picker.value = remembered();
  if (picker.selectedIndex < 0) {
    picker.selectedIndex = 0;
  }
  $("choose-model").hidden = picker.options.length < 2;
}

// The choice lasts as long as the tab. Storage may be forbidden; then it lasts as long as the page.
function remembered() {
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

function remember(choice) {
  try {
    sessionStorage.setItem(key, choice);
  } catch {}
}

function option(model, version, text) {
  const o = new Option(text, version ? `${model.name}/${version}` : model.name);
  o.dataset.name = model.name;
  o.dataset.version = version;
  return o;
}

function chosen() {
  const o = $("model").selectedOptions[0];
  return { model: models.find((m) => m.name === o?.dataset.name) ?? models[0], version: o?.dataset.version ?? "" };
}

// classifyPath is where pictures go: the plain address while the choice is what the server does by itself.
export function classifyPath() {
  const { model, version } = chosen();
  if (version) {
    return `/v1/models/${encodeURIComponent(model.name)}/versions/${encodeURIComponent(version)}/classify`;
  }
  return model === models[0] || !model ? "/v1/classify" : `/v1/models/${encodeURIComponent(model.name)}/classify`;
}

function show() {
  const { model: m, version } = chosen();
  const facts = [version ? `${m.name} version ${version}` : m.name];
  if (m.accuracy && (!version || version === m.version)) {
    facts.push(`${percent(m.accuracy)} right${m.accuracy_on ? ` on ${m.accuracy_on}` : ""}`);
  }
  if (m.device) {
    facts.push([m.precision, m.device].filter(Boolean).join(" on "));
  }
  $("facts").replaceChildren(...facts.map((text) => element("span", "", text)));

  $("class-count").textContent = m.num_classes === 1 ? "one thing" : `${m.num_classes.toLocaleString("en")} things`;
  const shown = m.labels.slice(0, namedClasses);
  const rest = m.labels.length - shown.length;
  $("classes").replaceChildren(...shown.map((label) => element("span", "", plain(label))));
  if (rest > 0) {
    $("classes").append(element("em", "", `and ${rest.toLocaleString("en")} more`));
  }
  $("knows").hidden = false;
  announce();
}

$("model").addEventListener("change", () => {
  remember($("model").value);
  show();
});
