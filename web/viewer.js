// viewer.js - the picture: fitted, zoomed by wheel, buttons and keys, dragged, with a heat map over it.

import {button, el} from './dom.js';
import {t} from './strings.js';

const MOST = 16;

export class Viewer {
  constructor() {
    this.image = el('img', {alt: '', draggable: 'false'});
    this.over = el('div.over');
    this.boxes = el('ul.boxes', {'aria-label': t('boxes')});
    this.plane = el('div.plane', {}, this.image, this.over, this.boxes);
    this.note = el('p.unseen', {hidden: true});
    this.refused = false;
    this.stage = el('div.stage', {tabIndex: 0, role: 'group', 'aria-label': t('viewer')}, this.plane, this.note);
    this.tools = el('div.tools', {},
      button('.quiet', 'minus', t('zoom.out'), () => this.zoom(1 / 1.4), {only: true, keys: '-'}),
      button('.quiet', 'fit', t('zoom.fit'), () => this.fit(), {only: true, keys: '0'}),
      button('.quiet', 'plus', t('zoom.in'), () => this.zoom(1.4), {only: true, keys: '+'}));
    this.element = el('div.viewer', {}, this.stage, this.tools);
    this.fit();
    this.listen();
    this.image.addEventListener('error', () => this.unseen(true));
    this.image.addEventListener('load', () => this.unseen(false));
  }

  // `refused`: the server cannot read it either
  unseen(yes, refused = this.refused) {
    this.refused = refused;
    this.note.textContent = yes ? t(refused ? 'unseen.refused' : 'unseen') : '';
    this.note.hidden = !yes;
    this.plane.hidden = yes;
  }

  show(url, alt) {
    if (this.image.src !== url) {
      this.image.src = url;
      this.fit();
      this.setHeat(null);
      this.setBoxes([]);
    }
    this.image.alt = alt;
  }

  setHeat(canvas, opacity = 1) {
    this.over.replaceChildren(...(canvas ? [canvas] : []));
    this.over.style.opacity = opacity;
    this.stage.classList.toggle('hot', !!canvas);
  }

  // [{text, box}] in pixels of a picture of this size
  setBoxes(list, width = 1, height = 1) {
    this.boxes.style.aspectRatio = `${width} / ${height}`;
    this.boxes.style.setProperty('--ratio', width / height);
    this.boxes.replaceChildren(...list.map(({text, box: [x0, y0, x1, y1]}) => {
      const li = el('li', {}, el('span', {}, text));
      Object.assign(li.style, {left: `${100 * x0 / width}%`, top: `${100 * y0 / height}%`, width: `${100 * (x1 - x0) / width}%`, height: `${100 * (y1 - y0) / height}%`});
      return li;
    }));
    this.boxes.hidden = !list.length;
  }

  fit() { this.place(1, 0, 0); }

  place(scale, x, y) {
    const {clientWidth: w, clientHeight: h} = this.stage;
    const reach = [w * (scale - 1) / 2, h * (scale - 1) / 2];
    this.at = [scale, Math.max(-reach[0], Math.min(reach[0], x)), Math.max(-reach[1], Math.min(reach[1], y))];
    this.plane.style.transform = `translate(${this.at[1]}px, ${this.at[2]}px) scale(${scale})`;
    this.stage.classList.toggle('zoomed', scale > 1);
  }

  // about a point of the stage, counted from its middle
  zoom(by, px = 0, py = 0) {
    const [scale, x, y] = this.at, next = Math.max(1, Math.min(MOST, scale * by)), k = next / scale;
    this.place(next, px - (px - x) * k, py - (py - y) * k);
  }

  listen() {
    const {stage} = this, points = new Map();
    const middle = e => {
      const r = stage.getBoundingClientRect();
      return [e.clientX - r.left - r.width / 2, e.clientY - r.top - r.height / 2];
    };
    stage.addEventListener('wheel', e => {
      if (e.deltaY > 0 && this.at[0] === 1) return; // nothing to zoom out of: the page scrolls
      e.preventDefault();
      this.zoom(Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.002)), ...middle(e));
    }, {passive: false});
    stage.addEventListener('dblclick', e => this.at[0] > 1 ? this.fit() : this.zoom(2.5, ...middle(e)));
    stage.addEventListener('pointerdown', e => {
      points.set(e.pointerId, [e.clientX, e.clientY]);
      if (this.at[0] > 1 || points.size > 1) stage.setPointerCapture(e.pointerId);
    });
    stage.addEventListener('pointermove', e => {
      const before = points.get(e.pointerId);
      if (!before) return;
      const others = [...points].filter(([id]) => id !== e.pointerId);
      points.set(e.pointerId, [e.clientX, e.clientY]);
      if (others.length) { // two fingers
        const [ox, oy] = others[0][1];
        const far = (p) => Math.hypot(p[0] - ox, p[1] - oy);
        this.zoom(far([e.clientX, e.clientY]) / Math.max(1, far(before)), ...middle({clientX: ox, clientY: oy}));
      } else if (this.at[0] > 1) {
        this.place(this.at[0], this.at[1] + e.clientX - before[0], this.at[2] + e.clientY - before[1]);
      }
    });
    for (const end of ['pointerup', 'pointercancel']) stage.addEventListener(end, e => points.delete(e.pointerId));
    stage.addEventListener('keydown', e => {
      const step = {ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60]}[e.key];
      if (!step || this.at[0] === 1) return; // fitted: the arrows change the picture
      this.place(this.at[0], this.at[1] + step[0], this.at[2] + step[1]);
      e.preventDefault();
      e.stopPropagation();
    });
  }
}
