#include "http/static_files.h"

#include "http/test_world.h"

#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>

namespace mailreeve::http {
namespace {

using testing::HasSubstr;

class StaticFiles : public World {
 protected:
  StaticFiles() {
    std::filesystem::create_directories(folder_ + "/web/assets");
    std::filesystem::create_directories(folder_ + "/web/.git");
    Save("secret", "do not serve");
    Save("web/index.html", "<p>index");
    Save("web/assets/app-3f9a1c2b.js", "plain");
    Save("web/assets/app-3f9a1c2b.js.gz", "packed by gzip");
    Save("web/assets/app-3f9a1c2b.js.br", "packed by brotli");
    Save("web/assets/logo.svg", "<svg/>");
    Save("web/.git/config", "hidden");
    std::filesystem::create_symlink("../secret", folder_ + "/web/link");
    std::filesystem::create_directory_symlink("..", folder_ + "/web/up");
    StaticOptions options;
    options.headers.Set("Content-Security-Policy", "default-src 'self'");
    router_.Add("GET", "/console/{path*}", ServeFolder(folder_ + "/web", options));
    options.index_fallback.clear();
    router_.Add("GET", "/docs/{path*}", ServeFolder(folder_ + "/web", options));
  }
  Response Ask(std::string target, std::string header = "", std::string value = "") {
    Request request;
    request.method = "GET";
    request.target = std::move(target);
    if (!header.empty()) request.headers.Set(header, value);
    if (!ParseTarget(request)) return Response::Empty(400);
    return Get(router_.Dispatch(std::move(request)));
  }
};

TEST_F(StaticFiles, ServesFiles) {
  const auto index = Ask("/console/");
  EXPECT_EQ(index.status, 200);
  EXPECT_EQ(index.body, "<p>index");
  EXPECT_EQ(index.headers.Get("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(index.headers.Get("Cache-Control"), "no-cache");
  EXPECT_EQ(index.headers.Get("Content-Security-Policy"), "default-src 'self'");
  const auto logo = Ask("/console/assets/logo.svg");
  EXPECT_EQ(logo.headers.Get("Content-Type"), "image/svg+xml");
  EXPECT_EQ(logo.headers.Get("Cache-Control"), "no-cache");
}

TEST_F(StaticFiles, SinglePageRoutes) {
  EXPECT_EQ(Ask("/console/tracking/message-7").body, "<p>index");
  EXPECT_EQ(Ask("/console/missing.js").status, 404);
  EXPECT_EQ(Ask("/docs/tracking").status, 404);
  EXPECT_EQ(Ask("/docs/").body, "<p>index");
}

TEST_F(StaticFiles, NothingOutside) {
  for (const char* path :
       {"/docs/..%2Fsecret", "/docs/%2e%2e/secret", "/docs/../secret", "/docs/link",
        "/docs/up/secret", "/docs/.git/config", "/docs/%2Fetc%2Fpasswd", "/docs//etc/passwd",
        "/docs/assets%2Flogo.svg", "/docs/..%5Csecret", "/docs/assets/"}) {
    const auto answer = Ask(path);
    EXPECT_THAT(answer.status, testing::AnyOf(400, 404)) << path;
    EXPECT_THAT(answer.body, testing::Not(HasSubstr("do not serve"))) << path;
  }
}

TEST_F(StaticFiles, PackedFiles) {
  const std::string path = "/console/assets/app-3f9a1c2b.js";
  const auto plain = Ask(path);
  EXPECT_EQ(plain.body, "plain");
  EXPECT_EQ(plain.headers.Get("Vary"), "Accept-Encoding");
  EXPECT_EQ(plain.headers.Get("Cache-Control"), "public, max-age=31536000, immutable");
  const auto brotli = Ask(path, "Accept-Encoding", "gzip, deflate, br");
  EXPECT_EQ(brotli.body, "packed by brotli");
  EXPECT_EQ(brotli.headers.Get("Content-Encoding"), "br");
  EXPECT_EQ(brotli.headers.Get("Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_NE(brotli.headers.Get("ETag"), plain.headers.Get("ETag"));
  EXPECT_EQ(Ask(path, "Accept-Encoding", "br;q=0, gzip;q=0.5").body, "packed by gzip");
  EXPECT_EQ(Ask(path, "Accept-Encoding", "gzip; q=0.0").body, "plain");
}

TEST_F(StaticFiles, ETags) {
  const auto first = Ask("/console/");
  const std::string etag(first.headers.Get("ETag"));
  for (const std::string& value : {etag, "W/" + etag, "\"x\", " + etag, std::string("*")}) {
    const auto again = Ask("/console/", "If-None-Match", value);
    EXPECT_EQ(again.status, 304) << value;
    EXPECT_EQ(again.body, "");
    EXPECT_EQ(again.headers.Get("ETag"), etag);
  }
  EXPECT_EQ(Ask("/console/", "If-None-Match", "\"x\"").status, 200);
  Save("web/index.html", "<p>new");
  EXPECT_EQ(Ask("/console/", "If-None-Match", etag).status, 200);
}

}  // namespace
}  // namespace mailreeve::http
