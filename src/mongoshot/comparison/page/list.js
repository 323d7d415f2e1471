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
  }, el("bdi", null, ...breakable(name)), el("span", { class: "number" }, number(matches), unseen(matches === 1 ? " difference" : " differences"))),
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
    byId("list").append(el("p", { class: "equal" }, el("span", { class: "sign", "aria-hidden": "true" }, !isReport ? "=" : data.compared ? "✓" : "∅"), nothing));
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
