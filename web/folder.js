// folder.js - all pictures: a grid that fills while they are recognised; filter, select, correct, export.

import {server} from './api.js';
import {announce, button, el, icon} from './dom.js';
import {names, addTag, removeTag, split, tagsOf, view, vocabulary} from './tagging.js';
import {namesSwitch, nudge, thresholdControl} from './controls.js';
import {number, score, seconds, t} from './strings.js';
import {listen} from './try.js';
import {openExport, openFiles, openFolder} from './opening.js';
import {changed, clear, isRefused, runner, showPicture, store, thumbOf} from './store.js';

const FACETS = 24;
const unseen = picture => t(isRefused(picture) ? 'unseen.refused' : 'unseen');

export function folderScreen(root) {
  let screen = null;
  const show = () => {
    if (!store.pictures.length) {
      screen?.end();
      screen = null;
      root.replaceChildren(welcome());
    } else {
      if (!screen) root.replaceChildren((screen = gridScreen()).element);
      screen.list();
    }
  };
  const off = listen([[store, 'list', show], [store, 'change', e => screen?.change(e.detail)], [store, 'progress', () => screen?.progress()],
    [server, 'state', () => screen?.progress()], [view, 'change', () => screen?.repaint()]]);
  show();
  return {keys: {e: () => screen?.export(), '/': () => screen?.filter.focus(), '[': () => nudge(-0.01), ']': () => nudge(0.01), Escape: () => screen?.unselect(),
    j: () => screen?.move(1), k: () => screen?.move(-1)},
  end: () => { off(); screen?.end(); }};
}

const welcome = () => el('section.welcome', {}, el('div.target', {}, icon('folder'), el('h1', {}, t('folder.welcome')), el('p.soft', {}, t('folder.how')),
  el('div.actions', {}, button('.primary', 'folder', t('folder.open'), openFolder), button('', 'open', t('open.many'), openFiles, {keys: 'o'}))),
el('p.soft.privacy', {}, t('folder.privacy')));

function gridScreen() {
  const cards = new Map(), selected = new Set();
  let wanted = [], onlyFailed = false, due = 0, last = null, again = 0;
  const bar = el('progress', {max: 1, 'aria-label': t('progress')}), said = el('p.said-progress');
  const stop = button('', 'stop', t('cancel'), () => runner.cancel()), go = button('', 'play', t('resume'), () => runner.resume());
  const retry = button('', 'retry', '', () => runner.retry(store.pictures.filter(p => p.state === 'failed')));
  const filter = el('input', {type: 'search', list: 'vocabulary', placeholder: t('filter.hint'), 'aria-label': t('filter'), oninput: () => {
    wanted = split(filter.value.toLowerCase());
    refresh();
  }});
  const facets = el('div.chips.facets', {role: 'group', 'aria-label': t('facets')}), matches = el('p.count');
  const failedOnly = el('input', {type: 'checkbox', onchange: () => { onlyFailed = failedOnly.checked; refresh(); }});
  const failedLabel = el('label.check', {}, failedOnly, t('failed.only'));
  const grid = el('ul.grid', {'aria-label': t('pictures')}), selection = selectionBar();
  const element = el('section.folder', {}, el('h1.hidden', {}, t('folder')),
    el('div.card.status', {}, el('div.status-line', {}, said, el('div.actions', {}, stop, go, retry)), bar),
    el('div.bar-row', {}, filter, namesSwitch(), thresholdControl(), failedLabel),
    facets,
    el('div.bar-row.between', {}, matches, el('div.actions', {}, button('', 'folder', t('folder.more'), openFolder), button('', 'save', t('export'), () => openExport(chosen()), {keys: 'e'}),
      button('.quiet', 'trash', t('clear'), clear, {only: true}))),
    selection.element, grid);
  const seen = new IntersectionObserver(entries => {
    for (const e of entries) {
      const {picture} = e.target;
      e.target.near = e.isIntersecting;
      if (!e.isIntersecting) continue;
      if (e.target.stale) paint(picture);
      if (e.target.asked) continue;
      e.target.asked = true;
      thumbOf(picture).then(url => e.target.frame.prepend(url ? el('img', {src: url, alt: ''}) : el('span.unseen', {}, unseen(picture))));
    }
  }, {rootMargin: '300px'});

  const tagsIn = new Map(); // picture: its shown tags, until something changes
  const tagsFor = p => {
    if (!tagsIn.has(p)) tagsIn.set(p, p.record ? tagsOf(p).shown : []);
    return tagsIn.get(p);
  };
  const passes = p => (!onlyFailed || p.state === 'failed') &&
    wanted.every(w => tagsFor(p).some(tag => tag.name.toLowerCase().includes(w) || tag.zh.includes(w)));
  const chosen = () => selected.size ? store.pictures.filter(p => selected.has(p)) : store.pictures.filter(passes);

  function card(p) {
    const box = el('input', {type: 'checkbox', 'aria-label': t('select', {name: p.name}), onclick: e => select(p, box.checked, e.shiftKey)});
    const frame = el('a.frame', {href: '#/', 'aria-label': p.name, onclick: () => showPicture(p)});
    const words = el('p.words'), li = el('li.cell', {}, frame, box, el('p.file', {title: p.path}, p.name), words);
    Object.assign(li, {picture: p, box, frame, words});
    cards.set(p, li);
    seen.observe(li);
    paint(p);
    return li;
  }

  function paint(p) {
    const li = cards.get(p);
    if (!li) return;
    li.dataset.state = p.state;
    li.box.checked = selected.has(p);
    li.stale = !li.near;
    if (li.stale) return; // it is painted when it comes into sight
    const blank = li.frame.querySelector('.unseen');
    if (blank) blank.textContent = unseen(p);
    if (p.state === 'failed') {
      li.words.replaceChildren(el('span.problem', {}, `${p.problem.title}: ${p.problem.message.replace(`${p.name}: `, '')}`), button('.small', 'retry', t('retry'), () => runner.retry([p])));
    } else if (p.record) {
      li.words.replaceChildren(...tagsFor(p).slice(0, 6).map(tag => el('span.word', {title: score(tag.score)}, names(tag).join(' '))));
      if (!tagsFor(p).length) li.words.replaceChildren(el('span.soft', {}, t('no.tags')));
    } else {
      li.words.replaceChildren(el('span.soft', {}, t(`state.${p.state}`)));
    }
  }

  function repaint() { // the threshold or the names are others
    tagsIn.clear();
    again ||= requestAnimationFrame(() => {
      again = 0;
      for (const p of store.pictures) paint(p);
    });
    refresh();
  }

  function refresh(wait = 0) { // what is shown of them; while results come in, not for each of them
    due ||= setTimeout(() => {
      due = 0;
      let n = 0;
      for (const p of store.pictures) {
        const yes = passes(p);
        cards.get(p).hidden = !yes;
        n += yes;
      }
      matches.textContent = n === store.pictures.length ? t('pictures.n', {n}) : t('pictures.of', {n, all: store.pictures.length});
      fillFacets();
      selection.update();
    }, wait);
  }

  function fillFacets() {
    const counts = new Map();
    for (const p of store.pictures)
      if (!cards.get(p).hidden) for (const tag of tagsFor(p)) {
        const c = counts.get(tag.name) ?? {tag, n: 0};
        c.n++;
        counts.set(tag.name, c);
      }
    const top = [...counts.values()].sort((a, b) => b.n - a.n || b.tag.score - a.tag.score).slice(0, FACETS);
    facets.replaceChildren(...top.map(({tag, n}) => {
      const on = wanted.includes(tag.name.toLowerCase());
      return el('button.chip', {type: 'button', 'aria-pressed': String(on), onclick: () => {
        wanted = on ? wanted.filter(w => w !== tag.name.toLowerCase()) : [...wanted, tag.name.toLowerCase()];
        filter.value = wanted.join(', ');
        refresh();
      }}, names(tag).join(' '), el('span.n', {}, number(n)));
    }));
  }

  function progress() {
    const {total, left, done, rate, eta} = runner.progress(), failed = store.pictures.filter(p => p.state === 'failed').length;
    const stopped = store.pictures.some(p => p.state === 'stopped');
    const going = left && server.state === 'ok';
    bar.value = total ? done / total : 0;
    bar.hidden = !left;
    stop.hidden = !left;
    go.hidden = !stopped;
    retry.hidden = !failed || !!left;
    retry.lastChild.textContent = t('retry.failed', {n: failed});
    failedLabel.hidden = !failed;
    said.textContent = [t('done.of', {n: number(done), all: number(total)}), going && rate ? t('rate', {rate: rate.toFixed(rate < 10 ? 1 : 0)}) : null,
      going && eta ? t('eta', {time: seconds(eta)}) : null, failed ? t('failed.n', {n: failed}) : null].filter(Boolean).join(' · ');
    if (!left) announce(said.textContent);
  }

  function select(p, yes, range) {
    const shown = store.pictures.filter(passes), from = range && last ? shown.indexOf(last) : -1, to = shown.indexOf(p);
    for (const q of from >= 0 ? shown.slice(Math.min(from, to), Math.max(from, to) + 1) : [p]) {
      yes ? selected.add(q) : selected.delete(q);
      cards.get(q).box.checked = yes;
    }
    last = p;
    selection.update();
  }

  function selectionBar() {
    const input = el('input', {type: 'text', list: 'vocabulary', placeholder: t('edit.hint'), 'aria-label': t('edit')}), n = el('span.count');
    const each = f => {
      const words = split(input.value);
      for (const p of selected) if (p.record) for (const word of words) f(p, word);
      input.value = '';
      for (const p of selected) changed(p);
    };
    const take = (p, word) => {
      const tag = tagsOf(p).shown.find(x => x.name.toLowerCase() === word.toLowerCase() || x.zh === word);
      if (tag) removeTag(p, tag);
    };
    const all = button('.link', '', t('select.all'), () => {
      for (const p of store.pictures.filter(passes)) select(p, true);
    });
    const bar = el('form.card.selection', {onsubmit: e => { e.preventDefault(); each(addTag); }}, n, all, button('.link', '', t('select.none'), unselect),
      el('div.with', {}, input, button('', 'plus', t('edit.add'), null, {type: 'submit'}), button('', 'minus', t('edit.remove'), () => each(take))));
    return {element: bar, update: () => {
      bar.hidden = !selected.size;
      n.textContent = t('selected', {n: selected.size});
      element.classList.toggle('selecting', selected.size > 0);
    }};
  }

  function unselect() {
    selected.clear();
    last = null;
    for (const li of cards.values()) li.box.checked = false;
    selection.update();
  }

  return {element, filter, progress, unselect, repaint, export: () => openExport(chosen()),
    list: () => {
      for (const p of store.pictures) if (!cards.has(p)) grid.append(card(p));
      progress();
      refresh();
    },
    change: p => {
      tagsIn.delete(p);
      paint(p);
      if (p.state === 'done' || p.state === 'failed') refresh(250);
    },
    move: by => {
      const all = [...grid.children].filter(li => !li.hidden), at = all.indexOf(document.activeElement?.closest('li'));
      all[Math.max(0, Math.min(all.length - 1, at + by))]?.frame.focus();
    },
    end: () => { seen.disconnect(); clearTimeout(due); }};
}
