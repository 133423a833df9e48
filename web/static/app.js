// The upload page. Pictures are sent one request each, a few at a time: the server groups them into batches itself, and
// each answer shows as soon as it is there. Nothing is loaded from anywhere else.

const topK = 5;
const atOnce = 6;        // requests under way, about what a browser opens to one host
const namedClasses = 24; // of a long list of classes, how many are shown

const $ = (id) => document.getElementById(id);
const plates = $("plates");

// --- The model -------------------------------------------------------------------------------------------------------

let models = [];

async function loadModels() {
  try {
    const reply = await fetch("/v1/models");
    const list = await reply.json();
    models = list.models;
  } catch {
    $("facts").textContent = "The server does not answer.";
    return;
  }
  if (models.length === 0) {
    $("facts").textContent = "The model is still loading…";
    setTimeout(loadModels, 1500);
    return;
  }
  for (const m of models) {
    $("model").append(new Option(m.name, m.name));
  }
  $("choose-model").hidden = models.length < 2;
  showModel();
}

function chosenModel() {
  return models.find((m) => m.name === $("model").value) ?? models[0];
}

function showModel() {
  const m = chosenModel();
  const facts = [m.name];
  if (m.accuracy) {
    facts.push(`${percent(m.accuracy)} right${m.accuracy_on ? " on " + m.accuracy_on : ""}`);
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
}

$("model").addEventListener("change", showModel);

function classifyPath() {
  const isDefault = models.length < 2 || chosenModel() === models[0];
  return isDefault ? "/v1/classify" : `/v1/models/${encodeURIComponent(chosenModel().name)}/classify`;
}

// --- Taking pictures in ----------------------------------------------------------------------------------------------

const queue = [];
let underWay = 0;

function take(files) {
  for (const file of files) {
    const plate = newPlate(file);
    plates.prepend(plate.li);
    enqueue(plate);
  }
  refresh();
  if (files.length > 0 && matchMedia("(max-width: 60rem)").matches) {
    document.querySelector(".answers").scrollIntoView({ behavior: "smooth", block: "start" });
  }
}

for (const id of ["files", "camera"]) {
  $(id).addEventListener("change", (event) => {
    take(event.target.files);
    event.target.value = ""; // so that the same file can be chosen again
  });
}

document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length > 0) {
    event.preventDefault();
    take(files);
  }
});

// dragenter and dragleave fire for every element under the pointer; the page is left when as many were left as entered.
let dragDepth = 0;
const dragsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

function setDragging(on) {
  document.body.classList.toggle("dragging", on);
}

document.addEventListener("dragenter", (event) => {
  if (dragsFiles(event)) {
    dragDepth++;
    setDragging(true);
  }
});
document.addEventListener("dragleave", (event) => {
  if (dragsFiles(event) && --dragDepth <= 0) {
    dragDepth = 0;
    setDragging(false);
  }
});
document.addEventListener("dragover", (event) => {
  if (dragsFiles(event)) {
    event.preventDefault();
  }
});
document.addEventListener("drop", (event) => {
  if (dragsFiles(event)) {
    event.preventDefault();
    dragDepth = 0;
    setDragging(false);
    take(event.dataTransfer.files);
  }
});

// --- Sending ---------------------------------------------------------------------------------------------------------

function enqueue(plate) {
  plate.path = classifyPath();
  showWaiting(plate);
  queue.push(plate);
  next();
}

function next() {
  while (underWay < atOnce && queue.length > 0) {
    underWay++;
    send(queue.shift()).finally(() => {
      underWay--;
      next();
    });
  }
}

async function send(plate) {
  if (plate.abort.signal.aborted) {
    return;
  }
  const start = performance.now();
  let reply;
  let answer;
  try {
    reply = await fetch(`${plate.path}?top_k=${topK}`, {
      method: "POST",
      headers: { "Content-Type": plate.file.type || "application/octet-stream" },
      body: plate.file,
      signal: plate.abort.signal,
    });
    answer = await reply.json();
  } catch {
    if (!plate.abort.signal.aborted) {
      showTrouble(plate, "The server could not be reached. Is it still running?", true);
    }
    return;
  }
  if (reply.ok) {
    showAnswer(plate, answer, performance.now() - start);
  } else {
    showTrouble(plate, answer.error ?? `The server answered ${reply.status}.`, reply.status >= 500);
  }
}

// --- Showing ---------------------------------------------------------------------------------------------------------

function newPlate(file) {
  const li = $("plate").content.firstElementChild.cloneNode(true);
  const plate = { li, file, path: "", abort: new AbortController(), url: URL.createObjectURL(file) };
  const part = (selector) => li.querySelector(selector);
  part(".name").textContent = file.name || "pasted picture";
  part(".no-thumb").textContent = (file.name.split(".").pop() || "?").slice(0, 4);
  const img = part("img");
  img.addEventListener("error", () => li.classList.add("thumbless"));
  img.src = plate.url;
  part(".remove").setAttribute("aria-label", `Remove ${file.name}`);
  part(".remove").addEventListener("click", () => remove(plate));
  part(".again button").addEventListener("click", () => enqueue(plate));
  li.plate = plate;
  return plate;
}

function remove(plate) {
  plate.abort.abort();
  URL.revokeObjectURL(plate.url);
  plate.li.remove();
  refresh();
}

$("clear").addEventListener("click", () => {
  for (const li of [...plates.children]) {
    remove(li.plate);
  }
  $("files").focus();
});

function refresh() {
  const any = plates.children.length > 0;
  $("empty").hidden = any;
  $("clear").hidden = plates.children.length < 2;
}

function setState(plate, state, label) {
  plate.li.dataset.state = state;
  plate.li.querySelector(".label").textContent = label;
  plate.li.querySelector(".sure").textContent = "";
  plate.li.querySelector(".trouble").hidden = state !== "trouble";
  plate.li.querySelector(".again").hidden = true;
  plate.li.querySelector(".time").textContent = "";
  plate.li.querySelector(".bars").replaceChildren();
}

function showWaiting(plate) {
  setState(plate, "waiting", "Looking…");
}

function showTrouble(plate, sentence, canRetry) {
  setState(plate, "trouble", "No answer");
  plate.li.querySelector(".trouble").textContent = sentence;
  plate.li.querySelector(".again").hidden = !canRetry;
  say(`${plate.file.name}: ${sentence}`);
}

function showAnswer(plate, answer, roundTrip) {
  const best = answer.predictions[0];
  const label = plain(best.label);
  const doubt = best.probability < 0.5;
  setState(plate, doubt ? "doubt" : "sure", doubt ? `perhaps ${label}` : label);
  plate.li.querySelector("img").alt = `${plate.file.name}, classified as ${label}`;
  plate.li.querySelector(".sure").textContent = percent(best.probability);
  plate.li.querySelector(".bars").replaceChildren(...answer.predictions.map(bar));
  plate.li.querySelector(".time").replaceChildren(...timing(answer, roundTrip));
  say(`${plate.file.name}: ${label}, ${percent(best.probability)}`);
}

function bar(prediction) {
  const li = document.createElement("li");
  const track = element("span", "track");
  const fill = element("span", "fill");
  fill.style.setProperty("--share", prediction.probability);
  track.append(fill);
  li.append(element("span", "class", plain(prediction.label)), track, element("span", "share", percent(prediction.probability)));
  return li;
}

function timing(answer, roundTrip) {
  const t = answer.timing_ms;
  const batch = answer.batch_size === 1 ? "alone in its batch" : `in a batch of ${answer.batch_size}`;
  return [
    `decoded in ${millis(t.decode)}`,
    `waited ${millis(t.queue)}`,
    `inference ${millis(t.inference)}`,
    batch,
    `${millis(roundTrip)} there and back`,
  ].map((text) => element("span", "", text));
}

function say(sentence) {
  $("status").textContent = sentence;
}

function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) {
    e.className = className;
  }
  if (text !== undefined) {
    e.textContent = text;
  }
  return e;
}

// plain makes a label readable: "golden_retriever" and "n02099601 golden retriever, golden" are both in use.
function plain(label) {
  return label.replaceAll("_", " ");
}

function percent(share) {
  const p = share * 100;
  if (p > 0 && p < 0.1) {
    return "< 0.1 %";
  }
  if (p > 99.9 && p < 100) {
    return "> 99.9 %";
  }
  return `${p.toFixed(1)} %`;
}

function millis(ms) {
  if (ms >= 1000) {
    return `${(ms / 1000).toFixed(1)} s`;
  }
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

// --- The same from a terminal ----------------------------------------------------------------------------------------

$("curl").textContent = `curl -F image=@photo.jpg ${location.protocol === "https:" ? "https://" : ""}${location.host}/v1/classify`;

$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText($("curl").textContent);
    $("copy").textContent = "Copied";
  } catch { // no clipboard without HTTPS: leave it selected
    getSelection().selectAllChildren($("curl"));
    $("copy").textContent = "Press Ctrl+C";
  }
  setTimeout(() => { $("copy").textContent = "Copy"; }, 2000);
});

loadModels();
