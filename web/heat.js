// heat.js - where in the picture a tag is seen: the server's grey map in colours, laid over the picture.

import {ask, form, has, server} from './api.js';
import {keep, recall} from './strings.js';

export const heat = Object.assign(new EventTarget(), {on: recall('heat') !== 'off', boxes: recall('boxes') === 'on', opacity: Number(recall('opacity') ?? 0.75)});
let works = true;
export const heatPossible = () => works && has('/v1/heatmap');
export function changeHeat(values) {
  Object.assign(heat, values);
  keep('heat', heat.on ? 'on' : 'off');
  keep('boxes', heat.boxes ? 'on' : 'off');
  keep('opacity', String(heat.opacity));
  heat.dispatchEvent(new Event('change'));
}

// Dark violet over red to pale yellow: even steps for the eye, told apart by those who see no red or green.
const stops = [[36, 12, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 252, 191]];
export function colour(x) {
  const at = Math.min(stops.length - 1.001, Math.max(0, x) * (stops.length - 1)), i = Math.floor(at);
  return stops[i].map((c, k) => Math.round(c + (stops[i + 1][k] - c) * (at - i)));
}
const table = Array.from({length: 256}, (_, v) => [...colour(v / 255), Math.round(255 * Math.min(1, v / 110))]);

const SIDE = 640, KEPT = 48;
const cache = new Map();

// {canvas, max} or null when there is none for this tag; the same tag of the same picture is asked for once
export async function heatOf(picture, tag, signal) {
  const id = `${picture.id} ${tag.key}`;
  if (cache.has(id)) return cache.get(id);
  try {
    const answer = await ask('v1/heatmap', {...form(picture.sent ?? picture.file, picture.name, {tag: tag.name}), signal});
    const made = {canvas: await paint(await answer.blob()), max: Number(answer.headers.get('X-Anytag-Max')) || 1};
    cache.set(id, made);
    if (cache.size > KEPT) cache.delete(cache.keys().next().value);
    return made;
  } catch (e) {
    if (e.status === 404 || e.status === 501 || e.status === 405) {
      works = tag.id === null ? works : false;
      server.dispatchEvent(new Event('discovered'));
    }
    if (e.name === 'AbortError') throw e;
    return null;
  }
}

async function paint(blob) {
  const whole = await createImageBitmap(blob), by = Math.min(1, SIDE / Math.max(whole.width, whole.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(whole.width * by));
  canvas.height = Math.max(1, Math.round(whole.height * by));
  const c = canvas.getContext('2d', {willReadFrequently: true});
  c.drawImage(whole, 0, 0, canvas.width, canvas.height);
  whole.close();
  const pixels = c.getImageData(0, 0, canvas.width, canvas.height), {data} = pixels;
  for (let i = 0; i < data.length; i += 4) data.set(table[data[i]], i);
  c.putImageData(pixels, 0, 0);
  return canvas;
}
