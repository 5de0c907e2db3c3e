#include "http/router.h"

#include "base/check.h"
#include "base/text.h"

#include <algorithm>
#include <map>
#include <set>

namespace mailreeve::http {
namespace {

// The route of one method at one place of the tree, with the names its pattern gives the free
// segments.
struct Leaf {
  size_t route;
  std::vector<std::string> names;
};
using Leaves = std::map<std::string, Leaf, std::less<>>;

}  // namespace

// A tree of segments. Searching it visits each node at most once, whatever the request says.
struct Router::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
  std::unique_ptr<Node> any;
  Leaves here;  // patterns that end here
  Leaves rest;  // patterns that end with {name*} here
};

namespace {

struct Search {
  const std::vector<std::string>& segments;
  std::string_view method;
  std::set<std::string> allowed;
  const Leaf* found = nullptr;
  std::vector<std::string> values;
};

// Takes the leaf of the request's method, or notes which methods there are.
bool Take(Search& search, const Leaves& leaves) {
  auto at = leaves.find(search.method);
  if (at == leaves.end() && search.method == "HEAD") at = leaves.find("GET");
  if (at != leaves.end()) {
    search.found = &at->second;
    return true;
  }
  for (const auto& [method, leaf] : leaves) search.allowed.insert(method);
  return false;
}

template <class Node>
bool Walk(Search& search, const Node& node, size_t at) {
  if (at == search.segments.size()) {
    if (Take(search, node.here)) return true;
  } else {
    const std::string& segment = search.segments[at];
    const auto literal = node.literals.find(segment);
    if (literal != node.literals.end() && Walk(search, *literal->second, at + 1)) return true;
    if (node.any && !segment.empty()) {
      search.values.push_back(segment);
      if (Walk(search, *node.any, at + 1)) return true;
      search.values.pop_back();
    }
  }
  if (!node.rest.empty() && Take(search, node.rest)) {
    std::string joined;
    for (size_t i = at; i < search.segments.size(); ++i) {
      if (i > at) joined += '/';
      joined += search.segments[i];
    }
    search.values.push_back(std::move(joined));
    return true;
  }
  return false;
}

}  // namespace

Router::Router() : root_(std::make_unique<Node>()) {}
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;
Router::~Router() = default;

void Router::Add(std::string method, std::string pattern, Handler handler) {
  CHECK(pattern.starts_with('/') && !method.empty() && handler);
  Node* node = root_.get();
  Leaf leaf{routes_.size(), {}};
  std::string_view path = std::string_view(pattern).substr(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  bool takes_rest = false;
  if (!path.empty()) {
    for (std::string_view segment : Split(path, '/')) {
      CHECK(!takes_rest);
      if (!segment.starts_with('{')) {
        CHECK(segment.find_first_of("{}") == std::string_view::npos);
        auto& next = node->literals[std::string(segment)];
        if (!next) next = std::make_unique<Node>();
        node = next.get();
        continue;
      }
      CHECK(segment.ends_with('}'));
      segment = segment.substr(1, segment.size() - 2);
      if (segment.ends_with('*')) {
        takes_rest = true;
        segment.remove_suffix(1);
      }
      CHECK(!segment.empty());
      leaf.names.emplace_back(segment);
      if (takes_rest) continue;
      if (!node->any) node->any = std::make_unique<Node>();
      node = node->any.get();
    }
  }
  Leaves& leaves = takes_rest ? node->rest : node->here;
  const bool is_new = leaves.emplace(method, std::move(leaf)).second;
  CHECK(is_new);
  routes_.push_back({std::move(method), std::move(pattern), std::move(handler)});
}

Router::Match Router::Find(Request& request) const {
  Search search{request.segments, request.method, {}, nullptr, {}};
  Match match;
  if (Walk(search, *root_, 0)) {
    match.route = &routes_[search.found->route];
    request.params.clear();
    for (size_t i = 0; i < search.found->names.size(); ++i) {
      request.params.emplace_back(search.found->names[i], std::move(search.values[i]));
    }
    return match;
  }
  if (search.allowed.contains("GET")) search.allowed.insert("HEAD");
  match.allowed.assign(search.allowed.begin(), search.allowed.end());
  return match;
}

io::Task<Response> Router::Dispatch(Request request) const {
  const Match match = Find(request);
  if (match.route != nullptr) co_return co_await match.route->handler(std::move(request));
  if (!match.allowed.empty()) {
    std::string allow;
    for (const std::string& method : match.allowed) allow += (allow.empty() ? "" : ", ") + method;
    Response refused = Response::Json(405, {{"error", "method_not_allowed"},
                                            {"error_description", "this resource takes " + allow}});
    refused.headers.Set("Allow", allow);
    co_return refused;
  }
  if (fallback_) co_return co_await fallback_(std::move(request));
  co_return Response::Json(
      404, {{"error", "not_found"}, {"error_description", "there is no such resource"}});
}

}  // namespace mailreeve::http
