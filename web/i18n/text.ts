import {en} from './en.js';
import {zhCN} from './zh-cn.js';

// Texts in two languages. A key is a key of `en`; `zhCN` must have every one (checked by its type).
export type Key = keyof typeof en;
export type Language = 'en' | 'zh-CN';

const storageKey = 'mailreeve.language';
const listeners = new Set<() => void>();

function initial(): Language {
  const kept = localStorage.getItem(storageKey);
  if (kept === 'en' || kept === 'zh-CN') return kept;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en';
}

let current: Language = initial();
document.documentElement.lang = current;

export function language(): Language {
  return current;
}

export function setLanguage(next: Language) {
  current = next;
  localStorage.setItem(storageKey, next);
  document.documentElement.lang = next;
  for (const listener of listeners) listener();
}

export function onLanguage(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// The text of `key` with {name} replaced. With `n`, English takes the part before '|' for one and after it otherwise.
export function text(key: Key, values: Record<string, string | number> = {}): string {
  let out: string = (current === 'zh-CN' ? zhCN : en)[key];
  if (out.includes('|')) {
    const [one, other] = out.split('|') as [string, string];
    out = new Intl.PluralRules(current).select(Number(values['n'] ?? 0)) === 'one' ? one : other;
  }
  return out.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? new Intl.NumberFormat(current).format(value) : value;
  });
}

// A key made at run time, such as an outcome of the wire; `fallback` is shown when there is no text for it.
export function textOf(key: string, fallback: string): string {
  return key in en ? text(key as Key) : fallback;
}

// Date and time in the reader's zone, with its offset to UTC: the same in both languages, sortable by eye.
export function when(iso: string | undefined | null): string {
  if (!iso) return '';
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const two = (n: number) => String(n).padStart(2, '0');
  const offset = -date.getTimezoneOffset();
  const sign = offset < 0 ? '-' : '+';
  const zone = offset === 0 ? 'UTC' : `UTC${sign}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
      `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}`;
}
