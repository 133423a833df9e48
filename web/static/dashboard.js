// The dashboard: what the feed has, as tiles, charts and a table, for the whole server or one version.

import { $, ago, amount, element, millis, setText, timeOfDay } from "./dom.js";
import { DriftSection } from "./drift.js";
import { Feed, meanBatch, pick, requestsOf } from "./feed.js";
import { makeViews } from "./views.js";
import { showModels } from "./modeltable.js";

const recent = 5; // seconds that a rate "now" is the mean of
const stale = 5000; // ms without a new second, after which the figures are called old

const views = makeViews();
const driftSection = new DriftSection(fillTiles);
const feed = new Feed(show);

// chosen is the version whose figures are shown, null for the whole server.
function chosen() {
  const option = $("model").selectedOptions[0];
  return option?.value ? { name: option.dataset.name, version: option.dataset.version } : null;
}

function show() {
  showState();
  if (!feed.reply) {
    return;
  }
  fillPicker(feed.reply);
  const version = chosen();
  const to = feed.samples.at(-1)?.t ?? feed.reply.now;
  const from = to - feed.window * 1000;
  const samples = feed.samples.filter((s) => s.t > from);
  const range = { from, to, samples, version, window: pick(feed.reply.window, version), words: feed.window > 60 ? "last 5 minutes" : "last minute" };
  showTiles(range);
  for (const view of views) {
    view(range);
  }
  showRejected(range.window?.rejected ?? {});
  showModels(feed.reply);
  if (feed.state === "live") {
    driftSection.offer(feed.reply.models, version);
  }
  showAbout(feed.reply);
}

// --- The state of the page and of the server --------------------------------------------------------------------------

const stateWords = { draining: "Draining: finishing what was accepted", loading: "Loading models", no_model: "No model is loaded" };

function showState() {
  document.body.dataset.state = feed.state;
  const server = stateWords[feed.reply?.state] ?? "Live";
  setText($("state"), {
    connecting: "Connecting…",
    live: server,
    paused: `Paused at ${timeOfDay(feed.lastSeen || Date.now())}`,
    unreachable: `Server unreachable${feed.trouble ? `: ${feed.trouble}` : ""}`,
  }[feed.state]);
  showSeen();
}

function showSeen() {
  const old = Date.now() - feed.lastSeen;
  let text = "";
  if (feed.state === "unreachable") {
    text = feed.lastSeen ? `Last seen ${timeOfDay(feed.lastSeen)}, ${ago(old)}. Trying again every 2 s.` : "It was not seen yet. Trying again every 2 s.";
  } else if (feed.state === "live" && old > stale) {
    text = `Last answer ${ago(old)}`;
  }
  setText($("seen"), text);
}

setInterval(showSeen, 1000);

function showAbout(reply) {
  const version = reply.build?.version;
  setText($("about"), `Torchlit${version ? ` ${version}` : ""}, up since ${new Date(reply.started).toLocaleString()}. Quantiles are exact to ${(reply.latency_error * 100).toFixed(1)} %.`);
}

// --- Tiles ----------------------------------------------------------------------------------------------------------------

function showTiles({ samples, version, window, words }) {
  const last = samples.slice(-recent);
  const seconds = last.reduce((n, s) => n + s.seconds, 0) || 1;
  const rate = (of) => last.reduce((n, s) => n + of(pick(s, version)), 0) / seconds;
  const now = last.length ? pick(last.at(-1), version) : null;
  const queue = now?.queue ?? { depth: 0, limit: 0, in_flight: 0 };
  const asked = requestsOf(window);
  const failed = asked - (window?.requests.ok ?? 0) - (window?.requests.client_error ?? 0);
  const spared = (window?.cached ?? 0) + (window?.shared ?? 0);
  const tiles = [
    ["Requests", amount(rate(requestsOf)), "/s", `mean of ${recent} s`],
    ["Images", amount(rate((f) => f?.images ?? 0)), "/s", `mean of ${recent} s`],
    ["Median latency", ...unit(window?.latency_ms?.p50), words],
    ["p99 latency", ...unit(window?.latency_ms?.p99), words],
    ["Mean batch", window?.batches ? meanBatch(window).toFixed(1) : "–", window?.batches ? "images" : "", words],
    ["Waiting", amount(queue.depth), "images", queue.limit ? `of ${amount(queue.limit)} at most` : "now"],
    version ? ["Running", amount(queue.in_flight), "images", "now"] : ["In flight", amount(samples.at(-1)?.in_flight ?? 0), "requests", "now"],
    ["Not served", asked ? share(failed / asked) : "–", asked ? "%" : "", `refused or failed, ${words}`, failed > 0],
  ];
  if (spared > 0) {
    tiles.push(["Without a run", share(spared / window.images), "%", `${amount(window.cached)} cached, ${amount(window.shared)} shared`]);
  }
  fillTiles($("tiles"), tiles);
}

// unit parts "12 ms" into its number and its unit.
function unit(ms) {
  return ms === undefined ? ["–", ""] : millis(ms).split(" ");
}

const share = (x) => (x > 0 && x < 0.001 ? "< 0.1" : (x * 100).toFixed(1));

// fillTiles keeps the elements, so that a reader who is in one is not thrown out each second.
function fillTiles(list, tiles) {
  while (list.children.length > tiles.length) {
    list.lastElementChild.remove();
  }
  tiles.forEach(([name, value, of, note, bad], i) => {
    let tile = list.children[i];
    if (!tile) {
      tile = element("div");
      const dd = element("dd", "value");
      dd.append(element("span"), " ", element("small"));
      tile.append(element("dt"), dd, element("dd", "note"));
      list.append(tile);
    }
    tile.classList.toggle("bad", Boolean(bad));
    setText(tile.children[0], name);
    setText(tile.querySelector("span"), value);
    setText(tile.querySelector("small"), of);
    setText(tile.children[2], note);
  });
}

function showRejected(rejected) {
  const reasons = Object.entries(rejected).sort((a, b) => b[1] - a[1]);
  document.querySelector("#rejected .none").hidden = reasons.length > 0;
  document.querySelector("#rejected ul").replaceChildren(...reasons.map(([reason, n]) => {
    const li = element("li");
    li.append(element("span", "", reasonWords[reason] ?? reason.replaceAll("_", " ")), element("b", "", n.toLocaleString("en")));
    return li;
  }));
}

const reasonWords = {
  queue_full: "The queue was full", backlog: "No time left behind what waited", decode_queue_full: "Too many images to decode",
  draining: "The server was shutting down", no_runner: "The model could not run", loading: "No model was loaded yet",
  no_model: "No model was loaded", model_not_ready: "The model was not ready", client_gone: "The client had gone",
  deadline: "The deadline passed", connections: "Too many connections",
};

// --- What one can choose ------------------------------------------------------------------------------------------------

let offered = "";

function fillPicker(reply) {
  const key = reply.models.map((m) => `${m.name}/${m.version}`).join(" ");
  if (key === offered) {
    return;
  }
  offered = key;
  const picker = $("model");
  const was = picker.value;
  picker.replaceChildren(new Option("Whole server", ""), ...reply.models.filter((m) => m.version).map((m) => {
    const option = new Option(`${m.name} version ${m.version}`, `${m.name}/${m.version}`);
    option.dataset.name = m.name;
    option.dataset.version = m.version;
    return option;
  }));
  picker.value = was;
  if (picker.selectedIndex < 0) {
    picker.value = "";
  }
}

$("model").addEventListener("change", show);

for (const radio of document.querySelectorAll('[name="window"]')) {
  radio.addEventListener("change", () => feed.choose(Number(radio.value)));
}
feed.window = Number(document.querySelector('[name="window"]:checked').value); // the browser may have kept it over a reload

$("pause").addEventListener("click", () => {
  feed.pause(!feed.paused);
  $("pause").setAttribute("aria-pressed", String(feed.paused));
  setText($("pause"), feed.paused ? "Go on" : "Pause");
});

feed.start();
