// A click on a column's head sorts the table by it: names upwards, numbers downwards first.
for (const table of document.querySelectorAll('table.sortable')) {
  table.querySelectorAll('thead th').forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const rows = [...table.tBodies[0].rows];
      const text = row => row.cells[column].textContent;
      const numeric = column > 0;
      const value = row => { const v = parseFloat(text(row).replace(/,/g, '')); return isNaN(v) ? -1 : v; };
      const up = head.ariaSort ? head.ariaSort !== 'ascending' : !numeric;
      rows.sort((a, b) => (up ? 1 : -1) * (numeric ? value(a) - value(b) : text(a).localeCompare(text(b))));
      for (const other of table.querySelectorAll('thead th')) other.ariaSort = null;
      head.ariaSort = up ? 'ascending' : 'descending';
      table.tBodies[0].append(...rows);
    });
  });
}
