#include "response/intel_api/intel_api.h"

// State of the service itself (threat-response-api.md 5.11).
namespace mailreeve::response::intel_api {

void IntelApi::AddStatusRoutes() {
  On("GET", "/ctia/status", &IntelApi::Status);
  On("GET", "/ctia/version", &IntelApi::Version);
  On("GET", "/ctia/properties", &IntelApi::Properties);
  On("GET", "/ctia/metrics", &IntelApi::Metrics);
}

io::Task<http::Response> IntelApi::Status(Call call) {
  auto there = co_await call.realm->store->Read([](intel::Tables& tables) -> Result<int> {
    TRY_VOID(tables.database().Ping());
    return 1;
  });
  if (!there) co_return Failed(there.error(), call);
  co_return JsonAnswer(200, json::object{{"status", "ok"}});
}

io::Task<http::Response> IntelApi::Version(Call) {
  co_return JsonAnswer(200, json::object{{"base", "/ctia"},
                                         {"ctim-version", ctim::TheModel().schema_version()},
                                         {"ctia-build", options_.build},
                                         {"beta", false},
                                         {"ctia-config", "mailreeve"},
                                         {"ctia-supported_features", json::array()}});
}

// Only developers may read it, and no scope makes one: never reached.
io::Task<http::Response> IntelApi::Properties(Call) { co_return JsonAnswer(200, json::object()); }

io::Task<http::Response> IntelApi::Metrics(Call call) {
  auto counts =
      co_await call.realm->store->Read([&](intel::Tables& tables) -> Result<json::object> {
        json::object out;
        for (const intel::EntityFields& fields : intel::AllFields()) {
          TRY(sql::Statement * count,
              tables.Use("SELECT COUNT(*) FROM intel_document d WHERE d.kind = ?1 AND d.org = ?2"));
          TRY_VOID(count->Bind(1, intel::KindCode(fields.type)).Bind(2, call.asker.org).Step());
          out["documents." + fields.type] = count->Integer(0);
          count->Reset();
        }
        return out;
      });
  if (!counts) co_return Failed(counts.error(), call);
  co_return JsonAnswer(200, *counts);
}

}  // namespace mailreeve::response::intel_api
