#pragma once

#include "http/router.h"

#include <string>
#include <vector>

// Files of a folder over HTTP: the consoles.
//
// Threads: reads files on the executor's thread; meant for local disks and small files. Errors
// become answers.
namespace mailreeve::http {

struct StaticOptions {
  // Answered for a path that names no file and whose last part has no dot: the routes of a
  // single-page application. Empty: 404.
  std::string index_fallback = "index.html";
  size_t max_file_bytes = 16 * 1024 * 1024;
  // Added to every answer, such as Content-Security-Policy.
  Headers headers;
};

// A handler for GET of "<prefix>/{path*}", where the rest of the path names the file below `root`;
// "" and folders are their index.html. Needs the parameter named "path".
//
// No name leaves the folder: parts that start with a dot, hold '/', '\' or NUL are not found, nor
// is anything reached through a symbolic link. A file beside with .br or .gz added is sent instead
// to clients that take it. ETag comes from the content; If-None-Match is answered 304. Names with a
// hash ("app-3f9a1c2b.js") may be kept for a year, others are asked for again each time.
Handler ServeFolder(std::string root, StaticOptions options = {});

// "text/html; charset=utf-8" for "index.html"; "application/octet-stream" for what is not known.
std::string ContentTypeOf(std::string_view name);

}  // namespace mailreeve::http
