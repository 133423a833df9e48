// The table under each chart: the same figures for who cannot see the chart, or wants to copy them.

import { element } from "./dom.js";

export class Table {
  #details = element("details");
  #table = element("table");
  #rows = null;

  constructor(figure) {
    const scroll = element("div", "scroll");
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", `Table: ${figure.querySelector("h2").firstChild.textContent.trim()}`);
    scroll.append(this.#table);
    this.#details.append(element("summary", "", "As a table"), scroll);
    this.#details.addEventListener("toggle", () => this.#fill());
    figure.append(this.#details);
  }

  // show takes a function that makes { caption, first, heads, rows }; it is called only while the table is open.
  show(rows) {
    this.#rows = rows;
    this.#fill();
  }

  #fill() {
    if (!this.#details.open || !this.#rows) {
      return;
    }
    const { caption, first = "time", heads, rows } = this.#rows();
    const head = element("tr");
    head.append(...[first, ...heads].map((name, i) => {
      const th = element("th", i ? "n" : "", name);
      th.scope = "col";
      return th;
    }));
    const body = rows.map(([name, ...cells]) => {
      const tr = element("tr");
      const th = element("th", "", name);
      th.scope = "row";
      tr.append(th, ...cells.map((c) => element("td", "n", c)));
      return tr;
    });
    const thead = element("thead");
    thead.append(head);
    const tbody = element("tbody");
    tbody.append(...body);
    this.#table.replaceChildren(element("caption", "visually-hidden", caption), thead, tbody);
  }
}
