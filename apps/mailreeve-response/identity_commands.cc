#include "identity_commands.h"

#include "base/text.h"
#include "response/identity/redirect.h"
#include "response/identity/rows.h"
#include "response/identity/scope_catalogue.h"

#include <memory>

namespace mailreeve {
namespace {

namespace id = response::identity;

const id::Origin kLocal{"local", ""};

json::object ToJson(const id::Account& account) {
  json::object out{{"id", account.id},
                   {"name", account.name},
                   {"email", account.email},
                   {"role", id::RoleName(account.role)},
                   {"organisation", account.org_id},
                   {"enabled", account.enabled},
                   {"one_time_codes", account.has_one_time_codes}};
  if (account.last_logged) out["last_signed_in"] = FormatTime(*account.last_logged);
  return out;
}

json::object ToJson(const id::Client& client) {
  json::array scopes;
  for (const std::string& scope : client.scopes.ToStrings()) scopes.emplace_back(scope);
  return {{"id", client.id},          {"name", client.name},       {"scopes", std::move(scopes)},
          {"owner", client.owner_id}, {"enabled", client.enabled}, {"public", client.is_public}};
}

Result<id::Account> AccountNamed(id::Identity& identity, const std::string& name) {
  TRY(const auto found, identity.accounts().Find(id::LoginKey(name), kLocal.address));
  if (!found) return Fail(Code::kNotFound, "there is no user " + name);
  return found->account;
}

// By id or name; empty: the first.
Result<id::Organisation> OrganisationNamed(id::Identity& identity, const std::string& name) {
  if (name.empty()) return identity.organisation();
  for (const id::Organisation& organisation : identity.core().Organisations()) {
    if (organisation.id == name || organisation.name == name) return organisation;
  }
  return Fail(Code::kNotFound, "there is no organisation " + name);
}

// The owner of a client, with everything the role may do: whoever reads the state may.
id::Caller ActingFor(id::Identity& identity, const id::Account& account) {
  id::Caller caller = identity.accounts().CallerOf(account);
  caller.scopes = caller.user_scopes;
  return caller;
}

void AddUserCommands(CLI::App& app, IdentityCommand& chosen) {
  CLI::App* user = app.add_subcommand("user", "people");
  user->require_subcommand(1);
  auto name = std::make_shared<std::string>(), email = std::make_shared<std::string>(),
       role = std::make_shared<std::string>("analyst"),
       organisation = std::make_shared<std::string>();

  CLI::App* add = user->add_subcommand("add", "make a user; prints the generated password");
  add->add_option("name", *name, "name to sign in with")->required();
  add->add_option("--email", *email)->required();
  add->add_option("--role", *role, "admin, approver, analyst or read-only")->capture_default_str();
  add->add_option("--organisation", *organisation, "name or id; default: the first");
  add->callback([=, &chosen] {
    chosen = [=](id::Identity& identity) -> Result<json::value> {
      const auto wanted = id::RoleFromName(*role);
      if (!wanted) return Fail(Code::kInvalid, "there is no role " + *role);
      TRY(const id::Organisation where, OrganisationNamed(identity, *organisation));
      id::NewAccount asked;
      asked.org_id = where.id;
      asked.name = *name;
      asked.email = *email;
      asked.role = *wanted;
      asked.must_change_password = true;
      TRY(const id::MadeAccount made,
          identity.accounts().Make(asked, id::Core::LocalActor(), kLocal));
      json::object out = ToJson(made.account);
      out["password"] = made.generated.Reveal();
      return out;
    };
  });

  CLI::App* list = user->add_subcommand("list", "the users");
  list->add_option("--organisation", *organisation, "name or id; default: the first");
  list->callback([=, &chosen] {
    chosen = [=](id::Identity& identity) -> Result<json::value> {
      TRY(const id::Organisation where, OrganisationNamed(identity, *organisation));
      TRY(const auto accounts, identity.accounts().List(where.id));
      json::array out;
      for (const id::Account& account : accounts) out.push_back(ToJson(account));
      return out;
    };
  });

  for (const bool enable : {false, true}) {
    CLI::App* command = user->add_subcommand(
        enable ? "enable" : "disable",
        enable ? "let a user in again" : "shut a user out; ends sessions and grants");
    command->add_option("name", *name, "name or e-mail address")->required();
    command->callback([=, &chosen] {
      chosen = [=](id::Identity& identity) -> Result<json::value> {
        TRY(const id::Account account, AccountNamed(identity, *name));
        TRY(const id::Account changed, identity.accounts().Change(account.id, {.enabled = enable},
                                                                  id::Core::LocalActor(), kLocal));
        return ToJson(changed);
      };
    });
  }

  CLI::App* reset = user->add_subcommand("reset-password", "generate a password, to be changed");
  reset->add_option("name", *name, "name or e-mail address")->required();
  reset->callback([=, &chosen] {
    chosen = [=](id::Identity& identity) -> Result<json::value> {
      TRY(const id::Account account, AccountNamed(identity, *name));
      TRY(const Secret password,
          identity.accounts().ResetPassword(account.id, id::Core::LocalActor(), kLocal));
      return json::object{{"name", account.name}, {"password", password.Reveal()}};
    };
  });

  CLI::App* codes = user->add_subcommand("totp-reset", "take a user's one-time codes away");
  codes->add_option("name", *name, "name or e-mail address")->required();
  codes->callback([=, &chosen] {
    chosen = [=](id::Identity& identity) -> Result<json::value> {
      TRY(const id::Account account, AccountNamed(identity, *name));
      audit::Entry entry = identity.core().EntryOf(kLocal, "user.remove_one_time_codes", "success",
                                                   "A user's one-time codes were taken away.");
      entry.actor = id::Core::LocalActor();
      entry.origin.channel = "local";
      entry.object = {"user", account.id};
      TRY_VOID(identity.second_factor().Remove(account.id, std::move(entry)));
      return json::object{{"name", account.name}, {"one_time_codes", false}};
    };
  });
}

void AddOrganisationCommands(CLI::App& app, IdentityCommand& chosen) {
  CLI::App* organisation = app.add_subcommand("organisation", "organisations");
  organisation->require_subcommand(1);
  auto name = std::make_shared<std::string>();
  CLI::App* add = organisation->add_subcommand("add", "make an organisation, empty of people");
  add->add_option("name", *name)->required();
  add->callback([=, &chosen] {
    chosen = [=](id::Identity& identity) -> Result<json::value> {
      TRY(const id::Organisation made, identity.MakeOrganisation(*name));
      return json::object{{"id", made.id}, {"name", made.name}};
    };
  });
  organisation->add_subcommand("list", "the organisations")->callback([&chosen] {
    chosen = [](id::Identity& identity) -> Result<json::value> {
      json::array out;
      for (const id::Organisation& one : identity.core().Organisations())
        out.push_back(json::object{{"id", one.id}, {"name", one.name}});
      return out;
    };
  });
}

void AddClientCommands(CLI::App& app, IdentityCommand& chosen) {
  CLI::App* client = app.add_subcommand("client", "API clients");
  client->require_subcommand(1);
  auto name = std::make_shared<std::string>(), owner = std::make_shared<std::string>("admin"),
       preset = std::make_shared<std::string>(), client_id = std::make_shared<std::string>(),
       organisation = std::make_shared<std::string>();
  auto scopes = std::make_shared<std::vector<std::string>>(),
       redirects = std::make_shared<std::vector<std::string>>(),
       grants = std::make_shared<std::vector<std::string>>();
  auto is_public = std::make_shared<bool>(false), drop_old = std::make_shared<bool>(false);

  CLI::App* add = client->add_subcommand("add", "make an API client; prints its secret");
  add->add_option("name", *name)->required();
  add->add_option("--owner", *owner, "user it acts for")->capture_default_str();
  add->add_option("--scope", *scopes, "may be given several times");
  add->add_option("--preset", *preset, "ribbon, in place of scopes");
  add->add_option("--grant", *grants, "client-creds, auth-code, device-grant");
  add->add_option("--redirect", *redirects, "address for auth-code");
  add->add_flag("--public", *is_public, "without a secret");
  add->callback([=, &chosen] {
    chosen = [=](id::Identity& identity) -> Result<json::value> {
      TRY(const id::Account account, AccountNamed(identity, *owner));
      id::NewClient asked;
      asked.name = *name;
      if (preset->empty()) {
        TRY(asked.scopes, id::ScopeSet::Parse(*scopes));
      } else {
        TRY(asked.scopes, id::ScopeSet::Parse(id::PresetScopes(*preset)));
      }
      if (asked.scopes.empty()) return Fail(Code::kInvalid, "name scopes, or the preset ribbon");
      if (!grants->empty()) asked.grants = *grants;
      for (const std::string& grant : asked.grants) {
        if (grant != "client-creds" && grant != "auth-code" && grant != "device-grant")
          return Fail(Code::kInvalid, "there is no grant " + grant);
        if (grant == "auth-code" && redirects->empty())
          return Fail(Code::kInvalid, "auth-code needs --redirect");
        if (grant == "client-creds" && *is_public)
          return Fail(Code::kInvalid, "a public client cannot use client-creds; name --grant");
      }
      for (const std::string& redirect : *redirects) {
        if (auto good = id::CheckRedirect(redirect); !good)
          return Fail(Code::kInvalid, redirect + " " + good.error().message);
      }
      asked.redirects = *redirects;
      asked.is_public = *is_public;
      TRY(const id::MadeClient made,
          identity.clients().Insert(ActingFor(identity, account), asked, kLocal));
      json::object out = ToJson(made.client);
      if (!made.password.empty()) out["password"] = made.password.Reveal();
      return out;
    };
  });

  CLI::App* list = client->add_subcommand("list", "the API clients");
  list->add_option("--organisation", *organisation, "name or id; default: the first");
  list->callback([=, &chosen] {
    chosen = [=](id::Identity& identity) -> Result<json::value> {
      TRY(const id::Organisation where, OrganisationNamed(identity, *organisation));
      TRY(const auto clients, identity.clients().Select(where.id));
      json::array out;
      for (const id::Client& one : clients) out.push_back(ToJson(one));
      return out;
    };
  });

  CLI::App* rotate = client->add_subcommand("rotate", "a new secret; the old one serves a while");
  rotate->add_option("id", *client_id)->required();
  rotate->add_flag("--drop-old", *drop_old, "refuse the old secret, and its tokens, at once");
  rotate->callback([=, &chosen] {
    chosen = [=](id::Identity& identity) -> Result<json::value> {
      TRY(const id::Client found, identity.clients().Find(*client_id));
      id::Caller caller;
      caller.org_id = found.org_id;
      caller.user_name = "mailreeve-response";
      caller.scopes = found.scopes;
      TRY(const id::MadeClient made,
          identity.clients().Replace(caller, found.id, !*drop_old, kLocal));
      json::object out = ToJson(made.client);
      out["password"] = made.password.Reveal();
      return out;
    };
  });
}

void AddKeyCommands(CLI::App& app, IdentityCommand& chosen) {
  CLI::App* keys = app.add_subcommand("keys", "keys that sign tokens");
  keys->require_subcommand(1);
  auto at_once = std::make_shared<bool>(false);
  CLI::App* rotate = keys->add_subcommand("rotate", "a new key, which signs after a while");
  rotate->add_flag("--at-once", *at_once,
                   "the present keys are not trusted any more: refuse all their tokens");
  rotate->callback([=, &chosen] {
    chosen = [=](id::Identity& identity) -> Result<json::value> {
      audit::Entry entry = identity.core().EntryOf(kLocal, "keys.rotate", "success",
                                                   "The key that signs tokens is replaced.");
      entry.actor = id::Core::LocalActor();
      entry.origin.channel = "local";
      entry.details = {{"at_once", *at_once}};
      TRY_VOID(identity.core().Audit(std::move(entry)));
      TRY(const std::string kid, identity.core().keys->Rotate(*at_once ? id::KeyRing::When::kAtOnce
                                                                       : id::KeyRing::When::kSoon));
      return json::object{{"kid", kid}, {"at_once", *at_once}};
    };
  });
}

}  // namespace

void AddIdentityCommands(CLI::App& app, IdentityCommand& chosen) {
  AddUserCommands(app, chosen);
  AddOrganisationCommands(app, chosen);
  AddClientCommands(app, chosen);
  AddKeyCommands(app, chosen);
}

}  // namespace mailreeve
