// An answer's parts, as the upload page shows them wherever they came from.

import { authorization, hasKey } from "./key.js";
import { element, millis, percent, plain } from "./dom.js";

export const topK = 5;

// ask sends a picture. It returns the answer with the time it took, or throws an Error whose message is a sentence for
// the user; its canRetry says whether another try may help, and its wait for how many ms not to.
export async function ask(path, blob, signal) {
  const start = performance.now();
  let reply;
  let answer;
  try {
    reply = await fetch(`${path}?top_k=${topK}`, {
      method: "POST", signal, body: blob,
      headers: { "Content-Type": blob.type || "application/octet-stream", ...authorization() },
    });
    answer = await reply.json();
  } catch (error) {
    if (signal?.aborted) {
      throw error;
    }
    const readable = await blob.slice(0, 1).arrayBuffer().then(() => true, () => false);
    const sentence = readable ? "The server could not be reached. Is it still running?" : "The file cannot be read. Was it moved or changed?";
    throw Object.assign(new Error(sentence), { canRetry: readable, wait: 2000 });
  }
  if (!reply.ok) {
    throw Object.assign(new Error(answer.error ?? `The server answered ${reply.status}.`), {
      needsKey: reply.status === 401,
      canRetry: reply.status >= 500 || reply.status === 429,
      wait: 1000 * (Number(reply.headers.get("Retry-After")) || 1),
    });
  }
  return { ...answer, roundTrip: performance.now() - start };
}

// best is the likeliest label in words, and whether the model doubts it.
export function best(answer) {
  const { label, probability } = answer.predictions[0];
  const doubt = probability < 0.5;
  return { label: plain(label), words: doubt ? `perhaps ${plain(label)}` : plain(label), sure: percent(probability), doubt };
}

export function bars(predictions) {
  return predictions.map((p) => {
    const li = document.createElement("li");
    const track = element("span", "track");
    const fill = element("span", "fill");
    fill.style.setProperty("--share", p.probability);
    track.append(fill);
    li.append(element("span", "class", plain(p.label)), track, element("span", "share", percent(p.probability)));
    li.firstChild.title = plain(p.label);
    return li;
  });
}

// timing says where the milliseconds went.
export function timing(answer) {
  const t = answer.timing_ms;
  const batch = answer.batch_size === 1 ? "alone in its batch" : `in a batch of ${answer.batch_size}`;
  const parts = answer.cached ? ["answer known from before"] : [`decoded in ${millis(t.decode)}`, `waited ${millis(t.queue)}`, `inference ${millis(t.inference)}`, batch];
  return [...parts, `${millis(answer.roundTrip)} there and back`].map((text) => element("span", "", text));
}

// command is the curl command that sends a file of this name.
export function command(path, name, type) {
  const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const header = type ? ` -H ${quoted(`Content-Type: ${type}`)}` : "";
  const key = hasKey() ? ' -H "Authorization: Bearer $TORCHLIT_KEY"' : ""; // the key itself is nothing for a clipboard
  return `curl${header}${key} --data-binary ${quoted(`@${name}`)} ${quoted(`${location.origin}${path}`)}`;
}

// copy puts text on the clipboard and says so on the button.
export async function copy(text, button) {
  const was = button.dataset.was ??= button.textContent;
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // without HTTPS there is only the old way
    copied = copySelected(text);
    button.focus();
  }
  button.textContent = copied ? "Copied" : "Not allowed";
  setTimeout(() => { button.textContent = was; }, 2000);
}

function copySelected(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}
