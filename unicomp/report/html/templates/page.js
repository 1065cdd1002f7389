"use strict";
(() => {
  // The page is whole without this script: it hides, sorts and chooses, and adds no text of a model.

  const listen = (control, act) => {
    for (const kind of ["input", "change"]) control.addEventListener(kind, act);
  };

  const counted = (output, shown, all, what = "") => {
    output.textContent = `${shown} of ${all}${what} shown`;
  };

  const chosen = (controls) => (element) => controls.every((control) => {
    const wanted = control.value;
    if (!wanted) return true;
    if (control.dataset.filter === "text") {
      return element.textContent.toLowerCase().includes(wanted.toLowerCase());
    }
    const known = element.dataset[control.dataset.filter] ?? "";
    return control.dataset.filter === "kind" ? known.split(" ").includes(wanted) : known === wanted;
  });

  const filterTable = (table, controls, output) => {
    const rows = [...table.tBodies[0].rows];
    const isChosen = chosen(controls);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !isChosen(row);
      shown += row.hidden ? 0 : 1;
    }
    counted(output, shown, rows.length);
  };

  const filterAnswers = (list, controls, output) => {
    const text = controls.filter((control) => control.dataset.filter === "text");
    const others = controls.filter((control) => control.dataset.filter !== "text");
    const [holds, isChosen] = [chosen(text), chosen(others)];
    let shown = 0;
    let all = 0;
    for (const group of list.querySelectorAll(".group")) {
      let inGroup = 0;
      for (const item of group.querySelectorAll(".item")) {
        const found = holds(item) || holds(group.querySelector("summary"));
        let inItem = 0;
        for (const answer of item.querySelectorAll(".answer")) {
          answer.hidden = !(found && isChosen(answer));
          inItem += answer.hidden ? 0 : 1;
          all += 1;
        }
        item.hidden = inItem === 0;
        inGroup += inItem;
      }
      group.hidden = inGroup === 0;
      shown += inGroup;
    }
    counted(output, shown, all, " answers");
  };

  for (const filters of document.querySelectorAll(".filters[data-for]")) {
    const target = document.getElementById(filters.dataset.for);
    const controls = [...filters.querySelectorAll("[data-filter]")];
    const output = filters.querySelector("output");
    const filter = target.tagName === "TABLE" ? filterTable : filterAnswers;
    const apply = () => filter(target, controls, output);
    for (const control of controls) listen(control, apply);
    apply();
  }

  const valueOf = (row, column, numeric) => {
    const cell = row.cells[column];
    if (!cell) return numeric ? Number.NEGATIVE_INFINITY : "";
    if (!numeric) return cell.textContent.trim().toLowerCase();
    const found = cell.querySelector("data");
    return found ? Number(found.value) : Number.NEGATIVE_INFINITY;
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      heading.replaceChildren(button);
      button.addEventListener("click", () => {
        const numeric = heading.dataset.kind === "number";
        const down = heading.getAttribute("aria-sort") === "ascending";
        for (const other of headings) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row, column, numeric), row]);
        rows.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
        if (down) rows.reverse();
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    });
  }

  const choice = document.getElementById("forest-choice");
  if (choice) {
    const charts = [...document.querySelectorAll(".chart.forest")];
    const show = () => {
      for (const chart of charts) chart.hidden = chart.dataset.checkpoint !== choice.value;
    };
    listen(choice, show);
    show();
  }

  // Paper has no triangles to open: what was measured with is printed, answers only if opened.
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("#measured-with details")) one.open = true;
  });
})();
