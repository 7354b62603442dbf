// about.js - what answers here: models, tags with thresholds, limits, and how to ask from a program.

import {button, el, toast} from './dom.js';
import {has, server} from './api.js';
import {bytes, number, score, t} from './strings.js';
import {vocabulary} from './tagging.js';

export function aboutScreen(root) {
  const base = new URL('.', document.baseURI).href;
  const fact = (name, value) => value === undefined || value === '' || value === null ? null : el('div', {}, el('dt', {}, t(name)), el('dd', {}, value));
  const model = ([m, ...rest]) => el('article.card', {}, el('h2', {}, m.name), el('p.soft', {}, [m, ...rest].map(x => t(`task.${x.task}`)).join(' · ')),
    el('dl.facts-list', {}, fact('model.tags', m.tags && number(m.tags)), fact('model.vocabulary', m.vocabulary),
      fact('model.precision', m.precision), fact('model.parameters', m.parameters && t('millions', {n: (m.parameters / 1e6).toFixed(1)})),
      fact('model.bytes', m.bytes && bytes(m.bytes)), fact('model.licence', m.licence), fact('model.sha', m.sha256 && el('code', {title: m.sha256}, m.sha256.slice(0, 16) + '…'))));
  const snippet = text => el('div.snippet', {}, el('pre', {tabIndex: 0}, el('code', {}, text)),
    button('.quiet', 'copy', t('copy'), () => navigator.clipboard?.writeText(text).then(() => toast(t('copied'))), {only: true}));
  const {limits} = server;
  const files = new Map(); // one model may have several tasks
  for (const m of server.models) files.set(m.sha256 ?? m.name, [...files.get(m.sha256 ?? m.name) ?? [], m]);
  root.replaceChildren(el('section.about', {}, el('h1', {}, t('about')),
    el('p.soft', {}, t('about.version', {version: server.version})),
    el('div.models', {}, [...files.values()].map(model)),
    el('article.card', {}, el('h2', {}, t('ask')), el('p.soft', {}, t('ask.how')),
      snippet(`curl -F image=@photo.jpg ${base}v1/tag`),
      has('/v1/caption') ? snippet(`curl -F image=@photo.jpg -F guide=dog,street ${base}v1/caption`) : null,
      snippet(`import requests\nr = requests.post("${base}v1/tag", files={"image": open("photo.jpg", "rb")})\nprint([tag["name"] for tag in r.json()["tags"]])`),
      el('p.links', {}, el('a', {href: 'openapi.json'}, 'OpenAPI'), el('a', {href: 'metrics'}, t('metrics')), el('a', {href: 'v1/models'}, t('models.json'))),
      limits.body_bytes ? el('p.soft', {}, t('limits', {bytes: bytes(limits.body_bytes), pixels: number(limits.pixels / 1e6), pictures: limits.pictures})) : null),
    tagTable()));
  return {keys: {'/': () => root.querySelector('input').focus()}, end: () => {}};
}

function tagTable() {
  const rows = el('tbody'), count = el('p.count', {'aria-live': 'polite'}), most = 200;
  const search = el('input', {type: 'search', placeholder: t('filter.hint'), 'aria-label': t('vocabulary.search'), oninput: () => fill()});
  function fill() {
    const q = search.value.trim().toLowerCase();
    const found = vocabulary.tags.filter(tag => !q || tag.name.toLowerCase().includes(q) || tag.name_zh.includes(q));
    count.textContent = t('tags.n', {n: found.length});
    rows.replaceChildren(...found.slice(0, most).map(tag => el('tr', {}, el('td.num', {}, String(tag.id)), el('td', {lang: 'en'}, tag.name), el('td', {lang: 'zh-CN'}, tag.name_zh), el('td.num', {}, score(tag.threshold)))));
  }
  fill();
  return el('article.card', {}, el('h2', {}, t('vocabulary')), el('div.bar-row.between', {}, search, count),
    el('div.scroll', {tabIndex: 0, role: 'region', 'aria-label': t('vocabulary')}, el('table', {}, el('thead', {}, el('tr', {}, ['id', 'en', 'zh', 'threshold'].map(k => el('th', {scope: 'col'}, t(`column.${k}`))))), rows)));
}
