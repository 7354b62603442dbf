// caption.js - sentences about the picture, of the model's own tags or of those that are ticked.

import {askJson, form} from './api.js';
import {button, el} from './dom.js';
import {t} from './strings.js';
import {changed} from './store.js';
import {tagsOf} from './tagging.js';

export function captionCard(picture) {
  const said = el('div.said', {'aria-live': 'polite'}), guided = button('', 'text', '', () => write(true));
  const plain = button('', 'text', t('caption.write'), () => write(false));
  const element = el('section.card', {'aria-label': t('caption')}, el('h3', {}, t('caption')), said, el('div.actions', {}, plain, guided));

  const ticked = p => tagsOf(p).shown.filter(tag => p.edits.ticked.has(tag.key)).map(tag => tag.name);

  async function write(withTicked) {
    const p = picture(), guide = withTicked ? ticked(p) : [];
    p.captioning = true;
    p.captionProblem = null;
    update();
    try {
      const record = await askJson('v1/caption', form(p.sent ?? p.file, p.name, {guide: guide.join(',')}));
      p.captions = [...record.captions, ...p.captions].filter((c, i, all) => all.findIndex(x => x.text === c.text) === i).slice(0, 4);
    } catch (e) {
      p.captionProblem = e;
    }
    p.captioning = false;
    changed(p);
  }

  function update() {
    const p = picture();
    if (!p) return;
    const n = ticked(p).length;
    guided.hidden = !n;
    guided.lastChild.textContent = t('caption.with', {n});
    plain.disabled = guided.disabled = !!p.captioning;
    said.replaceChildren(
      ...(p.captioning ? [el('p.soft.writing', {}, t('caption.writing'))] : []),
      ...(p.captionProblem ? [el('p.problem', {role: 'alert'}, `${p.captionProblem.title}: ${p.captionProblem.message}`)] : []),
      ...p.captions.map(c => el('blockquote', {lang: 'en'}, el('p', {}, c.text),
        c.guide?.length ? el('p.soft.guide', {}, c.guide.join(', ')) : null)));
  }
  return {element, update};
}
