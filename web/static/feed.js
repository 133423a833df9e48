// The feed asks /v1/stats once a second for the seconds that it has not seen, and keeps those of the last five minutes.

const every = 1000;    // ms between two questions
const patience = 4000; // ms for one answer
const retry = 2000;    // ms after a failure

export class Feed {
  samples = []; // oldest first
  reply = null; // the newest one
  state = "connecting"; // "live", "paused", "unreachable"
  trouble = "";  // why it is unreachable
  lastSeen = 0;  // by this machine's clock
  window = 60;   // seconds that the reply's sums are of

  #paused = false;
  #timer = 0;
  #asking = null; // AbortController of the question under way
  #changed;

  // changed is called after each answer, and whenever the state changes.
  constructor(changed) {
    this.#changed = changed;
    document.addEventListener("visibilitychange", () => this.#next(0));
  }

  start() {
    this.#next(0);
  }

  get paused() {
    return this.#paused;
  }

  pause(on) {
    this.#paused = on;
    if (on) {
      this.#stop();
      this.#set("paused");
    } else {
      this.#next(0);
    }
  }

  choose(window) {
    this.window = window;
    this.#changed(this);
    this.#next(0);
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asking = null;
  }

  // next asks after a while. Nothing is asked for while nobody can see it.
  #next(delay) {
    this.#stop();
    if (!this.#paused && !document.hidden) {
      this.#timer = setTimeout(() => this.#ask(), delay);
    }
  }

  async #ask() {
    const asking = this.#asking = new AbortController();
    const tooLong = setTimeout(() => asking.abort(), patience);
    try {
      const since = this.samples.at(-1)?.t ?? 0;
      const response = await fetch(`/v1/stats?window=${this.window}&since=${since}`, { signal: asking.signal, cache: "no-store" });
      if (!response.ok) {
        throw new Error(`it answered ${response.status}`);
      }
      this.#take(await response.json());
    } catch (error) {
      if (this.#asking !== asking) {
        return; // somebody else asks now, or nobody is to
      }
      this.trouble = error.name === "TypeError" ? "" : error.name === "AbortError" ? "it does not answer" : error.message;
      this.#set("unreachable");
      this.#next(retry);
      return;
    } finally {
      clearTimeout(tooLong);
    }
    if (this.#asking === asking) {
      this.#next(every);
    }
  }

  #take(reply) {
    if (reply.now < (this.samples.at(-1)?.t ?? 0)) { // its clock was set back: the next question has all
      this.samples = [];
    } else {
      this.samples.push(...reply.samples); // a server that was started anew goes on where the other ended
    }
    const oldest = reply.now - reply.samples_kept * reply.interval_ms;
    this.samples = this.samples.filter((s) => s.t > oldest);
    this.reply = reply;
    this.lastSeen = Date.now();
    this.#set("live");
  }

  #set(state) {
    this.state = state;
    this.#changed(this);
  }
}

// kinds of things that are counted, in the order in which they are stacked.
export const outcomes = ["ok", "client_error", "refused", "deadline", "error"];
export const parts = ["decode", "queue", "inference"];

// pick returns what a sample, or a sum of some, says of a version; of the whole server when there is none. Null says
// that nothing happened to it.
export function pick(sample, version) {
  if (!version) {
    return sample.all;
  }
  return sample.models.find((m) => m.name === version.name && m.version === version.version) ?? null;
}

export const requestsOf = (figures) => outcomes.reduce((n, o) => n + (figures?.requests[o] ?? 0), 0);

// meanBatch is 0 when there was none.
export function meanBatch(figures) {
  let runs = 0;
  let images = 0;
  for (const b of figures?.batches ?? []) {
    runs += b.count;
    images += b.count * b.size;
  }
  return runs ? images / runs : 0;
}
