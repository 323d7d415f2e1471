/* The data is as comparison/page/__init__.py says. All of it is text, and reaches the page as text nodes or
   as attributes that say what something is called; nothing is ever parsed as HTML. */
const data = JSON.parse(document.getElementById("data").textContent);

const PER_PAGE = 50;      // differences shown at a time
const ROWS = 60;          // fields of a document shown at first
const LONG = 500;         // characters of a value shown at first …
const LINES = 14;         // … and lines
const LONG_WORD = 12;     // characters up to which a word is marked as a whole
const MOST_COMPARED = 8000;   // characters of two values up to which they are compared word by word …
const MOST_PAIRS = 10_000;    // … and pairs of words
const MOST_MARKS = 12;    // in a value; of what differs in more places, nothing is the same
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
