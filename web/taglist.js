// taglist.js - the tags as rows: tick, names, score as bar and number, remove. One row of the list is in the
// order of Tab; up and down go through the rows.

import {button, el} from './dom.js';
import {score, t} from './strings.js';
import {names, tagsOf} from './tagging.js';

const ROWS = 150; // more are shown when asked for

export class TagList {
  // on: look(tag or null) hovered or focused, pin(tag), tick(tag, yes), remove(tag), restore(tag)
  constructor(on) {
    this.on = on;
    this.rows = new Map();
    this.list = el('ul.tags', {'aria-label': t('tags.list'), onkeydown: e => this.key(e),
      onmouseleave: () => on.look(null), onfocusout: () => on.look(null)});
    this.weak = el('ul.tags.weak', {'aria-label': t('tags.weak'), onmouseleave: () => on.look(null), onfocusout: () => on.look(null)});
    this.more = el('div');
    this.element = el('div', {}, this.list, this.weak, this.more);
  }

  show(picture, pinned) {
    if (picture !== this.picture) this.rows.clear(), this.most = ROWS;
    this.picture = picture;
    const found = tagsOf(picture), focused = document.activeElement;
    const rows = found.shown.slice(0, this.most).map(tag => this.row(tag, pinned));
    this.list.replaceChildren(...rows);
    this.weak.replaceChildren(...found.weak.map(tag => this.row(tag, pinned)));
    this.weak.hidden = !found.weak.length;
    this.more.replaceChildren(...this.rest(found));
    if (focused?.isConnected && this.element.contains(focused)) focused.focus();
    if (!rows.some(li => li.box.tabIndex === 0)) rows.forEach((li, i) => { li.box.tabIndex = i ? -1 : 0; });
    return found;
  }

  rest({shown, removed}) {
    const parts = [];
    if (shown.length > this.most)
      parts.push(button('.link', '', t('tags.all', {n: shown.length}), () => {
        this.most = Infinity;
        this.on.changed();
      }));
    if (removed.length)
      parts.push(el('p.removed', {}, t('tags.removed'), ' ', removed.map(tag =>
        button('.chip', 'retry', names(tag).join(' '), () => this.on.restore(tag), {'aria-label': t('tags.restore', {tag: names(tag).join(' ')})}))));
    return parts;
  }

  row(tag, pinned) {
    const {picture, on} = this, words = names(tag);
    const state = `${words}|${tag.score}|${tag.added}|${tag.origin}`;
    let li = this.rows.get(tag.key);
    if (li?.state !== state) {
      const box = el('input', {type: 'checkbox', tabIndex: li?.box.tabIndex ?? -1, 'aria-keyshortcuts': 'Space Delete Enter',
        'aria-label': `${words.join(', ')}: ${tag.added ? t('added') : score(tag.score)}`,
        onchange: () => on.tick(li.tag, box.checked), onfocus: () => on.look(li.tag)});
      const bar = el('span.bar', {'aria-hidden': 'true'});
      bar.style.setProperty('--part', tag.score);
      li = el('li.tag', {onmouseenter: () => on.look(li.tag)}, bar, el('label.tick', {}, box),
        el('span.names', {onclick: () => on.pin(li.tag)}, words.map((w, i) => el('span', {lang: /[\u3400-\u9fff]/.test(w) ? 'zh-CN' : 'en'}, i ? ` ${w}` : w)),
          tag.origin === 'custom' || tag.added ? el('span.kind', {}, tag.added ? t('added') : t('custom')) : null),
        el('span.score', {}, tag.added ? '' : score(tag.score)),
        button('.quiet.remove', 'close', t('remove', {tag: words.join(' ')}), () => this.remove(li.tag), {only: true, tabIndex: -1}));
      Object.assign(li, {box, state});
      this.rows.set(tag.key, li);
    }
    li.tag = tag;
    li.box.checked = picture.edits.ticked.has(tag.key);
    li.classList.toggle('pinned', pinned === tag.key);
    return li;
  }

  remove(tag) {
    const all = [...this.list.children], at = all.findIndex(li => li.tag.key === tag.key);
    const next = all[at + 1] ?? all[at - 1];
    this.on.remove(tag);
    this.focus(next);
  }

  focus(li) {
    if (!li?.isConnected) return;
    for (const other of this.list.children) other.box.tabIndex = other === li ? 0 : -1;
    li.box.focus();
  }

  key(e) {
    const li = e.target.closest('li');
    if (!li || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === 'ArrowDown') this.focus(li.nextElementSibling);
    else if (e.key === 'ArrowUp') this.focus(li.previousElementSibling);
    else if (e.key === 'Home') this.focus(this.list.firstElementChild);
    else if (e.key === 'End') this.focus(this.list.lastElementChild);
    else if (e.key === 'Delete' || e.key === 'Backspace') this.remove(li.tag);
    else if (e.key === 'Enter' && e.target === li.box) this.on.pin(li.tag);
    else return;
    e.preventDefault();
    e.stopPropagation();
  }
}
