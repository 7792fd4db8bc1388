// pandas tables: columns of numbers stand right, columns of words left.
document.addEventListener("DOMContentLoaded", () => {
  const isNumber = (text) => /^[-+−±<>≤≥ ]*[\d.,]+(e[-+]?\d+)?\s*%?$|^(NaN|None|<NA>)?$/.test(text);
  for (const table of document.querySelectorAll("table.dataframe")) {
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
    const width = Math.max(0, ...rows.map((row) => row.cells.length));
    const heads = table.tHead ? [...table.tHead.rows] : [];
    for (let column = 1; column <= width; column += 1) {
      const cells = rows.map((row) => row.cells[row.cells.length - column]);
      const values = cells.filter((cell) => cell && cell.tagName === "TD");
      if (!values.length || values.every((cell) => isNumber(cell.textContent.trim()))) {
        continue;
      }
      values.forEach((cell) => cell.classList.add("text"));
      for (const row of heads) {
        const cell = row.cells[row.cells.length - column];
        if (cell && cell.colSpan === 1) {
          cell.classList.add("text");
        }
      }
    }
  }
});
