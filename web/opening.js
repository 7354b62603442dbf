// opening.js - how pictures come in and results go out: dialogs, clipboard, camera, drop, export.

import {button, dialog, download, el, toast} from './dom.js';
import {formats} from './exports.js';
import {addPictures, droppedFiles, store} from './store.js';
import {t} from './strings.js';
import {ENTRIES} from './zip.js';
import {isEdited} from './tagging.js';

const FEW = 24; // more are shown as a grid

export function take(files) {
  const added = addPictures(files), taken = new Set(added.map(picture => picture.file));
  const others = [...files].filter(file => !taken.has(file)).map(file => file.name);
  if (!added.length) toast(t('no.pictures'));
  else if (others.length) toast(t('others', {n: others.length, names: others.slice(0, 3).join(', ') + (others.length > 3 ? ' …' : '')}));
  else if (added.length > FEW) location.hash = '#/batch';
  else if (added.length === 1 && location.hash === '#/about') location.hash = '#/';
  return added;
}

function choose(attributes) {
  const input = el('input.hidden', {type: 'file', tabIndex: -1, 'aria-hidden': 'true', ...attributes});
  input.addEventListener('change', () => {
    take(input.files);
    input.remove();
  });
  document.querySelector('input[type=file]')?.remove();
  document.body.append(input); // so that a test, and an assistive technology, can find it
  input.click();
}
export const openFiles = () => choose({accept: 'image/*,.heic,.heif,.avif,.tif,.tiff', multiple: true, id: 'files'});
export const openFolder = () => choose({webkitdirectory: true, multiple: true, id: 'folder'});
export const openCamera = () => choose({accept: 'image/*', capture: 'environment', id: 'camera'});

// The page may read the clipboard only where the browser lets it; Ctrl+V works everywhere.
export async function pasteFromClipboard() {
  try {
    const files = [];
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find(x => x.startsWith('image/'));
      if (type) files.push(new File([await item.getType(type)], `pasted.${type.slice(6)}`, {type}));
    }
    if (files.length) take(files);
    else toast(t('paste.none'));
  } catch {
    toast(t('paste.how'));
  }
}

export function listenForPictures() {
  const sheet = document.getElementById('drop');
  let depth = 0;
  sheet.append(el('p', {}, t('drop')));
  const withFiles = e => [...(e.dataTransfer?.types ?? [])].includes('Files');
  const shown = yes => { sheet.hidden = !yes; };
  document.addEventListener('paste', e => {
    if (!e.clipboardData?.files.length) return;
    e.preventDefault();
    take(e.clipboardData.files);
  });
  document.addEventListener('dragenter', e => { if (withFiles(e)) shown(++depth > 0); });
  document.addEventListener('dragleave', e => { if (withFiles(e)) shown(--depth > 0); });
  document.addEventListener('dragover', e => { if (withFiles(e)) e.preventDefault(); });
  document.addEventListener('drop', async e => {
    depth = 0;
    shown(false);
    if (!withFiles(e)) return;
    e.preventDefault();
    take(await droppedFiles(e.dataTransfer));
  });
}

const type = name => formats[name][1];

export function openExport(pictures) {
  const all = store.pictures, few = pictures.filter(Boolean);
  if (!all.length) return;
  const wholes = [few, all].filter((list, i) => list.length && (i === 0 || list.length !== few.length));
  const scopes = wholes.map((list, i) => [list, el('label.check', {}, el('input', {type: 'radio', name: 'scope', checked: i === 0}),
    list === all ? t('export.all', {n: list.length}) : list.length === 1 ? list[0].name : t('export.chosen', {n: list.length}))]);
  const save = (name, [ending, type, make]) => {
    const [list] = scopes.find(([, label]) => label.firstChild.checked);
    const base = list.length === 1 ? list[0].name.replace(/\.[^.]*$/, '') : 'anytag';
    download(base + ending, type, make(list));
    d.close();
  };
  const d = dialog(t('export'), t('close'), scopes.length > 1 ? el('div.scopes', {role: 'radiogroup', 'aria-label': t('export.what')}, scopes.map(([, label]) => label)) : null,
    el('div.formats', {}, Object.entries(formats).map(([name, row]) => el('div.format', {},
      button('', 'save', t(`format.${name}`), () => save(name, row), {disabled: (name === 'corrections' && !all.some(isEdited)) || (type(name) === 'application/zip' && all.length > ENTRIES)}),
      el('p.soft', {}, t(`format.${name}.about`))))), el('p.soft', {}, t('export.note')));
}
