// strings.js - the words of the page, from lang/en.json or lang/zh.json, which have the same keys.

export const languages = {en: 'English', zh: '中文'};
export let language = 'en';
let words = {};

// t('best', {tag: 'dog'}); a key with .one and .other is chosen by n
export function t(key, values = {}) {
  let text = words[key] ?? words[`${key}.${new Intl.PluralRules(language).select(values.n ?? 0)}`] ?? words[`${key}.other`];
  if (text === undefined) throw new Error(`no words for ${key}`);
  return text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

export const number = n => new Intl.NumberFormat(language).format(n);
export const score = x => x >= 0.9995 ? '1.00' : x.toFixed(2);

export function bytes(n) {
  const units = ['B', 'kB', 'MB', 'GB'];
  let i = 0;
  while (n >= 1000 && i < 3) { n /= 1000; i++; }
  return `${n.toFixed(n < 10 && i ? 1 : 0)} ${units[i]}`;
}

export function seconds(s) {
  if (s < 90) return t('seconds', {n: Math.max(1, Math.round(s))});
  if (s < 5400) return t('minutes', {n: Math.round(s / 60)});
  return t('hours', {n: (s / 3600).toFixed(1)});
}

export async function loadLanguage(wanted) {
  const code = wanted ?? recall('language') ?? ((navigator.language ?? '').startsWith('zh') ? 'zh' : 'en');
  language = code in languages ? code : 'en';
  const answer = await fetch(`ui/lang/${language}.json`);
  words = await answer.json();
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  if (wanted) keep('language', wanted);
}

// Choices outlive the page; a browser that forbids it only forgets them.
export function recall(name) {
  try { return localStorage.getItem(`anytag.${name}`) ?? undefined; } catch { return undefined; }
}
export function keep(name, value) {
  try { localStorage.setItem(`anytag.${name}`, value); } catch { /* private windows */ }
}
