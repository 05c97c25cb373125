"use strict";
// What the page does: tables that sort, are searched and saved, and the genome browser. Nothing is fetched.
const report = { data: JSON.parse(document.getElementById("data").textContent), tables: {}, browser: null };

function rowsOf(columns) {
  const names = Object.keys(columns);
  return columns[names[0]].map((_, i) => Object.fromEntries(names.map((name) => [name, columns[name][i]])));
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

function columnOf(name, values) {
  const numeric = values.some((value) => typeof value === "number");
  const column = { title: escaped(name.replaceAll("_", " ")), field: name, headerSort: true };
  if (name === "pos") column.formatter = (cell) => Number(cell.getValue()).toLocaleString("en-US");
  if (numeric && name !== "pos") {
    column.formatter = (cell) => {
      const value = cell.getValue();
      return value === null || Number.isInteger(value) ? value ?? "" : value.toPrecision(3).replace("-", "\u2212");
    };
  }
  if (numeric) {
    column.hozAlign = "right";
    column.sorter = (a, b, one, two, at, direction) => {
      if (a === b) return 0;
      if (a === null) return direction === "asc" ? 1 : -1; // what is missing stands last
      if (b === null) return direction === "asc" ? -1 : 1;
      return a - b;
    };
  } else {
    column.sorter = (a, b) => String(a).localeCompare(String(b), "en", { numeric: true });
    column.maxInitialWidth = 220;
  }
  return column;
}

// Words have to be in a row; a region such as chr20:1,000-2,000 has to hold it.
function matcherOf(text) {
  const tests = text.trim().toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const region = word.replaceAll(",", "").match(/^(?:chr)?([^:]+):(\d+)(?:-(\d+))?$/);
    if (region) {
      return (row) => String(row.chrom).toLowerCase().replace(/^chr/, "") === region[1] && row.pos >= +region[2] && row.pos <= +(region[3] ?? region[2]);
    }
    return (row) => Object.values(row).some((value) => value !== null && String(value).toLowerCase().includes(word));
  });
  return (row) => tests.every((test) => test(row));
}

function within(chrom, pos) {
  return report.data.slices.find(([name, start, end]) => name === report.data.contigs[chrom] && pos > start && pos <= end);
}

function goTo(chrom, pos, label) {
  const told = document.getElementById("told");
  if (!report.browser) return;
  const slice = within(chrom, pos);
  if (!slice) {
    told.textContent = `${chrom}:${pos.toLocaleString("en-US")} is in none of the slices of this page.`;
    return;
  }
  told.textContent = `At ${label}.`;
  report.browser.search(`${slice[0]}:${Math.max(1, pos - 60)}-${pos + 60}`);
  document.getElementById("browser").scrollIntoView();
}

function makeTable(anchor, columns) {
  const rows = rowsOf(columns);
  const table = new Tabulator(document.querySelector(`[data-table="${anchor}"]`), {
    data: rows,
    columns: Object.keys(columns).map((name) => columnOf(name, columns[name])),
    height: `${Math.min(26, 4 + rows.length * 2)}rem`,
    layout: "fitDataFill",
    selectableRows: false,
    nestedFieldSeparator: false,
    placeholder: "No row has this.",
  });
  report.tables[anchor] = table;
  const count = document.querySelector(`[data-count="${anchor}"]`);
  const tell = (n) => { count.textContent = `${n.toLocaleString("en-US")} of ${rows.length.toLocaleString("en-US")} rows`; };
  tell(rows.length);
  table.on("dataFiltered", (_, found) => tell(found.length));
  table.on("rowClick", (_, row) => {
    const own = row.getData();
    goTo(own.chrom, own.pos, `${own.chrom}:${own.pos.toLocaleString("en-US")} ${own.ref}>${own.alt}`);
  });
  let waiting;
  document.querySelector(`[data-search="${anchor}"]`).addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (event.target.value.trim()) table.setFilter(matcherOf(event.target.value));
      else table.clearFilter();
    }, 150);
  });
  document.querySelector(`[data-save="${anchor}"]`).addEventListener("click", () => {
    const names = Object.keys(columns);
    const lines = table.getData("active").map((row) => names.map((name) => row[name] ?? "").join("\t"));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([[names.join("\t"), ...lines, ""].join("\n")], { type: "text/tab-separated-values" }));
    link.download = `${anchor}.tsv`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

function makeBrowser(config) {
  const places = document.getElementById("places");
  for (const [name, locus] of report.data.places) places.add(new Option(name, locus));
  places.addEventListener("change", () => report.browser && report.browser.search(places.value));
  igv.createBrowser(document.getElementById("igv"), config).then((browser) => {
    report.browser = browser;
    document.body.dataset.browser = "ready";
  }).catch((problem) => {
    document.getElementById("told").textContent = `The genome browser could not start: ${problem}`;
  });
}

for (const [anchor, columns] of Object.entries(report.data.variants)) makeTable(anchor, columns);
if (report.data.view) makeBrowser(report.data.view);
