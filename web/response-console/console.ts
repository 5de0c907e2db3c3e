import {css, html} from 'lit';
import {state} from 'lit/decorators.js';
import {Client, type SignInAnswer} from '../api/client.js';
import {controls, define, MrElement} from '../elements/base.js';
import {language, setLanguage, text, type Language} from '../i18n/text.js';
import './devices.js';
import './investigate.js';
import './sign-in.js';

type Page = 'investigate' | 'devices';

// The console's shell: sign-in, pages, language. The page shown is in the address: #investigate, #devices.
export class MrConsole extends MrElement {
  private readonly client = new Client();
  @state() private user: SignInAnswer['user'] | null = null;
  @state() private ready = false;
  @state() private expired = false;
  @state() private page: Page = pageOf(location.hash);

  static override styles = [
    controls,
    css`
      header { background: var(--mr-surface); border-bottom: 1px solid var(--mr-line); }
      .bar { max-width: 1240px; margin: 0 auto; padding: 10px 24px; display: flex; gap: 8px 24px; align-items: center; flex-wrap: wrap; }
      .brand { display: flex; gap: 10px; align-items: center; font-weight: 650; font-size: 17px; }
      .brand img { width: 28px; height: 28px; }
      nav { display: flex; gap: 4px; flex: 1 1 auto; }
      nav a {
        padding: 6px 12px; border-radius: 8px; color: var(--mr-ink-soft); text-decoration: none; font-weight: 550;
      }
      nav a:hover { background: var(--mr-accent-soft); }
      nav a[aria-current='page'] { color: var(--mr-ink); background: var(--mr-accent-soft); }
      select { width: auto; padding: 4px 8px; min-height: 36px; }
      main { max-width: 1240px; margin: 0 auto; padding: 24px; outline: none; }
      .skip { position: absolute; left: -9999px; }
      .skip:focus { left: 8px; top: 8px; background: var(--mr-surface); padding: 8px 12px; z-index: 5; }
    `,
  ];

  override connectedCallback() {
    super.connectedCallback();
    window.addEventListener('hashchange', this.#navigate);
    this.client.onSignedOut = () => {
      this.user = null;
      this.expired = true;
    };
    void this.client.resume().catch(() => null).then((answer) => {
      this.user = answer?.user ?? null;
      this.ready = true;
    });
  }

  override disconnectedCallback() {
    window.removeEventListener('hashchange', this.#navigate);
    super.disconnectedCallback();
  }

  #navigate = () => {
    this.page = pageOf(location.hash);
  };

  override render() {
    document.title = `${this.user ? text(this.page === 'devices' ? 'nav.devices' : 'nav.investigate') : text('signIn.title')} – ${text('app.name')}`;
    const link = (page: Page, label: string) => html`
      <a href="#${page}" aria-current=${this.page === page ? 'page' : 'false'}>${label}</a>`;
    return html`
      <header>
        <button class="skip" @click=${this.#skip}>${text('app.skip')}</button>
        <div class="bar">
          <span class="brand"><img src="/icon.svg" alt=""> ${text('app.name')}</span>
          <nav aria-label=${text('nav.sections')}>
            ${this.user ? html`${link('investigate', text('nav.investigate'))} ${link('devices', text('nav.devices'))}` : ''}
          </nav>
          <select aria-label=${text('nav.language')} @change=${(e: Event) => setLanguage((e.target as HTMLSelectElement).value as Language)}>
            <option value="en" ?selected=${language() === 'en'}>English</option>
            <option value="zh-CN" lang="zh-CN" ?selected=${language() === 'zh-CN'}>简体中文</option>
          </select>
          ${this.user
            ? html`<span class="soft small">${this.user.name}</span>
                <button @click=${this.#signOut}>${text('nav.signOut')}</button>`
            : ''}
        </div>
      </header>
      <main id="content" tabindex="-1">
        ${this.ready && !this.user
          ? html`<mr-sign-in .client=${this.client} ?expired=${this.expired} @mr-signed-in=${this.#signedIn}></mr-sign-in>`
          : ''}
        <!-- Kept while signed out, so that what was typed is not lost when a session ends. -->
        <mr-investigate .client=${this.client} ?hidden=${!this.user || this.page !== 'investigate'}></mr-investigate>
        ${this.user && this.page === 'devices' ? html`<mr-devices .client=${this.client}></mr-devices>` : ''}
      </main>
    `;
  }

  #signedIn = (event: CustomEvent<SignInAnswer>) => {
    this.user = event.detail.user;
    this.expired = false;
    void this.updateComplete.then(() => this.renderRoot.querySelector('main')?.focus());
  };

  #signOut = async () => {
    await this.client.signOut();
    // A fresh page, so that nothing of one user is left for the next.
    location.reload();
  };

  #skip = () => {
    this.renderRoot.querySelector('main')?.focus();
  };
}

function pageOf(hash: string): Page {
  return hash === '#devices' ? 'devices' : 'investigate';
}

define('mr-console', MrConsole);
