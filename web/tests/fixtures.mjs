// Answers of a response with two gateways, for tests of the page alone. Shapes as in schema/openapi/response.json.
const instance = (n) => ({
  module: `gateway-${n}`, module_instance_id: `0000000${n === 'north' ? 1 : 2}-0000-4000-8000-000000000000`,
  module_type_id: '9f3f4c5e-0000-4000-8000-000000000000', module_instance_state: 'active',
});
export const north = instance('north');
export const south = instance('south');
export const hostile = '<img src=x onerror=alert(1)>"\'=cmd|\u202Etxt.exe';

function sighting(mid, sender, subject, recipients, minute) {
  const id = `<${mid}@mail.example>`;
  return {
    type: 'sighting', id: `transient:sighting-${mid}`, schema_version: '1.3.30', count: 1, confidence: 'High',
    observed_time: {start_time: `2026-11-24T09:${String(minute).padStart(2, '0')}:00.000Z`},
    observables: [{type: 'url', value: 'https://login.example/verify'}],
    short_description: `MID ${mid} delivered`,
    targets: recipients.map((r) => ({type: 'process.email-service', observables: [{type: 'email', value: r}], observed_time: {start_time: '2026-11-24T09:00:00.000Z'}})),
    relations: [
      {origin: 'gateway', relation: 'Sent', source: {type: 'email', value: sender}, related: {type: 'email_messageid', value: id}},
      {origin: 'gateway', relation: 'Related_To', source: {type: 'email_messageid', value: id}, related: {type: 'cisco_mid', value: String(mid)}},
      {origin: 'gateway', relation: 'Characterizes', source: {type: 'email_subject', value: subject}, related: {type: 'email_messageid', value: id}},
    ],
    data: {columns: [{name: 'Delivery status', type: 'string'}], rows: [['Delivered']]},
  };
}

const sightings = {
  north: [
    sighting(52, 'desk@parcel.example', 'Your parcel could not be delivered', ['li@north.example', 'wang@north.example', 'user03@north.example'], 1),
    sighting(53, 'notify@parcel.example', '您的包裹需要重新派送', ['chen@north.example'], 2),
    sighting(54, 'evil@parcel.example', hostile, ['user04@north.example'], 3),
  ],
  south: [sighting(11, 'desk@parcel.example', 'Your parcel could not be delivered', ['ana@south.example', 'bo@south.example'], 4)],
};

const held = {oldest: '2026-11-01T00:00:00.000Z', newest: '2026-11-24T09:05:00.000Z', records_held: 81234, records_unreadable: 0, complete: true, why: ''};

// State of one fake response.
export function fakeResponse({southDown = false, signedIn = false} = {}) {
  const state = {signedIn, plans: new Map(), batches: new Map(), calls: [], devices: [
    {id: north.module_instance_id, name: 'gateway-north', type: 'Email gateway', version: '0.1.0', status: 'connected', ip: '192.0.2.10', last_seen: '2026-11-24T09:05:00.000Z'},
    {id: south.module_instance_id, name: 'gateway-south', type: 'Email gateway', version: '0.1.0', status: southDown ? 'disconnected' : 'connected', ip: '192.0.2.11', last_seen: '2026-11-24T08:00:00.000Z'},
  ]};
  const session = {access_token: 't', token_type: 'bearer', expires_in: 600, scopes: [], user: {id: 'u', name: 'admin', email: 'admin@example.test', role: 'admin'}};
  const ok = (body, status = 200) => ({status, body});
  const no = (status, error_description) => ({status, body: {error: 'error', error_description}});
  const answer = async (method, path, body) => {
    state.calls.push(`${method} ${path}`);
    if (path === '/mailreeve/v1/sign-in/refresh') return state.signedIn ? ok(session) : no(401, 'No session');
    if (path === '/mailreeve/v1/sign-in') {
      if (body.password !== 'right') return no(401, 'User name or password is wrong');
      state.signedIn = true;
      return ok(session);
    }
    if (path === '/mailreeve/v1/sign-out') { state.signedIn = false; return {status: 204}; }
    if (path === '/iroh/iroh-inspect/inspect') {
      return ok(body.content.includes('login') ? [{type: 'url', value: 'https://login.example/verify'}, {type: 'domain', value: 'parcel.example'}] : []);
    }
    if (path === '/iroh/iroh-enrich/observe/observables') {
      const data = [{...north, data: {sightings: {count: 3, docs: sightings.north}}}];
      const coverage = [{...north, asked_at: '2026-11-24T09:06:00.000Z', answered: true, held}];
      const errors = [];
      if (southDown) {
        errors.push({...south, code: 'timeout', message: 'no answer within 20000 ms', type: 'fatal'});
        coverage.push({...south, asked_at: '2026-11-24T09:06:00.000Z', answered: false});
      } else {
        data.push({...south, data: {sightings: {count: 1, docs: sightings.south}}});
        coverage.push({...south, asked_at: '2026-11-24T09:06:00.000Z', answered: true, held});
      }
      return ok({data, errors, coverage});
    }
    if (path.startsWith('/mailreeve/v1/messages/')) {
      const mid = Number(path.split('/').pop());
      return ok({...north, data: {mid, received: '2026-11-24T09:01:00.000Z', sender: 'desk@parcel.example', subject: 'Your parcel could not be delivered',
        message_id: `<${mid}@mail.example>`, client_address: '198.51.100.7', client_name: 'mx.parcel.example', size: 4321, status: 'Delivered',
        recipients: [{rid: 0, address: 'li@north.example', status: 'Delivered'}], urls: ['https://login.example/verify'],
        attachments: [{name: 'invoice.pdf', sha256: 'a'.repeat(64), size: 1200}],
        events: [{time: '2026-11-24T09:01:00.000Z', event: 'received'}, {time: '2026-11-24T09:01:02.000Z', event: 'delivered', rid: 0, dsn: '2.0.0', relay: 'lmtp', detail: 'saved'}]}});
    }
    if (path === '/mailreeve/v1/remediation/plans') {
      const docs = body.module_instance_id === north.module_instance_id ? sightings.north : sightings.south;
      const items = docs.filter((s) => body.mids.includes(s.relations[1].related.value)).flatMap((s) => s.targets.map((t, rid) => ({
        mid: Number(s.relations[1].related.value), rid, recipient: t.observables[0].value, subject: s.relations[2].source.value,
        state: rid === 1 ? 'moved' : 'present', unread: rid === 0})));
      const plan = {id: `plan-${state.plans.size}`, hash: 'c0ffee00'.repeat(8), action: body.action, mailboxes: items.length, messages: body.mids.length,
        forward: {needed: body.action !== 'delete', address: 'soc@north.example'}, missing: [], items};
      state.plans.set(plan.id, plan);
      return ok({...north, data: plan});
    }
    if (path === '/mailreeve/v1/remediation/batches') {
      const id = `batch-${body.plan_id}`;
      state.batches.set(id, {asked: 0, plan: state.plans.get(body.plan_id), key: body.idempotency_key, forward_to: body.forward_to});
      return ok({...north, data: {batch_id: id, state: 'running'}});
    }
    if (path.startsWith('/mailreeve/v1/remediation/batches/')) {
      const batch = state.batches.get(path.split('/').pop());
      const done = ++batch.asked > 1;
      const outcome = (item) => item.state === 'moved' ? 'moved_followed' : 'removed';
      const receipts = batch.plan.items.map((item) => ({...item, result: done ? outcome(item) : '', forwarded: batch.plan.action !== 'delete' && done,
        why: '', detail: '', evidence: {before: {folders_searched: 4}, removed: [{folder: 'INBOX', uid: 7}], after: {found: 0}}}));
      return ok({...north, data: {id: path.split('/').pop(), state: done ? 'completed' : 'running', total: receipts.length, done: done ? receipts.length : 0, receipts}});
    }
    if (path === '/iroh/iroh-sse/device' && method === 'GET') return ok(state.devices);
    if (path === '/iroh/iroh-sse/tenant/token') return ok({token: 'one-time-token-value', expires_in: 3600});
    if (path.startsWith('/iroh/iroh-sse/device/') && method === 'DELETE') {
      state.devices = state.devices.filter((d) => d.id !== path.split('/').pop());
      return ok({});
    }
    return no(404, `no such route: ${method} ${path}`);
  };
  return {state, answer};
}
