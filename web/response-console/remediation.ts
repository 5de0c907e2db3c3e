import {css, html} from 'lit';
import {property, state} from 'lit/decorators.js';
import {Client, type ActionName, type Batch, type Plan, type Receipt} from '../api/client.js';
import {controls, define, MrElement} from '../elements/base.js';
import {problem} from '../elements/problem.js';
import {text, textOf} from '../i18n/text.js';
import type {SightedMessage} from './sightings.js';

interface Part {
  instance: string;
  gateway: string;
  mids: string[];
  plan?: Plan;
  batchId?: string;
  batch?: Batch;
  failed?: string;
}

const pollEvery = 700;
const terminal = new Set(['completed', 'completed_with_errors', 'failed']);

// One order over one or more gateways: plan (dry run), confirmation with the numbers, progress, receipt.
export class MrRemediation extends MrElement {
  @property({attribute: false}) client!: Client;
  @state() private action: ActionName = 'delete';
  @state() private parts: Part[] = [];
  @state() private phase: 'idle' | 'planning' | 'confirm' | 'running' | 'ended' = 'idle';
  @state() private forwardTo = '';
  @state() private lost = false;
  #key = '';

  static override styles = [
    controls,
    css`
      dialog { border: 1px solid var(--mr-line); border-radius: 12px; background: var(--mr-raised); color: inherit; padding: 24px;
        max-width: 560px; width: calc(100% - 48px); }
      dialog::backdrop { background: rgb(10 15 20 / 55%); }
      .numbers { font-size: 20px; font-weight: 650; }
      progress { width: 100%; height: 12px; accent-color: var(--mr-accent); }
      ul { margin: 0; padding-left: 20px; }
      .tally { display: flex; flex-wrap: wrap; gap: 8px; }
      .pill { border-radius: 999px; padding: 3px 12px; border: 1px solid var(--mr-line); background: var(--mr-page); font-size: 13px; font-weight: 600; }
      .removed, .moved_followed, .forwarded { color: var(--mr-clean); }
      .refused { color: var(--mr-malicious); }
      .unreachable { color: var(--mr-suspicious); }
      details pre { margin: 8px 0 0; font: 12px/1.45 var(--mr-mono); white-space: pre-wrap; overflow-wrap: anywhere; max-width: 520px; }
      summary { cursor: pointer; white-space: nowrap; }
    `,
  ];

  // Begins with the dry run. Answers at once; the dialogue shows the rest.
  start(action: ActionName, messages: SightedMessage[]) {
    const parts = new Map<string, Part>();
    for (const message of messages) {
      const part = parts.get(message.instance) ?? {instance: message.instance, gateway: message.gateway, mids: []};
      part.mids.push(message.mid);
      parts.set(message.instance, part);
    }
    this.action = action;
    this.parts = [...parts.values()];
    this.phase = 'planning';
    this.forwardTo = '';
    this.#key = crypto.randomUUID();
    this.renderRoot.querySelector('dialog')?.showModal();
    void this.#plan();
  }

  get busy() {
    return this.phase === 'running';
  }

  async #plan() {
    await Promise.all(this.parts.map(async (part) => {
      try {
        part.plan = await this.client.plan(part.instance, this.action, part.mids);
      } catch (error) {
        part.failed = problem(error);
      }
    }));
    if (this.phase === 'planning') this.phase = 'confirm';
  }

  override render() {
    return html`
      <dialog aria-labelledby="title" @close=${this.#closed}>
        <div class="stack">
          <h2 id="title">${textOf(`confirm.title.${this.action}`, this.action)}</h2>
          ${this.phase === 'planning'
            ? html`<p role="status">${text('confirm.planning')}</p><progress></progress>
                <div class="row"><span class="grow"></span><button @click=${this.#cancel}>${text('confirm.cancel')}</button></div>`
            : this.phase === 'confirm' ? this.#confirm() : ''}
        </div>
      </dialog>
      ${this.phase === 'running' || this.phase === 'ended' ? this.#job() : ''}
    `;
  }

  #confirm() {
    const plans = this.parts.flatMap((p) => (p.plan ? [p.plan] : []));
    const mailboxes = plans.reduce((sum, p) => sum + p.mailboxes, 0);
    const messages = plans.reduce((sum, p) => sum + p.messages, 0);
    const items = plans.flatMap((p) => p.items);
    const states = ['present', 'moved', 'gone', 'unreachable', 'refused'] as const;
    const forwards = this.action !== 'delete';
    const addresses = [...new Set(plans.map((p) => p.forward.address).filter(Boolean))];
    const needed = forwards && plans.some((p) => !p.forward.address) && !this.forwardTo.trim();
    const unread = items.filter((i) => i.unread).length;
    return html`
      <p class="numbers">${text('confirm.numbers', {
        mailboxes: text('sightings.mailboxes', {n: mailboxes}), messages: text('sightings.count', {n: messages}),
      })}</p>
      <div>
        <p class="soft small">${text('confirm.state')}</p>
        <ul>
          ${states.map((s) => {
            const n = items.filter((i) => i.state === s).length;
            return n === 0 ? '' : html`<li>${textOf(`state.${s}`, s)}: <strong>${n}</strong></li>`;
          })}
          ${unread > 0 ? html`<li>${text('state.unread')}: <strong>${unread}</strong></li>` : ''}
        </ul>
      </div>
      ${this.parts.filter((p) => p.failed).map((p) => html`
        <p class="notice bad">${text('confirm.gatewayError', {gateway: p.gateway, message: p.failed ?? ''})}</p>`)}
      ${forwards
        ? html`<div>
            <label for="to">${text('confirm.forwardTo')}</label>
            <input id="to" type="email" autocomplete="off" .value=${this.forwardTo} aria-describedby="to-hint"
              @input=${(e: Event) => (this.forwardTo = (e.target as HTMLInputElement).value)}>
            <p id="to-hint" class="soft small">${addresses.length > 0
              ? text('confirm.forwardHint', {address: addresses.join(', ')}) : text('confirm.forwardNeeded')}</p>
          </div>`
        : ''}
      <p class="soft small mono">${plans.map((p) => text('confirm.hash', {hash: p.hash.slice(0, 16)})).join(' · ')}</p>
      ${mailboxes === 0 ? html`<p class="notice warn">${text('confirm.nothing')}</p>` : ''}
      <div class="row">
        <span class="grow"></span>
        <button @click=${this.#cancel}>${text('confirm.cancel')}</button>
        <button class=${this.action === 'forward' ? 'primary' : 'danger'} ?disabled=${mailboxes === 0 || needed} @click=${this.#execute}>
          ${textOf(`confirm.do.${this.action}`, '') ? text(`confirm.do.${this.action}`, {n: this.action === 'forward' ? messages : mailboxes}) : ''}
        </button>
      </div>
    `;
  }

  #job() {
    const total = this.parts.reduce((sum, p) => sum + (p.batch?.total ?? p.plan?.items.length ?? 0), 0);
    const done = this.parts.reduce((sum, p) => sum + (p.batch?.done ?? 0), 0);
    const receipts = this.#receipts();
    const counts = new Map<string, number>();
    for (const {receipt} of receipts) counts.set(receipt.result, (counts.get(receipt.result) ?? 0) + 1);
    return html`
      <section class="card stack" aria-labelledby="job">
        <div class="row">
          <h2 id="job" class="grow">${text('job.title')}: ${textOf(`action.${this.action}`, this.action)}</h2>
          <button @click=${this.#download} ?disabled=${receipts.length === 0}>${text('job.download')}</button>
          <button @click=${this.#dismiss} ?disabled=${this.phase === 'running'}>${text('job.close')}</button>
        </div>
        <progress max=${Math.max(total, 1)} value=${done} aria-label=${text('job.progress', {done, total})}></progress>
        <p role="status">${text('job.progress', {done, total})}. ${this.phase === 'ended' ? text('job.done') : text('job.running')}</p>
        ${this.lost ? html`<p class="notice warn">${text('job.lost')}</p>` : ''}
        ${this.parts.filter((p) => p.failed).map((p) => html`
          <p class="notice bad" role="alert">${text('confirm.gatewayError', {gateway: p.gateway, message: p.failed ?? ''})}</p>`)}
        <div class="tally">
          ${[...counts].map(([outcome, n]) => html`<span class="pill ${outcome}">${textOf(`outcome.${outcome}`, outcome)}: ${n}</span>`)}
        </div>
        <div class="scroll">
          <table>
            <caption class="visually-hidden">${text('job.receipt')}</caption>
            <thead>
              <tr>
                <th scope="col">${text('job.recipient')}</th>
                <th scope="col">${text('job.outcome')}</th>
                <th scope="col">${text('job.forwarded')}</th>
                <th scope="col">${text('job.subject')}</th>
                <th scope="col">${text('job.gateway')}</th>
                <th scope="col">${text('job.evidence')}</th>
              </tr>
            </thead>
            <tbody>
              ${receipts.map(({part, receipt}) => html`
                <tr>
                  <td><bdi>${receipt.recipient}</bdi></td>
                  <td>
                    <span class=${receipt.result}><strong>${textOf(`outcome.${receipt.result}`, receipt.result)}</strong></span>
                    ${reasonOf(receipt) ? html`<br><span class="soft small">${reasonOf(receipt)}</span>` : ''}
                  </td>
                  <td>${receipt.forwarded ? text('job.yes') : text('job.no')}</td>
                  <td><bdi>${receipt.subject}</bdi></td>
                  <td>${part.gateway}</td>
                  <td>
                    <details>
                      <summary aria-label=${text('job.show', {recipient: receipt.recipient})}>${text('job.evidence')}</summary>
                      <pre>${JSON.stringify(receipt.evidence, null, 2)}</pre>
                    </details>
                  </td>
                </tr>`)}
            </tbody>
          </table>
        </div>
      </section>
    `;
  }

  #receipts(): {part: Part; receipt: Receipt}[] {
    return this.parts.flatMap((part) => (part.batch?.receipts ?? []).map((receipt) => ({part, receipt})));
  }

  #execute = async () => {
    this.phase = 'running';
    this.renderRoot.querySelector('dialog')?.close();
    void this.updateComplete.then(() => this.renderRoot.querySelector('section')?.scrollIntoView({block: 'start'}));
    const forwardTo = this.action === 'delete' ? '' : this.forwardTo.trim();
    await Promise.all(this.parts.map(async (part) => {
      if (!part.plan || part.plan.mailboxes === 0) return;
      try {
        // One key for one press of the button: sending it again cannot act twice.
        part.batchId = await this.client.execute(part.instance, part.plan, `${this.#key}-${part.plan.id}`, forwardTo, '');
      } catch (error) {
        part.failed = problem(error);
      }
    }));
    this.requestUpdate();
    await this.#follow();
  };

  async #follow() {
    let wait = pollEvery;
    while (true) {
      const open = this.parts.filter((p) => p.batchId && !(p.batch && terminal.has(p.batch.state)));
      if (open.length === 0) break;
      let failed = false;
      await Promise.all(open.map(async (part) => {
        try {
          part.batch = await this.client.batch(part.instance, part.batchId ?? '');
        } catch {
          failed = true;
        }
      }));
      this.lost = failed;
      wait = failed ? Math.min(wait * 2, 10000) : pollEvery;
      this.requestUpdate();
      await new Promise((done) => setTimeout(done, wait));
    }
    this.phase = 'ended';
    this.dispatchEvent(new CustomEvent('mr-ended'));
  }

  #download = () => {
    const rows = [['recipient', 'result', 'why', 'forwarded', 'subject', 'mid', 'gateway', 'batch', 'evidence'],
      ...this.#receipts().map(({part, receipt}) => [
        receipt.recipient, receipt.result, receipt.why ?? '', String(receipt.forwarded), receipt.subject, String(receipt.mid),
        part.gateway, part.batchId ?? '', JSON.stringify(receipt.evidence),
      ])];
    const csv = rows.map((row) => row.map(csvCell).join(',')).join('\r\n') + '\r\n';
    const url = URL.createObjectURL(new Blob(['\ufeff', csv], {type: 'text/csv;charset=utf-8'}));
    const link = document.createElement('a');
    link.href = url;
    link.download = 'mailreeve-receipt.csv';
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };

  #cancel = () => {
    this.phase = 'idle';
    this.renderRoot.querySelector('dialog')?.close();
  };
  #closed = () => {
    if (this.phase === 'planning' || this.phase === 'confirm') this.phase = 'idle';
  };
  #dismiss = () => {
    this.phase = 'idle';
    this.parts = [];
  };
}

// Why a mailbox was not dealt with, in the reader's language where there is a text for the reason.
function reasonOf(receipt: Receipt): string {
  return receipt.why ? textOf(`why.${receipt.why}`, receipt.detail || receipt.why) : '';
}

// A cell that a spreadsheet cannot take for a formula (hostile-input.md W03).
export function csvCell(value: string): string {
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return `"${safe.replace(/"/g, '""')}"`;
}

define('mr-remediation', MrRemediation);
