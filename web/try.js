// try.js - one picture: the picture with its heat map on one side, its tags on the other.

import {announce, button, el, icon, toast} from './dom.js';
import {has, modelFor, server} from './api.js';
import {captionCard} from './caption.js';
import {openCamera, openExport, openFiles, openFolder, pasteFromClipboard} from './opening.js';
import {boxesOf} from './boxes.js';
import {heat, heatOf, heatPossible, changeHeat, colour} from './heat.js';
import {bytes, number, score, seconds, t} from './strings.js';
import {changed, isRefused, runner, shrink, showPicture, step, store, thumbOf, urlOf, addPictures, clear} from './store.js';
import {TagList} from './taglist.js';
import {namesSwitch, thresholdControl, nudge} from './controls.js';
import {addTag, names, removeTag, split, tagsOf, view, vocabulary} from './tagging.js';
import {Viewer} from './viewer.js';
import {wordsField} from './words.js';

const examples = ['cat', 'coffee', 'rocket'];

export function tryScreen(root) {
  let screen = null;
  const show = () => {
    if (!store.current) {
      screen?.end();
      screen = null;
      root.replaceChildren(welcome());
    } else {
      if (!screen) root.replaceChildren((screen = pictureScreen()).element);
      screen.update();
    }
  };
  const off = listen([[store, 'list', show], [store, 'current', show],
    [store, 'change', e => e.detail === store.current && screen?.update(e.detail)], [store, 'change', e => screen?.mark(e.detail)],
    [view, 'change', () => screen?.update()], [heat, 'change', () => screen?.heatChanged()], [server, 'discovered', show]]);
  show();
  return {keys: {
    j: () => step(1), k: () => step(-1), h: () => heatPossible() && changeHeat({on: !heat.on}), b: () => heatPossible() && changeHeat({boxes: !heat.boxes}),
    c: () => screen?.copy(), '/': () => screen?.words.focus(), Escape: () => screen?.back(),
    '+': () => screen?.viewer.zoom(1.4), '-': () => screen?.viewer.zoom(1 / 1.4), '0': () => screen?.viewer.fit(),
    '[': () => nudge(-0.01), ']': () => nudge(0.01),
  }, end: () => { off(); screen?.end(); }};
}

export function listen(list) {
  for (const [on, type, f] of list) on.addEventListener(type, f);
  return () => { for (const [on, type, f] of list) on.removeEventListener(type, f); };
}

function welcome() {
  const touch = matchMedia('(pointer: coarse)').matches;
  const example = name => el('button.example', {type: 'button', onclick: async () => {
    const answer = await fetch(`ui/examples/${name}.jpg`);
    addPictures([new File([await answer.blob()], `${name}.jpg`, {type: 'image/jpeg'})]);
  }}, el('img', {src: `ui/examples/${name}.jpg`, alt: '', width: 168, height: 112}), el('span', {}, t(`example.${name}`)));
  const here = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname);
  return el('section.welcome', {}, el('div.target', {},
    icon('open'), el('h1', {}, t('welcome')), el('p.soft', {}, t(touch ? 'welcome.touch' : 'welcome.how')),
    el('div.actions', {},
      button('.primary', 'open', t('open'), openFiles, {keys: 'o'}),
      touch ? button('', 'camera', t('camera'), openCamera) : button('', 'paste', t('paste'), pasteFromClipboard, {keys: 'v'}),
      touch ? null : button('', 'folder', t('folder.open'), openFolder))),
  el('div.examples', {}, el('h2.small', {}, t('examples')), el('div.example-row', {}, examples.map(example))),
  el('p.soft.privacy', {}, t(here ? 'privacy.here' : 'privacy.there', {host: location.host})));
}

function pictureScreen() {
  const viewer = new Viewer();
  let pinned = null, wanted = null, fetching = null, asking = null, drawing = 0, boxed = heat.boxes, clock = 0, picture = null, wasOn = heat.on;
  const title = el('h1.name'), facts = el('p.soft.facts');
  const strip = el('div.strip', {role: 'group', 'aria-label': t('pictures')});
  const count = el('p.count'), body = el('div.result'), heatBar = el('div.heatbar');
  const rows = new TagList({look: tag => look(tag), pin: tag => pin(pinned?.key === tag.key ? null : tag),
    tick: (tag, yes) => { yes ? picture.edits.ticked.add(tag.key) : picture.edits.ticked.delete(tag.key); changed(picture); },
    remove: tag => { removeTag(picture, tag); announce(t('removed', {tag: names(tag).join(' ')})); changed(picture); },
    restore: tag => { picture.edits.removed.delete(tag.key); changed(picture); }, changed: () => update()});
  const words = wordsField(() => picture);
  const adding = addField(() => picture);
  const foot = el('div.panel-foot', {}, button('', 'copy', t('copy'), () => copy(), {keys: 'c'}), button('', 'save', t('export'), () => openExport([picture]), {keys: 'e'}));
  const caption = modelFor('caption') && has('/v1/caption') ? captionCard(() => picture) : null;
  const previous = button('.quiet', 'left', t('previous'), () => step(-1), {only: true, keys: 'k'});
  const next = button('.quiet', 'right', t('next'), () => step(1), {only: true, keys: 'j'});
  const element = el('section.try', {},
    el('div.left', {}, viewer.element, heatBar, el('div.under', {}, el('div.what', {}, title, facts),
      el('div.steps', {}, previous, next, button('.quiet', 'open', t('open'), openFiles, {only: true, keys: 'o'}),
        button('.quiet', 'trash', t('clear'), clear, {only: true}))), strip),
    el('div.panel', {}, el('div.panel-head', {}, el('h2', {}, t('tags')), count, namesSwitch()),
      thresholdControl(), body, adding.element, words.element, caption?.element ?? null,
      foot));

  const copy = () => {
    const text = tagsOf(picture).shown.map(tag => names(tag).join(' ')).join(', ');
    navigator.clipboard?.writeText(text).then(() => toast(t('copied')), () => toast(t('copy.failed')));
    if (!navigator.clipboard) toast(t('copy.failed'));
  };

  // Of the tag that is looked at, or of all; not for every step of the slider.
  function drawBoxes(wait = 0) {
    clearTimeout(drawing);
    asking?.abort();
    const mine = picture, {signal} = asking = new AbortController(), s = picture.record?.source;
    if (!heat.boxes || !heatPossible() || !s) return viewer.setBoxes([]);
    drawing = setTimeout(async () => {
      try {
        const list = (await boxesOf(mine, signal)).filter(({tag}) => !wanted || tag.key === wanted.key);
        if (!signal.aborted) viewer.setBoxes(list.map(({tag, box}) => ({text: names(tag).join(' '), box})), s.width, s.height);
      } catch { /* another picture is looked at by now, or there are none */ }
    }, wait);
  }

  async function look(tag) {
    wanted = tag ?? pinned;
    drawBoxes(120);
    element.classList.toggle('looking', !!tag);
    fetching?.abort();
    fetching = new AbortController();
    const {signal} = fetching, mine = wanted;
    if (!mine || !heat.on || !heatPossible() || !picture.record) {
      viewer.setHeat(null);
      legend(null);
      return;
    }
    try {
      if (tag) await new Promise(done => setTimeout(done, 120)); // the mouse only passed over it
      if (signal.aborted) return;
      legend(null, mine);
      const map = await heatOf(picture, mine, signal);
      if (signal.aborted) return;
      viewer.setHeat(map?.canvas ?? null, heat.opacity);
      legend(map, map && mine);
    } catch { /* another tag is looked at by now */ }
  }

  function pin(tag) {
    pinned = tag;
    if (tag && !heat.on && heatPossible()) changeHeat({on: true});
    rows.show(picture, pinned?.key);
    look(null);
  }

  function legend(map, tag) {
    if (!heatPossible()) return heatBar.replaceChildren();
    if (!heatBar.firstChild) heatBar.append(...heatControls());
    heatBar.querySelector('.which').textContent = tag ? names(tag).join(' ') : heat.on ? t('heat.hint') : '';
    heatBar.classList.toggle('busy', !!tag && !map);
    heatBar.querySelector('.most').textContent = map ? logits(map.max) : '';
    heatBar.classList.toggle('idle', !map);
  }

  function update() {
    const shown = store.current;
    if (shown !== picture) {
      picture = shown;
      pinned = null;
      viewer.show(urlOf(picture), picture.name);
      look(null);
      words.look();
    }
    const at = store.pictures.indexOf(picture), s = picture.record?.source;
    title.textContent = picture.name;
    facts.textContent = [s && `${number(s.width)} × ${number(s.height)}`, bytes(picture.file.size), store.pictures.length > 1 && t('of', {i: at + 1, n: store.pictures.length}),
      picture.record && t('took', {ms: Math.round(picture.record.timing_ms?.total ?? 0)})].filter(Boolean).join(' · ');
    previous.disabled = at <= 0;
    next.disabled = at >= store.pictures.length - 1;
    fillStrip();
    clearInterval(clock);
    viewer.unseen(!viewer.note.hidden, isRefused(picture));
    const done = picture.state === 'done' || (picture.record && picture.state !== 'failed');
    if (done) showTags();
    else showState();
    adding.element.hidden = words.element.hidden = foot.hidden = !done;
    if (caption) caption.element.hidden = !done;
    caption?.update();
    if (!heatBar.firstChild) legend(null);
    if (pinned) look(null);
    else drawBoxes(250);
  }

  function showTags() {
    const found = rows.show(picture, pinned?.key);
    if (body.firstChild !== rows.element) body.replaceChildren(rows.element);
    body.querySelector('.nothing')?.remove();
    count.textContent = t('count', {n: found.shown.length});
    announce(`${picture.name}: ${count.textContent}`);
    if (found.shown.length) return;
    const {best} = found;
    body.append(el('div.nothing', {}, el('p', {}, t(view.threshold === null ? 'nothing.auto' : 'nothing', {threshold: score(view.threshold ?? 0)}), ' ',
      best ? t('best', {tag: names(best).join(' '), score: score(best.score)}) : null),
    best && button('', '', t('best.show'), () => nudge(Math.max(0, Math.floor(best.score * 100 - 1e-6) / 100), true))));
  }

  function showState() {
    count.textContent = '';
    const {state, problem} = picture;
    if (state === 'failed' && ['body-too-large', 'image-too-large'].includes(problem.code)) body.replaceChildren(tooLarge(problem));
    else if (state === 'failed') body.replaceChildren(failure(problem));
    else if (state === 'stopped') body.replaceChildren(el('div.nothing', {}, el('p', {}, t('stopped')), button('', 'play', t('resume'), () => runner.resume())));
    else if (!body.querySelector('.skeleton')) body.replaceChildren(skeleton());
    if (state === 'failed') announce(`${problem.title}. ${problem.detail ?? ''}`);
  }

  function skeleton() {
    const since = el('p.soft.since', {}, '');
    const began = performance.now();
    clock = setInterval(() => {
      const s = (performance.now() - began) / 1000;
      if (s > 2) since.textContent = t('working', {time: seconds(s)});
    }, 500);
    return el('div.skeleton', {'aria-label': t('loading'), role: 'img'}, [88, 74, 69, 52, 47, 33].map(w => {
      const line = el('span.bone');
      line.style.width = `${w}%`;
      return line;
    }), since);
  }

  const failure = problem => el('div.failure', {role: 'alert'}, el('h3', {}, problem.title), el('p', {}, problem.detail ?? problem.message),
    button('', 'retry', t('retry'), () => runner.retry([picture])));

  const tooLarge = problem => el('div.failure', {role: 'alert'}, el('h3', {}, t('large')),
    el('p', {}, problem.code === 'image-too-large' ? problem.message : t('large.why', {size: bytes(picture.file.size), limit: bytes(problem.limit_bytes ?? server.limits.body_bytes)})),
    button('', 'fit', t('large.shrink'), () => shrink(picture).catch(() => toast(t('unseen')))));

  function fillStrip() {
    strip.hidden = store.pictures.length < 2;
    const state = `${picture.id} ${store.pictures.length}`;
    if (strip.hidden || strip.state === state) return;
    strip.state = state;
    // a folder has too many for a strip: those around this one
    const at = store.pictures.indexOf(picture), from = Math.max(0, Math.min(at - 8, store.pictures.length - 17));
    strip.replaceChildren(...store.pictures.slice(from, from + 17).map(p => {
      const b = el('button.film', {type: 'button', title: p.name, 'aria-label': p.name, 'aria-current': p === picture ? 'true' : undefined,
        onclick: () => showPicture(p)});
      b.picture = p;
      b.dataset.state = p.state;
      thumbOf(p).then(url => url && b.append(el('img', {src: url, alt: ''})));
      return b;
    }));
  }

  const back = () => {
    if (pinned) pin(null);
    else if (store.pictures.length > 1) location.hash = '#/batch';
  };

  return {element, viewer, words, update, back, copy,
    mark: p => { for (const b of strip.children) if (b.picture === p) b.dataset.state = p.state; },
    heatChanged: () => {
      viewer.over.style.opacity = heat.opacity;
      if (boxed !== heat.boxes) {
        boxed = heat.boxes;
        const box = heatBar.querySelector('.check.boxed input');
        if (box) box.checked = boxed;
        return drawBoxes();
      }
      if (wasOn === heat.on) return; // the slider of opacity is being dragged: it stays
      wasOn = heat.on;
      heatBar.replaceChildren();
      legend(null);
      look(wanted === pinned ? null : wanted);
    },
    end: () => { clearInterval(clock); clearTimeout(drawing); fetching?.abort(); asking?.abort(); }};
}

// Added by hand: a name of the vocabulary, which is offered, or any other.
function addField(picture) {
  const input = el('input', {type: 'text', list: 'vocabulary', placeholder: t('add.hint'), 'aria-label': t('add'), autocomplete: 'off', maxLength: 200});
  if (!document.getElementById('vocabulary'))
    document.body.append(el('datalist', {id: 'vocabulary'}, vocabulary.tags.map(tag => el('option', {value: tag.name}, tag.name_zh))));
  const element = el('form.field', {onsubmit: e => {
    e.preventDefault();
    const added = split(input.value);
    for (const word of added) addTag(picture(), word);
    input.value = '';
    if (added.length) changed(picture());
  }}, el('div.with', {}, input, button('', 'plus', t('add'), null, {only: true, type: 'submit'})));
  return {element};
}

const logits = x => x.toFixed(x < 1 ? 2 : 1); // the end of the scale: not a probability

function heatControls() {
  const boxes = el('input', {type: 'checkbox', checked: heat.boxes, onchange: () => changeHeat({boxes: boxes.checked})});
  const toggle = el('input', {type: 'checkbox', checked: heat.on, onchange: () => changeHeat({on: toggle.checked})});
  const opacity = el('input', {type: 'range', min: 0.1, max: 1, step: 0.05, value: heat.opacity, 'aria-label': t('heat.opacity'),
    title: t('heat.opacity'), oninput: () => changeHeat({opacity: Number(opacity.value)})});
  const fill = () => opacity.style.setProperty('--part', (opacity.value - 0.1) / 0.9);
  opacity.addEventListener('input', fill);
  fill();
  const scale = el('canvas.scale', {width: 64, height: 1, 'aria-hidden': 'true'}), c = scale.getContext('2d');
  for (let i = 0; i < 64; i++) {
    c.fillStyle = `rgb(${colour(i / 63)})`;
    c.fillRect(i, 0, 1, 1);
  }
  return [el('label.check', {title: 'h'}, toggle, t('heat')), el('label.check.boxed', {title: `${t('boxes.why')} (b)`}, boxes, t('boxes')), el('span.which.soft'), el('span.legend', {hidden: !heat.on, title: t('heat.scale')}, el('span', {}, '0'), scale, el('span.most')),
    el('label.opacity', {hidden: !heat.on}, opacity)];
}
