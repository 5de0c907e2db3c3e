import {css, LitElement} from 'lit';
import {onLanguage} from '../i18n/text.js';

// What all elements share: texts follow the language, and the look of controls.
export class MrElement extends LitElement {
  #stop: (() => void) | undefined;

  override connectedCallback() {
    super.connectedCallback();
    this.#stop = onLanguage(() => this.requestUpdate());
  }
  override disconnectedCallback() {
    this.#stop?.();
    super.disconnectedCallback();
  }
}

export function define(name: string, element: CustomElementConstructor) {
  if (!customElements.get(name)) customElements.define(name, element);
}

export const controls = css`
  :host { display: block; color: var(--mr-ink); font: 15px/1.5 var(--mr-font); }
  *, *::before, *::after { box-sizing: border-box; }
  [hidden] { display: none !important; }
  h1 { font-size: 24px; line-height: 1.25; margin: 0 0 16px; font-weight: 650; letter-spacing: -0.01em; }
  h2 { font-size: 16px; line-height: 1.3; margin: 0; font-weight: 650; }
  p { margin: 0; }
  button, input, textarea, select { font: inherit; color: inherit; }
  button {
    min-height: 36px; padding: 6px 14px; border-radius: 8px; border: 1px solid var(--mr-line-strong);
    background: var(--mr-surface); cursor: pointer; font-weight: 550;
  }
  button:hover:not(:disabled) { background: var(--mr-accent-soft); }
  button:disabled { cursor: not-allowed; opacity: 0.55; }
  button.primary { background: var(--mr-accent); border-color: var(--mr-accent); color: var(--mr-accent-ink); }
  button.primary:hover:not(:disabled) { background: var(--mr-accent); filter: brightness(1.1); }
  button.danger { background: var(--mr-danger); border-color: var(--mr-danger); color: var(--mr-danger-ink); }
  button.danger:hover:not(:disabled) { background: var(--mr-danger); filter: brightness(1.1); }
  button.quiet { border-color: transparent; background: transparent; padding: 4px 8px; min-height: 28px; }
  :focus-visible { outline: 3px solid var(--mr-focus); outline-offset: 2px; }
  input[type='text'], input[type='password'], input[type='email'], textarea, select {
    width: 100%; padding: 8px 12px; border-radius: 8px; border: 1px solid var(--mr-line-strong); background: var(--mr-surface);
  }
  input[type='checkbox'] { width: 18px; height: 18px; margin: 0; accent-color: var(--mr-accent); }
  textarea { font-family: var(--mr-mono); font-size: 14px; resize: vertical; }
  label { display: block; font-weight: 550; margin-bottom: 6px; }
  .card {
    background: var(--mr-surface); border: 1px solid var(--mr-line); border-radius: 12px; box-shadow: var(--mr-shadow);
    padding: 18px 20px;
  }
  .soft { color: var(--mr-ink-soft); }
  .small { font-size: 13px; }
  .mono { font-family: var(--mr-mono); font-size: 13px; }
  .row { display: flex; gap: 12px; align-items: center; flex-wrap: wrap; }
  .grow { flex: 1 1 auto; }
  .stack { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; }
  .notice { border-radius: 8px; padding: 10px 14px; border: 1px solid var(--mr-line); }
  .notice.bad { background: var(--mr-danger-soft); border-color: var(--mr-danger); }
  .notice.warn { background: var(--mr-warn-soft); }
  .notice.good { background: var(--mr-good-soft); }
  [role='alert']:empty { display: none; }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; font-size: 14px; }
  th { text-align: left; font-weight: 600; color: var(--mr-ink-soft); font-size: 13px; white-space: nowrap; }
  th, td { padding: 8px 10px; border-bottom: 1px solid var(--mr-line); vertical-align: top; }
  tbody tr:last-child td { border-bottom: 0; }
  .visually-hidden {
    position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
  }
`;
