// Small helpers that all pages share.

export const $ = (id) => document.getElementById(id);

export function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) {
    e.className = className;
  }
  if (text !== undefined) {
    e.textContent = text;
  }
  return e;
}

// setText leaves the page alone when nothing changes, which spares screen readers and layout.
export function setText(e, text) {
  if (e.textContent !== text) {
    e.textContent = text;
  }
}

// plain makes a label readable: "golden_retriever" is in use, too.
export function plain(label) {
  return label.replaceAll("_", " ");
}

// percent keeps one decimal, and never rounds to certainty or to nothing.
export function percent(share) {
  const p = share * 100;
  if (p > 0 && p < 0.1) {
    return "< 0.1 %";
  }
  if (p > 99.9 && p < 100) {
    return "> 99.9 %";
  }
  return `${p.toFixed(1)} %`;
}

export function millis(ms) {
  if (ms >= 1000) {
    return `${(ms / 1000).toFixed(1)} s`;
  }
  if (ms > 0 && ms < 0.1) {
    return `${Math.round(ms * 1000)} µs`;
  }
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

// amount writes a count or a rate with as many digits as one can read at a glance.
export function amount(x) {
  if (x >= 10000) {
    return `${(x / 1000).toFixed(x < 100000 ? 1 : 0)} k`;
  }
  if (x > 0 && x < 0.1) {
    return "< 0.1";
  }
  return x >= 10 || Number.isInteger(x) ? Math.round(x).toLocaleString("en") : x.toFixed(1);
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const timeOfDay = (ms) => clock.format(new Date(ms));

// ago says how long ago something was, in words.
export function ago(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 90) {
    return `${s} s ago`;
  }
  if (s < 5400) {
    return `${Math.round(s / 60)} min ago`;
  }
  return s < 129600 ? `${Math.round(s / 3600)} h ago` : `${Math.round(s / 86400)} days ago`;
}
