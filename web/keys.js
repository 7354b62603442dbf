// keys.js - the keyboard: one table of single letters, off while a field has focus, off for good when asked.

import {dialog, el} from './dom.js';
import {keep, recall, t} from './strings.js';

// key, other names of it, the words in the list (lang/*.json)
const table = [
  ['o', [], 'key.open'], ['v', [], 'key.paste'], ['/', [], 'key.search'],
  ['j', ['ArrowRight', 'd'], 'key.next'], ['k', ['ArrowLeft', 'a'], 'key.previous'],
  [' ', [], 'key.tick'], ['Delete', [], 'key.remove'], ['Enter', [], 'key.pin'], ['h', [], 'key.heat'], ['b', [], 'key.boxes'], ['l', [], 'key.names'],
  ['[', [], 'key.lower'], [']', [], 'key.higher'], ['c', [], 'key.copy'], ['e', [], 'key.export'],
  ['+', ['='], 'key.in'], ['-', [], 'key.out'], ['0', [], 'key.fit'], ['?', [], 'key.help'], ['Escape', [], 'key.back'],
];
let on = recall('letters') !== 'off';
let actions = {};

// The actions of the screen that is shown, by the first name of their key; they return false to leave a key alone.
export function useKeys(these) { actions = these; }

const isField = e => e.isContentEditable || ['TEXTAREA', 'SELECT'].includes(e.tagName) ||
  (e.tagName === 'INPUT' && e.type !== 'checkbox' && e.type !== 'radio');

document.addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open]') || isField(e.target)) return;
  if (e.target.type === 'radio' && e.key.startsWith('Arrow')) return;
  const row = table.find(([key, others]) => key === e.key || others.includes(e.key));
  if (!row || (!on && row[0].length === 1 && row[0] !== ' ')) return;
  if (row[0] === '?') help();
  else if (!actions[row[0]] || actions[row[0]](e) === false) return;
  e.preventDefault();
});

const shown = {' ': 'Space', ArrowRight: '→', ArrowLeft: '←', Escape: 'Esc', Delete: 'Del'};

export function help() {
  const box = el('input', {type: 'checkbox', checked: on, onchange: () => {
    on = box.checked;
    keep('letters', on ? 'on' : 'off');
  }});
  dialog(t('keys'), t('close'),
    el('dl.keys', {}, table.map(([key, others, words]) => el('div', {},
      el('dt', {}, [key, ...others].map(k => el('kbd', {}, shown[k] ?? k))), el('dd', {}, t(words))))),
    el('label.check', {}, box, t('keys.on')));
}
