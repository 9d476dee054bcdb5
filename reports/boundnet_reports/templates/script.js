"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (name, text, parent) => {
    const element = document.createElement(name);
    if (text) element.textContent = text;
    if (parent) parent.append(element);
    return element;
  };

  // Tables: sorting and filtering.
  const key = (row, column) => {
    const cell = row.cells[column];
    const number = cell.dataset.k === undefined ? NaN : Number(cell.dataset.k);
    return cell.dataset.k === undefined ? cell.textContent.trim().toLowerCase() : number;
  };
  const compare = (a, b) => {
    if (typeof a === "string" || typeof b === "string") return String(a).localeCompare(String(b), undefined, { numeric: true });
    return a - b;
  };
  const sort = (table, column, heading) => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    all("th", table).forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row, n) => ({ row, n, k: key(row, column) }));
    const lost = (k) => typeof k === "number" && Number.isNaN(k);
    rows.sort((a, b) => lost(a.k) - lost(b.k) || (lost(a.k) ? 0 : (down ? -1 : 1) * compare(a.k, b.k)) || a.n - b.n);
    table.tBodies[0].append(...rows.map((entry) => entry.row));
  };
  all("table.sortable").forEach((table) => {
    all("thead th", table).forEach((heading, column) => {
      // No <button>: Chromium does not repeat a heading that holds one on every printed page.
      const button = make("span", heading.textContent);
      button.setAttribute("role", "button");
      button.tabIndex = 0;
      heading.replaceChildren(button);
      button.addEventListener("click", () => sort(table, column, heading));
      button.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        sort(table, column, heading);
      });
    });
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 6) return;
    const box = make("label", `Filter ${rows.length} rows: `);
    box.className = "filter";
    const input = make("input", "", box);
    input.type = "search";
    const count = make("span", "", box);
    count.setAttribute("role", "status");
    table.closest(".scroll").before(box);
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase();
      let shown = 0;
      rows.forEach((row) => {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
        shown += !row.hidden;
      });
      count.textContent = wanted ? ` ${shown} shown` : "";
    });
  });

  // What drawings say on hovering or focus: their <title> elements become one tip that can be read and styled.
  const tip = make("div", "", document.body);
  tip.id = "tip";
  tip.hidden = true;
  tip.setAttribute("role", "tooltip");
  const show = (owner, x, y) => {
    const [first, ...rest] = owner.dataset.tip.split("\n");
    tip.replaceChildren();
    make("b", first, tip);
    tip.append(rest.join("\n"));
    tip.hidden = false;
    const left = Math.min(x + 14, innerWidth - tip.offsetWidth - 8);
    const below = y + 18 + tip.offsetHeight < innerHeight;
    tip.style.left = `${Math.max(4, left) + scrollX}px`;
    tip.style.top = `${Math.max(4, below ? y + 18 : y - tip.offsetHeight - 10) + scrollY}px`;
  };
  const hide = () => { tip.hidden = true; };
  all("svg title").forEach((title) => {
    const owner = title.parentNode;
    owner.dataset.tip = title.textContent;
    if (owner.localName === "a") owner.setAttribute("aria-label", title.textContent);
    title.remove();
  });
  const owned = (event) => (event.target.closest ? event.target.closest("[data-tip]") : null);
  document.addEventListener("pointermove", (event) => {
    const owner = owned(event);
    if (owner) show(owner, event.clientX, event.clientY);
    else hide();
  });
  document.addEventListener("focusin", (event) => {
    const owner = owned(event);
    if (!owner) return hide();
    const place = owner.getBoundingClientRect();
    show(owner, place.left, place.bottom - 14);
  });
  document.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // The picture is one stop for the Tab key; arrow keys move within it.
  all(".picture svg").forEach((svg) => {
    const boxes = all("a.box", svg);
    const focus = (n) => {
      boxes.forEach((box, other) => box.setAttribute("tabindex", other === n ? "0" : "-1"));
    };
    focus(0);
    svg.addEventListener("keydown", (event) => {
      const at = boxes.indexOf(document.activeElement);
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const next = event.key === "Home" ? 0 : event.key === "End" ? boxes.length - 1 : at + step;
      if (at < 0 || Number.isNaN(next) || !boxes[next]) return;
      event.preventDefault();
      focus(next);
      boxes[next].focus();
    });
  });

  // A link into the page opens what it leads to.
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target) return;
    for (let up = target; up; up = up.parentElement) if (up.localName === "details") up.open = true;
    const inner = target.querySelector("details");
    if (target.localName === "tr" && inner) inner.open = true;
    target.hidden = false;
    target.scrollIntoView({ block: "center" });
    hide();
  };
  addEventListener("hashchange", open);
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a[href^='#']");
    if (link && link.getAttribute("href") === location.hash) open();
  });
  open();

  // One sample at a time.
  all(".chooser").forEach((chooser) => {
    const panels = all(".panel", chooser.parentNode);
    chooser.hidden = panels.length < 2;
    chooser.querySelector("select").addEventListener("change", (event) => {
      panels.forEach((panel, n) => { panel.hidden = n !== event.target.selectedIndex; });
    });
  });

  all(".copy").forEach((button) => {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.nextElementSibling.textContent);
      button.textContent = "copied";
    });
  });

  // Paper shows everything but the layers' own details.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])").filter((part) => !part.closest("td"));
    closed.forEach((part) => { part.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((part) => { part.open = false; }));
})();
