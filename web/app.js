// app.js - starts the page: language, header, banner, screens by the address after #.

import {aboutScreen} from './about.js';
import {button, el} from './dom.js';
import {discover, server, tryNow, useKey} from './api.js';
import {folderScreen} from './folder.js';
import {help, useKeys} from './keys.js';
import {language, languages, loadLanguage, t} from './strings.js';
import {listenForPictures, openExport, openFiles, pasteFromClipboard} from './opening.js';
import {loadVocabulary} from './tagging.js';
import {nextNames, startView} from './controls.js';
import {step, store} from './store.js';
import {tryScreen} from './try.js';

const screens = {'#/': ['try', tryScreen], '#/batch': ['folder', folderScreen], '#/about': ['model', aboutScreen]};
const main = document.getElementById('main'), banner = document.getElementById('banner');
let screen = null;

function header() {
  const pick = el('select.language', {'aria-label': t('language'), onchange: async () => {
    await loadLanguage(pick.value);
    header();
    route();
    document.querySelector('.language').focus();
  }}, Object.entries(languages).map(([code, name]) => el('option', {value: code, lang: code, selected: code === language}, name)));
  document.getElementById('skip').textContent = t('skip');
  document.getElementById('top').replaceChildren(
    el('a.brand', {href: '#/', 'aria-label': 'anytag'}, logo(), el('span', {}, 'anytag')),
    el('nav', {'aria-label': t('screens')}, Object.entries(screens).map(([to, [name]]) => el('a', {href: to}, t(`nav.${name}`)))),
    el('div.top-end', {}, pick, button('.quiet', 'keys', t('keys'), help, {only: true, keys: '?'})));
}

const logo = () => el('img', {src: 'ui/favicon.svg', alt: '', width: 26, height: 26});

function route() {
  const to = screens[location.hash] ? location.hash : '#/';
  const [name, open] = screens[to];
  screen?.end();
  for (const a of document.querySelectorAll('nav a')) {
    if (a.getAttribute('href') === to) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
  document.title = `${t(`nav.${name}`)} · anytag`;
  screen = open(main);
  useKeys({o: openFiles, v: pasteFromClipboard, l: nextNames,
    e: () => openExport([store.current]), j: () => step(1), k: () => step(-1), ...screen.keys});
}

// The state of the server, above everything; what was found stays on the screen.
function showBanner() {
  const {state, again} = server;
  banner.hidden = state === 'ok' || state === 'key';
  if (state === 'key' && !document.querySelector('dialog.key')) askKey();
  if (banner.hidden) return banner.replaceChildren();
  banner.dataset.state = state;
  banner.replaceChildren(el('p', {}, el('strong', {}, t(`server.${state}`)), ' ', t(state === 'gone' ? 'server.again' : 'server.wait', {n: Math.round(again)})),
    button('.small', 'retry', t('retry.now'), () => tryNow()));
}

function askKey() {
  const input = el('input', {type: 'password', 'aria-label': t('key'), autocomplete: 'off', required: true});
  const wrong = el('p.problem', {role: 'alert', hidden: true}, t('key.wrong'));
  const d = el('dialog.key', {'aria-label': t('key.title'), oncancel: e => e.preventDefault()}, el('form.sheet', {onsubmit: async e => {
    e.preventDefault();
    if (await useKey(input.value)) return d.close();
    wrong.hidden = false;
    input.select();
  }}, el('h2', {}, t('key.title')), el('p.soft', {}, t('key.about')), input, wrong, button('.primary', '', t('key.use'), null, {type: 'submit'})));
  d.addEventListener('close', () => d.remove());
  document.body.append(d);
  d.showModal();
}

async function start() {
  await loadLanguage();
  header();
  server.addEventListener('state', showBanner);
  server.addEventListener('again', showBanner);
  listenForPictures();
  main.replaceChildren(el('div.starting', {'aria-label': t('loading'), role: 'img'}));
  try {
    await discover();
    await loadVocabulary();
  } catch (e) {
    main.replaceChildren(el('div.failure', {role: 'alert'}, el('h1', {}, e.title ?? t('failed')), el('p', {}, e.message), button('', 'retry', t('retry'), () => location.reload())));
    return;
  }
  startView();
  window.addEventListener('hashchange', () => {
    route();
    main.focus({preventScroll: true});
    scrollTo(0, 0);
  });
  route();
}
start();
