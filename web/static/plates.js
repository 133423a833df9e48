// Plates are the answers of this visit: one for each picture, from the moment it is sent.

import { ask, bars, best, command, copy, timing, topK } from "./answers.js";
import { askForKey } from "./key.js";
import { $, setText } from "./dom.js";
import { classifyPath } from "./models.js";

const atOnce = 6; // requests under way, about what a browser opens to one host

const plates = $("plates");
const queue = [];
let underWay = 0;
let batch = { all: 0, done: 0 }; // since nothing was under way
let onAnswer = () => {};
let onRemove = () => {};

// onPlates names what is called with a plate and its answer, and with a plate that is taken away.
export function onPlates(answered, removed) {
  onAnswer = answered;
  onRemove = removed;
}

// take sends pictures, each at once in its plate.
export function take(files) {
  for (const file of files) {
    const plate = newPlate(file);
    plates.prepend(plate.li);
    enqueue(plate);
  }
  refresh();
  if (files.length > 0 && matchMedia("(max-width: 60rem)").matches) {
    $("answers").scrollIntoView({ block: "start" });
  }
}

function enqueue(plate) {
  plate.abort = new AbortController();
  plate.path = classifyPath();
  setState(plate, "waiting", "Looking…");
  queue.push(plate);
  batch.all++;
  next();
}

function next() {
  while (underWay < atOnce && queue.length > 0) {
    underWay++;
    send(queue.shift()).finally(() => {
      underWay--;
      batch.done++;
      next();
      refresh();
    });
  }
  refresh();
}

async function send(plate) {
  const { signal } = plate.abort;
  if (signal.aborted) {
    return;
  }
  try {
    const answer = await ask(plate.path, plate.file, signal);
    if (!signal.aborted) {
      showAnswer(plate, answer);
      onAnswer(plate, answer);
    }
  } catch (error) {
    if (signal.aborted) {
      return;
    }
    if (error.needsKey) {
      askForKey(() => enqueue(plate));
      showTrouble(plate, "It waits for an API key.", false);
      say("An API key is needed");
      return;
    }
    showTrouble(plate, error.message, error.canRetry);
    say(`${plate.name}: ${error.message}`);
  }
}

function newPlate(file) {
  const li = $("plate").content.firstElementChild.cloneNode(true);
  const plate = { li, file, name: file.name || "pasted picture", url: URL.createObjectURL(file), abort: null, path: "" };
  const part = (selector) => li.querySelector(selector);
  part(".name").textContent = plate.name;
  part(".name").title = file.webkitRelativePath || plate.name;
  part(".no-thumb").textContent = (plate.name.split(".").pop() || "?").slice(0, 4);
  const img = part("img");
  img.addEventListener("error", () => li.classList.add("thumbless"));
  img.src = plate.url;
  part(".remove").setAttribute("aria-label", `Remove ${plate.name}`);
  part(".remove").addEventListener("click", () => {
    const near = (li.nextElementSibling ?? li.previousElementSibling)?.querySelector(".remove");
    remove(plate);
    (near ?? $("files")).focus();
  });
  part(".again").addEventListener("click", () => enqueue(plate));
  const asCurl = part(".as-curl");
  asCurl.setAttribute("aria-label", `Copy as curl: ${plate.name}`);
  asCurl.addEventListener("click", () => copy(command(`${plate.path}?top_k=${topK}`, plate.name, file.type), asCurl));
  li.plate = plate;
  return plate;
}

function remove(plate) {
  plate.abort.abort();
  URL.revokeObjectURL(plate.url);
  plate.li.remove();
  onRemove(plate);
  refresh();
}

$("clear").addEventListener("click", () => {
  for (const li of [...plates.children]) {
    remove(li.plate);
  }
  $("files").focus();
});

// Whoever cancels keeps the answers that are there.
$("cancel").addEventListener("click", () => {
  batch.all -= queue.splice(0).length;
  let n = 0;
  for (const { plate } of plates.children) {
    if (plate.li.dataset.state === "waiting") {
      plate.abort.abort();
      showTrouble(plate, "Cancelled.", true);
      n++;
    }
  }
  say(`${n} cancelled`);
  refresh();
  $("files").focus();
});

// refresh shows what depends on all plates.
function refresh() {
  const any = plates.children.length > 0;
  $("empty").hidden = any;
  const busy = underWay > 0 || queue.length > 0;
  $("clear").hidden = busy || plates.children.length < 2;
  if (!busy) {
    if (batch.all > 1) {
      say(`All ${batch.all} pictures are done`);
    }
    batch = { all: 0, done: 0 };
  }
  $("progress").hidden = !busy || batch.all < 2;
  if (busy) {
    $("progress-bar").max = batch.all;
    $("progress-bar").value = batch.done;
    setText($("progress-text"), `${batch.done} of ${batch.all}`);
  }
}

function setState(plate, state, label) {
  const part = (selector) => plate.li.querySelector(selector);
  plate.li.dataset.state = state;
  part(".label").textContent = label;
  part(".sure").textContent = "";
  part(".trouble").hidden = state !== "trouble";
  part(".again").hidden = true;
  part(".time").textContent = "";
  part(".bars").replaceChildren();
}

function showTrouble(plate, sentence, canRetry) {
  setState(plate, "trouble", "No answer");
  plate.li.querySelector(".trouble").textContent = sentence;
  plate.li.querySelector(".again").hidden = !canRetry;
}

function showAnswer(plate, answer) {
  const top = best(answer);
  setState(plate, top.doubt ? "doubt" : "sure", top.words);
  plate.li.querySelector("img").alt = `${plate.name}, classified as ${top.label}`;
  plate.li.querySelector(".sure").textContent = top.sure;
  plate.li.querySelector(".bars").replaceChildren(...bars(answer.predictions));
  plate.li.querySelector(".time").replaceChildren(...timing(answer));
  if (batch.all < 4) { // of many, only the end is announced
    say(`${plate.name}: ${top.words}, ${top.sure}`);
  }
}

// say has a screen reader say something.
export function say(sentence) {
  $("status").textContent = sentence;
}
