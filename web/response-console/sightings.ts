import type {EnrichAnswer, Observable, Sighting} from '../api/client.js';

// One message as a gateway sighted it, read from the CTIM sighting (docs/relay.md).
export interface SightedMessage {
  key: string;  // instance/mid
  instance: string;
  gateway: string;
  mid: string;
  received: string;
  sender: string;
  subject: string;
  messageId: string;
  recipients: string[];
  status: string;
}

// Several observables may sight one message; it is one row.
export function messagesOf(answer: EnrichAnswer): SightedMessage[] {
  const found = new Map<string, SightedMessage>();
  for (const module of answer.data) {
    const bundle = module.data as {sightings?: {docs: Sighting[]}};
    for (const sighting of bundle.sightings?.docs ?? []) {
      const mid = valueOf(sighting, 'cisco_mid');
      if (!mid) continue;
      const key = `${module.module_instance_id}/${mid}`;
      const targets = (sighting.targets ?? []).flatMap((t) => t.observables).filter((o) => o.type === 'email').map((o) => o.value);
      const known = found.get(key);
      if (known) {
        known.recipients = [...new Set([...known.recipients, ...targets])];
        continue;
      }
      found.set(key, {
        key,
        instance: module.module_instance_id,
        gateway: module.module,
        mid,
        received: sighting.observed_time.start_time,
        sender: senderOf(sighting),
        subject: related(sighting, 'Characterizes', 'source', 'email_subject'),
        messageId: valueOf(sighting, 'email_messageid'),
        recipients: [...new Set(targets)],
        status: column(sighting, 'Delivery status') || sighting.short_description || '',
      });
    }
  }
  return [...found.values()].sort((a, b) => b.received.localeCompare(a.received) || a.key.localeCompare(b.key));
}

function everything(sighting: Sighting): Observable[] {
  return [...sighting.observables, ...(sighting.relations ?? []).flatMap((r) => [r.source, r.related])];
}

function valueOf(sighting: Sighting, type: string): string {
  return everything(sighting).find((o) => o.type === type)?.value ?? '';
}

function senderOf(sighting: Sighting): string {
  return (sighting.relations ?? []).find((r) => r.relation === 'Sent' && r.source.type === 'email')?.source.value ?? '';
}

function related(sighting: Sighting, relation: string, side: 'source' | 'related', type: string): string {
  return (sighting.relations ?? []).find((r) => r.relation === relation && r[side].type === type)?.[side].value ?? '';
}

function column(sighting: Sighting, name: string): string {
  const at = sighting.data?.columns.findIndex((c) => c.name === name) ?? -1;
  const value = at >= 0 ? sighting.data?.rows[0]?.[at] : undefined;
  return value === undefined || value === null ? '' : String(value);
}
