#include "gateway/rest/route_table.h"

#include <array>

namespace mailreeve::gateway::rest {
namespace {

using enum users::Privilege;

constexpr std::array kRoutes = {
    RouteRule{"POST", "/login", true},
    RouteRule{"GET", "/login/privileges"},
    RouteRule{"GET", "/openapi.json", true},
    RouteRule{"GET", "/health", false, kHealth},
    RouteRule{"GET", "/config/logs/subscriptions", false, kLogSubscriptions},
    RouteRule{"GET", "/message-tracking/messages", false, kTrackingMessages},
    RouteRule{"GET", "/message-tracking/details", false, kTrackingDetails},
    RouteRule{"GET", "/message-tracking/connection-details", false, kTrackingConnectionDetails},
    RouteRule{"GET", "/message-tracking/amp-details", false, kTrackingAmpDetails},
    RouteRule{"GET", "/message-tracking/dlp-details", false, kTrackingDlpDetails},
    RouteRule{"GET", "/message-tracking/url-details", false, kTrackingUrlDetails},
    RouteRule{"GET", "/message-tracking/remediation-details", false, kTrackingRemediationDetails},
    RouteRule{"GET", "/message-tracking/availability", false, kTrackingAvailability},
    RouteRule{"GET", "/reporting/{report}", false, kReporting},
    RouteRule{"GET", "/reporting/{report}/{counter}", false, kReporting},
};

}  // namespace

std::span<const RouteRule> RouteTable() { return kRoutes; }

}  // namespace mailreeve::gateway::rest
