#include "response/api/integration_routes.h"

#include "base/text.h"
#include "response/api/body.h"
#include "response/api/errors.h"

#include <charconv>

namespace mailreeve::response::api {
namespace {

constexpr size_t kMaxQueryBytes = 1000;

// The parameters of a list, or the answer that refuses them.
tl::expected<modules::ListQuery, http::Response> QueryOf(
    const http::Request& request, std::initializer_list<std::string_view> equals) {
  modules::ListQuery out;
  json::object errors;
  const auto number = [&](std::string_view name) -> std::optional<size_t> {
    const auto text = request.Query(name);
    if (!text) return std::nullopt;
    size_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc() || end != text->data() + text->size() || value > 1000000000) {
      errors[name] = "must be a whole number, not negative";
      return std::nullopt;
    }
    return value;
  };
  out.offset = number("offset").value_or(0);
  out.limit = number("limit");
  out.query = request.Query("query").value_or("");
  out.sort_by = request.Query("sort_by").value_or("");
  const std::string order = request.Query("sort_order").value_or("asc");
  if (order != "asc" && order != "desc") errors["sort_order"] = "must be asc or desc";
  out.descending = order == "desc";
  for (const std::string_view name : equals) {
    const auto text = request.Query(name);
    if (!text) continue;
    if (name == "enabled" && *text != "true" && *text != "false") {
      errors[name] = "must be true or false";
    }
    out.equals[std::string(name)] = *text;
  }
  if (out.query.size() > kMaxQueryBytes) errors["query"] = "is too long";
  if (!errors.empty()) return tl::unexpected(KeyErrors(std::move(errors)));
  return out;
}

tl::expected<json::object, http::Response> BodyOf(const http::Request& request,
                                                  const Options& options) {
  auto body = ReadJsonBody(
      request, {.max_bytes = options.max_body_bytes, .max_depth = options.max_json_depth});
  if (!body) return tl::unexpected(std::move(body.error()));
  if (!body->is_object()) return tl::unexpected(KeyErrors({{"body", "must be an object"}}));
  return std::move(body->get_object());
}

json::array OnlyFields(json::array list, const std::vector<std::string>& fields) {
  if (fields.empty()) return list;
  for (json::value& item : list) {
    json::object kept;
    for (const std::string& field : fields) {
      if (const json::value* value = item.get_object().if_contains(field)) kept[field] = *value;
    }
    item = std::move(kept);
  }
  return list;
}

}  // namespace

IntegrationRoutes::IntegrationRoutes(Api& api, const modules::Registry& registry,
                                     modules::Catalogue& catalogue)
    : api_(api), registry_(registry), catalogue_(catalogue) {
  using C = modules::Catalogue;
  static const Noun kType{"module-type", "module_type", "admin/integration/module-type:write"};
  static const Noun kInstance{"module-instance", "module_instance",
                              "integration/module-instance:write"};
  static const Noun kPatch{"module-type-patch", "module_type_patch",
                           "integration/module-type-patch:write"};
  static const Noun kIntegration{"integration", "integration", "integration:write"};
  const auto add = [&](std::string_view method, const Noun& noun, std::string_view tail,
                       Answer (IntegrationRoutes::*member)(Request, Caller)) {
    api_.Add(method, "/iroh/iroh-int/" + noun.name + std::string(tail),
             [this, member](Request request, Caller caller) {
               return (this->*member)(std::move(request), std::move(caller));
             });
  };
  const auto resource = [&](const Noun* noun, List list, Read read, Make make, Patch patch,
                            Delete remove) {
    const std::string all = "/iroh/iroh-int/" + noun->name, one = all + "/{id}";
    if (list != nullptr) {
      api_.Add("GET", all, [this, noun, list](Request request, Caller caller) {
        return DoList(noun, list, std::move(request), std::move(caller));
      });
    }
    if (read != nullptr) {
      api_.Add("GET", one, [this, noun, read](Request request, Caller caller) {
        return DoRead(noun, read, std::move(request), std::move(caller));
      });
    }
    if (make != nullptr) {
      api_.Add("POST", all, [this, noun, make](Request request, Caller caller) {
        return DoMake(noun, make, std::move(request), std::move(caller));
      });
    }
    if (patch != nullptr) {
      api_.Add("PATCH", one, [this, noun, patch](Request request, Caller caller) {
        return DoPatch(noun, patch, std::move(request), std::move(caller));
      });
    }
    api_.Add("DELETE", one, [this, noun, remove](Request request, Caller caller) {
      return DoDelete(noun, remove, std::move(request), std::move(caller));
    });
  };
  resource(&kType, &C::ListTypes, &C::GetType, &C::MakeType, &C::PatchType, &C::DeleteType);
  resource(&kInstance, nullptr, nullptr, &C::MakeInstance, &C::PatchInstance, &C::DeleteInstance);
  resource(&kPatch, &C::ListPatches, &C::GetPatch, nullptr, nullptr, &C::DeletePatch);
  resource(&kIntegration, &C::ListIntegrations, &C::GetIntegration, &C::MakeIntegration,
           &C::PatchIntegration, &C::DeleteIntegration);
  add("GET", kInstance, "", &IntegrationRoutes::ListInstances);
  add("GET", kInstance, "/{id}", &IntegrationRoutes::GetInstance);
  add("POST", kPatch, "", &IntegrationRoutes::MakePatch);
  add("PUT", kPatch, "/{id}", &IntegrationRoutes::PutPatch);
  add("GET", kPatch, "/{id}/action/preview", &IntegrationRoutes::Preview);
  // The public client sends the slash of "action/preview" encoded.
  add("GET", kPatch, "/{id}/{action}", &IntegrationRoutes::Preview);
  api_.Add("POST", "/iroh/iroh-int/module-instance-wrapper",
           [this](Request request, Caller caller) {
             return OneClick(std::move(request), std::move(caller));
           });
}

modules::Asker IntegrationRoutes::AskerOf(const Caller& caller, const Noun& noun) const {
  return {.org_id = caller.org_id,
          .user_id = caller.user_id,
          .client_id = caller.client_id,
          .sees_secrets = caller.scopes.Grants(noun.write),
          .is_operator = caller.scopes.Grants("iroh-admin")};
}

http::Response IntegrationRoutes::Failed(const Error& error, const Noun& noun,
                                         const Request& request) const {
  if (error.code == Code::kNotFound) {
    return ErrorResponse(404, noun.word + "_not_found", error.message, request);
  }
  if (error.code == Code::kInvalid && !error.notes.empty()) {
    json::object keys;
    for (const std::string& note : error.notes) {
      const size_t colon = note.find(": ");
      keys[note.substr(0, colon)] = colon == std::string::npos ? note : note.substr(colon + 2);
    }
    return KeyErrors(std::move(keys));
  }
  return api_.Failed(error, request);
}

io::Task<http::Response> IntegrationRoutes::Noted(const Caller& caller, const Request& request,
                                                  const Noun& noun, std::string verb,
                                                  std::string id, http::Response answer) {
  const Caller who = caller;
  const Request asked = request;
  auto noted = co_await api_.AuditAct(who, asked, noun.word + "." + verb, noun.word, std::move(id),
                                      "success", "The module catalogue was changed.", {});
  if (!noted) co_return api_.Failed(noted.error(), asked);
  co_return answer;
}

io::Task<http::Response> IntegrationRoutes::DoList(const Noun* noun, List list, Request request,
                                                   Caller caller) {
  auto query = QueryOf(request, {"enabled", "record", "module_type_id", "user_id", "client_id",
                                 "merged_by", "merged_at", "merge_status", "id"});
  if (!query) co_return query.error();
  auto found = co_await (catalogue_.*list)(AskerOf(caller, *noun), *std::move(query));
  if (!found) co_return Failed(found.error(), *noun, request);
  co_return http::Response::Json(200, OnlyFields(*std::move(found), request.QueryAll("fields")));
}

io::Task<http::Response> IntegrationRoutes::DoRead(const Noun* noun, Read read, Request request,
                                                   Caller caller) {
  auto found =
      co_await (catalogue_.*read)(AskerOf(caller, *noun), std::string(request.Param("id")));
  if (!found) co_return Failed(found.error(), *noun, request);
  co_return http::Response::Json(200, *found);
}

io::Task<http::Response> IntegrationRoutes::DoMake(const Noun* noun, Make make, Request request,
                                                   Caller caller) {
  auto body = BodyOf(request, api_.options());
  if (!body) co_return body.error();
  auto made = co_await (catalogue_.*make)(AskerOf(caller, *noun), *std::move(body));
  if (!made) co_return Failed(made.error(), *noun, request);
  const std::string id(made->at("id").get_string());
  co_return co_await Noted(caller, request, *noun, "create", id, http::Response::Json(200, *made));
}

io::Task<http::Response> IntegrationRoutes::DoPatch(const Noun* noun, Patch patch, Request request,
                                                    Caller caller) {
  auto body = BodyOf(request, api_.options());
  if (!body) co_return body.error();
  const std::string id(request.Param("id"));
  auto made = co_await (catalogue_.*patch)(AskerOf(caller, *noun), id, *std::move(body));
  if (!made && made.error().code == Code::kNotFound && noun->word == "module_instance" &&
      co_await registry_.FindInstance(caller.org_id, id)) {
    co_return ErrorResponse(
        403, "denied", "This module is a registered device; change it under Devices.", request);
  }
  if (!made) co_return Failed(made.error(), *noun, request);
  co_return co_await Noted(caller, request, *noun, "update", id, http::Response::Json(200, *made));
}

io::Task<http::Response> IntegrationRoutes::DoDelete(const Noun* noun, Delete remove,
                                                     Request request, Caller caller) {
  const std::string id(request.Param("id"));
  auto done = co_await (catalogue_.*remove)(AskerOf(caller, *noun), id);
  if (!done && done.error().code == Code::kNotFound && noun->word == "module_instance" &&
      co_await registry_.FindInstance(caller.org_id, id)) {
    co_return ErrorResponse(
        403, "denied", "This module is a registered device; remove it under Devices.", request);
  }
  if (!done) co_return Failed(done.error(), *noun, request);
  co_return co_await Noted(caller, request, *noun, "delete", id, http::Response::Empty(204));
}

io::Task<http::Response> IntegrationRoutes::ListInstances(Request request, Caller caller) {
  static const Noun kNoun{"module-instance", "module_instance",
                          "integration/module-instance:write"};
  auto query = QueryOf(request, {"module_type_id", "enabled"});
  if (!query) co_return query.error();
  auto devices = co_await registry_.SourceInstances(caller.org_id);
  if (!devices) co_return Failed(devices.error(), kNoun, request);
  auto found = co_await catalogue_.ListInstances(AskerOf(caller, kNoun), *std::move(query),
                                                 *std::move(devices));
  if (!found) co_return Failed(found.error(), kNoun, request);
  co_return http::Response::Json(200, *found);
}

io::Task<http::Response> IntegrationRoutes::GetInstance(Request request, Caller caller) {
  static const Noun kNoun{"module-instance", "module_instance",
                          "integration/module-instance:write"};
  const std::string id(request.Param("id"));
  const modules::Asker asker = AskerOf(caller, kNoun);
  auto found = co_await catalogue_.GetInstance(asker, id);
  if (!found && found.error().code == Code::kNotFound) {
    auto devices = co_await registry_.SourceInstances(caller.org_id);
    if (!devices) co_return Failed(devices.error(), kNoun, request);
    for (const modules::ModuleInstance& device : *devices) {
      if (device.id == id) {
        co_return http::Response::Json(200, modules::ToJson(device, asker.sees_secrets));
      }
    }
  }
  if (!found) co_return Failed(found.error(), kNoun, request);
  co_return http::Response::Json(200, *found);
}

namespace {

bool IsDryRun(const http::Request& request) {
  return request.Query("dry-run").value_or("false") == "true";
}

}  // namespace

io::Task<http::Response> IntegrationRoutes::MakePatch(Request request, Caller caller) {
  static const Noun kNoun{"module-type-patch", "module_type_patch",
                          "integration/module-type-patch:write"};
  auto body = BodyOf(request, api_.options());
  if (!body) co_return body.error();
  const bool dry_run = IsDryRun(request);
  auto made = co_await catalogue_.MakePatch(AskerOf(caller, kNoun), *std::move(body), dry_run);
  if (!made) co_return Failed(made.error(), kNoun, request);
  http::Response answer = http::Response::Json(200, *made);
  if (dry_run) co_return answer;
  const std::string id(made->at("id").get_string());
  co_return co_await Noted(caller, request, kNoun, "create", id, std::move(answer));
}

io::Task<http::Response> IntegrationRoutes::PutPatch(Request request, Caller caller) {
  static const Noun kNoun{"module-type-patch", "module_type_patch",
                          "integration/module-type-patch:write"};
  auto body = BodyOf(request, api_.options());
  if (!body) co_return body.error();
  const bool dry_run = IsDryRun(request);
  const std::string id(request.Param("id"));
  const json::value* status = body->if_contains("merge_status");
  const bool merges = status != nullptr && status->is_string() && status->get_string() == "merged";
  // Merging changes a type, whatever route it takes.
  if (merges && !caller.scopes.Grants("admin/integration/module-type:write")) {
    co_return MissingScopes(
        identity::ScopeSet::Parse("admin/integration/module-type:write").value(), caller, request);
  }
  auto made = co_await catalogue_.PutPatch(AskerOf(caller, kNoun), id, *std::move(body), dry_run);
  if (!made) co_return Failed(made.error(), kNoun, request);
  http::Response answer = http::Response::Json(200, *made);
  if (dry_run) co_return answer;
  co_return co_await Noted(caller, request, kNoun, merges ? "merge" : "update", id,
                           std::move(answer));
}

io::Task<http::Response> IntegrationRoutes::Preview(Request request, Caller caller) {
  static const Noun kNoun{"module-type-patch", "module_type_patch",
                          "integration/module-type-patch:write"};
  const std::string_view action = request.Param("action");
  if (!action.empty() && action != "action/preview") {
    co_return ErrorResponse(404, "not_found", "There is nothing at this address.", request);
  }
  auto found =
      co_await catalogue_.PreviewPatch(AskerOf(caller, kNoun), std::string(request.Param("id")));
  if (!found) co_return Failed(found.error(), kNoun, request);
  co_return http::Response::Json(200, *found);
}

io::Task<http::Response> IntegrationRoutes::OneClick(Request request, Caller caller) {
  static const Noun kNoun{"module-instance-wrapper", "module_instance",
                          "integration/module-instance:write"};
  auto body = BodyOf(request, api_.options());
  if (!body) co_return body.error();
  auto made = co_await catalogue_.OneClick(AskerOf(caller, kNoun), *std::move(body));
  if (!made) co_return Failed(made.error(), kNoun, request);
  http::Response answer = http::Response::Json(200, *made);
  const json::value* instances = made->if_contains("module_instances");
  if (instances == nullptr) co_return answer;
  const std::string id(instances->at(0).at("id").get_string());
  co_return co_await Noted(caller, request, kNoun, "one_click", id, std::move(answer));
}

}  // namespace mailreeve::response::api
