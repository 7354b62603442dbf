// exports.js - results as files. They are made here of what is on the screen: threshold and corrections included.

import {server} from './api.js';
import {isEdited, names, tagsOf, view, vocabulary} from './tagging.js';
import {zip} from './zip.js';

const record = picture => picture.record ? {
  ...picture.record, source: {...picture.record.source, name: picture.name, path: picture.path},
  tags: tagsOf(picture).shown.map(({id, name, zh, score, threshold, origin}) =>
    ({id, name, ...(zh ? {name_zh: zh} : {}), score, threshold, origin})),
  ...(picture.captions.length ? {captions: picture.captions} : {}),
  ...(isEdited(picture) ? {corrections: corrections(picture)} : {}),
} : {schema: 'anytag.result/1', source: {name: picture.name, path: picture.path},
  error: {code: picture.problem?.code ?? 'not-done', detail: picture.problem?.message ?? ''}};

const nameOf = key => key[0] === 't' ? vocabulary.byId.get(Number(key.slice(1))).name : key.slice(1);
const corrections = ({edits}) => ({added: [...edits.added], removed: [...edits.removed].map(nameOf), confirmed: [...edits.ticked].map(nameOf)});

// RFC 4180; a text that a spreadsheet would compute is kept one, as --excel does. Numbers stay as they are.
const cell = x => {
  const text = typeof x === 'string' && /^'*[=+\-@\t\r]/.test(x) ? `'${x}` : String(x);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

function csv(pictures) {
  const rows = ['path,tag_id,tag,tag_zh,score,threshold'];
  for (const p of pictures)
    for (const tag of tagsOf(p).shown)
      rows.push([p.path, tag.id ?? '', tag.name, tag.zh ?? '', tag.score, tag.threshold].map(cell).join(','));
  return rows.join('\r\n') + '\r\n';
}

function json(pictures) {
  const failed = pictures.filter(p => !p.record).length;
  return JSON.stringify({schema: 'anytag.run/1', version: server.version, started: new Date().toISOString(),
    options: {threshold: view.threshold ?? 'auto', custom: view.words}, results: pictures.map(record),
    summary: {ok: pictures.length - failed, failed, skipped: 0}}, null, 1) + '\n';
}

const lines = list => list.map(x => JSON.stringify(x) + '\n').join('');

// x.txt with the tags in a line, as trainers want it beside x.jpg; in the names that are shown
const beside = p => [`${p.path.replace(/\.[^./\\]*$/, '')}.txt`, `${tagsOf(p).shown.map(tag => names(tag)[0]).join(', ')}\n`];

// One row a format: name, ending, media type, text of pictures
export const formats = {
  json: ['.json', 'application/json', json],
  jsonl: ['.jsonl', 'application/x-ndjson', pictures => lines(pictures.map(record))],
  csv: ['.csv', 'text/csv', csv],
  txt: ['-txt.zip', 'application/zip', pictures => zip(pictures.filter(p => p.record).map(beside))],
  sidecars: ['-json.zip', 'application/zip', pictures => zip(pictures.map(p => [`${p.path}.json`, `${JSON.stringify(record(p), null, 1)}\n`]))],
  corrections: ['-corrections.jsonl', 'application/x-ndjson', pictures =>
    lines(pictures.filter(isEdited).map(p => ({name: p.name, path: p.path, sha256: p.record?.source.sha256, ...corrections(p)})))],
};
