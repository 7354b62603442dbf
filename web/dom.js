// dom.js - elements without a framework. Text enters the document as text nodes alone.

const SVG = 'http://www.w3.org/2000/svg';

// el('button.primary', {type: 'button', onclick: f, title: 'x'}, 'text', child, [more])
export function el(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split('.');
  const e = document.createElement(tag);
  if (classes.length) e.className = classes.join(' ');
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else if (name in e && typeof value !== 'string') e[name] = value;
    else e.setAttribute(name, value === true ? '' : value);
  }
  e.append(...children.flat(Infinity).filter(c => c !== undefined && c !== null && c !== false));
  return e;
}

// Line drawings on a 24 x 24 grid.
const paths = {
  open: 'M4 7.5A1.5 1.5 0 0 1 5.5 6h13A1.5 1.5 0 0 1 20 7.5v9a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 16.5zM4.5 16l4.2-4.2 3.3 3.2 2.6-2.4 4.9 4.4M15.3 9.6h.01',
  paste: 'M9 5H7a1 1 0 0 0-1 1v13a1 1 0 0 0 1 1h10a1 1 0 0 0 1-1V6a1 1 0 0 0-1-1h-2M9 4h6v3H9z',
  camera: 'M4 8.5A1.5 1.5 0 0 1 5.5 7H8l1.3-2h5.4L16 7h2.5A1.5 1.5 0 0 1 20 8.5v8a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 16.5zM12 15.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6z',
  folder: 'M4 7a1 1 0 0 1 1-1h4.5l2 2H19a1 1 0 0 1 1 1v8.5a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1z',
  plus: 'M12 6v12M6 12h12',
  minus: 'M6 12h12',
  fit: 'M5 9V5h4M15 5h4v4M19 15v4h-4M9 19H5v-4',
  close: 'M7 7l10 10M17 7L7 17',
  copy: 'M9 9h9v10H9zM6 15V5h9',
  save: 'M12 4v11M7.5 10.5L12 15l4.5-4.5M5 19.5h14',
  left: 'M14.5 6l-6 6 6 6',
  right: 'M9.5 6l6 6-6 6',
  retry: 'M19 12a7 7 0 1 1-2.1-5M19 4v4h-4',
  keys: 'M4 8.5A1.5 1.5 0 0 1 5.5 7h13A1.5 1.5 0 0 1 20 8.5v7a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 15.5zM7.5 10.2h.01M11 10.2h.01M14.500 10.2h.01M8.500 14h7',
  trash: 'M5 7.500h14M10 7V5h4v2M7 7.500l.8 11.500h8.400L17 7.500',
  text: 'M5 7h14M5 12h14M5 17h8',
  heat: 'M12 20c-3.300 0-5.500-2.200-5.500-5.200 0-3.800 3.700-5 3.300-9.800 3 1.200 4.400 3.500 4.300 6 .9-.3 1.400-1 1.600-1.800 1.200 1.400 1.800 3.300 1.800 5.200 0 3.400-2.200 5.600-5.500 5.600z',
  stop: 'M7 7h10v10H7z',
  play: 'M8 6l10 6-10 6z',
};

export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.classList.add('icon');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', paths[name]);
  svg.append(path);
  return svg;
}

// A button with a drawing and words, or with a drawing alone, whose words are its name and its tooltip.
export function button(what, name, text, onclick, {only, keys, ...more} = {}) {
  const tip = keys ? `${text} (${keys})` : only ? text : undefined;
  return el('button' + what, {type: 'button', onclick, title: tip, 'aria-label': only ? text : undefined,
    'aria-keyshortcuts': keys, ...more}, name && icon(name), !only && el('span', {}, text));
}

let speaking = 0;
// Says a sentence to screen readers, once it has stood for a moment.
export function announce(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => { document.getElementById('live').textContent = text; }, 300);
}

// A dialog with a heading; closes with Esc, its button or a click beside it. Resolves when it is closed.
export function dialog(title, closeText, ...content) {
  const d = el('dialog', {'aria-label': title, onclick: e => { if (e.target === d) d.close(); }},
    el('div.sheet', {}, el('div.sheet-head', {}, el('h2', {}, title),
      button('.quiet', 'close', closeText, () => d.close(), {only: true})), ...content));
  document.body.append(d);
  d.addEventListener('close', () => d.remove());
  d.showModal();
  return d;
}

export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], {type}));
  el('a', {href: url, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

let fading = 0;
export function toast(text) {
  document.querySelector('.toast')?.remove();
  clearTimeout(fading);
  const e = el('div.toast', {role: 'status'}, text);
  document.body.append(e);
  fading = setTimeout(() => e.remove(), 3500);
}
