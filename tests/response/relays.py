"""Relay modules for tests: a stand-in that checks tokens as public modules do, hostile servers, and checkouts of real ones.

Run as a program: relays.py KIND [FOLDER]; prints its port and serves until standard input ends.
"""
import base64
import gzip
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

VERDICT = {"type": "verdict", "disposition": 2, "disposition_name": "Malicious",
           "valid_time": {"start_time": "2026-01-01T00:00:00.000000Z", "end_time": "2999-01-01T00:00:00.000Z"}}


class Relay:
    """A relay in a process of its own."""

    def __init__(self, kind, folder=None, environment=None):
        arguments = [sys.executable, __file__, kind] + ([str(folder)] if folder else [])
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
        line = self.process.stdout.readline()
        assert line, f"the relay {kind} does not start"
        self.url = f"http://127.0.0.1:{int(line)}"

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def fatal(message, code="authorization error"):
    return {"errors": [{"type": "fatal", "code": code, "message": message}]}


def claims_hs256(token, key):
    head, body, signature = token.split(".")
    wanted = hmac.new(key.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(wanted, base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))):
        raise ValueError("Failed to decode JWT with provided key")
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def claims_rs256(token, origin):
    """As the public modules: unverified claim jwks_host, its JWKS over TLS, the key by kid, then signature and audience."""
    import jwt
    import requests
    host = jwt.decode(token, options={"verify_signature": False})["jwks_host"]
    keys = requests.get(f"https://{host}/.well-known/jwks", timeout=20).json()["keys"]
    kid = jwt.get_unverified_header(token)["kid"]
    key = [jwt.algorithms.RSAAlgorithm.from_jwk(json.dumps(k)) for k in keys if k["kid"] == kid]
    return jwt.decode(token, key=key[0], algorithms=["RS256"], audience=[origin])


class Good(http.server.BaseHTTPRequestHandler):
    """What a module of the public protocol does. Kind: how the caller must show who it is."""
    kind = "none"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(self.path, json.loads(body or b"null"))

    def do_GET(self):
        self.say({"code": 405, "message": "no", "reason": "MethodNotAllowed"}, 405)

    def claims(self):
        header = self.headers.get("Authorization")
        if self.kind == "none":
            return {"key": "k"}
        if header is None:
            raise ValueError("Authorization header is missing")
        scheme, _, token = header.partition(" ")
        if self.kind == "basic":
            if header != "Basic " + base64.b64encode(b"user:pass:word").decode():
                raise ValueError("Wrong user or password")
            return {"key": "k"}
        if scheme.lower() != "bearer":
            raise ValueError("Wrong authorization type")
        if self.kind == "bearer":
            if token != "the token":
                raise ValueError("Wrong token")
            return {"key": "k"}
        if self.kind == "hs256":
            return claims_hs256(token, os.environ["SECRET_KEY"])
        return claims_rs256(token, f"http://{self.headers['Host']}")

    def answer(self, path, body):
        if path == "/version":
            return self.say({"version": "1.2.3"})
        try:
            claims = self.claims()
            key = claims["key"]
        except Exception as error:  # pylint: disable=broad-except
            return self.say(fatal(str(error) or error.__class__.__name__))
        if path == "/health":
            return self.say({"data": {"status": "ok"}})
        if path == "/respond/trigger":
            assert body["action-id"] and body.get("extra") == "1", body
            return self.say({"data": {"status": "success"}})
        if path.startswith("/tiles"):
            return self.tiles(path, body)
        for index, item in enumerate(body):
            if set(item) != {"type", "value"}:
                return self.say(fatal(str({index: {"x": ["Unknown field."]}}), "invalid argument"))
        known = [item for item in body if item["type"] == "ip"]
        if path == "/deliberate/observables":
            docs = [{**VERDICT, "observable": item} for item in known]
            return self.say({"data": {"verdicts": {"count": len(docs), "docs": docs}} if docs else {}})
        if path == "/observe/observables":
            docs = [{"type": "sighting", "id": "transient:sighting-1", "schema_version": "1.0.17", "count": 1,
                     "confidence": "Medium", "title": key, "observables": [item],
                     "observed_time": {"start_time": "2026-01-02T03:04:05.000000Z"}} for item in known]
            return self.say({"data": {"sightings": {"count": len(docs), "docs": docs}} if docs else {}})
        if path == "/refer/observables":
            return self.say({"data": [{"id": "r", "title": "Search", "description": "d", "url": "https://x.example/",
                                       "categories": ["Search"]}]})
        if path == "/respond/observables":
            return self.say({"data": [{"id": "act", "title": "Act", "description": "d", "categories": [],
                                       "query-params": {"observable_type": i["type"], "observable_value": i["value"],
                                                        "extra": "1"}} for i in known]})
        return self.say({"code": 404, "message": "The requested URL was not found.", "reason": "NotFound"}, 404)

    def tiles(self, path, body):
        tile = {"id": "t1", "type": "metric_group", "title": "T", "description": "d", "short_description": "s",
                "tags": [], "periods": ["last_hour", "last_24_hours"], "default_period": "last_24_hours"}
        if path == "/tiles":
            return self.say({"data": [tile]})
        if body.get("tile_id") != "t1":
            return self.say(fatal("no such tile", "not found"))
        if path == "/tiles/tile":
            return self.say({"data": tile})
        Good.told = getattr(Good, "told", 0) + 1
        now = time.time()
        stamp = lambda t: time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(t))
        return self.say({"data": {"valid_time": {"start_time": stamp(now), "end_time": stamp(now + 300)},
                                  "observed_time": {"start_time": stamp(now - 3600), "end_time": stamp(now)},
                                  "cache_scope": "org", "tile_id": "t1", "period": body["period"],
                                  "data": [{"label": "asked", "value": Good.told, "icon": "x"}]}})

    def say(self, value, status=200):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            text = gzip.compress(text)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Bad(Good):
    """Kind: what is wrong with it."""

    def raw(self, head, *pieces, pause=0.0):
        self.wfile.write(head.encode())
        for piece in pieces:
            self.wfile.write(piece)
            if pause:
                self.wfile.flush()
                time.sleep(pause)
        self.close_connection = True

    def answer(self, path, body):
        ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        try:
            if self.kind == "hang":
                time.sleep(60)
            elif self.kind == "html":
                self.raw("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>Maintenance</html>")
            elif self.kind == "500":
                self.say({"code": 500, "message": "boom", "reason": "KeyError"}, 500)
            elif self.kind == "cut":
                self.raw(ok + "Content-Length: 1000\r\n\r\n{\"data\":")
            elif self.kind == "huge":
                self.raw(ok + "\r\n{\"data\":{\"x\":\"", *([b"y" * 65536] * 1600))
            elif self.kind == "bomb":
                self.raw(ok + "Content-Encoding: gzip\r\n\r\n", gzip.compress(b"\0" * 100_000_000))
            elif self.kind == "slow":
                self.raw(ok + "Content-Length: 100000\r\n\r\n", *([b"x"] * 600), pause=0.1)
            elif self.kind == "redirect":
                self.raw("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\n\r\n")
            elif self.kind == "deep":
                self.raw(ok + "\r\n" + "[" * 100000)
            elif self.kind == "lie":
                self.say({"data": {"verdicts": {"count": 7, "docs": [1, "x", {"type": "verdict"}]},
                                   "secrets": {"count": 1, "docs": [{}]}}})
            elif self.kind == "errors":
                self.say(fatal("quota", "too many requests"))
        except OSError:
            pass


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


def serve_app(folder, prepare):
    """A checkout of a real module, a Flask application."""
    sys.path.insert(0, folder)
    os.chdir(folder)
    from app import app
    from werkzeug.serving import make_server
    prepare(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


def main():
    kind = sys.argv[1]
    if kind == "template":
        serve_app(sys.argv[2], lambda app: None)
    elif kind == "abuseipdb":
        def prepare(app):
            app.config["ABUSE_IPDB_API_URL"] = os.environ["UPSTREAM"] + "/{endpoint}"
            app.config["ABUSE_IPDB_CATEGORIES_URL"] = os.environ["UPSTREAM"] + "/categories"
        serve_app(str(pathlib.Path(sys.argv[2]) / "code"), prepare)
    elif kind in ("none", "bearer", "basic", "hs256", "rs256"):
        serve(type("Kind", (Good,), {"kind": kind}))
    else:
        serve(type("Kind", (Bad,), {"kind": kind}))


if __name__ == "__main__":
    main()
