// A form that sends an operation's request to this server, and the same request for a terminal.

import { authorization } from "./key.js";
import { element } from "./dom.js";
import { resolve } from "./schema.js";
import { drawCode } from "./operation.js";

const shownHeaders = ["content-type", "x-request-id", "server-timing", "retry-after", "inference-header-content-length", "www-authenticate"];
const longest = 20000; // characters of an answer that are shown

let fields = 0;

// field returns a labelled input, and puts both into form.
function field(form, label, input) {
  const row = form.appendChild(element("p", "row"));
  input.id = `field-${++fields}`;
  const l = row.appendChild(element("label", "", label));
  l.htmlFor = input.id;
  row.append(input);
  return input;
}

function textInput(doc, p) {
  const s = resolve(doc, p.schema);
  if (s.enum) {
    const select = element("select");
    select.append(new Option(p.required ? "" : "—", ""), ...s.enum.map((v) => new Option(v, v)));
    return select;
  }
  const input = element("input");
  input.type = "text";
  input.autocomplete = "off";
  input.spellcheck = false;
  input.required = Boolean(p.required);
  if (p.required && p.example !== undefined) {
    input.value = p.example;
  }
  return input;
}

export function drawTrial(doc, { path, method, op, parameters }) {
  const fold = element("details", "trial");
  fold.append(element("summary", "", "Try it"));
  const form = fold.appendChild(element("form"));
  const inputs = parameters.map((p) => [p, field(form, p.name, textInput(doc, p))]);
  const key = op.security ? field(form, "admin key", Object.assign(element("input"), { type: "password", autocomplete: "off" })) : null;
  const body = op.requestBody ? drawBody(form, op.requestBody.content) : null;
  const go = element("button", "button primary", "Send");
  const copy = element("button", "quiet", "Copy as curl");
  copy.type = "button";
  const row = form.appendChild(element("p", "row"));
  row.append(go, copy);
  const curl = form.appendChild(drawCode(""));
  curl.setAttribute("aria-label", "As curl");
  const answer = fold.appendChild(element("div", "answer"));
  answer.setAttribute("role", "status");

  const request = () => {
    const query = new URLSearchParams();
    const headers = {};
    let to = path;
    for (const [p, input] of inputs) {
      if (p.in === "path") {
        to = to.replace(`{${p.name}}`, encodeURIComponent(input.value));
      } else if (input.value !== "" && p.in === "query") {
        query.set(p.name, input.value);
      } else if (input.value !== "") {
        headers[p.name] = input.value;
      }
    }
    if (key?.value) {
      headers.Authorization = `Bearer ${key.value}`;
    }
    return { url: to + (query.size ? `?${query}` : ""), headers, ...body?.() };
  };
  const redraw = () => curl.firstChild.textContent = curlOf(method, request());
  form.addEventListener("input", redraw);
  form.addEventListener("change", redraw);
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(curl.textContent);
    copy.textContent = "Copied";
    setTimeout(() => copy.textContent = "Copy as curl", 1500);
  });
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    send(method, request(), go, answer);
  });
  redraw();
  return fold;
}

// drawBody adds the choice of a body's form to form, and returns what makes the body.
function drawBody(form, content) {
  const types = Object.keys(content);
  const type = element("select");
  type.append(...types.map((t) => new Option(t, t)));
  field(form, "Content-Type", type);
  const file = field(form, "file", Object.assign(element("input"), { type: "file" }));
  const text = field(form, "JSON", element("textarea"));
  text.rows = 8;
  text.spellcheck = false;
  text.value = JSON.stringify(content["application/json"]?.example ?? {}, null, 2);
  const choose = () => {
    const json = type.value === "application/json";
    text.parentNode.hidden = !json;
    file.parentNode.hidden = json;
    file.multiple = type.value === "multipart/form-data";
  };
  type.addEventListener("change", choose);
  choose();
  return () => {
    if (type.value === "application/json") {
      return { type: type.value, text: text.value };
    }
    return { type: type.value, files: [...file.files] };
  };
}

function curlOf(method, { url, headers, type, text, files }) {
  const quote = (s) => `'${s.replaceAll("'", `'\\''`)}'`;
  const parts = ["curl"];
  if (method !== "get" && !(method === "post" && type)) {
    parts.push("-X", method.toUpperCase());
  }
  for (const [name, value] of Object.entries(headers)) {
    parts.push("-H", quote(`${name}: ${value}`));
  }
  const names = files?.length ? files.map((f) => f.name) : ["photo.jpg"];
  if (type === "application/json") {
    let body = text;
    try {
      body = JSON.stringify(JSON.parse(text));
    } catch {} // as it is, then
    parts.push("-H", quote(`Content-Type: ${type}`), "-d", quote(body));
  } else if (type === "multipart/form-data") {
    parts.push(...names.flatMap((n) => ["-F", quote(`image=@${n}`)]));
  } else if (type) {
    parts.push("-H", quote(`Content-Type: ${type}`), "--data-binary", quote(`@${names[0]}`));
  }
  return [...parts, quote(location.origin + url)].join(" ");
}

async function send(method, { url, headers, type, text, files }, go, answer) {
  const init = { method: method.toUpperCase(), headers: { ...authorization(), ...headers } };
  if (type === "multipart/form-data") {
    init.body = new FormData();
    for (const f of files) {
      init.body.append("image", f);
    }
  } else if (type) {
    init.headers["Content-Type"] = type;
    init.body = text ?? files[0] ?? "";
  }
  go.disabled = true;
  const begin = performance.now();
  try {
    const reply = await fetch(url, init);
    const data = await reply.arrayBuffer();
    show(answer, reply, data, performance.now() - begin);
  } catch (e) {
    answer.replaceChildren(element("p", "trouble", `No answer: ${e.message}. Is the server still there?`));
  }
  go.disabled = false;
}

function show(answer, reply, data, took) {
  const head = element("p");
  head.append(element("strong", reply.ok ? "status" : "status trouble", `${reply.status} ${reply.statusText}`), ` in ${took.toFixed(0)} ms, ${data.byteLength} bytes`);
  const dl = element("dl");
  for (const name of shownHeaders) {
    if (reply.headers.has(name)) {
      dl.append(element("dt", "", name), element("dd", "", reply.headers.get(name)));
    }
  }
  answer.replaceChildren(head, dl, drawCode(textOf(reply, data)));
}

function textOf(reply, data) {
  const type = reply.headers.get("content-type") ?? "";
  if (type.startsWith("application/octet-stream")) {
    const n = Number(reply.headers.get("inference-header-content-length"));
    return `${new TextDecoder().decode(data.slice(0, n))}\n… and ${data.byteLength - n} bytes of tensors`;
  }
  let text = new TextDecoder().decode(data);
  if (type.startsWith("application/json")) {
    try {
      text = JSON.stringify(JSON.parse(text), null, 2);
    } catch {} // as it is, then
  }
  return text.length > longest ? `${text.slice(0, longest)}\n…` : text;
}
