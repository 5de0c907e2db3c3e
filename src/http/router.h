#pragma once

#include "http/message.h"
#include "io/asio.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mailreeve::http {

// Answers one request. Handlers are long-lived objects' members wrapped in a std::function; the
// Request is moved in. An exception that leaves a handler is logged by the server and answered 500.
using Handler = std::function<io::Task<Response>(Request)>;

struct Route {
  std::string method;   // "GET", …
  std::string pattern;  // "/iroh/iroh-enrich/health/{id}": literal segments and {name} for one
                        // segment; a last segment "{name*}" takes the rest, joined by '/'
  Handler handler;
};

// Finds the handler of a request. Literal segments win over {name}, which wins over {name*}; a
// pattern whose method does not fit is passed over for one whose method does. {name} takes no empty
// segment, {name*} also takes nothing. 404 when no pattern fits, 405 with Allow when only the
// method does not; HEAD is served by GET. Threads: Add before serving; then const and safe.
// Movable, not copyable.
class Router {
 public:
  Router();
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;
  ~Router();

  // REQUIRES: a well-formed pattern, and none of the same shape with that method yet; aborts
  // otherwise.
  void Add(std::string method, std::string pattern, Handler handler);

  struct Match {
    const Route* route = nullptr;      // null: not found or wrong method
    std::vector<std::string> allowed;  // methods, when only the method does not fit
  };
  // Fills request.params on a match.
  Match Find(Request& request) const;
  // Runs the matched handler, or `not_found` / a 405.
  io::Task<Response> Dispatch(Request request) const;
  // What answers when nothing matches; default: 404 {"error":"not_found",…}.
  void set_fallback(Handler fallback) { fallback_ = std::move(fallback); }

  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Node;
  std::vector<Route> routes_;
  std::unique_ptr<Node> root_;
  Handler fallback_;
};

}  // namespace mailreeve::http
