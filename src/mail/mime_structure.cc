#include "mail/mime_structure.h"

#include "base/text.h"
#include "mail/parameters.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

namespace mailreeve::mail {
namespace {

using std::string_view;

bool StartsFold(string_view text, string_view prefix) {
  return text.size() >= prefix.size() && AsciiEqualFold(text.substr(0, prefix.size()), prefix);
}

// Overwrites the first letter of each `word` in [from, to).
void Rename(char* from, char* to, string_view word) {
  for (char* p = from; p + word.size() <= to; ++p) {
    if (AsciiEqualFold(string_view(p, word.size()), word)) *p = 'x';
  }
}

// The end of the field that begins at `pos`: behind the last of its folded lines; at most `limit`
// bytes on.
size_t FieldEnd(string_view text, size_t pos, size_t limit) {
  const size_t stop = std::min(text.size(), pos + limit);
  size_t at = pos;
  while (at < stop) {
    const auto* found = static_cast<const char*>(std::memchr(text.data() + at, '\n', stop - at));
    if (found == nullptr) return stop;
    at = static_cast<size_t>(found - text.data()) + 1;
    if (at >= stop || (text[at] != ' ' && text[at] != '\t')) return at;
  }
  return stop;
}

string_view TrimEnd(string_view line) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r')) {
    line.remove_suffix(1);
  }
  return line;
}

// The boundaries that are open, as GMime keeps them.
class Nesting {
 public:
  void Push(string_view boundary) {
    stack_.emplace_back(boundary);
    levels_[stack_.back()].push_back(stack_.size());
  }
  // 0: `line` is no boundary line of an open multipart. Closes what lies inside it, and itself at
  // its end line.
  size_t Match(string_view line) {
    line = TrimEnd(line.substr(2));
    size_t level = Find(line);
    bool end = false;
    if (level == 0 && line.ends_with("--")) {
      level = Find(line.substr(0, line.size() - 2));
      end = level != 0;
    }
    if (level == 0) return 0;
    while (stack_.size() > level - (end ? 1 : 0)) {
      auto at = levels_.find(stack_.back());
      at->second.pop_back();
      if (at->second.empty()) levels_.erase(at);
      stack_.pop_back();
    }
    return level;
  }
  size_t depth() const { return stack_.size(); }

 private:
  size_t Find(string_view boundary) const {
    const auto at = levels_.find(std::string(boundary.substr(0, 2100)));
    return at == levels_.end() ? 0 : at->second.back();
  }
  std::vector<std::string> stack_;
  std::unordered_map<std::string, std::vector<size_t>> levels_;
};

}  // namespace

StructureCuts TameStructure(char* body, size_t size, string_view boundary,
                            const StructureLimits& limits) {
  StructureCuts cuts;
  cuts.end = size;
  const string_view text(body, size);
  size_t dashed = 0;
  for (size_t pos = 0; pos < size;) {
    const char c = text[pos];
    if (c == '-') {
      if (pos + 1 < size && text[pos + 1] == '-') ++dashed;
    } else if ((c == 'c' || c == 'C') && StartsFold(text.substr(pos), "content-type")) {
      const size_t end = FieldEnd(text, pos, 1000);
      const auto* semicolon = static_cast<const char*>(std::memchr(body + pos, ';', end - pos));
      char* stop = semicolon == nullptr ? body + end : body + (semicolon - body);
      Rename(body + pos, stop, "message");
      Rename(body + pos, stop, "digest");
    }
    const auto* newline = static_cast<const char*>(std::memchr(body + pos, '\n', size - pos));
    if (newline == nullptr) break;
    pos = static_cast<size_t>(newline - body) + 1;
  }
  // Each level and each part needs a boundary line of its own.
  if (dashed <= limits.max_depth) return cuts;

  Nesting nesting;
  nesting.Push(boundary.substr(0, 2000));
  size_t parts = 0;
  bool in_header = false;
  for (size_t pos = 0; pos < size;) {
    const auto* newline = static_cast<const char*>(std::memchr(body + pos, '\n', size - pos));
    const size_t next = newline == nullptr ? size : static_cast<size_t>(newline - body) + 1;
    const string_view line = text.substr(pos, next - pos - (newline == nullptr ? 0 : 1));
    if (line.starts_with("--")) {
      if (nesting.Match(line) != 0) {
        if (++parts > limits.max_parts) {
          cuts.parts = true;
          cuts.end = pos;
          return cuts;
        }
        in_header = true;
      }
    } else if (in_header) {
      if (TrimEnd(line).empty()) {
        in_header = false;
      } else if (StartsFold(line, "content-type")) {
        const size_t end = FieldEnd(text, pos, 8192);
        const string_view field = text.substr(pos, end - pos);
        const size_t colon = field.find(':');
        if (colon != string_view::npos) {
          const ParameterList list = ParseParameters(field.substr(colon + 1));
          if (list.value.starts_with("multipart/")) {
            if (nesting.depth() >= limits.max_depth) {
              cuts.depth = true;
              Rename(body + pos + colon, body + end, "multipart");
            } else {
              nesting.Push(list.First("boundary").substr(0, 2000));
            }
          }
        }
      }
    }
    pos = next;
  }
  return cuts;
}

}  // namespace mailreeve::mail
