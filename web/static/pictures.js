// The newest pictures that the server keeps, asked for when somebody presses the button: they are for administrators. An admin key stays in
// this page's memory alone.

import { $, element, percent, plain, setText } from "./dom.js";

export class Pictures {
  #of = null;
  #key = "";

  constructor() {
    $("pictures-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#show();
    });
  }

  of(model, version) {
    this.#of = { model, version };
  }

  clear() {
    $("thumbs").replaceChildren();
  }

  async #show() {
    if (!this.#of) {
      return;
    }
    const { model, version } = this.#of;
    this.#key = $("pictures-key").value.trim() || this.#key;
    $("pictures-key").value = "";
    const headers = this.#key ? { "X-Admin-Key": this.#key } : {};
    let reply = {};
    try {
      const response = await fetch(`/v1/models/${encodeURIComponent(model)}/predictions/pictures?n=24&version=${encodeURIComponent(version)}`, { headers, cache: "no-store" });
      reply = await response.json();
    } catch {
      reply = { error: "The server does not answer." };
    }
    if (version !== this.#of.version || model !== this.#of.model) {
      return;
    }
    $("pictures-ask").hidden = !["admin_key_needed", "admin_key_wrong"].includes(reply.code);
    if (!$("pictures-ask").hidden) {
      this.#key = "";
      $("pictures-key").focus();
    }
    setText($("pictures-hint"), words(reply));
    $("thumbs").replaceChildren(...(reply.pictures ?? []).map(thumb));
  }
}

function words(reply) {
  if (reply.code === "not_found") {
    return "Pictures are shown at the administrators' own address.";
  }
  if (reply.error) {
    return reply.error;
  }
  return reply.pictures.length ? "The newest pictures, as the model saw them." : "No pictures of this version are kept. The server keeps some when it is started with --monitor-pictures.";
}

function thumb(p) {
  const li = element("li");
  const img = element("img");
  img.src = `data:image/png;base64,${p.png}`;
  img.alt = `Taken for ${plain(p.label)}`;
  img.title = `${p.request_id}, ${new Date(p.time).toLocaleString()}`;
  const wrong = p.true_label !== null && p.true_label !== p.label;
  li.append(img, element("b", "", `${plain(p.label)} ${percent(p.probability)}`));
  if (p.true_label !== null) {
    li.append(element("span", wrong ? "wrong" : "", wrong ? `✗ is ${plain(p.true_label)}` : "✓ right"));
  }
  if (p.ood_score !== null) {
    li.append(element("span", "", `strangeness ${p.ood_score.toFixed(1)}`));
  }
  return li;
}
