// The API's documentation, drawn from /openapi.json: what that says is all there is, so the page cannot be out of date.

import { $, element } from "./dom.js";
import { prose } from "./prose.js";
import { drawOperation } from "./operation.js";

const methods = ["get", "post", "put", "delete"];

// operations lists what the document has, as { path, method, op, parameters }, in its order.
function operations(doc) {
  const list = [];
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const method of methods) {
      if (item[method]) {
        list.push({ path, method, op: item[method], parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])] });
      }
    }
  }
  return list;
}

function drawTag(doc, tag, list) {
  const section = element("section", "tag");
  section.id = `tag-${tag.name}`;
  section.append(element("h2", "", tag.name), prose(tag.description ?? ""));
  section.append(...list.map((o) => drawOperation(doc, o)));
  return section;
}

function drawIndex(tag, list) {
  const group = element("section");
  group.append(element("h2", "", tag.name));
  const ul = group.appendChild(element("ul"));
  for (const { path, method, op } of list) {
    const a = element("a");
    a.href = `#${op.operationId}`;
    a.append(element("span", `method ${method}`, method.toUpperCase()), element("span", "what", op.summary));
    const li = ul.appendChild(element("li"));
    li.dataset.text = `${method} ${path} ${op.operationId} ${op.summary} ${tag.name}`.toLowerCase();
    li.append(a);
  }
  return group;
}

// filter hides what does not have all the words.
function filter(words) {
  let found = 0;
  for (const li of $("index").querySelectorAll("li")) {
    const fits = words.every((w) => li.dataset.text.includes(w));
    li.hidden = !fits;
    $(li.firstChild.hash.slice(1)).hidden = !fits;
    found += fits;
  }
  for (const group of document.querySelectorAll("#index section, .tag")) {
    group.hidden = !group.querySelector(":scope > ul > li:not([hidden]), :scope > article:not([hidden])");
  }
  $("matches").textContent = words.length ? `${found} operation${found === 1 ? "" : "s"}` : "";
}

// follow opens what the address names, which is there only now.
function follow() {
  const target = location.hash && $(decodeURIComponent(location.hash.slice(1)));
  if (target) {
    target.hidden = false;
    target.scrollIntoView();
  }
  for (const a of $("index").querySelectorAll("a")) {
    a.toggleAttribute("aria-current", a.hash === location.hash);
  }
}

function draw(doc) {
  $("about").replaceChildren(prose(doc.info.description));
  const all = operations(doc);
  const parts = doc.tags.map((tag) => [tag, all.filter((o) => o.op.tags.includes(tag.name))]);
  $("index").replaceChildren(...parts.map(([tag, list]) => drawIndex(tag, list)));
  $("operations").replaceChildren(...parts.map(([tag, list]) => drawTag(doc, tag, list)));
  $("filter").addEventListener("input", (e) => filter(e.target.value.toLowerCase().split(/\s+/).filter(Boolean)));
  addEventListener("hashchange", follow);
  follow();
}

try {
  const reply = await fetch("/openapi.json");
  if (!reply.ok) {
    throw new Error(`the server answered ${reply.status}`);
  }
  draw(await reply.json());
} catch (e) {
  $("loading").textContent = `The document cannot be read: ${e.message}. Reload the page when the server is there.`;
}
