#pragma once

#include "gateway/segment/record_block.h"
#include "mail/message_record.h"

#include <type_traits>

// Every field of a message record, named once, for those who write columns and those who read them.
// Internal to this folder. The order of fields and streams is the format: a new field goes into a
// new stream at the end, and the version of the segment goes up.
namespace mailreeve::gateway::segment {

enum class Stream : uint8_t {
  kMid,
  kQueueId,
  kReceived,
  kDirection,
  kIcid,
  kClientAddress,
  kClientName,
  kHelo,
  kTlsProtocol,
  kTlsCipher,
  kAuthenticatedUser,
  kListener,
  kEnvelopeFrom,
  kEnvelopeFromRaw,
  kRecipients,
  kRid,
  kRecipient,
  kRecipientRaw,
  kAddresses,
  kAddressRole,
  kAddress,
  kDisplayName,
  kAddressRaw,
  kSubject,
  kSubjectRaw,
  kOtherSubjects,
  kOtherSubject,
  kMessageId,
  kMessageIdRaw,
  kOtherMessageIds,
  kOtherMessageId,
  kDateKind,
  kDate,
  kDateRaw,
  kReceivedHosts,
  kReceivedHost,
  kUrls,
  kUrl,
  kUrlRaw,
  kUrlSource,
  kDomains,
  kDomain,
  kRegistrable,
  kAttachments,
  kNames,
  kName,
  kDeclaredType,
  kSniffedType,
  kFileSize,
  kSha256,
  kSha1,
  kMd5,
  kDepth,
  kInline,
  kAuthentications,
  kAuthservId,
  kMethod,
  kAuthResult,
  kProperty,
  kLanguages,
  kLanguage,
  kMailer,
  kInReplyTo,
  kReferences,
  kReference,
  kSize,
  kHeaderSize,
  kParts,
  kContentDigest,
  kRawSha256,
  kLimitsHit,
  kLimitHit,
  kOddities,
  kOddity,
  kVerdicts,
  kEngine,
  kDisposition,
  kReason,
  kEvents,
  kEventTime,
  kEventKind,
  kEventRid,
  kEventDetail,
  kEventDsn,
  kEventRelay,
  kEventDelay,
  kEventQueueId,
  kEventDedupKey,
};
inline constexpr size_t kStreams = static_cast<size_t>(Stream::kEventDedupKey) + 1;

// A time as its distance from `base`, in microseconds.
template <class V, class T>
void WalkTime(V& v, Stream stream, T& time, mailreeve::Time base) {
  if constexpr (V::kReads) {
    time = Time(Duration(static_cast<int64_t>(static_cast<uint64_t>(ToEpochMicros(base)) +
                                              static_cast<uint64_t>(v.RawSigned(stream)))));
  } else {
    v.Signed(stream, static_cast<int64_t>(static_cast<uint64_t>(ToEpochMicros(time)) -
                                          static_cast<uint64_t>(ToEpochMicros(base))));
  }
}

// The Date field has whole seconds almost always: their distance takes few bits.
template <class V, class T>
void WalkDate(V& v, T& date, Time received) {
  constexpr int64_t kSecond = 1'000'000;
  const int64_t base = ToEpochMicros(received) / kSecond;
  if constexpr (V::kReads) {
    const uint64_t kind = v.Raw(Stream::kDateKind);
    if (kind == 0) {
      date.reset();
      return;
    }
    const auto value = static_cast<uint64_t>(v.RawSigned(Stream::kDate));
    date = FromEpochMicros(static_cast<int64_t>(kind == 1 ? (value + static_cast<uint64_t>(base)) *
                                                                static_cast<uint64_t>(kSecond)
                                                          : value));
  } else {
    if (!date) {
      v.Number(Stream::kDateKind, 0);
    } else if (const int64_t micros = ToEpochMicros(*date); micros % kSecond == 0) {
      v.Number(Stream::kDateKind, 1);
      v.Signed(Stream::kDate, micros / kSecond - base);
    } else {
      v.Number(Stream::kDateKind, 2);
      v.Signed(Stream::kDate, micros);
    }
  }
}

template <class V, class T>
void WalkEnum(V& v, Stream stream, T& value, uint64_t most) {
  if constexpr (V::kReads) {
    uint64_t number = 0;
    v.Number(stream, number);
    value = static_cast<std::remove_const_t<T>>(number <= most ? number : most);
  } else {
    v.Number(stream, static_cast<uint64_t>(value));
  }
}

// R is MessageRecord or const MessageRecord.
template <class V, class R>
void WalkRecord(V& v, R& r) {
  using S = Stream;
  using F = Frame;
  v.Difference(S::kMid, r.mid);
  v.Text(S::kQueueId, F::kRest, r.queue_id);
  if constexpr (V::kReads) {
    uint64_t micros = 0;
    v.Difference(S::kReceived, micros);
    r.received = FromEpochMicros(static_cast<int64_t>(micros));
  } else {
    v.Difference(S::kReceived, static_cast<uint64_t>(ToEpochMicros(r.received)));
  }
  WalkEnum(v, S::kDirection, r.direction, static_cast<uint64_t>(mail::Direction::kInternal));

  auto& c = r.connection;
  v.Difference(S::kIcid, c.icid);
  v.Text(S::kClientAddress, F::kRest, c.client_address);
  v.Text(S::kClientName, F::kUrls, c.client_name);
  v.Text(S::kHelo, F::kUrls, c.helo);
  v.Text(S::kTlsProtocol, F::kRest, c.tls_protocol);
  v.Text(S::kTlsCipher, F::kRest, c.tls_cipher);
  v.Text(S::kAuthenticatedUser, F::kRest, c.authenticated_user);
  v.Text(S::kListener, F::kRest, c.listener);

  v.Text(S::kEnvelopeFrom, F::kAddresses, r.envelope_from);
  v.Text(S::kEnvelopeFromRaw, F::kAddresses, r.envelope_from_raw);
  v.List(S::kRecipients, r.recipients, [&v](auto& recipient) {
    v.Number(S::kRid, recipient.rid);
    v.Text(S::kRecipient, F::kAddresses, recipient.address);
    v.Text(S::kRecipientRaw, F::kAddresses, recipient.raw);
  });

  auto& i = r.inspection;
  v.List(S::kAddresses, i.addresses, [&v](auto& address) {
    WalkEnum(v, S::kAddressRole, address.role, mail::kMaxAddressRole);
    v.Text(S::kAddress, F::kAddresses, address.address);
    v.Text(S::kDisplayName, F::kAddresses, address.display_name);
    v.Text(S::kAddressRaw, F::kAddresses, address.raw);
  });
  v.Text(S::kSubject, F::kSubjects, i.subject);
  v.Text(S::kSubjectRaw, F::kSubjects, i.subject_raw);
  v.List(S::kOtherSubjects, i.other_subjects,
         [&v](auto& text) { v.Text(S::kOtherSubject, F::kSubjects, text); });
  v.Text(S::kMessageId, F::kIds, i.message_id);
  v.Text(S::kMessageIdRaw, F::kIds, i.message_id_raw);
  v.List(S::kOtherMessageIds, i.other_message_ids,
         [&v](auto& text) { v.Text(S::kOtherMessageId, F::kIds, text); });
  WalkDate(v, i.date, r.received);
  v.Text(S::kDateRaw, F::kRest, i.date_raw);
  v.List(S::kReceivedHosts, i.received_hosts,
         [&v](auto& text) { v.Text(S::kReceivedHost, F::kUrls, text); });
  v.List(S::kUrls, i.urls, [&v](auto& url) {
    v.Text(S::kUrl, F::kUrls, url.url);
    v.Text(S::kUrlRaw, F::kUrls, url.raw);
    WalkEnum(v, S::kUrlSource, url.source, mail::kMaxUrlSource);
  });
  v.List(S::kDomains, i.domains, [&v](auto& domain) {
    v.Text(S::kDomain, F::kUrls, domain.name);
    v.Text(S::kRegistrable, F::kUrls, domain.registrable);
  });
  v.List(S::kAttachments, i.attachments, [&v](auto& file) {
    v.List(S::kNames, file.names, [&v](auto& text) { v.Text(S::kName, F::kNames, text); });
    v.Text(S::kDeclaredType, F::kRest, file.declared_type);
    v.Text(S::kSniffedType, F::kRest, file.sniffed_type);
    v.Number(S::kFileSize, file.size);
    v.Text(S::kSha256, F::kHashes, file.sha256);
    v.Text(S::kSha1, F::kHashes, file.sha1);
    v.Text(S::kMd5, F::kHashes, file.md5);
    v.Number(S::kDepth, file.depth);
    v.Number(S::kInline, file.is_inline);
  });
  v.List(S::kAuthentications, i.authentication, [&v](auto& result) {
    v.Text(S::kAuthservId, F::kRest, result.authserv_id);
    v.Text(S::kMethod, F::kRest, result.method);
    v.Text(S::kAuthResult, F::kRest, result.result);
    v.Text(S::kProperty, F::kRest, result.property);
  });
  v.List(S::kLanguages, i.languages, [&v](auto& text) { v.Text(S::kLanguage, F::kRest, text); });
  v.Text(S::kMailer, F::kRest, i.mailer);
  v.Text(S::kInReplyTo, F::kIds, i.in_reply_to);
  v.List(S::kReferences, i.references, [&v](auto& text) { v.Text(S::kReference, F::kIds, text); });
  v.Number(S::kSize, i.size);
  v.Number(S::kHeaderSize, i.header_size);
  v.Number(S::kParts, i.parts);
  v.Text(S::kContentDigest, F::kHashes, i.content_digest);
  v.Text(S::kRawSha256, F::kHashes, i.raw_sha256);
  v.List(S::kLimitsHit, i.limits_hit, [&v](auto& text) { v.Text(S::kLimitHit, F::kRest, text); });
  v.List(S::kOddities, i.oddities, [&v](auto& text) { v.Text(S::kOddity, F::kRest, text); });

  v.List(S::kVerdicts, r.verdicts, [&v](auto& verdict) {
    v.Text(S::kEngine, F::kRest, verdict.engine);
    if constexpr (V::kReads) {
      verdict.disposition = static_cast<int>(v.RawSigned(S::kDisposition));
    } else {
      v.Signed(S::kDisposition, verdict.disposition);
    }
    v.Text(S::kReason, F::kRest, verdict.reason);
  });
  v.List(S::kEvents, r.events, [&v, &r](auto& event) {
    WalkTime(v, S::kEventTime, event.time, r.received);
    WalkEnum(v, S::kEventKind, event.kind, mail::kMaxEventKind);
    if constexpr (V::kReads) {
      const uint64_t rid = v.Raw(S::kEventRid);
      event.rid.reset();
      if (rid > 0) event.rid = static_cast<uint32_t>(rid - 1);
    } else {
      v.Number(S::kEventRid, event.rid ? uint64_t{*event.rid} + 1 : 0);
    }
    v.Text(S::kEventDetail, F::kRest, event.detail);
    v.Text(S::kEventDsn, F::kRest, event.dsn);
    v.Text(S::kEventRelay, F::kRest, event.relay);
    v.Number(S::kEventDelay, event.delay_ms);
    v.Text(S::kEventQueueId, F::kRest, event.queue_id);
    v.Text(S::kEventDedupKey, F::kRest, event.dedup_key);
  });
}

}  // namespace mailreeve::gateway::segment
