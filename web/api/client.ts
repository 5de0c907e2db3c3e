import type {components} from './response.js';

// Asks response. The access token is kept in memory only; the session itself is an HttpOnly cookie, with which a new token
// is had when the page loads or the old one ends.
type Schemas = components['schemas'];
export type Observable = Schemas['Observable'];
export type Coverage = Schemas['Coverage'];
export type ErrorMessage = Schemas['ErrorMessage'];
export type EnrichAnswer = Schemas['EnrichAnswer'];
export type SignInAnswer = Schemas['SignInAnswer'];
export type Device = Schemas['Device'];
export type Status = Schemas['Status'];

// What the gateways send inside (docs/relay.md, docs/remediation.md).
export interface Sighting {
  observed_time: {start_time: string};
  observables: Observable[];
  targets?: {observables: Observable[]; observed_time?: {start_time: string}}[];
  relations?: {relation: string; source: Observable; related: Observable}[];
  short_description?: string;
  data?: {columns: {name: string}[]; rows: unknown[][]};
}
export interface TrackedMessage {
  mid: number | string;
  received?: string;
  sender?: string;
  subject?: string;
  message_id?: string;
  client_address?: string;
  client_name?: string;
  size?: number;
  status?: string;
  recipients?: {rid: number; address: string; status: string}[];
  urls?: string[];
  attachments?: {name: string; sha256: string; size: number}[];
  events?: {time: string; event: string; rid?: number; detail?: string; dsn?: string; relay?: string}[];
}
export type ActionName = 'delete' | 'forward' | 'forward_and_delete';
export interface PlanItem {
  mid: number | string;
  rid: number;
  recipient: string;
  subject: string;
  state: 'present' | 'moved' | 'gone' | 'unreachable' | 'refused';
  unread: boolean;
  reason?: string;
  detail?: string;
}
export interface Plan {
  id: string;
  hash: string;
  mailboxes: number;
  messages: number;
  forward: {needed: boolean; address: string};
  missing: string[];
  items: PlanItem[];
}
export interface Receipt {
  mid: number;
  rid: number;
  recipient: string;
  subject: string;
  result: string;
  why: string;
  detail: string;
  forwarded: boolean;
  evidence: Record<string, unknown>;
}
export interface Batch {
  id: string;
  state: 'pending' | 'running' | 'completed' | 'completed_with_errors' | 'failed';
  total: number;
  done: number;
  receipts?: Receipt[];
}

export class ApiError extends Error {
  readonly status: number;
  readonly reference: string;
  constructor(status: number, message: string, reference = '') {
    super(message);
    this.status = status;
    this.reference = reference;
  }
}

export class Client {
  #token = '';
  #renew = 0;
  onSignedOut: () => void = () => {};

  async signIn(user: string, password: string): Promise<SignInAnswer> {
    return this.#accept(await this.#send('POST', '/mailreeve/v1/sign-in', {user, password}, false));
  }

  // Goes on with the session of the cookie; null when there is none.
  async resume(): Promise<SignInAnswer | null> {
    try {
      return this.#accept(await this.#send('POST', '/mailreeve/v1/sign-in/refresh', undefined, false));
    } catch (error) {
      if (error instanceof ApiError && error.status !== 0) return null;
      throw error;
    }
  }

  async signOut() {
    window.clearTimeout(this.#renew);
    await this.#send('POST', '/mailreeve/v1/sign-out').catch(() => undefined);
    this.#token = '';
  }

  inspect(content: string, signal?: AbortSignal) {
    return this.#send<Observable[]>('POST', '/iroh/iroh-inspect/inspect', {content}, true, signal);
  }
  observe(observables: Observable[], signal?: AbortSignal) {
    return this.#send<EnrichAnswer>('POST', '/iroh/iroh-enrich/observe/observables', observables, true, signal);
  }
  async message(instance: string, mid: string) {
    const answer = await this.#send<{data: TrackedMessage}>(
        'GET', `/mailreeve/v1/messages/${encodeURIComponent(instance)}/${encodeURIComponent(mid)}`);
    return answer.data;
  }
  async plan(instance: string, action: ActionName, mids: string[]) {
    const answer = await this.#send<{data: Plan}>('POST', '/mailreeve/v1/remediation/plans', {
      module_instance_id: instance, action, mids,
    });
    return answer.data;
  }
  async execute(instance: string, plan: Plan, key: string, forwardTo: string, name: string) {
    const answer = await this.#send<{data: {batch_id: string}}>('POST', '/mailreeve/v1/remediation/batches', {
      module_instance_id: instance, plan_id: plan.id, plan_hash: plan.hash, idempotency_key: key, name,
      ...(forwardTo ? {forward_to: forwardTo} : {}),
    });
    return answer.data.batch_id;
  }
  async batch(instance: string, id: string) {
    const answer = await this.#send<{data: Batch}>(
        'GET', `/mailreeve/v1/remediation/batches/${encodeURIComponent(instance)}/${encodeURIComponent(id)}`);
    return answer.data;
  }
  status() {
    return this.#send<Status>('GET', '/mailreeve/v1/status');
  }
  devices() {
    return this.#send<Device[]>('GET', '/iroh/iroh-sse/device');
  }
  deviceToken() {
    return this.#send<{token: string; expires_in: number}>('GET', '/iroh/iroh-sse/tenant/token');
  }
  removeDevice(id: string) {
    return this.#send<unknown>('DELETE', `/iroh/iroh-sse/device/${encodeURIComponent(id)}`);
  }

  #accept(answer: SignInAnswer) {
    this.#token = answer.access_token;
    window.clearTimeout(this.#renew);
    this.#renew = window.setTimeout(() => void this.#refresh(), Math.max(answer.expires_in - 60, 10) * 1000);
    return answer;
  }

  async #refresh(): Promise<boolean> {
    try {
      if (await this.resume()) return true;
    } catch {
      // The network is away; the next request says so.
      return false;
    }
    this.#token = '';
    this.onSignedOut();
    return false;
  }

  async #send<T = any>(method: string, path: string, body?: unknown, again = true, signal?: AbortSignal): Promise<T> {
    let answer: Response;
    try {
      answer = await fetch(path, {
        method, credentials: 'same-origin', cache: 'no-store', ...(signal ? {signal} : {}),
        headers: {
          Accept: 'application/json',
          ...(body === undefined ? {} : {'Content-Type': 'application/json'}),
          ...(this.#token ? {Authorization: `Bearer ${this.#token}`} : {}),
        },
        ...(body === undefined ? {} : {body: JSON.stringify(body)}),
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(0, '');
    }
    if (answer.status === 401 && again && this.#token && (await this.#refresh())) {
      return this.#send<T>(method, path, body, false, signal);
    }
    const content = await answer.text();
    let value: any = null;
    try {
      value = content ? JSON.parse(content) : null;
    } catch {
      // Said below by the status.
    }
    if (!answer.ok) {
      throw new ApiError(answer.status, value?.error_description ?? '', answer.headers.get('x-request-id') ?? '');
    }
    return value as T;
  }
}
