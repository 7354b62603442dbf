// jobs.js - many pictures in one request: a job of the server, whose records come as events. A stream that breaks is
// taken up where it was left; a job that is gone, with the server that had it, leaves its last pictures undone.

import {ask, askJson, pause, Problem} from './api.js';

const AGAIN_MS = 1000, SILENCE_MS = 45000; // the server says something every 15 s

// Tells took(picture, record) of each and moved() of each progress. Throws Problem when the job is refused, AbortError
// when it is cancelled.
export async function runJob(pictures, values, signal, took, moved = () => {}) {
  const body = new FormData();
  for (const [k, v] of Object.entries(values)) body.append(k, v);
  for (const p of pictures) body.append('image', p.sent ?? p.file, p.name);
  // not aborted on its way: a job whose answer nobody hears would run to its end
  const at = `v1/jobs/${(await askJson('v1/jobs', {method: 'POST', body, between: signal})).id}`;
  const leave = () => ask(at, {method: 'DELETE', keepalive: true}).catch(() => {});
  if (signal.aborted) leave();
  signal.throwIfAborted();
  signal.addEventListener('abort', leave, {once: true});
  try {
    for (let last = 0; ;) {
      for await (const {event, id, data} of events(`${at}/events`, last, signal)) {
        last = id;
        if (event === 'result') took(pictures[data.index], data.record);
        else if (event === 'progress') moved();
        else if (event === 'done') return void leave(); // an ended job is forgotten: its records are here
      }
      await pause(AGAIN_MS);
    }
  } catch (e) {
    if (e.status !== 404) throw e;
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

// Server-sent events by fetch, which can send the key; ends when the stream does, whole or not.
async function* events(path, last, signal) {
  const answer = await ask(path, {headers: {'Last-Event-ID': String(last)}, signal});
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const silent = setTimeout(() => reader.cancel().catch(() => {}), SILENCE_MS);
      const {done, value} = await reader.read().catch(() => ({done: true})).finally(() => clearTimeout(silent));
      signal.throwIfAborted();
      if (done) return;
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop();
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split('\n').map(line => line.split(/: ?(.*)/s, 2)));
        if (fields.data) yield {event: fields.event, id: Number(fields.id), data: JSON.parse(fields.data)};
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// An error of a record as the problem that the picture alone would have got.
export const problemOf = ({code, detail}) => new Problem({code, detail, title: code[0].toUpperCase() + code.slice(1).replaceAll('-', ' ')}, 422);
