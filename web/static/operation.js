// One operation: what goes in, what comes out, how to ask from a terminal, and a form to try it with.

import { element } from "./dom.js";
import { prose, spans } from "./prose.js";
import { drawSchema, limits, resolve, typeOf } from "./schema.js";
import { drawTrial } from "./trial.js";

export function drawOperation(doc, { path, method, op, parameters }) {
  const article = element("article", "operation");
  article.id = op.operationId;
  article.setAttribute("aria-labelledby", `title-${op.operationId}`);
  const title = element("h3");
  title.id = `title-${op.operationId}`;
  const link = element("a", "anchor", op.summary);
  link.href = `#${op.operationId}`;
  title.append(link);
  const line = element("p", "line");
  line.append(element("span", `method ${method}`, method.toUpperCase()), " ", element("code", "path", path));
  article.append(title, line);
  const keys = (op.security ?? []).flatMap((s) => Object.keys(s));
  if (keys.some((k) => k.startsWith("admin"))) {
    article.append(element("p", "admin", "For administrators: with the admin key, or from the server's own machine."));
  } else if (keys.length > 0) {
    article.append(element("p", "admin", "With an API key, where the server asks for one."));
  }
  if (op.description) {
    article.append(prose(op.description));
  }
  const all = parameters.map((p) => resolve(doc, p));
  if (all.length > 0) {
    article.append(element("h4", "", "Parameters"), drawParameters(doc, all));
  }
  if (op.requestBody) {
    article.append(element("h4", "", "Body"), drawContent(doc, op.requestBody.content));
  }
  article.append(element("h4", "", "Answers"), drawResponses(doc, op.responses));
  article.append(drawTrial(doc, { path, method, op, parameters: all }));
  return article;
}

function drawParameters(doc, parameters) {
  const ul = element("ul", "fields");
  for (const p of parameters) {
    const li = ul.appendChild(element("li"));
    li.append(element("code", "name", p.name), " ", element("span", "type", `${typeOf(doc, p.schema)} in the ${p.in}`));
    if (p.required) {
      li.append(" ", element("span", "required", "always"));
    }
    const more = [p.description?.replace(/\.$/, ""), limits(doc, p.schema)].filter(Boolean).join("; ");
    li.append(" ", spans(element("span", "why"), more));
  }
  return ul;
}

// drawContent lists the forms that a body can have.
function drawContent(doc, content) {
  const box = element("div", "content");
  for (const [type, media] of Object.entries(content)) {
    const s = media.schema ? resolve(doc, media.schema) : {};
    const p = box.appendChild(element("p"));
    p.append(element("code", "media", type));
    if (s.description) {
      p.append(" ", spans(element("span", "why"), s.description));
    }
    box.append((media.schema && drawSchema(doc, media.schema)) ?? "");
    if (media.example) {
      const fold = box.appendChild(element("details"));
      fold.append(element("summary", "", "Example"), drawCode(JSON.stringify(media.example, null, 2)));
    }
  }
  return box;
}

export function drawCode(text) {
  const pre = element("pre");
  pre.tabIndex = 0; // it may scroll
  pre.append(element("code", "", text));
  return pre;
}

function drawResponses(doc, responses) {
  const box = element("div", "responses");
  const errors = element("details");
  errors.append(element("summary", "", "Errors"));
  const list = errors.appendChild(element("ul", "errors"));
  for (const [status, response] of Object.entries(responses)) {
    const r = resolve(doc, response);
    if (status < "400") {
      const p = box.appendChild(element("p"));
      p.append(element("strong", "status", status), " ", r.description);
      box.append(r.content ? drawContent(doc, r.content) : "");
      continue;
    }
    const li = list.appendChild(element("li"));
    li.append(element("strong", "status", status), " ", r.description);
  }
  if (list.children.length > 0) {
    box.append(errors);
  }
  return box;
}
