// The last results, kept in the browser's own database: they never leave the device. A result is
// { at, name, model, version, predictions, timing_ms, thumb }, where thumb is a small JPEG, or null.

import { best } from "./answers.js";
import { $, ago, element } from "./dom.js";

const most = 50;
const thumbSize = 160;
const store = "results";

let opened = Promise.resolve(null); // of the database; null where the browser keeps nothing, as in some private windows
const shown = new Set();  // keys of results that have a plate now: they are not listed twice

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function open() {
  try {
    const opening = indexedDB.open("torchlit", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(store, { keyPath: "key", autoIncrement: true });
    return await done(opening);
  } catch {
    return null;
  }
}

export async function openHistory() {
  opened = open();
  await list();
}

// remember keeps a plate's answer.
export async function remember(plate, answer) {
  const database = await opened;
  if (!database) {
    return;
  }
  const thumb = await thumbnail(plate.file);
  const { model, version, predictions, timing_ms, batch_size } = answer;
  const entry = { at: Date.now(), name: plate.name, model, version, predictions, timing_ms, batch_size, thumb };
  try {
    const all = database.transaction(store, "readwrite").objectStore(store);
    plate.key = await done(all.add(entry));
    if (plate.li.isConnected) {
      shown.add(plate.key);
    }
    const keys = await done(all.getAllKeys());
    if (keys.length > most) {
      await done(all.delete(IDBKeyRange.upperBound(keys[keys.length - most - 1])));
    }
  } catch { // the device is full: there is no history then
    return;
  }
  await list();
}

// release lists a result whose plate is gone.
export function release(plate) {
  if (shown.delete(plate.key)) {
    list();
  }
}

// thumbnail returns a small JPEG of a picture, null of one that the browser cannot show.
async function thumbnail(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, thumbSize / Math.min(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = Math.round(Math.min(bitmap.width, bitmap.height) * scale);
    const c = canvas.getContext("2d");
    c.fillStyle = "#fff"; // behind what is transparent
    c.fillRect(0, 0, canvas.width, canvas.height);
    c.drawImage(bitmap, (canvas.width - bitmap.width * scale) / 2, (canvas.height - bitmap.height * scale) / 2, bitmap.width * scale, bitmap.height * scale);
    bitmap.close();
    return await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8));
  } catch {
    return null;
  }
}

let urls = [];
let listing = 0;

async function list() {
  const turn = ++listing;
  const database = await opened;
  if (!database) {
    return;
  }
  const entries = await done(database.transaction(store).objectStore(store).getAll());
  if (turn !== listing) {
    return; // a later call lists what is newer
  }
  urls.forEach((url) => URL.revokeObjectURL(url));
  urls = [];
  const past = entries.filter((e) => !shown.has(e.key)).reverse();
  $("past").replaceChildren(...past.map(line));
  $("history").hidden = entries.length === 0;
  $("past").hidden = past.length === 0;
}

function line(entry) {
  const top = best(entry);
  const li = element("li");
  const thumb = element("span", "small-thumb");
  if (entry.thumb) {
    const img = element("img");
    img.alt = "";
    img.src = URL.createObjectURL(entry.thumb);
    urls.push(img.src);
    thumb.append(img);
  }
  const what = element("p", "what");
  what.append(element("b", "", top.words), " ", element("span", "sure", top.sure));
  const when = element("time", "", ago(Date.now() - entry.at));
  when.dateTime = new Date(entry.at).toISOString();
  when.title = new Date(entry.at).toLocaleString();
  const which = element("p", "which");
  const name = element("span", "name", entry.name);
  name.title = `${entry.name}: ${entry.model} version ${entry.version}`;
  which.append(name, " ", when);
  li.append(thumb, what, which);
  return li;
}

$("forget").addEventListener("click", async () => {
  const database = await opened;
  if (database) {
    await done(database.transaction(store, "readwrite").objectStore(store).clear());
    shown.clear();
    await list();
  }
  $("status").textContent = "The history is empty";
  $("files").focus();
});
