import {css, html} from 'lit';
import {property, state} from 'lit/decorators.js';
import {Client, type TrackedMessage} from '../api/client.js';
import {controls, define, MrElement} from '../elements/base.js';
import {problem} from '../elements/problem.js';
import {text, textOf, when} from '../i18n/text.js';
import type {SightedMessage} from './sightings.js';

// One message as its gateway tracked it, with its events in order.
export class MrMessage extends MrElement {
  @property({attribute: false}) client!: Client;
  @property({attribute: false}) message: SightedMessage | null = null;
  @state() private details: TrackedMessage | null = null;
  @state() private failed = '';
  #shown = '';

  static override styles = [
    controls,
    css`
      dl { display: grid; grid-template-columns: max-content 1fr; gap: 6px 16px; margin: 0; }
      dt { color: var(--mr-ink-soft); font-size: 13px; }
      dd { margin: 0; overflow-wrap: anywhere; }
      h3 { font-size: 14px; margin: 8px 0 0; }
      ul { margin: 0; padding-left: 18px; overflow-wrap: anywhere; }
    `,
  ];

  override updated() {
    if (this.message && this.message.key !== this.#shown) {
      this.#shown = this.message.key;
      void this.load();
    }
  }

  async load() {
    const message = this.message;
    if (!message) return;
    this.details = null;
    this.failed = '';
    try {
      const details = await this.client.message(message.instance, message.mid);
      if (this.message?.key === message.key) this.details = details;
    } catch (error) {
      this.failed = problem(error);
    }
  }

  override render() {
    const message = this.message;
    if (!message) return html`<p class="soft">${text('message.choose')}</p>`;
    const d = this.details;
    return html`
      <div class="stack">
        <div class="row">
          <h2 class="grow">${text('message.title', {mid: message.mid})} · ${message.gateway}</h2>
          <button class="quiet" @click=${() => this.dispatchEvent(new CustomEvent('mr-close'))}>${text('message.close')}</button>
        </div>
        <div role="alert">${this.failed ? html`<p class="notice bad">${this.failed}</p>` : ''}</div>
        <dl>
          <dt>${text('sightings.subject')}</dt><dd><bdi>${d?.subject ?? message.subject}</bdi></dd>
          <dt>${text('sightings.sender')}</dt><dd><bdi>${d?.sender ?? message.sender}</bdi></dd>
          <dt>${text('sightings.time')}</dt><dd>${when(message.received)}</dd>
          <dt>${text('message.messageId')}</dt><dd class="mono">${d?.message_id ?? message.messageId}</dd>
          ${d?.client_address ? html`<dt>${text('message.client')}</dt><dd class="mono">${d.client_address} ${d.client_name ?? ''}</dd>` : ''}
          ${d?.size ? html`<dt>${text('message.size')}</dt><dd>${text('message.bytes', {n: d.size})}</dd>` : ''}
        </dl>
        ${!d && !this.failed ? html`<p role="status" class="soft">${text('message.loading')}</p>` : ''}
        ${d?.urls?.length ? html`<h3>${text('message.urls')}</h3>
          <ul class="mono">${d.urls.map((url) => html`<li><bdi>${defang(url)}</bdi></li>`)}</ul>` : ''}
        ${d?.attachments?.length ? html`<h3>${text('message.files')}</h3>
          <ul>${d.attachments.map((file) => html`<li><bdi>${file.name}</bdi>
            <span class="soft small">${text('message.bytes', {n: file.size})}</span><br><span class="mono">${file.sha256}</span></li>`)}</ul>` : ''}
        ${d?.recipients?.length ? html`<h3>${text('message.recipients')}</h3>
          <ul>${d.recipients.map((to) => html`<li><bdi>${to.address}</bdi> – ${textOf(`status.${to.status}`, to.status)}</li>`)}</ul>` : ''}
        ${d?.events?.length ? html`<h3>${text('message.events')}</h3>
          <div class="scroll"><table><tbody>
            ${d.events.map((event) => html`<tr>
              <td class="small">${when(event.time)}</td>
              <td>${textOf(`event.${event.event}`, event.event)}${event.rid === undefined ? '' : ` · RID ${event.rid}`}</td>
              <td class="small"><bdi>${[event.dsn, event.relay, event.detail].filter(Boolean).join(' · ')}</bdi></td>
            </tr>`)}
          </tbody></table></div>` : ''}
      </div>
    `;
  }
}

// Shown, never followed.
export function defang(url: string): string {
  return url.replace(/^http/i, 'hxxp').replace(/\./g, '[.]');
}

define('mr-message', MrMessage);
