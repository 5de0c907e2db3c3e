#include "base/text.h"
#include "observable/observable.h"

#include <cstdio>
#include <cstdlib>
#include <string>

// The canonical forms are fixed points, and what the recogniser finds has one. First byte: a type;
// the rest is the value, and free text as well.
using namespace mailreeve::observable;

namespace {

void Check(bool holds, const char* what, const std::string& value) {
  if (holds) return;
  std::fprintf(stderr, "%s: %s\n", what, value.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto type = static_cast<Type>(data[0] % kTypeCount);
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  // Types with a rule of their own get a try each time; the others share one rule.
  for (const Type each :
       {type, Type::kUrl, Type::kDomain, Type::kHostname, Type::kIp, Type::kIpv6, Type::kEmail,
        Type::kEmailMessageid, Type::kEmailSubject, Type::kFileName, Type::kMacAddress}) {
    const auto once = Canonical(each, rest);
    if (!once) continue;
    const auto twice = Canonical(each, *once);
    Check(twice.has_value(), "the canonical form has no canonical form", *once);
    Check(*twice == *once, "the canonical form has another one", *once + " -> " + *twice);
    Check(mailreeve::IsValidUtf8(*once), "not UTF-8", *once);
    Check(Fingerprint(each, *once) != 0, "zero fingerprint", *once);
    if (each == Type::kUrl) Check(UrlHost(*once).size() <= 253 + 2, "long host", *once);
    if (each == Type::kDomain) {
      const std::string registrable = RegistrableDomain(*once);
      Check(!registrable.empty() && once->ends_with(registrable), "registrable domain is no suffix",
            registrable);
    }
  }
  const auto found = Recognise(rest);
  for (const Observable& observable : found.observables) {
    Check(Canonical(observable.type, observable.value).has_value(), "recognised without a form",
          observable.value);
  }
  size_t behind = 0;
  for (const FoundUrlText& url : FindUrls(rest).urls) {
    Check(url.offset >= behind && rest.substr(url.offset, url.raw.size()) == url.raw, "offset",
          url.raw);
    Check(CanonicalUrl(url.raw) == url.canonical, "canonical of raw", url.raw);
    behind = url.offset + url.raw.size();
  }
  return 0;
}
