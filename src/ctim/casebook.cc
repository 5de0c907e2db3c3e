#include "ctim/casebook.h"

#include <algorithm>
#include <string>
#include <unordered_set>

namespace mailreeve::ctim {
namespace {

// Compared by their text with sorted keys, so that large lists take linear time.
void Canonical(const json::value& value, std::string& out) {
  if (const auto* object = value.if_object()) {
    std::vector<std::string_view> keys;
    for (const auto& member : *object) keys.emplace_back(member.key());
    std::sort(keys.begin(), keys.end());
    out += '{';
    for (const auto key : keys) {
      out += json::Serialize(json::value(key));
      out += ':';
      Canonical(object->at(key), out);
      out += ',';
    }
    out += '}';
  } else if (const auto* array = value.if_array()) {
    out += '[';
    for (const auto& each : *array) {
      Canonical(each, out);
      out += ',';
    }
    out += ']';
  } else {
    out += json::Serialize(value);
  }
}

std::string Canonical(const json::value& value) {
  std::string out;
  Canonical(value, out);
  return out;
}

void ChangeList(json::array& into, CasebookOperation operation, const json::array& given) {
  switch (operation) {
    case CasebookOperation::kAdd:
      for (const auto& each : given) into.push_back(each);
      return;
    case CasebookOperation::kReplace:
      into = given;
      return;
    case CasebookOperation::kRemove: {
      std::unordered_set<std::string> gone;
      for (const auto& each : given) gone.insert(Canonical(each));
      json::array left;
      for (auto& each : into)
        if (!gone.contains(Canonical(each))) left.push_back(std::move(each));
      into = std::move(left);
      return;
    }
  }
}

}  // namespace

std::optional<CasebookOperation> ReadCasebookOperation(std::string_view word) {
  if (word == "add") return CasebookOperation::kAdd;
  if (word == "remove") return CasebookOperation::kRemove;
  if (word == "replace") return CasebookOperation::kReplace;
  return std::nullopt;
}

void ChangeCasebook(json::object& casebook, CasebookOperation operation, const json::object& part) {
  for (const auto& member : part) {
    json::value* place = casebook.if_contains(member.key());
    if (place == nullptr) {
      casebook.emplace(member.key(), member.value());
    } else if (place->is_array() && member.value().is_array()) {
      ChangeList(place->get_array(), operation, member.value().get_array());
    } else if (place->is_object() && member.value().is_object()) {
      ChangeCasebook(place->get_object(), operation, member.value().get_object());
    } else {
      *place = member.value();
    }
  }
}

}  // namespace mailreeve::ctim
