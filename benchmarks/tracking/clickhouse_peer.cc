#include "child_program.h"
#include "peers.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>

namespace mailreeve::bench {
namespace {

namespace asio = boost::asio;

constexpr std::string_view kServer = R"(<?xml version="1.0"?>
<yandex>
  <logger><level>warning</level><log>@/server.log</log><errorlog>@/error.log</errorlog></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>HTTP</http_port>
  <tcp_port>TCP</tcp_port>
  <interserver_http_port>INTER</interserver_http_port>
  <path>@/data/</path>
  <tmp_path>@/tmp/</tmp_path>
  <users_config>@/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <mark_cache_size>268435456</mark_cache_size>
  <compression><case><min_part_size>0</min_part_size><min_part_size_ratio>0</min_part_size_ratio><method>zstd</method></case></compression>
</yandex>
)";
constexpr std::string_view kUsers = R"(<?xml version="1.0"?>
<yandex>
  <profiles><default><max_memory_usage>4000000000</max_memory_usage><load_balancing>random</load_balancing></default></profiles>
  <users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users>
  <quotas><default></default></quotas>
</yandex>
)";

// RowBinary: little-endian numbers, texts after their length in groups of seven bits.
void PutNumber(std::string& out, uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(number >> (8 * i) & 0xff);
}
void PutLength(std::string& out, uint64_t length) {
  for (; length >= 0x80; length >>= 7) out += static_cast<char>(length | 0x80);
  out += static_cast<char>(length);
}
void PutText(std::string& out, std::string_view text) {
  PutLength(out, text.size());
  out += text;
}

std::string Quoted(std::string_view text) {
  std::string out("'");
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
      out += c;
    } else {
      out += '%';
      out += "0123456789ABCDEF"[static_cast<unsigned char>(c) >> 4];
      out += "0123456789ABCDEF"[c & 15];
    }
  }
  return out;
}

class ClickhousePeer final : public Peer {
 public:
  std::string name() const override { return "clickhouse"; }
  std::string note() const override {
    return "Debian's 18.16: NOT durable when acknowledged (it has no fsync of inserts); no skip "
           "index of its own, so "
           "fingerprints are a second table; later events are not stored, since rows do not change";
  }
  size_t lookups() const override { return 100; }

  Result<void> Open(const std::string& folder) override {
    if (!Installed("clickhouse-server")) {
      return Fail(Code::kUnavailable, "clickhouse-server is not installed (tools/setup bench)");
    }
    port_ = FreePort();
    const auto tcp = FreePort(), inter = FreePort();
    const auto fill = [&](std::string text) {
      const std::pair<std::string_view, std::string> words[] = {{"@", folder},
                                                                {"HTTP", std::to_string(port_)},
                                                                {"TCP", std::to_string(tcp)},
                                                                {"INTER", std::to_string(inter)}};
      for (const auto& [from, to] : words) {
        for (size_t at = 0; (at = text.find(">" + std::string(from), at)) != std::string::npos;
             at += to.size())
          text.replace(at + 1, from.size(), to);
      }
      return text;
    };
    std::filesystem::create_directories(folder + "/data");
    std::filesystem::create_directories(folder + "/tmp");
    std::ofstream(folder + "/config.xml") << fill(std::string(kServer));
    std::ofstream(folder + "/users.xml") << kUsers;
    TRY_VOID(
        server_.Start({"/usr/sbin/clickhouse-server", "--config-file=" + folder + "/config.xml"},
                      folder + "/output"));
    const double began = Now();
    while (!Do("SELECT 1")) {
      if (!server_.running() || Now() - began > 30) {
        return Fail(Code::kUnavailable,
                    "clickhouse-server does not start; see error.log and output in '" + folder +
                        "' (--keep)");
      }
      ::usleep(100'000);
    }
    TRY_VOID(
        Do("CREATE TABLE messages (mid UInt64, received UInt64, direction UInt8, sender String, "
           "recipients Array(String), "
           "client String, subject String, fingerprints Array(UInt64), record String) ENGINE = "
           "MergeTree() "
           "PARTITION BY tuple() ORDER BY mid SETTINGS index_granularity = 512, old_parts_lifetime "
           "= 1, cleanup_delay_period = 1"));
    TRY_VOID(
        Do("CREATE TABLE postings (fingerprint UInt64, received UInt64, mid UInt64) ENGINE = "
           "MergeTree() "
           "PARTITION BY tuple() ORDER BY (fingerprint, received, mid) SETTINGS index_granularity "
           "= 1024"));
    return {};
  }

  Result<void> Append(std::vector<Made>& messages) override {
    // A materialized view would fill `postings`, but copies the record once for each fingerprint on
    // the way.
    std::string rows, postings;
    for (size_t i = 0; i < messages.size(); ++i) {
      const auto& record = messages[i].record;
      PutNumber(rows, record.mid, 8);
      PutNumber(rows, static_cast<uint64_t>(ToEpochMicros(record.received)), 8);
      PutNumber(rows, static_cast<uint64_t>(record.direction), 1);
      PutText(rows, record.envelope_from);
      PutLength(rows, record.recipients.size());
      for (const auto& recipient : record.recipients) PutText(rows, recipient.address);
      PutText(rows, record.connection.client_address);
      PutText(rows, messages[i].folded_subject);
      const auto shown = ShownFingerprints(record);
      PutLength(rows, shown.size());
      for (const uint64_t fingerprint : shown) {
        PutNumber(rows, fingerprint, 8);
        PutNumber(postings, fingerprint, 8);
        PutNumber(postings, static_cast<uint64_t>(ToEpochMicros(record.received)), 8);
        PutNumber(postings, record.mid, 8);
      }
      PutText(rows, mail::Encode(record));
      if ((i + 1) % kPeerGroup == 0 || i + 1 == messages.size()) {
        TRY_VOID(Do("INSERT INTO messages FORMAT RowBinary", rows));
        TRY_VOID(Do("INSERT INTO postings FORMAT RowBinary", postings));
        rows.clear();
        postings.clear();
      }
    }
    return {};
  }

  Result<void> Settle() override {
    TRY_VOID(Do("OPTIMIZE TABLE messages FINAL"));
    TRY_VOID(Do("OPTIMIZE TABLE postings FINAL"));
    return {};
  }

  // Merged parts stay for minutes; what they take is no cost of its own.
  std::optional<uint64_t> Bytes() override {
    const auto bytes = Do("SELECT sum(bytes_on_disk) FROM system.parts WHERE active");
    if (!bytes) return std::nullopt;
    return std::strtoull(bytes->c_str(), nullptr, 10);
  }

  Result<std::vector<mail::Mid>> Lookup(const observable::Observable& observable,
                                        size_t limit) override {
    const std::string fingerprint =
        std::to_string(observable::Fingerprint(observable.type, observable.value));
    TRY(const std::string rows, Do("SELECT mid, record FROM messages PREWHERE mid IN (SELECT mid "
                                   "FROM postings WHERE fingerprint = " +
                                   fingerprint + " ORDER BY received DESC, mid DESC LIMIT " +
                                   std::to_string(limit) + ") ORDER BY mid DESC FORMAT RowBinary"));
    std::vector<mail::Mid> out;
    for (size_t at = 0; at + 8 < rows.size();) {
      at += 8;
      uint64_t length = 0;
      for (int shift = 0; at < rows.size(); shift += 7) {
        const auto byte = static_cast<unsigned char>(rows[at++]);
        length |= static_cast<uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80 || shift > 56) break;
      }
      TRY(const auto record, mail::DecodeMessageRecord(std::string_view(rows).substr(at, length)));
      out.push_back(record.mid);
      at += length;
    }
    return out;
  }

  Result<uint64_t> CountSubjects(const std::string& folded) override {
    TRY(const std::string count,
        Do("SELECT count() FROM messages WHERE subject LIKE " + Quoted("%" + folded + "%")));
    return std::strtoull(count.c_str(), nullptr, 10);
  }

  Result<std::vector<std::pair<std::string, uint64_t>>> TopSenders(Time from, Time until,
                                                                   size_t count) override {
    TRY(const std::string rows,
        Do("SELECT sender, count() AS n FROM messages WHERE direction = 0 AND received >= " +
           std::to_string(ToEpochMicros(from)) + " AND received < " +
           std::to_string(ToEpochMicros(until)) + " GROUP BY sender ORDER BY n DESC LIMIT " +
           std::to_string(count)));
    std::vector<std::pair<std::string, uint64_t>> out;
    for (size_t at = 0; at < rows.size();) {
      const size_t tab = rows.find('\t', at), end = rows.find('\n', at);
      if (tab == std::string::npos || end == std::string::npos) break;
      out.emplace_back(rows.substr(at, tab - at),
                       std::strtoull(rows.c_str() + tab + 1, nullptr, 10));
      at = end + 1;
    }
    return out;
  }

 private:
  // By HTTP, one connection a question, as its own tools' interface costs about the same.
  Result<std::string> Do(const std::string& sql, const std::string& body = {}) {
    const auto broken = [](const boost::system::error_code& error) {
      return Fail(Code::kInternal, "ClickHouse over HTTP: " + error.message());
    };
    asio::io_context context;
    asio::ip::tcp::socket socket(context);
    boost::system::error_code error;
    socket.connect({asio::ip::address_v4::loopback(), port_}, error);
    if (error) return broken(error);
    const std::string head =
        "POST /?query=" + Escaped(sql) +
        " HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n";
    asio::write(socket, asio::buffer(head), error);
    if (!error) asio::write(socket, asio::buffer(body), error);
    if (error) return broken(error);
    std::string answer;
    asio::read(socket, asio::dynamic_buffer(answer), error);
    if (error && error != asio::error::eof) return broken(error);
    const size_t end = answer.find("\r\n\r\n");
    if (end == std::string::npos) return Fail(Code::kInternal, "ClickHouse answered nothing");
    std::string text = answer.substr(end + 4);
    if (answer.find(" 200 ") > answer.find("\r\n"))
      return Fail(Code::kInternal, "ClickHouse: " + text.substr(0, 300));
    return text;
  }

  ChildProgram server_;
  unsigned short port_ = 0;
};

}  // namespace

std::unique_ptr<Peer> MakeClickhousePeer() { return std::make_unique<ClickhousePeer>(); }

}  // namespace mailreeve::bench
