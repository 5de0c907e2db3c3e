import {css, html, nothing} from 'lit';
import {property, state} from 'lit/decorators.js';
import {Client, type ActionName, type EnrichAnswer, type Observable} from '../api/client.js';
import {controls, define, MrElement} from '../elements/base.js';
import '../elements/graph.js';
import {problem} from '../elements/problem.js';
import {text, textOf, when} from '../i18n/text.js';
import './message.js';
import type {MrMessage} from './message.js';
import './remediation.js';
import type {MrRemediation} from './remediation.js';
import {messagesOf, type SightedMessage} from './sightings.js';

const actions: ActionName[] = ['delete', 'forward', 'forward_and_delete'];
const shownRecipients = 2;
const longestQuery = 2000;

// Paste, recognise, ask all gateways, see who was hit, act.
export class MrInvestigate extends MrElement {
  @property({attribute: false}) client!: Client;
  @state() private content = new URLSearchParams(location.search).get('q') ?? '';
  @state() private observables: Observable[] | null = null;
  @state() private answer: EnrichAnswer | null = null;
  @state() private messages: SightedMessage[] = [];
  @state() private selected: ReadonlySet<string> = new Set();
  @state() private shown: SightedMessage | null = null;
  @state() private running = false;
  @state() private failed = '';
  #asked: AbortController | undefined;

  static override styles = [
    controls,
    css`
      form + [role='alert'] + p { margin-top: 8px; }
      .chips { margin-top: 6px; display: flex; flex-wrap: wrap; gap: 8px; }
      .chip { display: inline-flex; align-items: center; gap: 8px; max-width: 100%; border: 1px solid var(--mr-line-strong);
        border-radius: 999px; padding: 2px 4px 2px 12px; background: var(--mr-surface); }
      .chip bdi { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; max-width: 60ch; font: 13px var(--mr-mono); }
      .chip .type { color: var(--mr-ink-soft); font-size: 12px; font-weight: 600; }
      .chip button { min-height: 26px; min-width: 26px; padding: 0; border: 0; border-radius: 999px; }
      .gateways { display: flex; flex-wrap: wrap; gap: 10px; }
      .gateway { border: 1px solid var(--mr-line); border-radius: 10px; padding: 8px 14px; background: var(--mr-page); font-size: 14px; }
      .ok { color: var(--mr-clean); }
      .no { color: var(--mr-malicious); }
      .numbers { display: flex; gap: 24px; flex-wrap: wrap; }
      .numbers strong { font-size: 22px; }
      tr.chosen td { background: var(--mr-accent-soft); }
      td.subject { min-width: 200px; max-width: 320px; overflow-wrap: anywhere; }
      td.people { overflow-wrap: anywhere; min-width: 190px; }
      .actions { position: sticky; bottom: 0; background: var(--mr-surface); border-top: 1px solid var(--mr-line);
        margin: 12px -20px -18px; padding: 12px 20px; border-radius: 0 0 12px 12px; }
      .columns { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; }
      .link { text-align: left; padding: 0; min-height: 0; border: 0; background: none; color: var(--mr-accent); text-decoration: underline; font-weight: 550; }
      @media (prefers-color-scheme: dark) { .link { color: var(--mr-accent); } }
    `,
  ];

  override firstUpdated() {
    if (this.content && !this.hidden) void this.#run();
  }

  override render() {
    return html`
      <div class="stack">
        <section class="card" aria-labelledby="heading">
          <h1 id="heading">${text('investigate.title')}</h1>
          <form class="stack" @submit=${this.#submit}>
            <div>
              <label for="content">${text('investigate.label')}</label>
              <textarea id="content" rows="4" spellcheck="false" autocomplete="off" placeholder=${text('investigate.placeholder')}
                .value=${this.content} @input=${(e: Event) => (this.content = (e.target as HTMLTextAreaElement).value)}
                @keydown=${this.#keys}></textarea>
            </div>
            <div class="row">
              <p class="soft small grow">${text('investigate.examples')}</p>
              <button class="primary" type="submit" ?disabled=${this.running || !this.content.trim()}>
                ${text('investigate.run')}
              </button>
            </div>
          </form>
          <div role="alert">${this.failed ? html`<p class="notice bad">${this.failed}</p>` : ''}</div>
          ${this.observables ? this.#chips(this.observables) : ''}
          ${this.running ? html`<p role="status" class="soft">${text('investigate.running')}</p>` : ''}
        </section>
        ${this.answer ? this.#results(this.answer) : ''}
        <mr-remediation .client=${this.client} @mr-ended=${this.#ended}></mr-remediation>
      </div>
    `;
  }

  #chips(observables: Observable[]) {
    if (observables.length === 0) return html`<p class="notice warn">${text('investigate.nothing')}</p>`;
    return html`
      <p class="small soft">${text('investigate.recognised', {n: observables.length})}</p>
      <div class="chips" role="list" aria-label=${text('investigate.observables')}>
        ${observables.map((o) => html`
          <span class="chip" role="listitem">
            <span class="type">${o.type}</span><bdi title=${o.value}>${o.value}</bdi>
            <button aria-label=${text('investigate.remove', {value: o.value})} ?disabled=${this.running}
              @click=${() => this.#remove(o)}>✕</button>
          </span>`)}
      </div>
    `;
  }

  #results(answer: EnrichAnswer) {
    const mailboxes = new Set(this.messages.flatMap((m) => m.recipients)).size;
    return html`
      ${this.#gateways(answer)}
      <section class="card" aria-labelledby="sightings">
        <div class="row">
          <h2 id="sightings" class="grow">${text('sightings.title')}</h2>
          ${this.messages.length > 0
            ? html`<span>${text('sightings.count', {n: this.messages.length})} · ${text('sightings.mailboxes', {n: mailboxes})}</span>` : ''}
        </div>
        ${this.messages.length === 0 ? html`<p class="soft">${text('sightings.none')}</p>` : this.#table()}
      </section>
      ${this.messages.length > 0
        ? html`
            <section class="card stack" aria-labelledby="graph">
              <h2 id="graph">${text('graph.title')}</h2>
              <mr-graph
                .messages=${this.messages.map((m) => ({key: m.key, label: m.subject || m.messageId || `MID ${m.mid}`, sender: m.sender, recipients: m.recipients}))}
                .selected=${this.selected} @mr-choose=${(e: CustomEvent<string>) => this.#show(this.messages.find((m) => m.key === e.detail) ?? null)}>
              </mr-graph>
            </section>`
        : ''}
      ${this.shown
        ? html`<section class="card"><mr-message .client=${this.client} .message=${this.shown}
            @mr-close=${() => (this.shown = null)}></mr-message></section>`
        : ''}
    `;
  }

  #gateways(answer: EnrichAnswer) {
    const coverage = answer.coverage;
    const silent = coverage.some((c) => !c.answered);
    return html`
      <section class="card stack" aria-labelledby="gateways">
        <div class="row">
          <h2 id="gateways" class="grow">${text('gateways.title')}</h2>
          <span>${text('gateways.answered', {n: coverage.filter((c) => c.answered).length, total: coverage.length})}</span>
        </div>
        ${coverage.length === 0 ? html`<p class="soft">${text('gateways.none')}</p>` : ''}
        <div class="gateways">
          ${coverage.map((c) => {
            const error = answer.errors.find((e) => e.module_instance_id === c.module_instance_id);
            return html`
              <div class="gateway">
                <strong><bdi>${c.module}</bdi></strong>
                <span class=${c.answered ? 'ok' : 'no'}>${c.answered ? '✓ ' + text('gateways.ok') : '✕ ' + text('gateways.failed')}</span>
                ${c.held
                  ? html`<br><span class="soft small">${c.held.records_held
                      ? text('gateways.held', {n: c.held.records_held, since: when(c.held.oldest)}) : text('gateways.heldNone')}</span>`
                  : ''}
                ${c.held && c.held.complete === false
                  ? html`<br><span class="small">${text('gateways.incomplete', {why: c.held.why ?? ''})}</span>` : ''}
                ${error ? html`<br><span class="small no">${error.code}: ${error.message}</span>` : ''}
              </div>`;
          })}
        </div>
        ${silent ? html`<p class="notice warn">${text('gateways.why')}</p>` : ''}
      </section>
    `;
  }

  #table() {
    const all = this.messages.every((m) => this.selected.has(m.key));
    const chosen = this.messages.filter((m) => this.selected.has(m.key));
    return html`
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col"><input type="checkbox" aria-label=${text('sightings.selectAll')} .checked=${all}
                @change=${() => (this.selected = all ? new Set() : new Set(this.messages.map((m) => m.key)))}></th>
              <th scope="col">${text('sightings.time')}</th>
              <th scope="col">${text('sightings.sender')}</th>
              <th scope="col">${text('sightings.subject')}</th>
              <th scope="col">${text('sightings.recipients')}</th>
              <th scope="col">${text('sightings.status')}</th>
              <th scope="col">${text('sightings.gateway')}</th>
            </tr>
          </thead>
          <tbody>
            ${this.messages.map((m) => html`
              <tr class=${this.selected.has(m.key) ? 'chosen' : nothing}>
                <td><input type="checkbox" aria-label=${text('sightings.select', {mid: m.mid, gateway: m.gateway})}
                  .checked=${this.selected.has(m.key)} @change=${() => this.#toggle(m)}></td>
                <td class="small">${when(m.received)}</td>
                <td class="people"><bdi>${m.sender}</bdi></td>
                <td class="subject"><button class="link" aria-label=${`${m.subject} – ${text('sightings.details', {mid: m.mid})}`}
                  @click=${() => this.#show(m)}><bdi>${m.subject || `MID ${m.mid}`}</bdi></button></td>
                <td class="people small">
                  ${m.recipients.slice(0, shownRecipients).map((r) => html`<bdi>${r}</bdi><br>`)}
                  ${m.recipients.length > shownRecipients
                    ? html`<span class="soft">${text('sightings.more', {n: m.recipients.length - shownRecipients})}</span>` : ''}
                </td>
                <td>${textOf(`status.${m.status}`, m.status)}</td>
                <td>${m.gateway}</td>
              </tr>`)}
          </tbody>
        </table>
      </div>
      <div class="row actions">
        <span class="grow" role="status">${text('sightings.selected', {n: chosen.length})}</span>
        ${actions.map((action) => html`
          <button class=${action === 'forward' ? '' : 'danger'} ?disabled=${chosen.length === 0 || this.#remediation?.busy}
            @click=${() => this.#remediation?.start(action, chosen)}>${textOf(`action.${action}`, action)}</button>`)}
      </div>
    `;
  }

  get #remediation() {
    return this.renderRoot.querySelector('mr-remediation') as MrRemediation | null;
  }

  #submit = (event: SubmitEvent) => {
    event.preventDefault();
    void this.#run();
  };

  #keys = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void this.#run();
    }
  };

  async #run() {
    if (this.running || !this.content.trim()) return;
    const address = new URL(location.href);
    if (this.content.length <= longestQuery) {
      address.searchParams.set('q', this.content);
    } else {
      address.searchParams.delete('q');
    }
    history.replaceState(null, '', address);
    this.observables = null;
    await this.#guard(async (signal) => {
      this.observables = await this.client.inspect(this.content, signal);
      await this.#ask(signal);
    });
  }

  async #remove(observable: Observable) {
    this.observables = (this.observables ?? []).filter((o) => o !== observable);
    await this.#guard((signal) => this.#ask(signal));
  }

  async #ask(signal: AbortSignal) {
    this.selected = new Set();
    this.shown = null;
    if (!this.observables || this.observables.length === 0) {
      this.answer = null;
      this.messages = [];
      return;
    }
    this.answer = await this.client.observe(this.observables, signal);
    this.messages = messagesOf(this.answer);
  }

  async #guard(work: (signal: AbortSignal) => Promise<void>) {
    this.#asked?.abort();
    const asked = new AbortController();
    this.#asked = asked;
    this.running = true;
    this.failed = '';
    try {
      await work(asked.signal);
    } catch (error) {
      if (!asked.signal.aborted) this.failed = problem(error);
    } finally {
      if (this.#asked === asked) this.running = false;
    }
  }

  #toggle(message: SightedMessage) {
    const next = new Set(this.selected);
    if (!next.delete(message.key)) next.add(message.key);
    this.selected = next;
  }

  #show(message: SightedMessage | null) {
    this.shown = message;
    void this.updateComplete.then(() => this.renderRoot.querySelector('mr-message')?.scrollIntoView({block: 'nearest'}));
  }

  // Statuses changed with the remediation: ask again, keep the selection.
  #ended = async () => {
    const kept = this.selected;
    const shown = this.shown;
    await this.#guard(async (signal) => {
      this.answer = await this.client.observe(this.observables ?? [], signal);
      this.messages = messagesOf(this.answer);
    });
    this.selected = kept;
    if (shown) void (this.renderRoot.querySelector('mr-message') as MrMessage | null)?.load();
  };
}

define('mr-investigate', MrInvestigate);
