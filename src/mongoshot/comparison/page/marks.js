/* ---- What of a value is shown, and marked --------------------------------------------------- */

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

const WORD = /[\p{L}\p{N}_]/u;
const WORDS = /\d+(?=T\d\d)|[\p{L}\p{N}_]+|./gsu;    // the day in a date is one
const isWord = character => character !== undefined && WORD.test(character);

/* How many of the common characters stay common where no word is marked in part. A long word is: of
   an id, the digits that differ matter. */
function upToWord(common, character) {
  let kept = common;
  while (kept && common - kept <= LONG_WORD && isWord(character(kept - 1))) kept--;
  return common - kept > LONG_WORD ? common : kept;
}

/* What tells the type of a value: its wrapper, its quotation mark or its bracket. */
const kindOf = text => /^(\{"\$\w+"|["[{]|)/.exec(text)[0];
const isNumber = text => /^-?\d[\d.e+-]*$/i.test(text);
const wholly = texts => texts.map(text => text ? [[0, text.length]] : []);

/* The parts of two texts that differ, for each text a list of [from, to]. Of two numbers, and of two
   types, that is all. */
function differing(before, after) {
  const texts = [before, after];
  if (kindOf(before) !== kindOf(after) || texts.every(isNumber)) return before === after ? [[], []] : wholly(texts);
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  if (isWord(before[start]) || isWord(after[start])) start = upToWord(start, at => before[at]);
  if (start && isTrail(before, start)) start--;
  let end = 0;
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  if (isWord(before.at(-1 - end)) || isWord(after.at(-1 - end))) end = upToWord(end, at => before.at(-1 - at));
  if (end && isTrail(before, before.length - end)) end--;
  const middles = texts.map(text => text.slice(start, text.length - end));
  return differingWords(...middles).map(ranges => ranges.map(([from, to]) => [start + from, start + to]));
}

/* The same word by word, where the texts are not too long for that. */
function differingWords(before, after) {
  const texts = [before, after];
  const words = before.length + after.length > MOST_COMPARED ? [] : texts.map(text => text.match(WORDS) ?? []);
  if (!words.length || words[0].length * words[1].length > MOST_PAIRS) {
    return wholly(texts);
  }
  const lengths = commonLengths(...words);
  const ranges = [[], []];
  const at = [0, 0];        // of the next word on each side
  const reached = [0, 0];   // characters before it
  const pass = side => { reached[side] += words[side][at[side]++].length; };
  while (at[0] < words[0].length || at[1] < words[1].length) {
    if (words[0][at[0]] === words[1][at[1]]) {
      pass(0);
      pass(1);
      continue;
    }
    const side = lengths(at[0] + 1, at[1]) >= lengths(at[0], at[1] + 1) ? 0 : 1;
    const from = reached[side];
    pass(side);
    addRange(ranges[side], texts[side], from, reached[side]);
  }
  return ranges.some(marked => marked.length > MOST_MARKS) ? wholly(texts) : ranges;
}

/* The length of the longest common subsequence of what is left of two lists from two positions on; -1 behind an end. */
function commonLengths(left, right) {
  const width = right.length + 1;
  const lengths = new Uint16Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      lengths[i * width + j] = left[i] === right[j] ? lengths[(i + 1) * width + j + 1] + 1
        : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  return (i, j) => i > left.length || j > right.length ? -1 : lengths[i * width + j];
}

/* Between two words that differ, what is no word is marked with them: one mark is easier to read. */
function addRange(ranges, text, from, to) {
  const last = ranges.at(-1);
  if (last && !WORD.test(text.slice(last[1], from))) last[1] = to;
  else ranges.push([from, to]);
}

/* What differs between the values of two sides, for each side as `fill` or `valueCell` takes it. */
function differences(left, right) {
  if (left === null || right === null) return [null, null];
  if (typeof left === "string") return differing(left, right);
  const pairs = left.map((text, at) => differences(text, right[at]));
  return [pairs.map(pair => pair[0]), pairs.map(pair => pair[1])];
}

