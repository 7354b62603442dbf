// tagging.js - what a picture's scores say: the tags above a threshold, with the corrections of whoever looks.

import {askJson, form} from './api.js';

export const vocabulary = {name: '', tags: [], byId: new Map(), byWord: new Map(), auto: 0.5};

export async function loadVocabulary() {
  const list = await askJson('v1/tags');
  vocabulary.name = list.vocabulary;
  vocabulary.tags = list.tags;
  for (const tag of list.tags) {
    vocabulary.byId.set(tag.id, tag);
    vocabulary.byWord.set(tag.name.toLowerCase(), tag);
    if (tag.name_zh && !vocabulary.byWord.has(tag.name_zh)) vocabulary.byWord.set(tag.name_zh, tag);
  }
  const all = list.tags.map(tag => tag.threshold).sort((a, b) => a - b);
  vocabulary.auto = all.length ? all[all.length >> 1] : 0.5; // the mark on the slider
}

// Words typed by somebody: "a dog, 猫，tree"
export const split = text => [...new Set(text.split(/[,，、\n]/).map(w => w.trim().replace(/\s+/g, ' ')).filter(Boolean))];

// What is chosen for every picture: null is each tag's own threshold.
export const view = Object.assign(new EventTarget(), {threshold: null, names: 'en', words: []});
export function changeView(values) {
  Object.assign(view, values);
  view.dispatchEvent(new Event('change'));
}

function floats(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const data = new DataView(bytes.buffer);
  return Float32Array.from({length: bytes.length >> 2}, (_, i) => data.getFloat32(4 * i, true));
}

// What is asked of a picture: every score, so that the slider asks no more; and what is kept of the answer. `floor`:
// scores below are not.
export const scoreValues = {scores: '1'};
export function takeScores(picture, record, floor) {
  const scores = floats(record.scores);
  delete record.scores;
  const kept = vocabulary.tags.filter(tag => scores[tag.id] > floor).sort((a, b) => scores[b.id] - scores[a.id]);
  picture.record = record;
  picture.ids = Uint32Array.from(kept, tag => tag.id);
  picture.scores = Float32Array.from(kept, tag => scores[tag.id]);
  picture.auto = new Set(record.tags.map(tag => tag.id));
}

// The same of own words.
export const wordValues = words => ({custom: words.join(','), only_custom: '1', threshold: '0'});
export function takeWords(picture, record, words) {
  for (const word of words) picture.words.set(word, 0);
  for (const tag of record.tags) if (tag.origin === 'custom') picture.words.set(tag.name, tag.score);
}

// One picture, in a request of its own.
const one = (picture, values, signal) => askJson('v1/tag', {...form(picture.sent ?? picture.file, picture.name, values), signal});

export async function recognise(picture, signal, floor) {
  takeScores(picture, await one(picture, scoreValues, signal), floor);
}

// Scores of the own words that this picture has none of yet.
export async function recogniseWords(picture, signal, words = view.words) {
  const missing = words.filter(word => !picture.words.has(word));
  if (!missing.length || !picture.record) return;
  takeWords(picture, await one(picture, wordValues(missing), signal), missing);
}

export const fresh = () => ({added: new Set(), removed: new Set(), ticked: new Set()});

const six = x => Number(x.toPrecision(6));
const entry = (tag, score, more) => ({key: `t${tag.id}`, id: tag.id, name: tag.name, zh: tag.name_zh, score: six(score),
  threshold: tag.threshold, origin: 'vocabulary', ...more});

// Every tag that could be shown, best first. `passes`: above the threshold, and not removed.
export function* candidates(picture) {
  if (!picture.record) return;
  const {edits} = picture, level = view.threshold;
  const own = view.words.filter(word => picture.words.has(word)).map(word => {
    const x = picture.words.get(word), key = `w${word}`;
    return {key, id: null, name: word, zh: '', score: six(x), threshold: level ?? vocabulary.auto, origin: 'custom',
      above: x > (level ?? vocabulary.auto), passes: x > (level ?? vocabulary.auto) && !edits.removed.has(key)};
  });
  const added = [...edits.added].map(name => {
    const tag = vocabulary.byWord.get(name.toLowerCase());
    return tag ? entry(tag, 1, {added: true, passes: true})
      : {key: `a${name}`, id: null, name, zh: '', score: 1, threshold: 0, origin: 'custom', added: true, passes: true};
  });
  const keys = new Set(added.map(tag => tag.key));
  let missed = false;
  yield* added;
  yield* own;
  for (let i = 0; i < picture.ids.length; i++) {
    const tag = vocabulary.byId.get(picture.ids[i]), x = picture.scores[i], key = `t${tag.id}`;
    if (keys.has(key)) continue;
    const above = level === null ? picture.auto.has(tag.id) : x > level;
    if (!above && missed) continue; // one below is enough: the best
    missed ||= !above;
    yield entry(tag, x, {threshold: level ?? tag.threshold, above, passes: above && !edits.removed.has(key)});
    if (level !== null && x <= level) return; // sorted: the rest is lower; this one was the best below
  }
}

const rank = (a, b) => (b.added ?? 0) - (a.added ?? 0) || b.score - a.score;

// The tags to show, what was removed by hand, own words below the threshold, and the best of the others below it.
export function tagsOf(picture) {
  const shown = [], removed = [], weak = [];
  let best;
  for (const tag of candidates(picture)) {
    if (tag.passes) shown.push(tag);
    else if (picture.edits.removed.has(tag.key) && tag.above !== false) removed.push(tag);
    else if (tag.origin === 'custom') weak.push(tag);
    else if (!best) best = tag;
  }
  return {shown: shown.sort(rank), removed, weak, best};
}

export function names(tag, which = view.names) {
  if (which === 'zh') return [tag.zh || tag.name];
  return which === 'both' && tag.zh && tag.zh !== tag.name ? [tag.name, tag.zh] : [tag.name];
}

export const isEdited = ({edits}) => edits.added.size + edits.removed.size + edits.ticked.size > 0;

// "add" takes words of the vocabulary in either language, and any others as they are.
export function addTag(picture, word) {
  const tag = vocabulary.byWord.get(word.toLowerCase());
  const key = tag ? `t${tag.id}` : `a${word}`;
  picture.edits.removed.delete(key);
  const there = tagsOf(picture).shown.some(x => x.key === key);
  if (!there) picture.edits.added.add(tag ? tag.name : word);
  picture.edits.ticked.add(key);
}

export function removeTag(picture, tag) {
  picture.edits.ticked.delete(tag.key);
  if (tag.added) picture.edits.added.delete(tag.name);
  else picture.edits.removed.add(tag.key);
}
