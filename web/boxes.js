// boxes.js - boxes around the warm parts of the heat maps of a picture's tags: the server's, a hint and no detector's.

import {askJson, form} from './api.js';
import {tagsOf} from './tagging.js';

const MOST = 40; // tags, the best

// [{tag, box: [x0, y0, x1, y1]}] of the tags that are shown; a tag of a picture is asked for once
export async function boxesOf(picture, signal) {
  const tags = tagsOf(picture).shown.filter(tag => tag.origin === 'vocabulary').slice(0, MOST);
  const known = picture.boxes ??= new Map(), missing = tags.filter(tag => !known.has(tag.name)).map(tag => tag.name);
  if (missing.length) {
    const {objects} = await askJson('v1/tag', {...form(picture.sent ?? picture.file, picture.name, {boxes: '1', only: missing.join(','), threshold: '0'}), signal});
    for (const name of missing) known.set(name, objects.filter(o => o.label === name).map(o => o.box));
  }
  return tags.flatMap(tag => known.get(tag.name).map(box => ({tag, box})));
}
