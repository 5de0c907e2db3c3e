#include "stix/ids.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "ctim/ids.h"

#include <algorithm>
#include <vector>

namespace mailreeve::stix {
namespace {

// 00abedb4-aa42-466c-9c01-fed23315a9b7: of cyber-observables, by the standard.
constexpr unsigned char kObservables[] = {0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c,
                                          0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7};
// 3d6f0c9e-5b1a-4c57-9a41-8f0e2b7d6c13: of everything else that Mailreeve names.
constexpr unsigned char kOwn[] = {0x3d, 0x6f, 0x0c, 0x9e, 0x5b, 0x1a, 0x4c, 0x57,
                                  0x9a, 0x41, 0x8f, 0x0e, 0x2b, 0x7d, 0x6c, 0x13};

template <size_t N>
std::string_view Bytes(const unsigned char (&bytes)[N]) {
  return {reinterpret_cast<const char*>(bytes), N};
}

struct Marking {
  std::string_view tlp, id, name, level;
};
constexpr Marking kMarkings[] = {
    {"white", "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487", "TLP:CLEAR", "clear"},
    {"green", "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb", "TLP:GREEN", "green"},
    {"amber", "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421", "TLP:AMBER", "amber"},
    {"red", "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1", "TLP:RED", "red"},
};
// Only read: TLP 1, and what CTIM has no word for.
constexpr std::pair<std::string_view, std::string_view> kOtherMarkings[] = {
    {"marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9", "white"},
    {"marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da", "green"},
    {"marking-definition--f88d31f6-486f-44da-b317-01333bde0b82", "amber"},
    {"marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed", "red"},
    {"marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003", "red"},
};

const Marking& Find(std::string_view tlp) {
  for (const auto& each : kMarkings)
    if (each.tlp == tlp) return each;
  return kMarkings[2];
}

// RFC 8785 for what identifies observables: objects of texts.
std::string CanonicalJson(const json::value& value) {
  const auto* object = value.if_object();
  if (object == nullptr) return json::Serialize(value);
  std::vector<std::string_view> keys;
  for (const auto& member : *object) keys.emplace_back(member.key());
  std::sort(keys.begin(), keys.end());
  std::string out = "{";
  for (const auto key : keys) {
    if (out.size() > 1) out += ',';
    out += json::Serialize(json::value(key)) + ":" + CanonicalJson(object->at(key));
  }
  return out + "}";
}

}  // namespace

std::string NamedUuid(std::string_view namespace_bytes, std::string_view name) {
  CHECK(namespace_bytes.size() == 16);
  std::string digest =
      crypto::Hash(crypto::HashKind::kSha1, std::string(namespace_bytes) + std::string(name))
          .substr(0, 16);
  digest[6] = static_cast<char>((digest[6] & 0x0f) | 0x50);
  digest[8] = static_cast<char>((digest[8] & 0x3f) | 0x80);
  const std::string hex = HexEncode(digest);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
         hex.substr(16, 4) + "-" + hex.substr(20);
}

std::string ObservableId(std::string_view stix_type, const json::object& identifying) {
  return std::string(stix_type) + "--" + NamedUuid(Bytes(kObservables), CanonicalJson(identifying));
}

std::string IdFor(std::string_view stix_type, std::string_view ctim_id) {
  std::optional<ctim::ShortId> id = ctim::ShortId::Parse(ctim_id);
  if (!id) {
    if (auto long_id = ctim::LongId::Parse(ctim_id)) id = std::move(long_id->id);
  }
  const std::string uuid =
      id ? id->uuid : NamedUuid(Bytes(kOwn), std::string(stix_type) + "|" + std::string(ctim_id));
  return std::string(stix_type) + "--" + uuid;
}

std::optional<std::string_view> TypeOfId(std::string_view id) {
  const size_t dashes = id.find("--");
  if (dashes == 0 || dashes == std::string_view::npos || id.size() != dashes + 2 + 36)
    return std::nullopt;
  return id.substr(0, dashes);
}

std::string_view MarkingOf(std::string_view tlp) { return Find(tlp).id; }

json::object MarkingDefinition(std::string_view tlp) {
  const Marking& marking = Find(tlp);
  return {{"type", "marking-definition"},
          {"spec_version", "2.1"},
          {"id", marking.id},
          {"created", "2022-10-01T00:00:00.000Z"},
          {"name", marking.name},
          {"extensions", json::object{{"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d",
                                       json::object{{"extension_type", "property-extension"},
                                                    {"tlp_2_0", marking.level}}}}}};
}

std::optional<std::string_view> TlpOfMarking(std::string_view id) {
  for (const auto& each : kMarkings)
    if (each.id == id) return each.tlp;
  for (const auto& [other, tlp] : kOtherMarkings)
    if (other == id) return tlp;
  return std::nullopt;
}

}  // namespace mailreeve::stix
