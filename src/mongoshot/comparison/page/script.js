
(() => {
"use strict";

/* The data is as comparison/page/__init__.py says. All of it is text, and reaches the page as text nodes or
   as attributes that say what something is called; nothing is ever parsed as HTML. */
const data = JSON.parse(document.getElementById("data").textContent);

const PER_PAGE = 50;      // differences shown at a time
const ROWS = 60;          // fields of a document shown at first
const LONG = 500;         // characters of a value shown at first …
const LINES = 14;         // … and lines
const SLICE = 10;         // milliseconds of filtering before the browser has its turn
const MOST_HIGHLIGHTS = 2000;
const MOST_LISTED = 200;  // collections at the side; of more, a report lists those of one assertion

/* A page shows one comparison of two states, or each assertion of a run that failed. */
const isReport = data.report;
const LEVEL = isReport ? 3 : 2;   // of a collection's heading

const KINDS = isReport ? [
  { name: "otherwise", look: "updated", sign: "~", word: "different", many: "Different" },
  { name: "missing", look: "deleted", sign: "−", word: "missing", many: "Missing", side: "Expected" },
  { name: "unexpected", look: "inserted", sign: "+", word: "unexpected", many: "Unexpected", side: "Actual" },
  { name: "new", look: "definition", sign: "*", word: "new", many: "New", side: "To be recorded" },
  { name: "problem", look: "deleted", sign: "!", word: "not compared", many: "Not compared" },
] : [
  { name: "definition", look: "definition", sign: "≡", word: "definition", many: "Definitions" },
  { name: "updated", look: "updated", sign: "~", word: "updated", many: "Updated" },
  { name: "inserted", look: "inserted", sign: "+", word: "inserted", many: "Inserted", side: "Value" },
  { name: "deleted", look: "deleted", sign: "−", word: "deleted", many: "Deleted", side: "Value" },
];
const KIND = Object.fromEntries(KINDS.map(kind => [kind.name, kind]));
const SIDES = isReport ? ["Expected", "Actual"] : ["Before", "After"];
const ROWS_BY_SIGN = isReport ? {
  "=": { sign: "", word: "as expected", look: "" },
  "≈": { sign: "≈", word: "accepted", look: "" },
  "+": { sign: "+", word: "unexpected", look: "inserted" },
  "-": { sign: "−", word: "missing", look: "deleted" },
  "~": { sign: "~", word: "different", look: "updated" },
  ">": { sign: "⇅", word: "reordered", look: "updated" },
} : {
  "=": { sign: "", word: "unchanged", look: "" },
  "+": { sign: "+", word: "added", look: "inserted" },
  "-": { sign: "−", word: "removed", look: "deleted" },
  "~": { sign: "~", word: "changed", look: "updated" },
  ">": { sign: "⇅", word: "reordered", look: "updated" },
};
const NEW_ROW = { sign: "*", word: "new", look: "definition" };
/* What an expectation says of a document or a collection, by its section. */
const SECTIONS = { inserted: "insertion of", updated: "update of", deleted: "deletion of", documents: "document" };
const SECTIONS_OF_COLLECTION = {
  created: "creation of the collection", dropped: "drop of the collection", definition: "definition of the collection",
};

const byId = id => document.getElementById(id);
const number = value => value.toLocaleString("en");
/* A name that begins or ends with a space, or is empty, is quoted: else it would not show. */
const titled = name => name.trim() === name && name ? name : JSON.stringify(name);
const count = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

/* What the reader has chosen. No kind chosen means all kinds. */
const chosen = { query: "", within: null, kinds: new Set() };
/* What is shown: the entries that match, the page of them, and the one that the reader is at. */
const shown = { matches: [], page: 0, current: null, expanded: true };
let run = 0;              // which filtering is the newest

/* ---- Entries -------------------------------------------------------------------------------- */

const comparisons = [];
const collections = [];
const entries = [];
const byLink = new Map();

for (const given of data.comparisons) {
  const comparison = { ...given, collections: [], entries: [], matches: 0 };
  if (isReport) {
    link(comparison, encodeURIComponent(given.name));
    comparison.text = `${given.name}\n${given.file}\n${given.scenario}`.toLowerCase();
  }
  comparisons.push(comparison);
  if (given.problem) add({ comparison, collection: null, kind: given.new ? "new" : "problem", name: given.problem, rows: [] });
  for (const one of given.collections) {
    const collection = { ...one, given: one.entries, comparison, entries: [], matches: 0 };
    link(collection, encodeURIComponent(one.name), comparison);
    comparison.collections.push(collection);
    collections.push(collection);
    for (const [kind, those] of Object.entries(one.entries)) {
      for (const [at, [name, rows, section, near]] of those.entries()) {
        add({ comparison, collection, kind, name, rows, section, near, number: at + 1 });
      }
    }
  }
}

function link(target, name, outer) {
  target.link = outer?.link ? `${outer.link}/${name}` : name;
  while (byLink.has(target.link)) target.link += "~";       // two names that look the same
  byLink.set(target.link, target);
}

function add(given) {
  const { comparison, collection, kind, number } = given;
  const entry = { ...given, text: null, expanded: null, all: false, rest: false };
  link(entry, kind === "definition" || !collection ? kind : `${kind}/${number}`, collection ?? comparison);
  comparison.entries.push(entry);
  collection?.entries.push(entry);
  entries.push(entry);
}

function textOf(entry) {
  if (entry.text === null) {
    const texts = entry.rows.flatMap(row => row.slice(1).flat()).filter(text => text !== null);
    entry.text = [entry.name, ...texts].join("\n").toLowerCase();
  }
  return entry.text;
}

const hasQuery = entry => entry.comparison.text?.includes(chosen.query) || textOf(entry).includes(chosen.query);

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

/* The values of a field on one side: one, or where updates are compared that before and after. */
function valueCell(value, marks, tag, side, look, absent = "(missing)") {
  const cell = el("div", { class: `value ${look}`, role: "cell", "data-side": side });
  if (typeof value === "string") return fill(cell, value, marks, tag);
  if (value === null) {
    cell.className = "value absent";
    cell.append(absent);
    return cell;
  }
  const parts = value.map((text, at) => text === null
    ? el("span", { class: "absent" }, "(missing)")
    : fill(el("span", null), text, marks?.[at], tag));
  cell.append(parts[0], el("span", { class: "arrow", "aria-hidden": "true" }, " → "), unseen(" becomes "), parts[1]);
  return cell;
}

/* What differs between the values of two sides, for each side as `fill` or `valueCell` takes it. */
function differences(left, right) {
  if (left === null || right === null) return [null, null];
  if (typeof left === "string") return differing(left, right);
  const pairs = left.map((text, at) => differences(text, right[at]));
  return [pairs.map(pair => pair[0]), pairs.map(pair => pair[1])];
}

function rowNode(row, entry, sides) {
  const [sign, path, left, right = null, remark] = row;
  const { sign: shownSign, word, look } = entry.kind === "new" ? NEW_ROW : ROWS_BY_SIGN[sign];
  const single = sides.length === 1;
  const quiet = sign === "=" || sign === "≈";
  const node = el("div", { class: `row ${single ? "single" : ""} ${quiet ? "same" : ""}`, role: "row" },
    el("div", { class: `mark sign ${look}`, role: "cell" },
      el("span", { "aria-hidden": "true" }, shownSign), unseen(word)),
    el("div", { class: "path", role: "rowheader" }, el("bdi", null, path),
      sign === ">" ? el("span", { class: "gist" }, " order of the fields") : null));
  if (single) {
    node.append(valueCell(left ?? right, null, null, "", sign === "+" ? "after" : "before"));
  } else if (sign === "=") {
    node.append(...sides.map(side => valueCell(left, null, null, side, "")));
  } else {
    const marks = quiet ? [null, null] : differences(left, right);
    const absent = Array.isArray(left ?? right) ? "(no change)" : undefined;
    node.append(valueCell(left, marks[0], "del", sides[0], quiet ? "" : "before", absent),
      valueCell(right, marks[1], "ins", sides[1], quiet ? "" : "after", absent));
  }
  if (remark) node.append(el("div", { class: "remark", role: "cell" }, el("bdi", null, remark)));
  return node;
}

/* ---- One difference ------------------------------------------------------------------------- */

const isOneSided = entry => isReport
  ? entry.kind !== "otherwise" && (entry.near ?? null) === null
  : entry.kind === "inserted" || entry.kind === "deleted" || entry.name === "created" || entry.name === "dropped";
const isQuiet = row => row[0] === "=" || row[0] === "≈";
const short = (text, most) => text.length > most ? `${text.slice(0, most)}…` : text;

function gistOf(entry) {
  if (entry.kind === "definition") return "";
  if (isOneSided(entry)) return entry.rows.length ? count(entry.rows.length, "field") : "";
  const paths = entry.rows.filter(row => !isQuiet(row)).map(([sign, path]) => sign === ">" ? `${path} (order)` : path);
  const few = paths.slice(0, 4).map(path => short(path, 60)).join(", ");
  const all = paths.length > 4 ? `${few} and ${count(paths.length - 4, "more field")}` : few;
  return entry.kind === "missing" ? `nearest differs in ${all}` : all;
}

function titleOf(entry) {
  const { look, sign, word } = KIND[entry.kind];
  if (entry.kind === "definition") {
    const sign = { created: "+", dropped: "−" }[entry.name] ?? "~";
    const look = { created: "inserted", dropped: "deleted" }[entry.name] ?? "updated";
    return [el("span", { class: `kind ${look}` }, el("span", { class: "sign" }, sign), "collection "), el("span", { class: "id" }, entry.name)];
  }
  const kind = el("span", { class: `kind ${look}` }, el("span", { class: "sign", "aria-hidden": "true" }, sign), word);
  if (!entry.collection) return [kind];
  const whole = SECTIONS_OF_COLLECTION[entry.section];
  if (whole) return [kind, el("span", { class: "about" }, entry.section === "definition" && isOneSided(entry) ? "collection" : whole)];
  return [kind, ...isReport ? [el("span", { class: "about" }, SECTIONS[entry.section] ?? entry.section)] : [],
    el("span", { class: "id" }, entry.name ? "_id " : "without _id", el("bdi", null, short(entry.name, 300)))];
}

/* What there is to say where there are no fields. */
function emptyNode(entry) {
  const words = !entry.collection ? entry.name
    : entry.section === "dropped" ? "What it held is in the scenario."
      : entry.section in SECTIONS_OF_COLLECTION ? "With the options and indexes that every collection has." : "No fields.";
  return el("p", { class: "near" }, el("bdi", null, words));
}

/* The document that comes nearest to a missing one is an unexpected one, with an entry of its own. */
function nearNode(entry) {
  const own = entry.collection.entries.find(other => other.kind === "unexpected" && other.name === entry.near);
  const name = el("bdi", null, entry.near ? `_id ${short(entry.near, 300)}` : "the one without _id");
  return el("p", { class: "near" }, "Not there. What comes nearest is unexpected itself: ",
    own ? el("a", { href: `#${own.link}` }, name) : name);
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
    focusin: () => setCurrent(entry) }, el(`h${LEVEL + 1}`, { class: "entry-title" }, toggle, link), body);
  entry.node = node;
  entry.at = at;
  return node;
}

function fieldNodes(entry) {
  const single = isOneSided(entry);
  const sides = single ? [KIND[entry.kind].side ?? "Value"] : entry.kind === "missing" ? [SIDES[0], "Nearest"] : SIDES;
  const hasQuery = row => chosen.query && row.slice(1).flat().some(text => text?.toLowerCase().includes(chosen.query));
  let rows = entry.rows.filter(row => !isQuiet(row) || entry.all || hasQuery(row));
  const hiddenRows = entry.rows.length - rows.length;
  const over = entry.rest ? 0 : Math.max(0, rows.length - ROWS);
  if (over) rows = [...rows.slice(0, ROWS), ...rows.slice(ROWS).filter(hasQuery).slice(0, ROWS)];
  const table = el("div", { class: "fields", role: "table", "aria-label": `Fields, ${KIND[entry.kind].word}` },
    el("div", { class: `row head ${single ? "single" : ""}`, role: "row" },
      el("div", { role: "columnheader" }, unseen("Change")), el("div", { role: "columnheader" }, "Field"),
      ...sides.map(side => el("div", { role: "columnheader", class: "head-side" }, side))),
    ...rows.map(row => rowNode(row, entry, sides)));
  const nodes = [entry.rows.length ? table : emptyNode(entry)];
  if (entry.kind === "missing" && !single) nodes.unshift(nearNode(entry));
  if (over) nodes.push(more(entry, "rest", `Show ${count(over, "more field")}`));
  const quiet = entry.rows.filter(isQuiet).length;
  const noun = isReport ? "matching field" : "unchanged field";
  if (entry.all && quiet) nodes.push(more(entry, "all", `Hide ${count(quiet, noun)}`));
  else if (hiddenRows) nodes.push(more(entry, "all", `Show ${count(hiddenRows, noun)}`));
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
  const sections = [];
  let section = null;
  let group = null;
  for (const [at, entry] of matches.slice(first, first + PER_PAGE).entries()) {
    if (section?.comparison !== entry.comparison) {
      section = { comparison: entry.comparison, groups: [] };
      sections.push(section);
      group = null;
    }
    if (group?.collection !== entry.collection) {
      group = { collection: entry.collection, nodes: [] };
      section.groups.push(group);
    }
    group.nodes.push(entryNode(entry, at));
  }
  const list = byId("list");
  list.replaceChildren(...sections.flatMap(({ comparison, groups }, at) => {
    const nodes = groups.map(groupNode);
    return isReport ? comparisonNode(comparison, nodes, at) : nodes;
  }));
  if (!matches.length) list.append(el("p", { class: "none-found" }, "No difference matches."));
  drawPages(pages);
  highlight();
}

function groupNode({ collection, nodes }) {
  if (!collection) return el("div", { class: "group" }, ...nodes);
  const name = titled(collection.name);
  return el("section", { class: "group", "aria-label": `Collection ${name}` },
    el(`h${LEVEL}`, { class: "group-title" }, el("bdi", null, name), el("small", null, collection.counts)), ...nodes);
}

/* A test is called by its path, quietly, and by its name. */
function testNodes(name) {
  const at = name.indexOf("::") + 1;
  return at ? [el("span", { class: "module" }, name.slice(0, at + 1)), name.slice(at + 1)] : [name];
}

function comparisonNode(comparison, nodes, at) {
  const { name, file, kind, scenario, notes, link } = comparison;
  const title = `comparison-${at}`;
  const about = [
    kind ? [kind === "state" ? "State" : "Changes"] : [],
    scenario ? ["staged from ", el("bdi", null, scenario)] : [],
    file ? [comparison.new ? "no expectation yet, to be recorded as " : "expected by ", el("bdi", { class: "file" }, file)] : [],
  ].filter(part => part.length);
  return el("section", { class: "comparison", "aria-labelledby": title },
    el("h2", { class: "comparison-title" }, el("bdi", { id: title }, ...testNodes(titled(name))),
      el("a", { class: "link", href: `#${link}`, "aria-label": "Link to this assertion", title: "Link to this assertion" }, "#")),
    el("p", { class: "about" }, ...about.flatMap((part, at) => at ? [" · ", ...part] : part)),
    notes.length ? el("ul", { class: "remarks" }, ...notes.map(note => el("li", null, el("bdi", null, note)))) : null,
    ...nodes);
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
  byId("clear").hidden = !chosen.query && chosen.within === null && !chosen.kinds.size;
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
  const found = new Map([...comparisons, ...collections].map(one => [one, 0]));
  let until = performance.now() + SLICE;
  for (const [at, entry] of entries.entries()) {
    if (at % 64 === 0 && performance.now() > until) {
      await new Promise(resolve => setTimeout(resolve));
      if (mine !== run) return false;
      until = performance.now() + SLICE;
    }
    if (chosen.kinds.size && !chosen.kinds.has(entry.kind)) continue;
    if (chosen.query && !hasQuery(entry)) continue;
    const { comparison, collection } = entry;
    found.set(comparison, found.get(comparison) + 1);
    if (collection) found.set(collection, found.get(collection) + 1);
    if (chosen.within === null || chosen.within === collection || chosen.within === comparison) matches.push(entry);
  }
  for (const [one, many] of found) one.matches = many;
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
  chosen.within = null;
  chosen.kinds.clear();
  byId("query").value = "";
}

function drawCollections() {
  const item = (name, link, matches, target, full, inner) => el("li", null, el("a", {
    href: `#${link}`, title: full.length > 30 ? full : null, class: matches ? "" : "none", "aria-current": chosen.within === target ? "true" : null,
    click: event => { event.preventDefault(); setHash(link); choose(target); },
  }, el("bdi", null, name), el("span", { class: "number" }, number(matches), unseen(matches === 1 ? " difference" : " differences"))),
  inner?.length ? el("ul", null, ...inner) : null);
  const choose = target => { chosen.within = target; shown.current = null; scrollTo(0, 0); filter().then(refocus); };
  const refocus = () => document.querySelector("#collections [aria-current]")?.focus();
  const ofCollection = c => item(titled(c.name), c.link, c.matches, c, c.name);
  const isOpen = comparison => collections.length <= MOST_LISTED || chosen.within === comparison || chosen.within?.comparison === comparison;
  const all = comparisons.reduce((sum, comparison) => sum + comparison.matches, 0);
  byId("collections").replaceChildren(item("All", "", all, null, "All"), ...isReport
    ? comparisons.map(c => item(titled(c.name.split("::").slice(1).join("::") || c.name), c.link, c.matches, c, c.name,
      isOpen(c) ? c.collections.map(ofCollection) : []))
    : collections.map(ofCollection));
}

function drawKinds() {
  const nodes = byId("kinds");
  if (nodes.childElementCount) {
    for (const node of nodes.children) node.setAttribute("aria-pressed", chosen.kinds.has(node.dataset.kind));
    return;
  }
  for (const { name, look, sign, many } of KINDS) {
    const all = entries.reduce((sum, entry) => sum + (entry.kind === name), 0);
    if (!all) continue;
    nodes.append(el("button", { type: "button", class: look, "data-kind": name, "aria-pressed": "false", click: () => {
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
  const section = entry.node.closest(".comparison");
  const isFirst = section?.querySelector("article") === entry.node;
  const top = getComputedStyle(document.querySelector(".tools")).position === "sticky" ? document.querySelector(".tools").offsetHeight : 0;
  if (box.top < top + 8 || box.bottom > innerHeight) {
    scrollBy(0, (isFirst ? section.getBoundingClientRect().top : box.top - 44) - top);
  }
}

function move(by) {
  const at = shown.matches.indexOf(shown.current);
  if (at < 0) go(shown.page * PER_PAGE);
  else go(at + by);
}

/* Goes to the first match of the next assertion, or of this or the previous one. */
function moveAssertion(by) {
  const { matches } = shown;
  const at = matches.indexOf(shown.current);
  const first = entry => matches.findIndex(other => other.comparison === entry.comparison);
  if (at < 0) go(shown.page * PER_PAGE);
  else if (by > 0) go(matches.findIndex((entry, next) => next > at && entry.comparison !== matches[at].comparison));
  else go(first(first(matches[at]) < at ? matches[at] : matches[Math.max(0, at - 1)]));
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
    chosen.within = found;
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
    n: isReport ? () => moveAssertion(1) : null,
    p: isReport ? () => moveAssertion(-1) : null,
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
  const total = Object.fromEntries(KINDS.map(({ name }) => [name, 0]));
  const out = [];
  let here = 0;
  for (const collection of collections) {
    const parts = [];
    for (const [kind, all] of Object.entries(collection.total)) {
      const shownHere = collection.given[kind].length;
      total[kind] += all;
      here += kind === "definition" ? 0 : shownHere;
      if (all > shownHere) parts.push(`${number(all - shownHere)} ${KIND[kind].word}`);
    }
    if (parts.length) out.push(`${isReport ? `${collection.comparison.name}: ` : ""}${collection.name} (${parts.join(", ")})`);
  }
  if (out.length) {
    const documents = KINDS.reduce((sum, { name }) => sum + (name === "definition" ? 0 : total[name]), 0);
    const few = out.length > 20 ? `${out.slice(0, 20).join("; ")}; and ${count(out.length - 20, "more collection")}` : out.join("; ");
    const remedy = isReport ? "A run of fewer tests shows more of each." : "mongoshot diff --json writes all.";
    notes.push(`This page shows ${number(here)} of ${count(documents, isReport ? "difference" : "document")}. Left out: ${few}. ${remedy}`);
  }
  if (data.cutValues) {
    notes.push(`${count(data.cutValues, "value")} of more than ${number(data.mostOfAValue)} characters ${data.cutValues === 1 ? "is" : "are"} cut.`);
  }
  byId("notes").append(...notes.map(text => el("p", { class: "note", role: "note" }, text)));
  for (const { kind, collection } of entries) total[kind] += collection ? 0 : 1;
  const words = KINDS.filter(({ name }) => name !== "definition" && total[name]).map(({ name, sign, word }) => `${sign} ${number(total[name])} ${word}`);
  if (total.definition) words.push(`≡ ${count(total.definition, "definition")} changed`);
  byId("summary").textContent = summary(words.join(", "));
}

function summary(words) {
  if (isReport) return comparisons.length ? `In ${count(new Set(comparisons.map(({ name }) => name)).size, "test")}: ${words}` : "";
  const differ = collections.length === 1 ? "1 collection differs" : `${count(collections.length, "collection")} differ`;
  return collections.length ? `${differ}: ${words}` : "No difference";
}

function start() {
  const nothing = !isReport ? "Both are equal."
    : data.compared ? "Every assertion of this run found what it expected." : "No test of this run has compared anything with an expectation.";
  startTheme();
  startNotes();
  byId("app").hidden = false;
  if (!entries.length) {
    document.querySelector(".tools").hidden = true;
    document.querySelector(".collections").hidden = true;
    byId("list").append(el("p", { class: "equal" }, el("span", { class: "sign", "aria-hidden": "true" }, isReport && !data.compared ? "∅" : "="), nothing));
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
