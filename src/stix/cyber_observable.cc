#include "stix/cyber_observable.h"

#include "base/text.h"
#include "ctim/model.h"
#include "stix/ids.h"

#include <algorithm>

namespace mailreeve::stix {
namespace {

constexpr std::string_view kOwnPrefix = "x-ctim-";
constexpr size_t kMaxObserved = 16;

struct Row {
  std::string_view ctim;    // observable type
  std::string_view object;  // STIX type
  std::string_view step;    // property, "hashes.MD5" for a hash
};
// The first row of a CTIM type is how it leaves; every row is read.
constexpr Row kRows[] = {
    {"ip", "ipv4-addr", "value"},
    {"ipv6", "ipv6-addr", "value"},
    {"domain", "domain-name", "value"},
    {"url", "url", "value"},
    {"email", "email-addr", "value"},
    {"email_subject", "email-message", "subject"},
    {"email_messageid", "email-message", "message_id"},
    {"md5", "file", "hashes.MD5"},
    {"sha1", "file", "hashes.SHA-1"},
    {"sha256", "file", "hashes.SHA-256"},
    {"file_name", "file", "name"},
    {"mutex", "mutex", "name"},
    {"mac_address", "mac-addr", "value"},
    {"user", "user-account", "account_login"},
    {"user", "user-account", "user_id"},
    {"registry_key", "windows-registry-key", "key"},
    {"process_args", "process", "command_line"},
    {"process_name", "process", "name"},
    {"certificate_serial", "x509-certificate", "serial_number"},
    {"certificate_issuer", "x509-certificate", "issuer"},
    {"certificate_common_name", "x509-certificate", "subject"},
};

const Row* RowOf(std::string_view ctim) {
  for (const auto& row : kRows)
    if (row.ctim == ctim) return &row;
  return nullptr;
}

std::string OwnType(std::string_view ctim) {
  std::string out = std::string(kOwnPrefix) + std::string(ctim);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

std::optional<std::string> CtimTypeOfOwn(std::string_view stix_type) {
  if (!stix_type.starts_with(kOwnPrefix)) return std::nullopt;
  std::string out(stix_type.substr(kOwnPrefix.size()));
  std::replace(out.begin(), out.end(), '-', '_');
  if (!ctim::TheModel().Words("observable_type")->Has(out)) return std::nullopt;
  return out;
}

// An IPv6 address among CTIM's `ip`.
bool IsV6(std::string_view value) { return value.find(':') != std::string_view::npos; }

std::string_view StixTypeOf(const Row& row, std::string_view value) {
  return row.ctim == "ip" && IsV6(value) ? std::string_view("ipv6-addr") : row.object;
}

// "hashes.SHA-256", "hashes.'sha256'", "hashes.sha_256" are one.
std::string NormalStep(std::string_view step) {
  if (!step.starts_with("hashes.")) return std::string(step);
  std::string name;
  for (const char c : step.substr(7))
    if (c != '-' && c != '_' && c != '\'') name.push_back(AsciiLower(c));
  return "hashes." + name;
}

std::optional<Observed> Made(std::string_view object, std::string_view step,
                             std::string_view value) {
  if (value.empty()) return std::nullopt;
  if (const auto own = CtimTypeOfOwn(object); own && step == "value")
    return Observed{*own, std::string(value)};
  for (const auto& row : kRows) {
    if (row.object != object || NormalStep(row.step) != NormalStep(step)) continue;
    // A network is no address.
    if (object == "ipv4-addr" && value.ends_with("/32")) value.remove_suffix(3);
    if ((object == "ipv4-addr" || object == "ipv6-addr") &&
        value.find('/') != std::string_view::npos) {
      return std::nullopt;
    }
    return Observed{std::string(row.ctim), std::string(value)};
  }
  return std::nullopt;
}

}  // namespace

std::string PatternOf(std::string_view type, std::string_view value) {
  const Row* row = RowOf(type);
  if (row == nullptr) return OwnType(type) + ":value = " + QuotePatternText(value);
  std::string step(row->step);
  if (step.find('-') != std::string::npos)
    step = "hashes.'" + step.substr(std::string_view("hashes.").size()) + "'";
  return std::string(StixTypeOf(*row, value)) + ":" + step + " = " + QuotePatternText(value);
}

json::object ObjectOf(std::string_view type, std::string_view value) {
  const Row* row = RowOf(type);
  json::object identifying;
  std::string stix_type = OwnType(type);
  if (row == nullptr) {
    identifying["value"] = value;
  } else {
    stix_type = std::string(StixTypeOf(*row, value));
    if (row->step.starts_with("hashes.")) {
      identifying["hashes"] = json::object{{row->step.substr(7), value}};
    } else {
      identifying[row->step] = value;
    }
  }
  json::object out{
      {"type", stix_type}, {"spec_version", "2.1"}, {"id", ObservableId(stix_type, identifying)}};
  if (stix_type == "email-message") out["is_multipart"] = false;
  for (auto& member : identifying) out.emplace(member.key(), std::move(member.value()));
  return out;
}

std::optional<Observed> ObservableOf(const Term& term) {
  const size_t colon = term.path.find(':');
  if (colon == std::string::npos) return std::nullopt;
  const std::string_view path = term.path;
  const std::string_view object = path.substr(0, colon), step = path.substr(colon + 1);
  // Addresses inside other objects are addresses still.
  if (object == "email-message" &&
      (step == "from_ref.value" || step == "sender_ref.value" || step == "to_refs.value")) {
    return Made("email-addr", "value", term.value);
  }
  if (object == "network-traffic" && (step == "dst_ref.value" || step == "src_ref.value"))
    return Made(IsV6(term.value) ? "ipv6-addr" : "ipv4-addr", "value", term.value);
  return Made(object, step, term.value);
}

std::vector<Observed> ObservablesOf(const json::object& object) {
  std::vector<Observed> out;
  const auto* type = object.if_contains("type");
  if (type == nullptr || !type->is_string()) return out;
  const std::string_view stix_type = type->get_string();
  const auto add = [&](std::string_view step, const json::value& value) {
    if (!value.is_string() || out.size() >= kMaxObserved) return;
    if (auto made = Made(stix_type, step, value.get_string())) out.push_back(*std::move(made));
  };
  if (const auto* hashes = object.if_contains("hashes"); hashes != nullptr && hashes->is_object())
    for (const auto& hash : hashes->get_object())
      add("hashes." + std::string(hash.key()), hash.value());
  for (const auto& member : object)
    if (member.key() != "hashes" && member.key() != "type") add(member.key(), member.value());
  return out;
}

bool IsCyberObservable(std::string_view stix_type) {
  static constexpr std::string_view kNames[] = {
      "artifact",
      "autonomous-system",
      "directory",
      "domain-name",
      "email-addr",
      "email-message",
      "file",
      "ipv4-addr",
      "ipv6-addr",
      "mac-addr",
      "mutex",
      "network-traffic",
      "process",
      "software",
      "url",
      "user-account",
      "windows-registry-key",
      "x509-certificate",
  };
  return std::find(std::begin(kNames), std::end(kNames), stix_type) != std::end(kNames) ||
         CtimTypeOfOwn(stix_type).has_value();
}

}  // namespace mailreeve::stix
