// The API key, where the server wants one. It is asked for when the server first says so, and kept in this tab alone: not in the
// address, not in a cookie, and gone with the tab.

import { $ } from "./dom.js";

const slot = "torchlit.key";
const waiting = new Set();

// authorization is the header that carries the key, if there is one.
export function authorization() {
  const key = sessionStorage.getItem(slot);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

// hasKey tells whether requests carry a key.
export const hasKey = () => sessionStorage.getItem(slot) !== null;

// askForKey shows where to type a key, and calls again when one is there.
export function askForKey(again) {
  const refused = hasKey();
  sessionStorage.removeItem(slot);
  $("key-why").textContent = refused ? "The server does not know this key, or it has expired." : "This server answers those who have a key.";
  if (again) {
    waiting.add(again);
  }
  if ($("key").hidden) {
    $("key").hidden = false;
    $("key-text").focus();
  }
}

export function takeKeys() {
  $("key").addEventListener("submit", (event) => {
    event.preventDefault();
    const key = $("key-text").value.trim();
    if (!key) {
      return;
    }
    sessionStorage.setItem(slot, key);
    $("key-text").value = "";
    $("key").hidden = true;
    const all = [...waiting];
    waiting.clear();
    all.forEach((again) => again());
  });
}
