import {css, html} from 'lit';
import {property, state} from 'lit/decorators.js';
import {Client, type Device} from '../api/client.js';
import {controls, define, MrElement} from '../elements/base.js';
import {problem} from '../elements/problem.js';
import {text, textOf, when} from '../i18n/text.js';

// Gateways of the organisation: make a registration token, list, remove.
export class MrDevices extends MrElement {
  @property({attribute: false}) client!: Client;
  @state() private devices: Device[] | null = null;
  @state() private token: {token: string; expires_in: number} | null = null;
  @state() private failed = '';
  @state() private copied = false;
  @state() private removing: Device | null = null;

  static override styles = [
    controls,
    css`
      code { display: block; padding: 12px; background: var(--mr-page); border: 1px solid var(--mr-line); border-radius: 8px;
        font: 13px/1.5 var(--mr-mono); overflow-wrap: anywhere; }
      dialog { border: 1px solid var(--mr-line); border-radius: 12px; background: var(--mr-raised); color: inherit; padding: 24px;
        max-width: 480px; width: calc(100% - 48px); }
      dialog::backdrop { background: rgb(10 15 20 / 55%); }
      .state { display: inline-flex; gap: 6px; align-items: center; white-space: nowrap; }
      .on { color: var(--mr-clean); }
      .off { color: var(--mr-suspicious); }
    `,
  ];

  override connectedCallback() {
    super.connectedCallback();
    void this.#load();
  }

  override render() {
    return html`
      <div class="stack">
        <div class="row">
          <div class="grow">
            <h1>${text('devices.title')}</h1>
            <p class="soft">${text('devices.intro')}</p>
          </div>
          <button @click=${this.#load}>${text('devices.refresh')}</button>
          <button class="primary" @click=${this.#make}>${text('devices.make')}</button>
        </div>
        <div role="alert">${this.failed ? html`<p class="notice bad">${this.failed}</p>` : ''}</div>
        ${this.token ? this.#tokenCard(this.token) : ''}
        <div class="card">
          ${this.devices === null
            ? html`<p class="soft">${text('message.loading')}</p>`
            : this.devices.length === 0
              ? html`<p class="soft">${text('devices.none')}</p>`
              : this.#table(this.devices)}
        </div>
      </div>
      <dialog @close=${() => (this.removing = null)} aria-labelledby="ask">
        <div class="stack">
          <p id="ask">${text('devices.removeAsk', {name: this.removing?.name ?? ''})}</p>
          <div class="row">
            <span class="grow"></span>
            <button @click=${this.#closeDialog}>${text('confirm.cancel')}</button>
            <button class="danger" @click=${this.#remove}>${text('devices.removeDo')}</button>
          </div>
        </div>
      </dialog>
    `;
  }

  #tokenCard(token: {token: string; expires_in: number}) {
    return html`
      <section class="card stack" aria-label=${text('devices.token')}>
        <h2>${text('devices.token')}</h2>
        <p class="soft">${text('devices.tokenHint', {minutes: Math.round(token.expires_in / 60)})}</p>
        <code>${this.#command(token.token)}</code>
        <div class="row">
          <button @click=${this.#copy}>${text('devices.copy')}</button>
          <span role="status" class="soft">${this.copied ? text('devices.copied') : ''}</span>
        </div>
      </section>
    `;
  }

  #table(devices: Device[]) {
    return html`
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">${text('devices.name')}</th>
              <th scope="col">${text('devices.state')}</th>
              <th scope="col">${text('devices.type')}</th>
              <th scope="col">${text('devices.version')}</th>
              <th scope="col">${text('devices.ip')}</th>
              <th scope="col">${text('devices.seen')}</th>
              <th scope="col">${text('devices.id')}</th>
              <th scope="col"><span class="visually-hidden">${text('devices.remove')}</span></th>
            </tr>
          </thead>
          <tbody>
            ${devices.map((device) => html`
              <tr>
                <td><bdi>${device.name}</bdi></td>
                <td>
                  <span class="state ${device.status === 'connected' ? 'on' : 'off'}">
                    <span aria-hidden="true">${device.status === 'connected' ? '●' : '○'}</span>
                    ${textOf(`device.${device.status}`, device.status)}
                  </span>
                </td>
                <td>${device.type}</td>
                <td>${device.version ?? ''}</td>
                <td class="mono">${device.ip ?? ''}</td>
                <td>${when(device.last_seen)}</td>
                <td class="mono">${device.id}</td>
                <td><button class="quiet" aria-label=${text('devices.removeLabel', {name: device.name})}
                  @click=${() => this.#ask(device)}>${text('devices.remove')}</button></td>
              </tr>`)}
          </tbody>
        </table>
      </div>
    `;
  }

  #command(token: string) {
    return `mailreeve register --server ${location.origin} --token ${token}`;
  }

  #load = async () => {
    try {
      this.devices = await this.client.devices();
      this.failed = '';
    } catch (error) {
      this.failed = problem(error);
      this.devices ??= [];
    }
  };

  #make = async () => {
    this.copied = false;
    try {
      this.token = await this.client.deviceToken();
      this.failed = '';
    } catch (error) {
      this.failed = problem(error);
    }
  };

  #copy = async () => {
    if (!this.token) return;
    await navigator.clipboard.writeText(this.#command(this.token.token));
    this.copied = true;
  };

  #ask(device: Device) {
    this.removing = device;
    this.renderRoot.querySelector('dialog')?.showModal();
  }

  #closeDialog = () => this.renderRoot.querySelector('dialog')?.close();

  #remove = async () => {
    const device = this.removing;
    this.#closeDialog();
    if (!device) return;
    try {
      await this.client.removeDevice(device.id);
      await this.#load();
    } catch (error) {
      this.failed = problem(error);
    }
  };
}

define('mr-devices', MrDevices);
