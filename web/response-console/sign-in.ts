import {css, html} from 'lit';
import {property, state} from 'lit/decorators.js';
import {Client, type SignInAnswer} from '../api/client.js';
import {controls, define, MrElement} from '../elements/base.js';
import {problem} from '../elements/problem.js';
import {text} from '../i18n/text.js';

// Asks for user name and password. Fires `mr-signed-in` with the answer.
export class MrSignIn extends MrElement {
  @property({attribute: false}) client!: Client;
  @property({type: Boolean}) expired = false;
  @state() private working = false;
  @state() private failed = '';

  static override styles = [
    controls,
    css`
      .card { max-width: 400px; margin: 8vh auto 0; display: grid; gap: 16px; padding: 28px; }
      h1 { margin: 0; }
    `,
  ];

  override render() {
    return html`
      <form class="card" @submit=${this.#submit}>
        <h1>${text('signIn.title')}</h1>
        ${this.expired ? html`<p class="notice warn">${text('signIn.expired')}</p>` : ''}
        <div>
          <label for="user">${text('signIn.user')}</label>
          <input id="user" name="user" type="text" autocomplete="username" required autofocus>
        </div>
        <div>
          <label for="password">${text('signIn.password')}</label>
          <input id="password" name="password" type="password" autocomplete="current-password" required>
        </div>
        <div role="alert">${this.failed ? html`<p class="notice bad">${this.failed}</p>` : ''}</div>
        <button class="primary" type="submit" ?disabled=${this.working}>
          ${this.working ? text('signIn.working') : text('signIn.submit')}
        </button>
        <p class="soft small">${text('signIn.hint')}</p>
      </form>
    `;
  }

  async #submit(event: SubmitEvent) {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    this.working = true;
    this.failed = '';
    try {
      const answer = await this.client.signIn(String(form.get('user')), String(form.get('password')));
      this.dispatchEvent(new CustomEvent<SignInAnswer>('mr-signed-in', {detail: answer}));
    } catch (error) {
      this.failed = problem(error);
    } finally {
      this.working = false;
    }
  }
}

define('mr-sign-in', MrSignIn);
