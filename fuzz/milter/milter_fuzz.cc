// The milter dialogue over arbitrary bytes: first byte chooses what the handler is asked and the
// limits, the rest is the stream, delivered in pieces.
#include "base/check.h"
#include "gateway/milter/answer.h"
#include "gateway/milter/session.h"
#include "gateway/milter/wire.h"

#include <cstdint>

namespace milter = mailreeve::gateway::milter;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const uint8_t choice = data[0];
  milter::Options options;
  options.max_packet_bytes = 1 << 16;
  if ((choice & 1) != 0) {
    options.max_message_bytes = 64;
    options.max_headers = 2;
    options.max_recipients = 2;
    options.max_buffered_bytes = 96;
  }
  const milter::StageSet asked =
      (choice & 2) != 0
          ? milter::StageSet{milter::Stage::kConnect, milter::Stage::kMail, milter::Stage::kRcpt,
                             milter::Stage::kData, milter::Stage::kUnknown}
          : milter::StageSet{};
  milter::Counters counters;
  uint64_t serial = 0;
  {
    milter::Session session(options, asked, counters, serial);
    milter::PacketReader reader(options.max_packet_bytes);
    size_t at = 1;
    const size_t piece = static_cast<size_t>(choice >> 4) * 7 + 1;
    bool open = true;
    while (open && at < size) {
      const auto space = reader.Space();
      const size_t count = std::min({piece, size - at, space.size()});
      std::copy(data + at, data + at + count, space.begin());
      reader.Commit(count);
      at += count;
      while (open) {
        const auto packet = reader.Next();
        if (!packet) open = false;
        if (!packet || !*packet) break;
        const auto step = session.Take(**packet);
        if (!step || step->kind == milter::Step::Kind::kQuit) {
          open = false;
          break;
        }
        const auto kind = static_cast<milter::Decision::Kind>((*packet)->data.size() % 6);
        if (step->kind == milter::Step::Kind::kAskStage) {
          milter::Decision decision = milter::Decision::Reply(550, std::string((*packet)->data),
                                                              std::string((*packet)->data));
          if (const auto out =
                  EncodeDecision(decision, step->stage, session.agreement(), options)) {
            CHECK(out->find_first_of("\r\n", 4) == std::string::npos);
          }
          session.Decided(step->stage, kind);
        }
        if (step->kind == milter::Step::Kind::kAskMessage) {
          if (session.limit_hit().empty()) {
            const auto message = session.TakeMessage();
            CHECK(message.raw.size() <= options.max_message_bytes + 2);
            CHECK(message.recipients.size() <= options.max_recipients);
            CHECK(message.raw.substr(message.header_bytes, 2) == "\r\n");
            auto decision =
                milter::Decision::Quarantine(message.raw)
                    .With(milter::AddHeader{"X", message.raw})
                    .With(milter::AddRecipient{message.from.raw, message.raw.substr(0, 99)});
            (void)EncodeDecision(decision, milter::Stage::kEndOfMessage, session.agreement(),
                                 options);
          }
          session.MessageDone();
        }
        CHECK(counters.buffered_bytes_now <= options.max_buffered_bytes);
      }
    }
    if (!open) (void)session.Disconnect();
  }
  CHECK(counters.buffered_bytes_now == 0);
  return 0;
}
