// runner.js - work on many pictures: several go together, as jobs, two at a time so that one is on its way while the
// other is at work; one that is looked at, or is the only one, goes alone.

const AT_ONCE = 2, FIRST = 16, MOST = 100; // pictures together; few at first, so that the first tags come soon
const NEAR = 4, LOST_MOST = 3;

export class Runner {
  // alone(picture, signal) does one; together(pictures, signal, end) several, and calls end(picture, problem) of each;
  // fits(): bytes that go together; told(picture, state, problem): waiting, working, done, failed, stopped; moved()
  // after each
  constructor(how) {
    Object.assign(this, how);
    this.clear();
  }

  clear() {
    this.abort?.abort();
    this.abort = new AbortController();
    this.queue = [];
    this.running = new Set(); // sets of pictures, each without those that are done
    this.refused = new Set(); // pictures of a job that was: they go alone, and one may be to blame
    this.lost = new Map(); // picture: how often the server has lost it
    this.looked = this.looking = null;
    this.all = new Set();
    this.finished = this.jobs = 0;
    this.times = [];
  }

  push(pictures) {
    for (const picture of pictures) {
      this.queue.push(picture);
      this.all.add(picture);
      this.told(picture, 'waiting');
    }
    this.fill();
    this.moved();
  }

  prefer(picture) { // it is looked at: it comes next
    this.looked = picture;
    if (this.looking || !['waiting', 'working'].includes(picture?.state)) return;
    for (const left of this.running) {
      const at = [...left].indexOf(picture);
      if (at >= 0 && at < NEAR) return;
    }
    this.queue = this.queue.filter(p => p !== picture);
    this.looking = picture;
    this.start([picture]);
  }

  retry(pictures) {
    this.finished -= pictures.filter(p => p.state === 'failed' || p.state === 'done').length;
    this.push(pictures);
  }

  undone() { return new Set([...this.running].flatMap(left => [...left]).concat(this.queue)); }

  cancel() {
    const undone = this.undone();
    this.queue = [];
    this.running.clear();
    this.lost.clear();
    this.looked = this.looking = null;
    this.abort.abort();
    this.abort = new AbortController();
    for (const picture of undone) this.told(picture, 'stopped');
    this.moved();
  }

  resume() { this.push([...this.all].filter(p => p.state === 'stopped')); }

  fill() {
    while (this.queue.length && this.running.size - (this.looking ? 1 : 0) < AT_ONCE) this.start(this.take());
  }

  take() { // the next that go together
    const most = this.jobs++ ? MOST : FIRST;
    let n = 0;
    for (let bytes = 0; n < this.queue.length && n < most; n++) {
      const picture = this.queue[n];
      bytes += (picture.sent ?? picture.file).size + 1024; // and its name
      if (n && (bytes > this.fits() || this.refused.has(picture) || this.refused.has(this.queue[0]))) break;
    }
    return this.queue.splice(0, n);
  }

  async start(pictures) {
    const {signal} = this.abort, left = new Set(pictures);
    if (!this.running.size) this.times = [performance.now()];
    this.running.add(left);
    for (const picture of pictures) this.told(picture, 'working');
    const end = (picture, problem) => {
      if (left.has(picture) && !signal.aborted) this.end(picture, problem);
    };
    try {
      if (pictures.length > 1) await this.together(pictures, signal, end);
      else await this.alone(pictures[0], signal).then(() => end(pictures[0]), problem => end(pictures[0], problem));
    } catch {
      if (!signal.aborted) for (const picture of left) this.refused.add(picture);
    }
    if (signal.aborted) return; // cancelled: somebody else has said so
    this.running.delete(left);
    if (this.looking === pictures[0]) this.looking = null;
    const others = this.undone();
    this.again([...left].filter(p => !others.has(p)));
    this.fill();
    this.moved();
    if (this.looked) this.prefer(this.looked);
  }

  // Of a job that ended without them, because the server did or it was ended there: once more, but not for ever.
  again(pictures) {
    if (pictures.length) this.times = [performance.now()]; // the time without a server is no measure
    for (const picture of pictures) this.lost.set(picture, (this.lost.get(picture) ?? 0) + 1);
    for (const picture of pictures) this.told(picture, this.lost.get(picture) > LOST_MOST ? 'stopped' : 'waiting');
    this.queue.unshift(...pictures.filter(p => p.state === 'waiting'));
  }

  end(picture, problem) {
    for (const left of this.running) left.delete(picture);
    this.refused.delete(picture);
    this.finished++;
    this.times.push(performance.now());
    if (this.times.length > 60) this.times.shift();
    this.told(picture, problem ? 'failed' : 'done', problem);
  }

  // rate: pictures a second of late, of all jobs; eta: seconds
  progress() {
    const total = this.all.size, left = this.undone().size;
    const {times} = this, span = (times.at(-1) - times[0]) / 1000;
    const rate = times.length > 1 && span > 0 ? (times.length - 1) / span : 0;
    return {total, left, done: this.finished, rate, eta: rate ? left / rate : 0};
  }
}
