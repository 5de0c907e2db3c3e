#include "response/api/enrich_stream.h"

#include "io/deadline.h"
#include "response/api/errors.h"

#include <deque>

namespace mailreeve::response::api {
namespace {

std::string EventText(std::string_view name, const json::object& data) {
  // JSON has no line breaks of its own, so one data line holds it.
  return "event: " + std::string(name) + "\ndata: " + json::Serialize(data) + "\n\n";
}

// One stream under way; lives in the response's `stream`.
struct Stream {
  explicit Stream(const io::Executor& executor) : changed(executor), written(executor) {}

  void Put(std::string event) {
    events.push_back(std::move(event));
    changed.Notify();
  }
  std::deque<std::string> events;
  bool ended = false;
  io::Event changed, written;
};

json::object PartEvent(const enrich::Part& part, size_t answered, size_t asked) {
  json::object out;
  out["answered"] = answered;
  out["asked"] = asked;
  for (const auto& member : enrich::ModuleKeys(part.instance)) out[member.key()] = member.value();
  if (part.answer.data) out["data"] = *part.answer.data;
  out["errors"] = enrich::ErrorsOf({part});
  out["coverage"] = enrich::CoverageOf({part}).front();
  return out;
}

struct Question {
  enrich::Enricher& enricher;
  enrich::Verb verb;
  std::vector<observable::Observable> observables;
  enrich::Filter filter;
  relay::Caller caller;
  std::chrono::milliseconds keep_alive;
};

io::Task<void> Ask(Stream& stream, const Question& question) {
  enrich::Watcher watcher;
  watcher.started = [&stream](const std::vector<enrich::Part>& parts) {
    json::array modules;
    for (const enrich::Part& part : parts) modules.push_back(enrich::ModuleKeys(part.instance));
    stream.Put(EventText("start", {{"modules", std::move(modules)}}));
  };
  watcher.answered = [&stream](const enrich::Part& part, size_t answered, size_t asked) {
    stream.Put(EventText("module", PartEvent(part, answered, asked)));
  };
  try {
    auto answer = co_await question.enricher.Enrich(
        question.verb, question.observables, question.filter, question.caller, std::move(watcher));
    if (answer) {
      stream.Put(EventText("end", {{"errors", std::move(answer->at("errors"))},
                                   {"coverage", std::move(answer->at("coverage"))}}));
    } else {
      stream.Put(EventText("failed", {{"error", CodeName(answer.error().code)},
                                      {"error_description", answer.error().message}}));
    }
  } catch (const boost::system::system_error&) {
    // The client has gone.
  }
  stream.ended = true;
  stream.changed.Notify();
  // Writing ends the race between the two.
  while (!stream.events.empty()) co_await stream.written.Wait();
}

io::Task<void> Write(Stream& stream, http::BodyWriter& writer,
                     std::chrono::milliseconds keep_alive) {
  while (true) {
    while (!stream.events.empty()) {
      std::string event = std::move(stream.events.front());
      if (auto written = co_await writer.Write(std::move(event)); !written) co_return;
      stream.events.pop_front();
    }
    if (stream.ended) co_return;
    if (!co_await stream.changed.WaitFor(keep_alive) && stream.events.empty() && !stream.ended) {
      // A comment, so that what stands between does not close the silent connection.
      if (auto written = co_await writer.Write(": waiting\n\n"); !written) co_return;
    }
  }
}

io::Task<void> Run(std::shared_ptr<Question> question, http::BodyWriter& writer) {
  using namespace asio::experimental::awaitable_operators;
  Stream stream(co_await asio::this_coro::executor);
  // Write ends last, or first when nobody reads: then Ask is cancelled.
  co_await (Write(stream, writer, question->keep_alive) || Ask(stream, *question));
}

}  // namespace

EnrichStream::EnrichStream(Api& api, enrich::Enricher& enricher,
                           std::chrono::milliseconds keep_alive)
    : api_(api), enricher_(enricher), keep_alive_(keep_alive) {
  const std::pair<const char*, enrich::Verb> verbs[] = {{"deliberate", enrich::Verb::kDeliberate},
                                                        {"observe", enrich::Verb::kObserve},
                                                        {"refer", enrich::Verb::kRefer}};
  for (const auto& [name, verb] : verbs) {
    api_.Add("POST", std::string("/mailreeve/v1/enrich/") + name,
             [this, verb = verb](http::Request request, identity::Caller caller) {
               return Open(verb, std::move(request), std::move(caller));
             });
  }
}

io::Task<http::Response> EnrichStream::Open(enrich::Verb verb, http::Request request,
                                            identity::Caller caller) {
  auto observables = api_.ReadQuestion(request, Api::From::kObservables);
  if (!observables) co_return observables.error();
  auto question = std::make_shared<Question>(Question{enricher_, verb, *std::move(observables),
                                                      FilterOf(request),
                                                      ToRelayCaller(caller, request), keep_alive_});
  http::Response response;
  response.headers.Set("Content-Type", "text/event-stream");
  response.headers.Set("Cache-Control", "no-store");
  response.stream = [question = std::move(question)](http::BodyWriter& writer) {
    return Run(question, writer);
  };
  co_return response;
}

}  // namespace mailreeve::response::api
