#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>

// Ids of CTIM entities: short ("sighting-<uuid>"), long
// ("https://host:port/prefix/ctia/sighting/sighting-<uuid>") and transient ("transient:<anything>",
// known inside one document only). What is stored and looked up is the short form; what an API
// answers is the long one.
//
// Threads: values and pure functions. Errors: kInvalid; "Invalid hostname in ID" when a long id is
// another server's.
//
//   const ctim::IdSpace space("https://intel.example:9443");
//   space.Long(*ctim::ShortId::Parse("sighting-…"));   // what answers hold
//   space.Read("https%3A%2F%2Fintel.example%3A9443%2Fctia%2Fsighting%2Fsighting-…");
namespace mailreeve::ctim {

inline constexpr std::string_view kForeignId = "Invalid hostname in ID";

struct ShortId {
  std::string type;  // "asset-mapping"
  std::string uuid;  // lower case
  std::string text() const { return type + "-" + uuid; }
  bool operator==(const ShortId&) const = default;

  static std::optional<ShortId> Parse(std::string_view text);
  // A new one with a random uuid.
  static ShortId New(std::string_view type);
};

bool IsTransientId(std::string_view text);

// A long id of any server, taken to pieces; nullopt when it has not that form.
struct LongId {
  std::string base;  // "https://host:port/prefix": before "/ctia/"
  ShortId id;
  static std::optional<LongId> Parse(std::string_view text);
};

// Short, long or transient.
bool IsAnyId(std::string_view text);

class IdSpace {
 public:
  // `base_url`: scheme, host, port and prefix under which /ctia is served to the world, with or
  // without a slash at the end.
  explicit IdSpace(std::string base_url);

  const std::string& base_url() const { return base_url_; }
  std::string Long(const ShortId& id) const;
  // The long form of a short id of any type; other texts as they are.
  std::string Long(std::string_view text) const;
  // The short id behind a short id or one of our long ids, also percent-encoded. Scheme and host
  // compare without case.
  Result<ShortId> Read(std::string_view text) const;
  // Read, but nullopt for what is not ours.
  std::optional<ShortId> Ours(std::string_view text) const;

 private:
  std::string base_url_;
};

}  // namespace mailreeve::ctim
