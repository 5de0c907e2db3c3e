#include "response/intel/condition.h"

#include "base/text.h"
#include "base/time.h"
#include "response/intel/fields.h"
#include "response/intel_query/match.h"

#include <charconv>
#include <cmath>

namespace mailreeve::response::intel {
namespace {

using intel_query::Node;
using Kind = Node::Kind;

// Terms with fewer postings are fetched and looked up; of others each row is asked for.
constexpr int64_t kRare = 5000;

std::optional<double> NumberOf(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

// The least text that is greater than all that begin with `prefix`; empty: there is none.
std::string AfterPrefix(std::string prefix) {
  while (!prefix.empty()) {
    if (static_cast<unsigned char>(prefix.back()) < 0xF4) {
      // 0x7F and 0xC2 on: the next byte that may stand there in UTF-8 is enough, as bytes compare.
      prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
      return prefix;
    }
    prefix.pop_back();
  }
  return prefix;
}

class Compiler {
 public:
  Compiler(Tables& tables, const EntityFields& fields, bool default_fields, SqlText& sql)
      : tables_(tables), fields_(fields), default_fields_(default_fields), sql_(sql) {}

  Result<Condition> Compile(const Node& node) {
    switch (node.kind) {
      case Kind::kAll:
        return Condition{};
      case Kind::kAnd:
        return And(node);
      case Kind::kOr:
        return Or(node);
      case Kind::kNot: {
        TRY(Condition inner, Compile(node.children.front()));
        if (!inner.exact) return Anything();
        if (inner.sql.empty()) return Condition{"1 = 0", true};
        return Condition{"NOT (" + inner.sql + ")", true};
      }
      case Kind::kExists:
        return Exists(node.field);
      case Kind::kTerm:
      case Kind::kPhrase:
        return node.field.empty() ? AnyField(node.text) : Term(node.field, node.text);
      case Kind::kWildcard:
        return node.field.empty() ? AnyWildcard(node) : Wildcard(node);
      case Kind::kRange:
        return Range(node);
    }
    return Anything();
  }

 private:
  static Condition Anything() { return {"", false}; }

  Result<Condition> And(const Node& node) {
    Condition out;
    for (const Node& child : node.children) {
      TRY(Condition part, Compile(child));
      out.exact = out.exact && part.exact;
      if (part.sql.empty()) continue;
      out.sql += (out.sql.empty() ? "(" : ") AND (") + part.sql;
    }
    if (!out.sql.empty()) out.sql += ")";
    return out;
  }

  Result<Condition> Or(const Node& node) {
    Condition out;
    bool anything = false;
    for (const Node& child : node.children) {
      TRY(Condition part, Compile(child));
      out.exact = out.exact && part.exact;
      if (part.sql.empty()) anything = true;
      if (!part.sql.empty()) out.sql += (out.sql.empty() ? "(" : ") OR (") + part.sql;
    }
    if (anything) return Condition{"", out.exact};
    if (out.sql.empty()) return Condition{"1 = 0", true};
    out.sql += ")";
    return out;
  }

  // Rows of the index with `where` about its value.
  Result<Condition> Postings(int64_t field, bool exact,
                             const std::function<std::string(SqlText&)>& where) {
    SqlText probe;
    probe.text =
        "SELECT COUNT(*) FROM (SELECT 1 FROM intel_term t WHERE t.field = " + probe.Put(field);
    probe.text += where(probe) + " LIMIT " + std::to_string(kRare) + ") AS few";
    TRY(sql::Statement * count, tables_.Query(probe));
    TRY_VOID(count->Step());
    const bool rare = count->Integer(0) < kRare;
    count->Reset();
    const std::string inner = "FROM intel_term t WHERE t.field = " + sql_.Put(field) + where(sql_);
    if (rare) return Condition{"d.n IN (SELECT t.n " + inner + ")", exact};
    return Condition{"EXISTS (SELECT 1 " + inner + " AND t.n = d.n)", exact};
  }

  Result<Condition> Value(int64_t field, std::string value, bool exact) {
    return Postings(field, exact, [value = std::move(value)](SqlText& sql) {
      return " AND t.value = " + sql.Put(value);
    });
  }

  Result<Condition> AnyField(const std::string& text) {
    const std::vector<std::string> words = intel_query::WordsOf(text);
    const std::string_view short_id = intel_query::ShortIdOf(text);
    const bool is_id = short_id.size() != text.size() || text.size() > 38;
    if (words.empty()) return Anything();
    Condition out;
    out.exact = default_fields_ && words.size() == 1;
    for (const std::string& word : words) {
      TRY(Condition one, Value(WordCode(fields_.type), word, true));
      out.sql += (out.sql.empty() ? "(" : ") AND (") + one.sql;
    }
    out.sql += ")";
    if (is_id) {
      out.sql = "(" + out.sql + ") OR d.id = " + sql_.Put(intel_query::FoldCase(short_id));
      out.exact = false;
    }
    return out;
  }

  Result<Condition> AnyWildcard(const Node& node) {
    if (node.pattern.size() != 2 || node.pattern[0].kind != Node::Piece::kText ||
        node.pattern[1].kind != Node::Piece::kMany)
      return Anything();
    const std::string prefix = intel_query::FoldCase(node.pattern[0].text);
    const std::vector<std::string> words = intel_query::WordsOf(prefix);
    // "mail ga*" may be the beginning of a whole value: the documents tell.
    if (words.size() != 1 || words[0] != prefix) return Anything();
    return Prefix(WordCode(fields_.type), prefix, default_fields_ && prefix.size() <= 60);
  }

  Result<Condition> Prefix(int64_t field, std::string prefix, bool exact) {
    std::string after = AfterPrefix(prefix);
    return Postings(field, exact,
                    [prefix = std::move(prefix), after = std::move(after)](SqlText& sql) {
                      std::string where = " AND t.value >= " + sql.Put(prefix);
                      if (!after.empty()) where += " AND t.value < " + sql.Put(after);
                      return where;
                    });
  }

  Result<Condition> Term(const std::string& field, const std::string& text) {
    const std::string value = IndexText(field, text);
    if (field == "id") return Condition{"d.id = " + sql_.Put(value), true};
    if (field == "tlp")
      return Condition{"d.tlp = " + sql_.Put(int64_t{TlpLevel(AsciiLower(text))}), true};
    if (field == "owner") return Condition{"d.owner = " + sql_.Put(text), false};
    if (IsTimeColumn(field)) return TimeColumn(field, text, text, true, true);
    if (intel_query::IsTextField(field)) {
      // By its words; which field has them, the document tells.
      const bool searched = std::find(fields_.searched.begin(), fields_.searched.end(), field) !=
                            fields_.searched.end();
      if (!searched) return Anything();
      TRY(Condition out, AnyField(text));
      out.exact = false;
      return out;
    }
    if (!fields_.IsIndexed(field)) return Anything();
    const int64_t code = FieldCode(fields_.type, field);
    if (IsDateField(field)) return Anything();
    if (const auto number = NumberOf(text)) {
      // Of a field that has both, the number is what is meant; text stays possible.
      TRY(const Condition as_number, Value(code, IndexNumber(*number), true));
      if (IsNumberField(field)) return as_number;
      TRY(const Condition as_text, Value(code, value, true));
      return Condition{"(" + as_number.sql + ") OR (" + as_text.sql + ")", false};
    }
    return Value(code, value, value.size() + 4 < kMaxValueBytes);
  }

  Result<Condition> Exists(const std::string& field) {
    if (field == "id" || field == "tlp" || field == "type" || field == "owner" ||
        IsTimeColumn(field) || field == "schema_version")
      return Condition{};
    if (!fields_.IsIndexed(field)) return Anything();
    return Postings(FieldCode(fields_.type, field), true, [](SqlText&) { return ""; });
  }

  Result<Condition> Wildcard(const Node& node) {
    const std::string& field = node.field;
    if (field == "id") {
      const std::string_view short_id = intel_query::ShortIdOf(node.text);
      if (short_id.size() != node.text.size())
        return Condition{"d.id = " + sql_.Put(intel_query::FoldCase(short_id)), true};
      return Anything();
    }
    if (!fields_.IsIndexed(field) || intel_query::IsIdField(field) ||
        node.pattern.front().kind != Node::Piece::kText || intel_query::IsTextField(field))
      return Anything();
    const std::string prefix = intel_query::FoldCase(node.pattern.front().text);
    if (prefix.size() >= kMaxValueBytes || NumberOf(prefix)) return Anything();
    const bool only_prefix = node.pattern.size() == 2 && node.pattern[1].kind == Node::Piece::kMany;
    return Prefix(FieldCode(fields_.type, field), prefix,
                  only_prefix && !IsNumberField(field) && !IsDateField(field));
  }

  Result<Condition> TimeColumn(const std::string& field, const std::optional<std::string>& low,
                               const std::optional<std::string>& high, bool low_inclusive,
                               bool high_inclusive) {
    const std::string column = "d." + (field == "timestamp" ? std::string("stamp") : field);
    Condition out;
    // Short dates ("2026-01") mean spans; the document tells.
    if (low) {
      const Result<Time> time = ParseTime(*low);
      if (!time) return Anything();
      out.sql = column + (low_inclusive ? " >= " : " > ") + sql_.Put(ToEpochMicros(*time));
    }
    if (high) {
      const Result<Time> time = ParseTime(*high);
      if (!time) return Anything();
      out.sql += (out.sql.empty() ? "" : " AND ") + column + (high_inclusive ? " <= " : " < ") +
                 sql_.Put(ToEpochMicros(*time));
    }
    return out;
  }

  Result<Condition> Range(const Node& node) {
    const auto text = [](const std::optional<Node::Bound>& bound) {
      return bound ? std::optional<std::string>(bound->text) : std::nullopt;
    };
    const bool low_inclusive = !node.low || node.low->inclusive;
    const bool high_inclusive = !node.high || node.high->inclusive;
    if (IsTimeColumn(node.field))
      return TimeColumn(node.field, text(node.low), text(node.high), low_inclusive, high_inclusive);
    if (!fields_.IsIndexed(node.field) || intel_query::IsIdField(node.field)) return Anything();
    std::optional<std::string> low, high;
    bool exact = true;
    const auto bound = [&](const Node::Bound& from) -> std::optional<std::string> {
      if (IsNumberField(node.field)) {
        const auto number = NumberOf(from.text);
        if (!number) return std::nullopt;
        return IndexNumber(*number);
      }
      if (IsDateField(node.field)) {
        const Result<Time> time = ParseTime(from.text);
        if (!time) return std::nullopt;
        return intel_query::FoldCase(FormatTime(*time));
      }
      if (NumberOf(from.text)) return std::nullopt;
      exact = false;
      return IndexText(node.field, from.text);
    };
    if (node.low && !(low = bound(*node.low))) return Anything();
    if (node.high && !(high = bound(*node.high))) return Anything();
    // Values are cut: at the bound itself the document tells.
    const bool loose = !exact;
    return Postings(FieldCode(fields_.type, node.field), exact, [=](SqlText& sql) {
      std::string where;
      if (low)
        where += (low_inclusive || loose ? " AND t.value >= " : " AND t.value > ") + sql.Put(*low);
      if (high && !loose)
        where += (high_inclusive ? " AND t.value <= " : " AND t.value < ") + sql.Put(*high);
      return where;
    });
  }

  Tables& tables_;
  const EntityFields& fields_;
  const bool default_fields_;
  SqlText& sql_;
};

}  // namespace

Result<Condition> Compile(Tables& tables, const std::string& type, const intel_query::Node& node,
                          bool default_fields, SqlText& sql) {
  const EntityFields* fields = FieldsOf(type);
  if (fields == nullptr) return Fail(Code::kInvalid, "there is no entity " + type);
  return Compiler(tables, *fields, default_fields, sql).Compile(node);
}

Result<std::string> VisibleTo(Tables& tables, const Asker& asker, Visibility visibility,
                              SqlText& sql, const std::string& alias) {
  // Few have something shared with them from outside; asking first keeps the plan of the others
  // simple.
  TRY(sql::Statement * shared,
      tables.Use("SELECT 1 FROM intel_term WHERE field = ?1 AND value IN (?2, ?3) LIMIT 1"));
  shared->Bind(1, SharedCode()).Bind(2, "u:" + asker.login).Bind(3, "g:" + asker.org);
  TRY(const bool any_shared, shared->Step());
  shared->Reset();
  const std::string a = alias + ".";
  std::string own = a + "org = " + sql.Put(asker.org) + " AND (" + a + "tlp < 3 OR " + a +
                    "owner = " + sql.Put(asker.login) + ")";
  std::string others;
  if (visibility == Visibility::kEveryone) others += " OR " + a + "tlp <= 1";
  if (any_shared) {
    others += " OR (" + a + "shared = 1 AND " + a +
              "n IN (SELECT s.n FROM intel_term s WHERE s.field = " + sql.Put(SharedCode()) +
              " AND s.value IN (" + sql.Put("u:" + asker.login) + ", " + sql.Put("g:" + asker.org) +
              ")))";
  }
  if (others.empty()) return " AND " + own;
  return " AND ((" + own + ")" + others + ")";
}

}  // namespace mailreeve::response::intel
