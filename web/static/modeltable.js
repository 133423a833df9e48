// The dashboard's table of versions: what they are, what they get, and how they fare in the time shown.

import { $, amount, element, millis, percent, setText } from "./dom.js";
import { meanBatch, pick, requestsOf } from "./feed.js";

export function showModels(reply) {
  const body = $("models").tBodies[0];
  const rows = reply.models.map((m) => cells(m, pick(reply.window, m), reply.window.seconds || 1));
  if (rows.length === 0) {
    body.replaceChildren(element("tr"));
    const td = element("td", "", "No model yet.");
    td.colSpan = 11;
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
      tr ? tr.replaceWith(fresh) : body.append(fresh);
      tr = fresh;
    }
    tr.classList.toggle("not-ready", reply.models[i].state !== "ready");
    texts.forEach((text, c) => setText(c === 0 ? tr.cells[0].firstElementChild : tr.cells[c], text));
    setText(tr.cells[0].lastElementChild, runsOn(reply.models[i]));
  });
}

const numeric = new Set([3, 4, 5, 6, 7, 8, 9, 10]);

function cells(m, figures, seconds) {
  const serves = m.state === "ready" || m.state === "draining";
  const dash = (text) => (serves ? text : "–");
  return [
    m.version ? `${m.name} version ${m.version}` : m.name,
    m.reason ? `${m.state}: ${m.reason}` : m.state,
    dash(gets(m)),
    dash(amount(requestsOf(figures) / seconds)),
    dash(amount((figures?.images ?? 0) / seconds)),
    figures?.latency_ms ? millis(figures.latency_ms.p50) : "–",
    figures?.latency_ms ? millis(figures.latency_ms.p99) : "–",
    figures?.batches ? meanBatch(figures).toFixed(1) : "–",
    m.queue ? `${amount(m.queue.depth)} of ${amount(m.queue.limit)}` : "–",
    m.shadow ? disagreement(m.shadow) : "–",
    drift(m.drift, serves),
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
  return shadow.images ? `${percent(shadow.disagreement_ratio)} of ${amount(shadow.images)}` : "nothing compared";
}

function drift(d, serves) {
  if (!d) {
    return serves ? "not monitored" : "–";
  }
  return `${d.score.toFixed(3)}${d.detected ? ", drifted" : ""}`;
}
