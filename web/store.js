// store.js - the opened pictures and the work on them. Both screens show this one list: one picture, or all.

import {Problem, server} from './api.js';
import {problemOf, runJob} from './jobs.js';
import {Runner} from './runner.js';
import {bytes, t} from './strings.js';
import {fresh, recognise, recogniseWords, scoreValues, takeScores, takeWords, view, wordValues} from './tagging.js';

const MANY = 200; // from so many pictures on, scores below 0.01 are not kept: they would fill the memory
const JOB_BYTES = 16 << 20; // a slow line has its first answer before all is sent
export const store = Object.assign(new EventTarget(), {pictures: [], current: null});
const readable = /\.(jpe?g|jfif|png|webp|gif|bmp|tiff?|heic|heif|avif|hdr|pnm|ppm|pgm|tga|psd)$/i;
let serial = 0;

const tell = (type, picture) => store.dispatchEvent(new CustomEvent(type, {detail: picture}));

const floor = () => store.pictures.length > MANY ? 0.01 : -1;

async function alone(picture, signal) {
  const problem = tooLarge(picture);
  if (problem) throw problem;
  await recognise(picture, signal, floor());
  await recogniseWords(picture, signal).catch(() => {}); // the field where they are typed tells why
}

async function together(pictures, signal, end) {
  await runJob(pictures, scoreValues, signal, (picture, record) => {
    if (!record.error) takeScores(picture, record, floor());
    end(picture, record.error && problemOf(record.error));
  }, () => tell('progress'));
  const words = [...view.words], done = pictures.filter(p => p.record && words.some(word => !p.words.has(word)));
  if (done.length) await runJob(done, wordValues(words), signal, (picture, record) => {
    if (!record.error) takeWords(picture, record, words);
    tell('change', picture);
  }).catch(() => {});
}

export const runner = new Runner({alone, together, told(picture, state, problem) {
  picture.state = state;
  picture.problem = problem ?? null;
  tell('change', picture);
}, moved: () => tell('progress'), fits: () => Math.min(JOB_BYTES, (server.limits.body_bytes ?? JOB_BYTES) - 4096)});
addEventListener('pagehide', () => runner.cancel()); // nobody will hear of them

// Said before it is sent: the server would refuse it after the whole way.
function tooLarge(picture) {
  const file = picture.sent ?? picture.file, limit = server.limits.body_bytes;
  return limit && file.size + 4096 > limit
    ? new Problem({code: 'body-too-large', title: t('large'), detail: t('large.why', {size: bytes(file.size), limit: bytes(limit)}), limit_bytes: limit}, 413) : null;
}

export function addPictures(files, {show = true} = {}) {
  const added = [...files].filter(f => f.type.startsWith('image/') || readable.test(f.name)).map(file => ({
    id: ++serial, file, name: file.name || 'picture', path: file.webkitRelativePath || file.where || file.name || 'picture',
    state: 'waiting', problem: null, record: null, words: new Map(), captions: [], edits: fresh(), since: performance.now()}));
  if (!added.length) return added;
  store.pictures.push(...added);
  if (show || !store.current) store.current = added[0];
  tell('list');
  runner.push(added);
  if (show) runner.prefer(added[0]);
  return added;
}

export function showPicture(picture) {
  if (!picture || picture === store.current) return;
  store.current = picture;
  runner.prefer(picture);
  tell('current', picture);
}

export function step(by) {
  const at = store.pictures.indexOf(store.current);
  showPicture(store.pictures[at + by]);
}

export function changed(picture) { tell('change', picture); }

export function clear() {
  runner.clear();
  for (const picture of store.pictures) {
    if (picture.url) URL.revokeObjectURL(picture.url);
    if (picture.thumb) URL.revokeObjectURL(picture.thumb);
  }
  store.pictures = [];
  store.current = null;
  tell('list');
}

// The server has seen that it is none, or not a whole one.
export const isRefused = ({state, problem}) => state === 'failed' && ['not-an-image', 'damaged-image', 'unsupported-image'].includes(problem.code);

export const urlOf = picture => picture.url ??= URL.createObjectURL(picture.file);

// A smaller JPEG of the same picture; only when somebody asks for it.
export async function shrink(picture, most = 2048) {
  const whole = await createImageBitmap(picture.file);
  const by = Math.min(1, most / Math.max(whole.width, whole.height));
  picture.sent = await draw(whole, Math.round(whole.width * by), Math.round(whole.height * by), 0.92);
  runner.retry([picture]);
}

async function draw(bitmap, width, height, quality) {
  const canvas = new OffscreenCanvas(Math.max(1, width), Math.max(1, height));
  const c = canvas.getContext('2d');
  c.imageSmoothingQuality = 'high';
  c.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.convertToBlob({type: 'image/jpeg', quality});
}

// Thumbnails are made one at a time: a folder of large photographs must not fill the memory.
let making = Promise.resolve();
export function thumbOf(picture, side = 256) {
  return picture.thumbMade ??= making = making.then(async () => {
    try {
      const whole = await createImageBitmap(picture.file);
      const by = Math.min(1, side / Math.min(whole.width, whole.height));
      picture.thumb = URL.createObjectURL(await draw(whole, whole.width * by, whole.height * by, 0.8));
    } catch { /* a format the browser does not know: the card says so */ }
    return picture.thumb;
  });
}

// Files of a drop, folders with all that is in them.
export async function droppedFiles(transfer) {
  const roots = [...transfer.items].map(item => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!roots.length) return [...transfer.files];
  const files = [];
  const walk = async (entry, where) => {
    if (entry.isFile) {
      const file = await new Promise((good, bad) => entry.file(good, bad));
      file.where = where + file.name;
      files.push(file);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((good, bad) => reader.readEntries(good, bad));
      if (!some.length) return;
      for (const inner of some) await walk(inner, `${where}${entry.name}/`);
    }
  };
  for (const root of roots) await walk(root, '');
  return files;
}
