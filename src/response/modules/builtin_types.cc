#include "response/modules/builtin_types.h"

namespace mailreeve::response::modules {
namespace {

json::object Field(std::string_view key, std::string_view type, std::string_view label,
                   bool required, std::string_view tooltip) {
  return {
      {"key", key}, {"type", type}, {"label", label}, {"required", required}, {"tooltip", tooltip}};
}

json::array Options(std::initializer_list<std::pair<std::string_view, std::string_view>> options) {
  json::array out;
  for (const auto& [value, label] : options) {
    out.push_back(json::object{{"value", value}, {"label", label}});
  }
  return out;
}

json::array RelayForm() {
  json::object auth =
      Field("auth-type", "options", "Authentication", false, "What the relay asks for.");
  auth["options"] = Options({{"authorization-header", "Authorization header"},
                             {"bearer", "Bearer token"},
                             {"basic", "User and password"},
                             {"configuration-token", "Configuration token"}});
  auth["strict-options"] = true;
  return {Field("url", "string", "Relay URL", true, "https://relay.example.org"),
          std::move(auth),
          Field("authorization-header", "password", "Authorization header", false,
                "Sent as it is: Bearer …"),
          Field("token", "password", "Token", false, "For the bearer kind."),
          Field("basic-auth-user", "string", "User", false, "For the basic kind."),
          Field("basic-auth-password", "password", "Password", false, "For the basic kind.")};
}

json::array ApplianceForm() {
  return {
      Field("url", "string", "API address", true, "https://gateway.example.org:6443"),
      Field("basic-auth-user", "string", "User", true,
            "An operator or read-only operator of the appliance."),
      Field("basic-auth-password", "password", "Password", true, ""),
      Field("console_url", "string", "Console address", false,
            "Where links into message tracking lead; the API address when empty."),
      Field("look_back_days", "integer", "Days to look back", false, "30 when empty."),
      Field("max_sightings", "integer", "Messages for one observable", false, "100 when empty.")};
}

}  // namespace

const ModuleType& EmailGatewayType() {
  static const ModuleType type = {
      .id = std::string(kEmailGatewayTypeId),
      .title = "Email gateway",
      .default_name = "Email gateway",
      .short_description = "Mail seen by a Mailreeve gateway, and actions on it.",
      .description =
          "Answers who sent what to whom, with verdicts, sightings and the mailboxes concerned, "
          "and removes or forwards "
          "mail that has already been delivered. Every registered device is one instance.",
      .tips =
          "Register a gateway: make a token under *Devices* and run `mailreeve register --token …` "
          "beside it.",
      .record = "mailreeve.gateway/EmailGateway",
      .flags = {"default"},
      .product_categories = {"email-security"},
      .capabilities = {{"health", "Says whether the gateway works."},
                       {"deliberate", "Verdicts that the gateway reached."},
                       {"observe",
                        "Sightings of mail with their senders, recipients, URLs and files."},
                       {"refer", "Links into the gateway's own search."},
                       {"respond", "Delete, forward, or forward and delete delivered mail."}},
      .supported_apis = {"health", "deliberate/observables", "observe/observables",
                         "refer/observables", "respond/observables", "respond/trigger", "tiles",
                         "tiles/tile", "tiles/tile-data"}};
  return type;
}

const ModuleType& CustomRelayType() {
  static const ModuleType type = {
      .id = std::string(kCustomRelayTypeId),
      .title = "Custom relay",
      .default_name = "Custom relay",
      .short_description = "Any server of the public relay protocol.",
      .description =
          "Asks a relay module of your own. The instance's settings say where it is, which of the "
          "relay's APIs it serves (`supported-apis`) and how it authenticates (`auth-type`).",
      .tips =
          "Host the relay where this server can reach it over HTTPS, then add it here or by the "
          "relay command line.",
      .record = std::string(kRelayRecord),
      .flags = {"default"},
      .capabilities = {{"health", "Says whether the relay works."},
                       {"deliberate", "Verdicts."},
                       {"observe", "Anything that the relay knows."},
                       {"refer", "Links."},
                       {"respond", "Actions."},
                       {"tiles", "Tiles of the dashboard."}},
      .supported_apis = {"health", "deliberate/observables", "observe/observables",
                         "refer/observables", "respond/observables", "respond/trigger"},
      .configuration_spec = RelayForm(),
      .takes_instances = true};
  return type;
}

const ModuleType& PrivateIntelligenceType() {
  static const ModuleType type = {
      .id = std::string(kPrivateIntelligenceTypeId),
      .title = "Private intelligence",
      .default_name = "Private intelligence",
      .short_description = "What your organisation has stored: judgements, indicators, sightings.",
      .description = "Answers from the organisation's own intelligence store.",
      .tips = "Nothing to set up.",
      .record = "ctia.module/PrivateIntel",
      .flags = {"default"},
      .product_categories = {"threat-intel"},
      .capabilities = {{"deliberate", "Verdicts of stored judgements."},
                       {"observe", "Stored judgements, sightings and indicators."},
                       {"refer", "Links into the store."}},
      .supported_apis = {"health", "deliberate/observables", "observe/observables",
                         "refer/observables"},
      .takes_instances = true};
  return type;
}

const ModuleType& ApplianceType() {
  static const ModuleType type = {
      .id = std::string(kApplianceTypeId),
      .title = "Email gateway over the REST API",
      .default_name = "Email gateway appliance",
      .short_description = "An email gateway already in place, asked over its REST API.",
      .description =
          "Asks an email gateway that cannot be registered as a device over its AsyncOS-style REST "
          "API: message tracking by sender, recipient, subject, Message-ID, address, file hash and "
          "URL domain. It orders nothing.",
      .tips =
          "1. Make a user with the role *Read-Only Operator* on the appliance.\n2. Enter the "
          "address of its API, the user and the password here.",
      .record = std::string(kApplianceRecord),
      .flags = {"default"},
      .product_categories = {"email-security"},
      .capabilities = {{"health", "Logs in to the appliance."},
                       {"observe", "Sightings of mail in its message tracking."},
                       {"refer", "Links into its message tracking."}},
      .supported_apis = {"health", "observe/observables", "refer/observables"},
      .configuration_spec = ApplianceForm(),
      .takes_instances = true};
  return type;
}

}  // namespace mailreeve::response::modules
