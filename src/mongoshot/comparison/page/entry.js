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

/* A test is called by its path, quietly, and by its name. */
function testNodes(name) {
  const at = name.indexOf("::") + 1;
  return at ? [el("span", { class: "module" }, name.slice(0, at + 1)), el("wbr"), ...breakable(name.slice(at + 1), /(?<=::)|(?=\[)/)] : [name];
}

/* A long name of a test goes on to the next line where a part of it ends. */
function breakable(name, where = /(?<=::|[_\-./])|(?=\[)/) {
  return name.split(where).flatMap((part, at) => at ? [el("wbr"), part] : [part]);
}

/* A value; `marks` are the parts [from, to] that differ from the other side, in `tag`. */
function fill(cell, text, marks, tag) {
  const wanted = chosen.query ? text.toLowerCase().indexOf(chosen.query) : -1;
  const [start, end] = excerpt(text, wanted >= 0 ? wanted : marks?.[0]?.[0] ?? 0);
  const cut = start > 0 || end < text.length;

  function write(from, to) {
    const inner = el("bdi", { dir: "auto" });
    if (from > 0) inner.append("… ");
    let reached = from;
    for (const [left, right] of marks ?? []) {
      if (right <= reached || left >= to) continue;
      const start = Math.max(left, reached);
      inner.append(text.slice(reached, start), el(tag, null, text.slice(start, Math.min(right, to))));
      reached = Math.min(right, to);
    }
    inner.append(text.slice(reached, to));
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

function rowNode(row, entry, sides) {
  const [sign, path, left, right = null, remark] = row;
  const { sign: shownSign, word, look } = entry.kind === "new" ? NEW_ROW : ROWS_BY_SIGN[sign];
  const single = sides.length === 1;
  const quiet = sign === "=" || sign === "≈";
  const node = el("div", { class: `row ${single ? "single" : ""} ${quiet ? "same" : ""}`, role: "row" },
    el("div", { class: `mark sign ${look}`, role: "cell" },
      el("span", { "aria-hidden": "true" }, shownSign), unseen(word)),
    el("div", { class: "path", role: "rowheader" }, el("bdi", null, path),
      sign === ">" ? el("span", { class: "gist" }, ` ${remark ?? "order of the fields"}`) : null));
  if (single) {
    node.append(valueCell(left ?? right, null, null, "", sign === "+" ? "after" : "before"));
  } else if (sign === "=") {
    node.append(...sides.map(side => valueCell(left, null, null, side, "")));
  } else {
    const marks = quiet ? [null, null] : differences(left, right);
    const absent = sign === ">" ? "(another order)" : Array.isArray(left ?? right) ? "(no change)" : undefined;
    node.append(valueCell(left, marks[0], "del", sides[0], quiet ? "" : "before", absent),
      valueCell(right, marks[1], "ins", sides[1], quiet ? "" : "after", absent));
  }
  if (remark && sign !== ">") node.append(el("div", { class: "remark", role: "cell" }, el("bdi", null, remark)));
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

/* What of a collection itself an expectation speaks of; where one state alone has it, of all of it. */
function subjectOf(entry) {
  if (entry.section !== "definition") return SECTIONS_OF_COLLECTION[entry.section];
  if (entry.comparison.kind === "changes") return "change of the definition";
  return isOneSided(entry) ? "collection" : SECTIONS_OF_COLLECTION.definition;
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
  if (SECTIONS_OF_COLLECTION[entry.section]) return [kind, el("span", { class: "about" }, subjectOf(entry))];
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
    focusin: () => setCurrent(entry) }, el(`h${entry.collection ? LEVEL + 1 : LEVEL}`, { class: "entry-title" }, toggle, link), body);
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
