// words.js - words of one's own as tags, recognised in place: needs a text encoder on the server, which says so.

import {button, el} from './dom.js';
import {t} from './strings.js';
import {changed} from './store.js';
import {changeView, recogniseWords, split, view} from './tagging.js';

export function wordsField(picture) {
  const input = el('input', {type: 'text', placeholder: t('words.hint'), 'aria-label': t('words'), 'aria-describedby': 'words-problem', autocomplete: 'off', maxLength: 1000});
  const problem = el('p.problem', {id: 'words-problem', role: 'alert', hidden: true});
  const chips = el('div.chips');
  const element = el('form.field', {onsubmit: e => {
    e.preventDefault();
    submit();
  }}, el('div.with', {}, input, button('', 'plus', t('words'), null, {only: true, type: 'submit'})), chips, problem);
  input.addEventListener('input', () => /[,，、]\s*$/.test(input.value) && split(input.value).length && submit());

  async function submit() {
    const fresh = split(input.value).filter(word => !view.words.includes(word)), p = picture();
    if (!fresh.length) return;
    problem.hidden = true;
    input.value = ''; // typing goes on while these are recognised
    element.classList.add('busy');
    try {
      await recogniseWords(p, undefined, fresh);
      changeView({words: [...new Set([...view.words, ...fresh])]});
      fill();
    } catch (e) {
      problem.textContent = `${e.title}: ${e.message}`;
      problem.hidden = false;
      input.value ||= fresh.join(', ');
    }
    element.classList.remove('busy');
  }

  function fill() {
    chips.replaceChildren(...view.words.map(word => button('.chip', 'close', word, () => {
      changeView({words: view.words.filter(w => w !== word)});
      fill();
      input.focus();
    }, {'aria-label': t('remove', {tag: word})})));
  }
  fill();

  return {element, focus: () => input.focus(), look: () => { // a picture that was recognised before these words were typed
    const p = picture();
    if (p?.record && view.words.some(w => !p.words.has(w))) recogniseWords(p).then(() => changed(p), () => {});
  }};
}
