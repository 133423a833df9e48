// The little of CommonMark that the document's descriptions use: paragraphs, `code` and **strong words**.

import { element } from "./dom.js";

export function prose(text) {
  const box = element("div", "prose");
  for (const paragraph of text.trim().split(/\n\s*\n/)) {
    if (paragraph) {
      box.append(spans(element("p"), paragraph));
    }
  }
  return box;
}

// spans appends a text to e and returns e.
export function spans(e, text) {
  for (const part of text.split(/(`[^`]+`|\*\*[^*]+\*\*)/)) {
    if (part.startsWith("`") && part.length > 1) {
      e.append(element("code", "", part.slice(1, -1)));
    } else if (part.startsWith("**") && part.length > 3) {
      e.append(element("strong", "", part.slice(2, -2)));
    } else {
      e.append(part);
    }
  }
  return e;
}
