// A JSON schema as a list that one can read.

import { element } from "./dom.js";
import { spans } from "./prose.js";

// resolve follows $ref; what stands beside it wins.
export function resolve(doc, schema) {
  if (!schema.$ref) {
    return schema;
  }
  const target = schema.$ref.slice(2).split("/").reduce((at, key) => at[key.replaceAll("~1", "/").replaceAll("~0", "~")], doc);
  return { ...resolve(doc, target), ...schema, $ref: undefined };
}

// typeOf names a schema's type in a few words.
export function typeOf(doc, schema) {
  const s = resolve(doc, schema);
  if (s.const !== undefined) {
    return JSON.stringify(s.const);
  }
  const types = [s.type ?? []].flat().filter((t) => t !== "null");
  let name = types.join(" or ");
  if (s.type === "array" && s.items) {
    name = `list of ${plural(typeOf(doc, s.items))}`;
  } else if (s.contentEncoding) {
    name = `text in ${s.contentEncoding}`;
  } else if (s.contentMediaType) {
    name = "file";
  } else if (s.oneOf) {
    name = "one of these";
  } else if (!name) {
    name = s.properties || s.allOf ? "object" : "anything";
  }
  return [s.type ?? []].flat().includes("null") ? `${name}, or null` : name;
}

function plural(name) {
  return /^(anything|one of these)$/.test(name) ? name : name.replace(/^\w+/, "$&s");
}

// limits says in words what else holds of a value.
export function limits(doc, schema) {
  const s = resolve(doc, schema);
  const out = [];
  if (s.minimum !== undefined && s.maximum !== undefined) {
    out.push(`${s.minimum} to ${s.maximum}`);
  } else if (s.minimum !== undefined) {
    out.push(`at least ${s.minimum}`);
  } else if (s.maximum !== undefined) {
    out.push(`at most ${s.maximum}`);
  }
  if (s.enum && s.enum.length <= 20) {
    out.push(s.enum.map((v) => v === "" ? "empty" : v).join(", "));
  }
  if (s.default !== undefined) {
    out.push(`default ${JSON.stringify(s.default)}`);
  }
  return out.join("; ");
}

const deepest = 5;

// drawSchema returns the fields of an object, or of what a list holds; null when there is nothing more to say than typeOf does.
export function drawSchema(doc, schema, depth = 0) {
  let s = resolve(doc, schema);
  if (depth > deepest) {
    return null;
  }
  if (s.type === "array" && s.items) {
    return drawSchema(doc, s.items, depth + 1);
  }
  if (s.oneOf && !s.properties) {
    const ul = element("ul", "fields");
    for (const one of s.oneOf) {
      const li = ul.appendChild(element("li"));
      li.append(element("span", "type", one.$ref ? one.$ref.split("/").pop() : typeOf(doc, one)));
      li.append(drawSchema(doc, one, depth + 1) ?? "");
    }
    return ul;
  }
  for (const part of s.allOf ?? []) {
    const p = resolve(doc, part);
    s = { ...s, properties: { ...s.properties, ...p.properties }, required: [...(s.required ?? []), ...(p.required ?? [])] };
  }
  const entries = Object.entries(s.properties ?? {});
  if (entries.length === 0) {
    const more = s.additionalProperties;
    return more && typeof more === "object" ? drawSchema(doc, more, depth + 1) : null;
  }
  const ul = element("ul", "fields");
  for (const [name, property] of entries) {
    ul.append(drawField(doc, name, property, (s.required ?? []).includes(name), depth));
  }
  return ul;
}

function drawField(doc, name, property, required, depth) {
  const li = element("li");
  li.append(element("code", "name", name), " ", element("span", "type", typeOf(doc, property)));
  if (required) {
    li.append(" ", element("span", "required", "always"));
  }
  const more = [resolve(doc, property).description, limits(doc, property)].filter(Boolean).join("; ");
  if (more) {
    li.append(" ", spans(element("span", "why"), more.trim()));
  }
  const inner = drawSchema(doc, property, depth + 1);
  if (inner) {
    if (depth >= 1) {
      const fold = li.appendChild(element("details"));
      fold.append(element("summary", "", "fields"), inner);
    } else {
      li.append(inner);
    }
  }
  return li;
}
