import {css, html, svg} from 'lit';
import {property} from 'lit/decorators.js';
import {text} from '../i18n/text.js';
import {controls, define, MrElement} from './base.js';

export interface GraphMessage {
  key: string;
  label: string;
  sender: string;
  recipients: string[];
}

const drawn = {senders: 8, messages: 12, recipients: 24};
const rowHeight = 30;
const width = 860;
const columns = {senders: 0, messages: 310, recipients: 620};
const boxWidth = 240;

// Sender -> message -> recipients, in three columns. The table beside it holds the same for keyboard and screen reader.
export class MrGraph extends MrElement {
  @property({attribute: false}) messages: GraphMessage[] = [];
  @property({attribute: false}) selected: ReadonlySet<string> = new Set();

  static override styles = [
    controls,
    css`
      .frame { overflow: auto; max-height: 420px; }
      svg { display: block; min-width: 720px; width: 100%; height: auto; }
      rect { fill: var(--mr-surface); stroke: var(--mr-line-strong); }
      .message rect { fill: var(--mr-accent-soft); stroke: var(--mr-accent); }
      .selected rect { stroke-width: 2.5; }
      .message { cursor: pointer; }
      text { fill: var(--mr-ink); font: 12.5px var(--mr-font); }
      .head { fill: var(--mr-ink-soft); font-weight: 600; }
      path { fill: none; stroke: var(--mr-line-strong); stroke-opacity: 0.55; }
      path.selected { stroke: var(--mr-accent); stroke-opacity: 1; stroke-width: 2; }
    `,
  ];

  override render() {
    const senders = unique(this.messages.map((m) => m.sender)).slice(0, drawn.senders);
    const messages = this.messages.filter((m) => senders.includes(m.sender)).slice(0, drawn.messages);
    const everyone = unique(this.messages.flatMap((m) => m.recipients));
    const recipients = unique(messages.flatMap((m) => m.recipients)).slice(0, drawn.recipients);
    const all = unique(this.messages.map((m) => m.sender)).length + this.messages.length + everyone.length;
    const hidden = all - senders.length - messages.length - recipients.length;
    const rows = Math.max(senders.length, messages.length, recipients.length, 1);
    const height = 34 + rows * rowHeight;
    // Each column is centred on the tallest.
    const y = (index: number, count: number) => 34 + ((rows - count) * rowHeight) / 2 + index * rowHeight;
    const middle = (index: number, count: number) => y(index, count) + 12;
    const curve = (x1: number, y1: number, x2: number, y2: number, on: boolean) =>
      svg`<path class=${on ? 'selected' : ''} d="M${x1} ${y1} C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}"></path>`;
    return html`
      <div class="frame" tabindex="0" role="group" aria-label=${text('graph.label')}>
        <svg viewBox="0 0 ${width} ${height}" aria-hidden="true">
          <text class="head" x=${columns.senders} y="16">${text('graph.senders')}</text>
          <text class="head" x=${columns.messages} y="16">${text('graph.messages')}</text>
          <text class="head" x=${columns.recipients} y="16">${text('graph.recipients')}</text>
          ${messages.map((m, i) => {
            const on = this.selected.has(m.key);
            const here = middle(i, messages.length);
            return [
              curve(columns.senders + boxWidth, middle(senders.indexOf(m.sender), senders.length), columns.messages, here, on),
              ...m.recipients.map((r) => recipients.indexOf(r)).filter((at) => at >= 0)
                  .map((at) => curve(columns.messages + boxWidth, here, columns.recipients, middle(at, recipients.length), on)),
            ];
          })}
          ${senders.map((s, i) => this.#box('sender', columns.senders, y(i, senders.length), s || '<>'))}
          ${messages.map((m, i) => this.#box(
              `message ${this.selected.has(m.key) ? 'selected' : ''}`, columns.messages, y(i, messages.length), m.label,
              () => this.dispatchEvent(new CustomEvent('mr-choose', {detail: m.key}))))}
          ${recipients.map((r, i) => this.#box('recipient', columns.recipients, y(i, recipients.length), r))}
        </svg>
      </div>
      ${hidden > 0 ? html`<p class="soft small">${text('graph.hidden', {n: hidden})}</p>` : ''}
    `;
  }

  #box(kind: string, x: number, top: number, label: string, choose?: () => void) {
    return svg`<g class=${kind} @click=${choose ?? (() => undefined)}>
      <title>${label}</title>
      <rect x=${x + 0.5} y=${top} width=${boxWidth - 1} height="24" rx="6"></rect>
      <text x=${x + 9} y=${top + 16.5}>${shorten(label)}</text>
    </g>`;
  }
}

function unique(items: string[]): string[] {
  return [...new Set(items)];
}

// Cuts to what fits the box; East Asian characters take about twice the room.
function shorten(label: string): string {
  let used = 0;
  let out = '';
  for (const c of label) {
    used += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/.test(c) ? 2 : 1;
    if (used > 28) return out + '…';
    out += c;
  }
  return out;
}

define('mr-graph', MrGraph);
