// api.js - the only module that speaks to the server. A request waits while the server is gone, is loading its
// model or wants a key, and is sent again; whoever asked sees only its answer or the problem of the request itself.

export class Problem extends Error {
  constructor(document, status) {
    super(document.detail || document.title || `HTTP ${status}`);
    Object.assign(this, {code: 'http', title: `HTTP ${status}`}, document, {status});
  }
}

// 'ok', 'gone', 'loading', 'key'; `again`: seconds to the next try
export const server = Object.assign(new EventTarget(), {state: 'ok', again: 0, routes: new Set(), limits: {}, models: [], version: ''});
let key = '';
try { key = sessionStorage.getItem('anytag.key') ?? ''; } catch { /* private windows */ }
let timer = 0;

function enter(state) {
  if (server.state === state) return;
  server.state = state;
  server.dispatchEvent(new Event('state'));
}

const ok = () => server.state === 'ok' ? Promise.resolve() : new Promise(resolve => {
  const look = () => {
    if (server.state !== 'ok') return;
    server.removeEventListener('state', look);
    resolve();
  };
  server.addEventListener('state', look);
});
export const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

// One request. Throws Problem, or AbortError.
async function once(path, options) {
  const headers = {...options.headers, ...(key ? {Authorization: `Bearer ${key}`} : {})};
  let answer;
  try {
    answer = await fetch(path, {...options, headers});
  } catch (e) {
    if (e.name === 'AbortError') throw e;
    throw new Problem({code: 'gone', title: 'No answer', detail: e.message}, 0);
  }
  if (answer.ok) return answer;
  let document = {};
  try { document = await answer.json(); } catch { /* a proxy's own page */ }
  if (answer.status === 503 && document.error) document = {code: 'model-loading', title: document.error.message};
  document.retry = Number(answer.headers.get('Retry-After')) || 1;
  throw new Problem(document, answer.status);
}

function watch(wait = 1) {
  clearTimeout(timer);
  server.again = wait;
  server.dispatchEvent(new Event('again'));
  timer = setTimeout(() => tryNow(Math.min(10, wait * 1.6)), wait * 1000);
}

// Is it there again? Also the banner's button.
export async function tryNow(next = 1) {
  clearTimeout(timer);
  try {
    await once('health', {});
    enter('ok');
  } catch (e) {
    enter(e.code === 'model-loading' ? 'loading' : 'gone');
    watch(e.code === 'model-loading' ? e.retry : next);
  }
}

// `signal` breaks it off, `between` only while it waits to be sent.
export async function ask(path, {between, ...options} = {}) {
  for (let lost = 0; ;) {
    await ok();
    (options.signal ?? between)?.throwIfAborted();
    try {
      return await once(path, options);
    } catch (e) {
      if (['gone', 'stopping', 'model-loading'].includes(e.code)) {
        // it is there again, and breaks off again: it is this request (a proxy's limit, a file that has changed)
        if (e.code === 'gone' && ++lost > 3) throw e;
        if (server.state === 'ok') {
          enter(e.code === 'model-loading' ? 'loading' : 'gone');
          watch(e.retry ?? 1);
        }
      } else if (e.code === 'unauthorized') {
        enter('key');
      } else if (e.status === 429) {
        await pause(e.retry * 1000 * (0.5 + Math.random()));
      } else {
        throw e;
      }
    }
  }
}
export const askJson = async (path, options) => (await ask(path, options)).json();

// Pictures go as forms; `values` are its other fields.
export function form(file, name, values) {
  const body = new FormData();
  for (const [k, v] of Object.entries(values)) if (v !== undefined && v !== '') body.append(k, v);
  body.append('image', file, name);
  return {method: 'POST', body};
}

// Tries a key; true if it opens the server. It is kept until the tab is closed.
export async function useKey(given) {
  const before = key;
  key = given;
  try {
    await once('v1/models', {});
  } catch (e) {
    if (e.code === 'unauthorized') {
      key = before;
      return false;
    }
  }
  try { sessionStorage.setItem('anytag.key', key); } catch { /* private windows */ }
  enter('ok');
  return true;
}

// What this server can do: its routes, models and limits.
export async function discover() {
  const [health, api, models] = await Promise.all([askJson('health'), askJson('openapi.json'), askJson('v1/models')]);
  server.version = health.version;
  server.routes = new Set(Object.keys(api.paths));
  server.models = models.models;
  server.limits = models.limits ?? {};
  server.dispatchEvent(new Event('discovered'));
}
export const has = route => server.routes.has(route);
export const modelFor = task => server.models.find(m => m.task === task);
