#include "response/graphql/query.h"

#include "base/text.h"

#include <charconv>
#include <cmath>
#include <map>
#include <set>

namespace mailreeve::response::graphql {
namespace {

struct Token {
  enum Kind { kEnd, kName, kNumber, kString, kMark } kind = kEnd;
  std::string text;  // of a string: its value
  size_t at = 0;
};

bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// A value as written: variables are put in when the operation is known.
struct Written {
  enum Kind { kJson, kVariable, kList, kObject } kind = kJson;
  json::value json;
  std::string variable;
  std::vector<Written> items;
  std::vector<std::string> keys;  // of an object, beside items
};

struct Argument {
  std::string name;
  Written value;
};
struct Directive {
  std::string name;
  std::vector<Argument> arguments;
};
struct Selection {
  enum Kind { kField, kSpread, kInline } kind = kField;
  std::string name, alias;  // kSpread: of the fragment; kInline: of the type
  std::vector<Argument> arguments;
  std::vector<Directive> directives;
  std::vector<Selection> selections;
  size_t at = 0;
};
struct Variable {
  std::string name;
  bool required = false;
  std::optional<Written> otherwise;
};
struct Operation {
  std::string name;
  std::vector<Variable> variables;
  std::vector<Selection> selections;
};
struct Fragment {
  std::string type;
  std::vector<Selection> selections;
};

class Reader {
 public:
  Reader(std::string_view text, const Limits& limits) : in_(text), limits_(limits) {}

  Result<void> Read() {
    TRY_VOID(Next());
    while (token_.kind != Token::kEnd) {
      if (IsMark("{")) {
        Operation operation;
        TRY(operation.selections, Selections(1));
        operations.push_back(std::move(operation));
      } else if (IsName("query")) {
        TRY_VOID(ReadOperation());
      } else if (IsName("fragment")) {
        TRY_VOID(ReadFragment());
      } else if (IsName("mutation") || IsName("subscription")) {
        return Wrong("only queries are served");
      } else {
        return Wrong("a query or a fragment is expected");
      }
    }
    if (operations.empty()) return Wrong("there is no query");
    return {};
  }

  std::vector<Operation> operations;
  std::map<std::string, Fragment, std::less<>> fragments;

 private:
  tl::unexpected<Error> WrongAt(size_t at, const std::string& what) const {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < in_.size(); ++i) {
      if (in_[i] == '\n') {
        ++line;
        column = 1;
      } else {
        ++column;
      }
    }
    return Fail(Code::kInvalid, "line " + std::to_string(line) + ", column " +
                                    std::to_string(column) + ": " + what);
  }
  tl::unexpected<Error> Wrong(const std::string& what) const { return WrongAt(token_.at, what); }
  bool IsMark(std::string_view mark) const {
    return token_.kind == Token::kMark && token_.text == mark;
  }
  bool IsName(std::string_view name) const {
    return token_.kind == Token::kName && token_.text == name;
  }
  Result<void> Expect(std::string_view mark) {
    if (!IsMark(mark)) return Wrong("'" + std::string(mark) + "' is expected");
    return Next();
  }
  Result<std::string> Name(const char* what) {
    if (token_.kind != Token::kName) return Wrong(std::string(what) + " is expected");
    std::string name = token_.text;
    TRY_VOID(Next());
    return name;
  }
  Result<void> TooDeep(size_t depth) const {
    if (depth <= limits_.max_depth) return {};
    return Fail(Code::kLimited,
                "the query is nested more than " + std::to_string(limits_.max_depth) + " deep");
  }

  Result<void> Next() {
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',') {
        ++at_;
      } else if (in_.substr(at_, 3) == "\xEF\xBB\xBF") {
        at_ += 3;
      } else if (c == '#') {
        while (at_ < in_.size() && in_[at_] != '\n') ++at_;
      } else {
        break;
      }
    }
    token_ = {Token::kEnd, "", at_};
    if (at_ == in_.size()) return {};
    const char c = in_[at_];
    if (IsNameStart(c)) {
      size_t end = at_;
      while (end < in_.size() && (IsNameStart(in_[end]) || IsDigit(in_[end]))) ++end;
      token_.kind = Token::kName;
      token_.text = in_.substr(at_, end - at_);
      at_ = end;
      return {};
    }
    if (IsDigit(c) || c == '-') {
      size_t end = at_ + 1;
      while (end < in_.size() && (IsDigit(in_[end]) || in_[end] == '.' || in_[end] == 'e' ||
                                  in_[end] == 'E' || in_[end] == '+' || in_[end] == '-'))
        ++end;
      token_.kind = Token::kNumber;
      token_.text = in_.substr(at_, end - at_);
      at_ = end;
      return {};
    }
    if (c == '"') return ReadString();
    token_.kind = Token::kMark;
    if (in_.substr(at_, 3) == "...") {
      token_.text = "...";
    } else if (std::string_view("!$():=@[]{}|&").find(c) != std::string_view::npos) {
      token_.text = std::string(1, c);
    } else {
      return WrongAt(at_, "a character that has no meaning here");
    }
    at_ += token_.text.size();
    return {};
  }

  Result<void> ReadString() {
    token_.kind = Token::kString;
    if (in_.substr(at_, 3) == "\"\"\"") {
      const size_t end = in_.find("\"\"\"", at_ + 3);
      if (end == std::string_view::npos) return WrongAt(at_, "the text does not end");
      token_.text = in_.substr(at_ + 3, end - at_ - 3);
      at_ = end + 3;
      return {};
    }
    size_t end = at_ + 1;
    while (end < in_.size() && in_[end] != '"' && in_[end] != '\n') end += in_[end] == '\\' ? 2 : 1;
    if (end >= in_.size() || in_[end] != '"') return WrongAt(at_, "the text does not end");
    // Escapes are JSON's.
    Result<json::value> text = json::Parse(in_.substr(at_, end + 1 - at_));
    if (!text || !text->is_string()) return WrongAt(at_, "the text has a wrong escape");
    token_.text = std::string(text->get_string());
    at_ = end + 1;
    return {};
  }

  Result<Written> Value(size_t depth, bool constant) {
    TRY_VOID(TooDeep(depth));
    Written out;
    if (IsMark("$")) {
      if (constant) return Wrong("a default cannot be a variable");
      TRY_VOID(Next());
      out.kind = Written::kVariable;
      TRY(out.variable, Name("a variable's name"));
      return out;
    }
    if (IsMark("[")) {
      TRY_VOID(Next());
      out.kind = Written::kList;
      while (!IsMark("]")) {
        TRY(Written item, Value(depth + 1, constant));
        out.items.push_back(std::move(item));
      }
      TRY_VOID(Next());
      return out;
    }
    if (IsMark("{")) {
      TRY_VOID(Next());
      out.kind = Written::kObject;
      while (!IsMark("}")) {
        TRY(std::string key, Name("a field's name"));
        TRY_VOID(Expect(":"));
        TRY(Written item, Value(depth + 1, constant));
        out.keys.push_back(std::move(key));
        out.items.push_back(std::move(item));
      }
      TRY_VOID(Next());
      return out;
    }
    switch (token_.kind) {
      case Token::kString:
        out.json = json::value(token_.text);
        break;
      case Token::kNumber: {
        Result<json::value> number = json::Parse(token_.text);
        if (!number || !number->is_number()) return Wrong("this is no number");
        out.json = *std::move(number);
        break;
      }
      case Token::kName:
        if (token_.text == "true" || token_.text == "false") {
          out.json = token_.text == "true";
        } else if (token_.text != "null") {
          out.json = json::value(token_.text);
        }
        break;
      default:
        return Wrong("a value is expected");
    }
    TRY_VOID(Next());
    return out;
  }

  Result<std::vector<Argument>> Arguments(size_t depth) {
    std::vector<Argument> out;
    if (!IsMark("(")) return out;
    TRY_VOID(Next());
    while (!IsMark(")")) {
      Argument argument;
      TRY(argument.name, Name("an argument's name"));
      TRY_VOID(Expect(":"));
      TRY(argument.value, Value(depth + 1, false));
      out.push_back(std::move(argument));
    }
    TRY_VOID(Next());
    return out;
  }

  Result<std::vector<Directive>> Directives(size_t depth) {
    std::vector<Directive> out;
    while (IsMark("@")) {
      TRY_VOID(Next());
      Directive directive;
      TRY(directive.name, Name("a directive's name"));
      if (directive.name != "include" && directive.name != "skip")
        return Wrong("there is no directive @" + directive.name);
      TRY(directive.arguments, Arguments(depth));
      out.push_back(std::move(directive));
    }
    return out;
  }

  Result<std::vector<Selection>> Selections(size_t depth) {
    TRY_VOID(TooDeep(depth));
    TRY_VOID(Expect("{"));
    std::vector<Selection> out;
    while (!IsMark("}")) {
      Selection selection;
      selection.at = token_.at;
      if (IsMark("...")) {
        TRY_VOID(Next());
        if (token_.kind == Token::kName && token_.text != "on") {
          selection.kind = Selection::kSpread;
          TRY(selection.name, Name("a fragment's name"));
          TRY(selection.directives, Directives(depth));
        } else {
          selection.kind = Selection::kInline;
          if (IsName("on")) {
            TRY_VOID(Next());
            TRY(selection.name, Name("a type's name"));
          }
          TRY(selection.directives, Directives(depth));
          TRY(selection.selections, Selections(depth + 1));
        }
      } else {
        TRY(selection.alias, Name("a field's name"));
        selection.name = selection.alias;
        if (IsMark(":")) {
          TRY_VOID(Next());
          TRY(selection.name, Name("a field's name"));
        }
        TRY(selection.arguments, Arguments(depth));
        TRY(selection.directives, Directives(depth));
        if (IsMark("{")) {
          TRY(selection.selections, Selections(depth + 1));
        }
      }
      out.push_back(std::move(selection));
    }
    if (out.empty()) return Wrong("a field is expected");
    TRY_VOID(Next());
    return out;
  }

  Result<void> ReadOperation() {
    TRY_VOID(Next());
    Operation operation;
    if (token_.kind == Token::kName) {
      TRY(operation.name, Name("a name"));
    }
    if (IsMark("(")) {
      TRY_VOID(Next());
      while (!IsMark(")")) {
        TRY_VOID(Expect("$"));
        Variable variable;
        TRY(variable.name, Name("a variable's name"));
        TRY_VOID(Expect(":"));
        TRY(variable.required, Type(1));
        if (IsMark("=")) {
          TRY_VOID(Next());
          TRY(variable.otherwise, Value(1, true));
        }
        operation.variables.push_back(std::move(variable));
      }
      TRY_VOID(Next());
    }
    TRY(const auto directives, Directives(1));
    (void)directives;
    TRY(operation.selections, Selections(1));
    operations.push_back(std::move(operation));
    return {};
  }

  // Types are not checked here but by whom the argument is for. True: it ends in '!'.
  Result<bool> Type(size_t depth) {
    TRY_VOID(TooDeep(depth));
    if (IsMark("[")) {
      TRY_VOID(Next());
      TRY(const bool inner, Type(depth + 1));
      (void)inner;
      TRY_VOID(Expect("]"));
    } else {
      TRY(const std::string name, Name("a type's name"));
      (void)name;
    }
    if (!IsMark("!")) return false;
    TRY_VOID(Next());
    return true;
  }

  Result<void> ReadFragment() {
    TRY_VOID(Next());
    TRY(std::string name, Name("a fragment's name"));
    if (!IsName("on")) return Wrong("'on' is expected");
    TRY_VOID(Next());
    Fragment fragment;
    TRY(fragment.type, Name("a type's name"));
    TRY(const auto directives, Directives(1));
    (void)directives;
    TRY(fragment.selections, Selections(1));
    if (!fragments.emplace(std::move(name), std::move(fragment)).second)
      return Wrong("two fragments have one name");
    return {};
  }

  std::string_view in_;
  const Limits& limits_;
  size_t at_ = 0;
  Token token_;
};

class Resolver {
 public:
  Resolver(const Reader& reader, const Limits& limits) : reader_(reader), limits_(limits) {}

  Result<void> TakeVariables(const Operation& operation, const json::object& given) {
    for (const Variable& variable : operation.variables) {
      const json::value* value = given.if_contains(variable.name);
      if (value != nullptr && !(value->is_null() && variable.required)) {
        variables_[variable.name] = *value;
      } else if (variable.otherwise) {
        TRY(variables_[variable.name], Put(*variable.otherwise));
      } else if (variable.required) {
        return Fail(Code::kInvalid, "variable $" + variable.name + " is missing");
      } else {
        variables_[variable.name] = nullptr;
      }
    }
    return {};
  }

  Result<std::vector<Field>> Fields(const std::vector<Selection>& selections, std::string_view type,
                                    size_t depth) {
    if (depth > limits_.max_depth) {
      return Fail(Code::kLimited,
                  "the query is nested more than " + std::to_string(limits_.max_depth) + " deep");
    }
    std::vector<Field> out;
    for (const Selection& selection : selections) {
      TRY(const bool wanted, Wanted(selection.directives));
      if (!wanted) continue;
      if (selection.kind == Selection::kField) {
        if (++count_ > limits_.max_fields) {
          return Fail(Code::kLimited, "the query asks for more than " +
                                          std::to_string(limits_.max_fields) + " fields");
        }
        Field field{selection.name, selection.alias, {}, {}, std::string(type)};
        for (const Argument& argument : selection.arguments) {
          TRY(field.arguments[argument.name], Put(argument.value));
        }
        TRY(field.fields, Fields(selection.selections, "", depth + 1));
        out.push_back(std::move(field));
        continue;
      }
      const std::vector<Selection>* inner = &selection.selections;
      std::string_view inner_type =
          selection.name.empty() ? type : std::string_view(selection.name);
      if (selection.kind == Selection::kSpread) {
        const auto fragment = reader_.fragments.find(selection.name);
        if (fragment == reader_.fragments.end())
          return Fail(Code::kInvalid, "there is no fragment " + selection.name);
        if (!open_.insert(selection.name).second)
          return Fail(Code::kInvalid, "fragment " + selection.name + " contains itself");
        inner = &fragment->second.selections;
        inner_type = fragment->second.type;
      }
      // A fragment in a fragment adds no field, but work: it counts as one.
      if (++count_ > limits_.max_fields) {
        return Fail(Code::kLimited, "the query asks for more than " +
                                        std::to_string(limits_.max_fields) + " fields");
      }
      TRY(std::vector<Field> some, Fields(*inner, inner_type, depth + 1));
      if (selection.kind == Selection::kSpread) open_.erase(selection.name);
      for (Field& field : some) out.push_back(std::move(field));
    }
    return out;
  }

 private:
  Result<json::value> Put(const Written& written) const {
    switch (written.kind) {
      case Written::kJson:
        return written.json;
      case Written::kVariable: {
        const auto found = variables_.find(written.variable);
        if (found == variables_.end())
          return Fail(Code::kInvalid, "there is no variable $" + written.variable);
        return found->second;
      }
      case Written::kList: {
        json::array list;
        for (const Written& item : written.items) {
          TRY(json::value value, Put(item));
          list.push_back(std::move(value));
        }
        return json::value(std::move(list));
      }
      case Written::kObject: {
        json::object object;
        for (size_t i = 0; i < written.items.size(); ++i) {
          TRY(object[written.keys[i]], Put(written.items[i]));
        }
        return json::value(std::move(object));
      }
    }
    return json::value();
  }

  Result<bool> Wanted(const std::vector<Directive>& directives) const {
    for (const Directive& directive : directives) {
      if (directive.arguments.size() != 1 || directive.arguments[0].name != "if")
        return Fail(Code::kInvalid, "@" + directive.name + " takes one argument, `if`");
      TRY(const json::value value, Put(directive.arguments[0].value));
      if (!value.is_bool())
        return Fail(Code::kInvalid, "`if` of @" + directive.name + " is no boolean");
      if (value.get_bool() != (directive.name == "include")) return false;
    }
    return true;
  }

  const Reader& reader_;
  const Limits& limits_;
  std::map<std::string, json::value, std::less<>> variables_;
  std::set<std::string, std::less<>> open_;
  size_t count_ = 0;
};

}  // namespace

Result<std::vector<Field>> ReadQuery(std::string_view query, std::string_view operation_name,
                                     const json::object& variables, const Limits& limits) {
  if (query.size() > limits.max_bytes) {
    return Fail(Code::kLimited,
                "the query is longer than " + std::to_string(limits.max_bytes) + " bytes");
  }
  if (!IsValidUtf8(query)) return Fail(Code::kInvalid, "the query is not UTF-8");
  Reader reader(query, limits);
  TRY_VOID(reader.Read());
  const Operation* chosen = nullptr;
  for (const Operation& operation : reader.operations) {
    if (!operation_name.empty() ? operation.name == operation_name : reader.operations.size() == 1)
      chosen = &operation;
  }
  if (chosen == nullptr) {
    return Fail(Code::kInvalid, operation_name.empty()
                                    ? std::string("there are several operations: name one")
                                    : "there is no operation " + std::string(operation_name));
  }
  Resolver resolver(reader, limits);
  TRY_VOID(resolver.TakeVariables(*chosen, variables));
  return resolver.Fields(chosen->selections, "", 1);
}

}  // namespace mailreeve::response::graphql
