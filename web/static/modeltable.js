// The dashboard's table of versions: what they are, what they get, and how they fare in the time shown.

import { $, amount, element, millis, percent, setText } from "./dom.js";
import { meanBatch, pick, requestsOf } from "./feed.js";

export function showModels(reply) {
  const body = $("models").tBodies[0];
  const rows = reply.models.map((m) => cells(m, pick(reply.window, m), reply.window.seconds || 1));
  if (rows.length === 0) {
    body.replaceChildren(element("tr"));
    const td = element("td", "", "No model yet.");
    td.colSpan = columns;
    body.rows[0].append(td);
    return;
  }
  // Cells are filled in place, so that what somebody has selected stays selected.
  while (body.rows.length > rows.length) {
    body.rows[0].remove();
  }
  rows.forEach((texts, i) => {
    let tr = body.rows[i];
    if (!tr || tr.cells.length !== texts.length) {
      const fresh = element("tr");
      texts.forEach((_, c) => {
        const cell = element(c === 0 ? "th" : "td", numeric.has(c) ? "n" : "");
        if (c === 0) {
          cell.scope = "row";
          cell.append(element("span"), element("small"));
        }
        fresh.append(cell);
      });
      fresh.lastElementChild.colSpan = columns + 1 - texts.length;
      tr ? tr.replaceWith(fresh) : body.append(fresh);
      tr = fresh;
    }
    tr.classList.toggle("not-ready", reply.models[i].state !== "ready");
    texts.forEach((text, c) => setText(c === 0 ? tr.cells[0].firstElementChild : tr.cells[c], text));
    setText(tr.cells[0].lastElementChild, runsOn(reply.models[i]));
  });
}

const columns = 11;
const numeric = new Set([3, 4, 5, 6, 7, 8, 9, 10]);

function cells(m, figures, seconds) {
  const name = m.version ? `${m.name} version ${m.version}` : m.name;
  const state = m.reason ? `${m.state}: ${m.reason}` : m.state;
  if (m.state !== "ready" && m.state !== "draining") {
    return [name, state]; // there is nothing else to say
  }
  return [
    name,
    state,
    gets(m),
    amount(requestsOf(figures) / seconds),
    amount((figures?.images ?? 0) / seconds),
    figures?.latency_ms ? millis(figures.latency_ms.p50) : "–",
    figures?.latency_ms ? millis(figures.latency_ms.p99) : "–",
    figures?.batches ? meanBatch(figures).toFixed(1) : "–",
    m.queue ? `${amount(m.queue.depth)} of ${amount(m.queue.limit)}` : "–",
    m.shadow ? disagreement(m.shadow) : "–",
    drift(m.drift),
  ];
}

const runsOn = (m) => [m.architecture, m.precision, m.device].filter(Boolean).join(", ");

// gets says which of the model's requests come to a version.
function gets(m) {
  switch (m.role) {
    case "default":
      return m.share < 1 ? `default, ${share(m.share)}` : "default";
    case "canary":
      return `canary, ${share(m.share)}`;
    case "shadow":
      return `shadow of ${share(m.shadow.share)}`;
  }
  return "by version only";
}

const share = (x) => `${Number((x * 100).toFixed(2))} %`;

function disagreement(shadow) {
  return shadow.images ? `${percent(shadow.disagreement_ratio)} of ${amount(shadow.images)}` : "–";
}

function drift(d) {
  if (!d) {
    return "not monitored";
  }
  return `${d.score.toFixed(3)}${d.detected ? ", drifted" : ""}`;
}
