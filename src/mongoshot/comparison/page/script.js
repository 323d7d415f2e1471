
(() => {
"use strict";

/* The data is that of comparison/html.py. All of it is text, and reaches the page as text nodes or
   as attributes that say what something is called; nothing is ever parsed as HTML. */
const data = JSON.parse(document.getElementById("data").textContent);

const PER_PAGE = 50;      // differences shown at a time
const ROWS = 60;          // fields of a document shown at first
const LONG = 500;         // characters of a value shown at first …
const LINES = 14;         // … and lines
const SLICE = 10;         // milliseconds of filtering before the browser has its turn
const MOST_HIGHLIGHTS = 2000;

const KINDS = [
  { name: "definition", sign: "≡", many: "Definitions" },
  { name: "updated", sign: "~", many: "Updated" },
  { name: "inserted", sign: "+", many: "Inserted" },
  { name: "deleted", sign: "−", many: "Deleted" },
];
const KIND = Object.fromEntries(KINDS.map(kind => [kind.name, kind]));
const ROW_WORDS = { "=": "unchanged", "+": "added", "-": "removed", "~": "changed", ">": "reordered" };
const ROW_SIGNS = { "=": "", "+": "+", "-": "−", "~": "~", ">": "⇅" };
const ROW_KINDS = { "=": "", "+": "inserted", "-": "deleted", "~": "updated", ">": "updated" };

const byId = id => document.getElementById(id);
const number = value => value.toLocaleString("en");
/* A name that begins or ends with a space, or is empty, is quoted: else it would not show. */
const titled = name => name.trim() === name && name ? name : JSON.stringify(name);
const count = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

/* What the reader has chosen. No kind chosen means all kinds. */
const chosen = { query: "", collection: null, kinds: new Set() };
/* What is shown: the entries that match, the page of them, and the one that the reader is at. */
const shown = { matches: [], page: 0, current: null, expanded: true };
let run = 0;              // which filtering is the newest

/* ---- Entries -------------------------------------------------------------------------------- */

const collections = [];
const entries = [];
const byLink = new Map();

for (const given of data.collections) {
  let link = encodeURIComponent(given.name);
  while (byLink.has(link)) link += "~";       // two names that look the same
  const collection = { ...given, link, entries: [], matches: 0 };
  byLink.set(link, collection);
  collections.push(collection);
  if (given.definition) add(collection, "definition", given.definition, 0);
  for (const kind of ["updated", "inserted", "deleted"]) {
    given[kind].forEach((entry, at) => add(collection, kind, entry, at + 1));
  }
}

function add(collection, kind, [name, rows], at) {
  const link = at ? `${collection.link}/${kind}/${at}` : `${collection.link}/${kind}`;
  const entry = { collection, kind, name, rows, link, text: null, expanded: null, all: false, rest: false };
  collection.entries.push(entry);
  entries.push(entry);
  byLink.set(link, entry);
}

function textOf(entry) {
  if (entry.text === null) {
    entry.text = [entry.name, ...entry.rows.flatMap(row => row.slice(1))].join("\n").toLowerCase();
  }
  return entry.text;
}

/* ---- Elements ------------------------------------------------------------------------------- */

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children.filter(child => child !== null));
  return node;
}

const button = (text, click, attributes) => el("button", { type: "button", click, ...attributes }, text);
const unseen = text => el("span", { class: "unseen" }, text);

/* The part of a long value that is shown at first: around what matters, in whole characters. */
function excerpt(text, at) {
  if (text.length <= LONG * 1.2 && text.split("\n", LINES * 1.5 + 1).length <= LINES * 1.5) return [0, text.length];
  let start = at > LONG * 0.8 ? at - LONG / 4 : 0;
  if (start && isTrail(text, start)) start -= 1;
  let end = Math.min(text.length, start + LONG);
  for (let line = 0, found = start; line < LINES; line++) {
    found = text.indexOf("\n", found) + 1;
    if (!found || found > end) break;
    if (line === LINES - 1) end = found - 1;
  }
  if (end < text.length && isTrail(text, end)) end -= 1;
  return [start, end];
}

function isTrail(text, at) {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff;
}

/* A value; `mark` is the part [from, to] that differs from the other side, in `tag`. */
function fill(cell, text, mark, tag) {
  const wanted = chosen.query ? text.toLowerCase().indexOf(chosen.query) : -1;
  const [start, end] = excerpt(text, wanted >= 0 ? wanted : mark ? mark[0] : 0);
  const cut = start > 0 || end < text.length;

  function write(from, to) {
    const inner = el("bdi", { dir: "auto" });
    if (from > 0) inner.append("… ");
    const [left, right] = mark ? mark.map(at => Math.min(Math.max(at, from), to)) : [from, from];
    if (left > from) inner.append(text.slice(from, left));
    if (right > left) inner.append(el(tag, null, text.slice(left, right)));
    if (to > right) inner.append(text.slice(right, to));
    if (to < text.length) inner.append(" …");
    cell.replaceChildren(inner);
    if (!cut) return;
    const whole = from === 0 && to === text.length;
    const words = whole ? "Show less" : `Show all ${count(text.length, "character")}`;
    cell.append(button(words, () => {
      if (whole) write(start, end); else write(0, text.length);
      cell.querySelector("button").focus();
      highlight();
    }, { "aria-expanded": whole }));
  }
  write(start, end);
  return cell;
}

/* The parts of two texts between what they begin with and what they end with in common. */
function differing(before, after) {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  if (start && isTrail(before, start)) start--;
  let end = 0;
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  if (end && isTrail(before, before.length - end)) end--;
  return [[start, before.length - end], [start, after.length - end]];
}

const absent = side => el("div", { class: "value absent", role: "cell", "data-side": side }, "(missing)");
const valueCell = (side, kind) => el("div", { class: `value ${kind}`, role: "cell", "data-side": side });

function rowNode(row, single) {
  const [sign, path, first, second] = row;
  const node = el("div", { class: `row ${single ? "single" : ""} ${sign === "=" ? "same" : ""}`, role: "row" },
    el("div", { class: `mark sign ${ROW_KINDS[sign]}`, role: "cell" },
      el("span", { "aria-hidden": "true" }, ROW_SIGNS[sign]), unseen(ROW_WORDS[sign])),
    el("div", { class: "path", role: "rowheader" }, el("bdi", null, path),
      sign === ">" ? el("span", { class: "gist" }, " order of the fields") : null));
  if (single) {
    node.append(fill(valueCell("", sign === "+" ? "after" : "before"), first));
  } else if (sign === "~" || sign === ">") {
    const [left, right] = differing(first, second);
    node.append(fill(valueCell("Before", "before"), first, left, "del"), fill(valueCell("After", "after"), second, right, "ins"));
  } else if (sign === "+") {
    node.append(absent("Before"), fill(valueCell("After", "after"), first));
  } else if (sign === "-") {
    node.append(fill(valueCell("Before", "before"), first), absent("After"));
  } else {
    node.append(fill(valueCell("Before", ""), first), fill(valueCell("After", ""), first));
  }
  return node;
}

/* ---- One difference ------------------------------------------------------------------------- */

const isOneSided = entry => entry.kind === "inserted" || entry.kind === "deleted"
  || entry.name === "created" || entry.name === "dropped";

function gistOf(entry) {
  if (entry.kind === "definition") return "";
  if (isOneSided(entry)) return count(entry.rows.length, "field");
  const paths = entry.rows.filter(([sign]) => sign !== "=").map(([sign, path]) => sign === ">" ? `${path} (order)` : path);
  const few = paths.slice(0, 4).map(path => path.length > 60 ? `${path.slice(0, 60)}…` : path).join(", ");
  return paths.length > 4 ? `${few} and ${count(paths.length - 4, "more field")}` : few;
}

function titleOf(entry) {
  if (entry.kind === "definition") {
    const sign = { created: "+", dropped: "−" }[entry.name] ?? "~";
    const kind = { created: "inserted", dropped: "deleted" }[entry.name] ?? "updated";
    return [el("span", { class: `kind ${kind}` }, el("span", { class: "sign" }, sign), "collection "), el("span", { class: "id" }, entry.name)];
  }
  const name = entry.name.length > 300 ? `${entry.name.slice(0, 300)}…` : entry.name;
  return [
    el("span", { class: `kind ${entry.kind}` }, el("span", { class: "sign", "aria-hidden": "true" }, KIND[entry.kind].sign), entry.kind),
    el("span", { class: "id" }, name ? "_id " : "without _id", el("bdi", null, name)),
  ];
}

function entryNode(entry, at) {
  const expanded = entry.expanded ?? shown.expanded;
  const bodyId = `body-${at}`;
  const toggle = el("button", {
    type: "button", class: "toggle", "aria-expanded": expanded, "aria-controls": bodyId,
    click: () => { entry.expanded = !(entry.expanded ?? shown.expanded); redraw(entry); },
  }, ...titleOf(entry), el("span", { class: "gist" }, gistOf(entry)));
  const link = el("a", { class: "link", href: `#${entry.link}`, "aria-label": "Link to this difference", title: "Link to this difference" }, "#");
  const body = el("div", { id: bodyId });
  if (expanded) body.append(...fieldNodes(entry)); else body.hidden = true;
  const node = el("article", { class: `entry ${entry === shown.current ? "current" : ""}`, "data-link": entry.link,
    focusin: () => setCurrent(entry) }, el("h3", null, toggle, link), body);
  entry.node = node;
  entry.at = at;
  return node;
}

function fieldNodes(entry) {
  const single = isOneSided(entry);
  const hasQuery = row => chosen.query && row.some((text, at) => at && text.toLowerCase().includes(chosen.query));
  let rows = entry.rows.filter(row => row[0] !== "=" || entry.all || hasQuery(row));
  const hiddenRows = entry.rows.length - rows.length;
  const over = entry.rest ? 0 : Math.max(0, rows.length - ROWS);
  if (over) rows = [...rows.slice(0, ROWS), ...rows.slice(ROWS).filter(hasQuery).slice(0, ROWS)];
  const table = el("div", { class: "fields", role: "table", "aria-label": `Fields, ${entry.kind}` },
    el("div", { class: `row head ${single ? "single" : ""}`, role: "row" },
      el("div", { role: "columnheader" }, unseen("Change")), el("div", { role: "columnheader" }, "Field"),
      ...(single ? ["Value"] : ["Before", "After"]).map(side => el("div", { role: "columnheader", class: "head-side" }, side))),
    ...rows.map(row => rowNode(row, single)));
  const nodes = [entry.rows.length ? table : el("div", { class: "fields" }, el("div", { class: "row single" }, el("span"), "no fields"))];
  if (over) nodes.push(more(entry, "rest", `Show ${count(over, "more field")}`));
  const unchanged = entry.rows.filter(row => row[0] === "=").length;
  if (entry.all && unchanged) nodes.push(more(entry, "all", `Hide ${count(unchanged, "unchanged field")}`));
  else if (hiddenRows) nodes.push(more(entry, "all", `Show ${count(hiddenRows, "unchanged field")}`));
  return nodes;
}

function more(entry, what, words) {
  return button(words, () => {
    entry[what] = !entry[what];
    redraw(entry);
    (entry.node.querySelector(`[data-more=${what}]`) ?? entry.node.querySelector(".toggle")).focus();
  }, { class: "more", "data-more": what });
}

function redraw(entry) {
  const focused = entry.node.contains(document.activeElement);
  const old = entry.node;
  old.replaceWith(entryNode(entry, entry.at));
  if (focused) entry.node.querySelector(".toggle").focus();
  highlight();
}

/* ---- The list ------------------------------------------------------------------------------- */

function draw() {
  const { matches } = shown;
  const pages = Math.max(1, Math.ceil(matches.length / PER_PAGE));
  shown.page = Math.min(shown.page, pages - 1);
  const first = shown.page * PER_PAGE;
  const groups = [];
  let group = null;
  for (const [at, entry] of matches.slice(first, first + PER_PAGE).entries()) {
    if (group?.collection !== entry.collection) {
      group = { collection: entry.collection, nodes: [] };
      groups.push(group);
    }
    group.nodes.push(entryNode(entry, at));
  }
  const list = byId("list");
  list.replaceChildren(...groups.map(({ collection, nodes }) => el("section", { class: "group", "aria-label": `Collection ${titled(collection.name)}` },
    el("h2", null, el("bdi", null, titled(collection.name)), el("small", null, collection.counts)), ...nodes)));
  if (!matches.length) list.append(el("p", { class: "none-found" }, "No difference matches."));
  drawPages(pages);
  highlight();
}

function drawPages(pages) {
  const nav = byId("pages");
  nav.hidden = pages < 2;
  const at = shown.page;
  const input = el("input", { type: "number", min: 1, max: pages, value: at + 1, "aria-label": "Page",
    change: event => turn(Math.min(pages, Math.max(1, Math.trunc(event.target.value) || 1)) - 1) });
  const step = (words, page, off) => {
    const node = button(words, () => turn(page));
    node.disabled = off;
    return node;
  };
  nav.replaceChildren(step("First", 0, at === 0), step("Previous", at - 1, at === 0),
    el("label", null, "Page ", input, `of ${number(pages)}`),
    el("span", { class: "gist" }, `${number(at * PER_PAGE + 1)}–${number(Math.min((at + 1) * PER_PAGE, shown.matches.length))} of ${number(shown.matches.length)}`),
    step("Next", at + 1, at === pages - 1), step("Last", pages - 1, at === pages - 1));
}

function turn(page) {
  if (page < 0 || page * PER_PAGE >= shown.matches.length) return;
  go(page * PER_PAGE);
  announce();
}

function announce(problem) {
  const { matches } = shown;
  const whole = matches.length === entries.length;
  const total = whole ? count(entries.length, "difference") : `${number(matches.length)} of ${count(entries.length, "difference")}`;
  byId("status").textContent = (problem ? `${problem} ` : "") + total;
  byId("clear").hidden = !chosen.query && chosen.collection === null && !chosen.kinds.size;
}

/* Marks what was searched for, where the browser can: without a change to the page. */
function highlight() {
  if (!globalThis.Highlight) return;
  const ranges = [];
  if (chosen.query) {
    const walker = document.createTreeWalker(byId("list"), NodeFilter.SHOW_TEXT);
    while (walker.nextNode() && ranges.length < MOST_HIGHLIGHTS) {
      const node = walker.currentNode;
      if (!node.parentElement.closest("bdi")) continue;
      const text = node.data.toLowerCase();
      if (text.length !== node.data.length) continue;   // a letter that is two in lower case
      for (let at = text.indexOf(chosen.query); at >= 0; at = text.indexOf(chosen.query, at + chosen.query.length)) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + chosen.query.length);
        ranges.push(range);
      }
    }
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}

/* ---- Choosing ------------------------------------------------------------------------------- */

/* Filters in slices, so that typing goes on meanwhile; a newer filtering ends an older one. */
async function filter() {
  const mine = ++run;
  setBusy(true);
  const matches = [];
  const perCollection = new Map(collections.map(collection => [collection, 0]));
  let until = performance.now() + SLICE;
  for (const [at, entry] of entries.entries()) {
    if (at % 64 === 0 && performance.now() > until) {
      await new Promise(resolve => setTimeout(resolve));
      if (mine !== run) return false;
      until = performance.now() + SLICE;
    }
    if (chosen.kinds.size && !chosen.kinds.has(entry.kind)) continue;
    if (chosen.query && !textOf(entry).includes(chosen.query)) continue;
    perCollection.set(entry.collection, perCollection.get(entry.collection) + 1);
    if (chosen.collection === null || chosen.collection === entry.collection) matches.push(entry);
  }
  for (const [collection, found] of perCollection) collection.matches = found;
  shown.matches = matches;
  shown.page = 0;
  drawCollections();
  drawKinds();
  draw();
  announce();
  setBusy(false);
  return true;
}

function setBusy(busy) {
  byId("differences").setAttribute("aria-busy", busy);
}

function clear() {
  chosen.query = "";
  chosen.collection = null;
  chosen.kinds.clear();
  byId("query").value = "";
}

function drawCollections() {
  const item = (name, link, matches, isCurrent, choose) => el("li", null, el("a", {
    href: `#${link}`, title: name.length > 30 ? name : null, class: matches ? "" : "none", "aria-current": isCurrent ? "true" : null,
    click: event => { event.preventDefault(); setHash(link); choose(); },
  }, el("bdi", null, name), el("span", { class: "number" }, number(matches), unseen(matches === 1 ? " difference" : " differences"))));
  const choose = collection => () => { chosen.collection = collection; shown.current = null; scrollTo(0, 0); filter().then(refocus); };
  const refocus = () => document.querySelector("#collections [aria-current]")?.focus();
  const all = collections.reduce((sum, collection) => sum + collection.matches, 0);
  byId("collections").replaceChildren(
    item("All", "", all, chosen.collection === null, choose(null)),
    ...collections.map(c => item(titled(c.name), c.link, c.matches, chosen.collection === c, choose(c))));
}

function drawKinds() {
  const nodes = byId("kinds");
  if (nodes.childElementCount) {
    for (const node of nodes.children) node.setAttribute("aria-pressed", chosen.kinds.has(node.dataset.kind));
    return;
  }
  for (const { name, sign, many } of KINDS) {
    const all = entries.reduce((sum, entry) => sum + (entry.kind === name), 0);
    if (!all) continue;
    nodes.append(el("button", { type: "button", class: name, "data-kind": name, "aria-pressed": "false", click: () => {
      if (!chosen.kinds.delete(name)) chosen.kinds.add(name);
      filter();
    } }, el("span", { class: "sign", "aria-hidden": "true" }, sign), ` ${many} `, el("span", { class: "number" }, number(all))));
  }
}

function foldAll(expanded) {
  shown.expanded = expanded;
  for (const entry of entries) entry.expanded = null;
  draw();
}

/* ---- Going from one to the next, and links -------------------------------------------------- */

function setHash(link) {
  try {
    history.replaceState(null, "", `#${link}`);
  } catch { /* a frame may forbid it */ }
}

function setCurrent(entry) {
  if (shown.current === entry) return;
  shown.current?.node?.classList.remove("current");
  shown.current = entry;
  entry.node.classList.add("current");
  setHash(entry.link);
}

/* Shows the match at a position and moves the focus there. */
function go(at) {
  const entry = shown.matches[at];
  if (!entry) return;
  const page = Math.floor(at / PER_PAGE);
  const isThere = page === shown.page && entry.node?.isConnected;
  shown.page = page;
  if (!isThere) { draw(); announce(); }
  setCurrent(entry);
  entry.node.querySelector(".toggle").focus({ preventScroll: true });
  const box = entry.node.getBoundingClientRect();
  const top = getComputedStyle(document.querySelector(".tools")).position === "sticky" ? document.querySelector(".tools").offsetHeight : 0;
  if (box.top < top + 8 || box.bottom > innerHeight) scrollBy(0, box.top - top - 44);
}

function move(by) {
  const at = shown.matches.indexOf(shown.current);
  if (at < 0) go(shown.page * PER_PAGE);
  else go(at + by);
}

async function follow() {
  const link = location.hash.slice(1);
  const found = byLink.get(link) ?? byLink.get(encodeURIComponent(decoded(link)));
  if (!link || link === "differences") {
    await filter();
  } else if (!found) {
    await filter();
    announce(`This page has no difference ${decoded(link)}.`);
  } else if (found.entries) {
    chosen.collection = found;
    await filter();
  } else {
    if (!shown.matches.includes(found)) {
      clear();
      if (!await filter()) return;
    }
    found.expanded = true;
    if (found.node?.isConnected) redraw(found);
    go(shown.matches.indexOf(found));
  }
}

function decoded(link) {
  try {
    return decodeURIComponent(link);
  } catch {
    return link;
  }
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const { target, key } = event;
  if (target === byId("query")) {
    if (key === "Enter") { event.preventDefault(); search().then(() => go(0)); }
    if (key === "Escape") { event.preventDefault(); target.blur(); }
    return;
  }
  if (target.closest("input, select, textarea")) return;
  const inEntry = target.closest(".entry") !== null;
  const act = {
    "/": () => { byId("query").focus(); byId("query").select(); },
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: inEntry ? () => move(1) : null,
    ArrowUp: inEntry ? () => move(-1) : null,
    "]": () => turn(shown.page + 1),
    "[": () => turn(shown.page - 1),
    u: shown.current?.node?.isConnected ? () => { shown.current.all = !shown.current.all; redraw(shown.current); } : null,
  }[key];
  if (!act) return;
  event.preventDefault();
  act();
}

let typed = 0;
function search() {
  clearTimeout(typed);
  const query = byId("query").value.toLowerCase();
  if (query === chosen.query) {
    setBusy(false);
    return Promise.resolve(true);
  }
  chosen.query = query;
  return filter();
}

/* ---- Theme ---------------------------------------------------------------------------------- */

function startTheme() {
  const select = byId("theme");
  let kept = null;
  try { kept = localStorage.getItem("mongoshot-theme"); } catch { /* a browser may forbid it */ }
  const choose = value => {
    if (value === "light" || value === "dark") document.documentElement.dataset.theme = value;
    else delete document.documentElement.dataset.theme;
  };
  if (kept === "light" || kept === "dark") { select.value = kept; choose(kept); }
  select.addEventListener("change", () => {
    choose(select.value);
    try { localStorage.setItem("mongoshot-theme", select.value); } catch { /* then not kept */ }
  });
}

/* ---- What the page says first --------------------------------------------------------------- */

function startNotes() {
  const notes = [];
  const total = { updated: 0, inserted: 0, deleted: 0 };
  const out = [];
  for (const collection of collections) {
    const parts = [];
    for (const kind of Object.keys(total)) {
      total[kind] += collection.total[kind];
      const missing = collection.total[kind] - collection[kind].length;
      if (missing) parts.push(`${number(missing)} ${kind}`);
    }
    if (parts.length) out.push(`${collection.name} (${parts.join(", ")})`);
  }
  if (out.length) {
    const documents = total.updated + total.inserted + total.deleted;
    const here = collections.reduce((sum, c) => sum + c.updated.length + c.inserted.length + c.deleted.length, 0);
    const few = out.length > 20 ? `${out.slice(0, 20).join("; ")}; and ${count(out.length - 20, "more collection")}` : out.join("; ");
    notes.push(`This page shows ${number(here)} of ${count(documents, "document")}. Left out: ${few}. mongoshot diff --json writes all.`);
  }
  if (data.cutValues) {
    notes.push(`${count(data.cutValues, "value")} of more than ${number(data.mostOfAValue)} characters ${data.cutValues === 1 ? "is" : "are"} cut.`);
  }
  byId("notes").append(...notes.map(text => el("p", { class: "note", role: "note" }, text)));
  const definitions = collections.filter(collection => collection.definition).length;
  const words = KINDS.slice(1).filter(({ name }) => total[name]).map(({ name, sign }) => `${sign} ${number(total[name])} ${name}`);
  if (definitions) words.push(`≡ ${count(definitions, "definition")} changed`);
  const differ = collections.length === 1 ? "1 collection differs" : `${count(collections.length, "collection")} differ`;
  byId("summary").textContent = collections.length ? `${differ}: ${words.join(", ")}` : "No difference";
}

function start() {
  startTheme();
  startNotes();
  byId("app").hidden = false;
  if (!collections.length) {
    document.querySelector(".tools").hidden = true;
    document.querySelector(".collections").hidden = true;
    byId("list").append(el("p", { class: "equal" }, el("span", { class: "sign", "aria-hidden": "true" }, "="), "Both are equal."));
    return;
  }
  byId("query").addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(search, 120);
    setBusy(true);
  });
  byId("expand").addEventListener("click", () => foldAll(true));
  byId("collapse").addEventListener("click", () => foldAll(false));
  byId("clear").addEventListener("click", () => { clear(); setHash(""); filter(); byId("query").focus(); });
  byId("skip").addEventListener("click", event => { event.preventDefault(); byId("differences").focus(); });
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", follow);
  follow();
}

start();
})();
