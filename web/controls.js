// controls.js - what both screens choose: the threshold and the language of names.

import {button, el} from './dom.js';
import {keep, recall, score, t} from './strings.js';
import {changeView, view, vocabulary} from './tagging.js';

export function startView() {
  const names = recall('names'), x = recall('threshold');
  changeView({names: ['en', 'zh', 'both'].includes(names) ? names : 'both', threshold: x ? Math.min(1, Math.max(0, Number(x) || 0)) : null});
}

export function setThreshold(x) {
  changeView({threshold: x});
  keep('threshold', x === null ? '' : String(x));
}

// One step of the keys, or to a place of the scale.
export function nudge(by, place = false) {
  const x = place ? by : (view.threshold ?? vocabulary.auto) + by;
  setThreshold(Math.round(100 * Math.min(1, Math.max(0, x))) / 100);
}

export function thresholdControl() {
  const range = el('input', {type: 'range', min: 0, max: 1, step: 0.01, 'aria-label': t('threshold'), oninput: () => setThreshold(Number(range.value))});
  const value = el('output');
  const auto = button('.quiet.small', 'retry', t('auto.back'), () => { setThreshold(null); range.focus(); }, {only: true});
  const mark = el('span.mark', {'aria-hidden': 'true'});
  const element = el('div.threshold', {}, el('span.label', {}, t('threshold')), el('span.track', {}, range, mark), value, auto);
  const show = () => {
    if (!element.isConnected && element.shown) return view.removeEventListener('change', show);
    element.shown = element.isConnected;
    const x = view.threshold ?? vocabulary.auto;
    range.value = x;
    range.setAttribute('aria-valuetext', view.threshold === null ? t('auto') : score(x));
    value.textContent = view.threshold === null ? t('auto') : score(x);
    value.title = view.threshold === null ? t('auto.why') : '';
    auto.classList.toggle('away', view.threshold === null); // its place stays: the slider is under the pointer
    mark.style.setProperty('--at', vocabulary.auto);
    range.style.setProperty('--part', x);
  };
  view.addEventListener('change', show);
  show();
  return element;
}

const kinds = ['en', 'zh', 'both'];
export function setNames(which) {
  changeView({names: which});
  keep('names', which);
}
export const nextNames = () => setNames(kinds[(kinds.indexOf(view.names) + 1) % 3]);

export function namesSwitch() {
  const buttons = kinds.map(k => el('button', {type: 'button', lang: k === 'zh' ? 'zh-CN' : undefined, onclick: () => setNames(k)}, k === 'en' ? 'EN' : k === 'zh' ? '中文' : t('both')));
  const element = el('div.switch', {role: 'group', 'aria-label': t('names')}, buttons);
  const show = () => {
    if (!element.isConnected && element.shown) return view.removeEventListener('change', show);
    element.shown = element.isConnected;
    buttons.forEach((b, i) => b.setAttribute('aria-pressed', String(view.names === kinds[i])));
  };
  view.addEventListener('change', show);
  show();
  return element;
}
