import base64
import http.client
import json
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from openapi import Document  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = Document(ROOT / "schema" / "openapi" / "response.json")
INTEL_DOCUMENT = Document(ROOT / "schema" / "openapi" / "intel.json")
INTEL_SEEN = set()  # (method, path)
SEEN = set()  # (method, path, status) of every answer that was validated

TEST_DATA = pathlib.Path(os.environ.get("MAILREEVE_TEST_DATA", ROOT.parent / "shared" / "data"))


def vendor_documents():
    folder = TEST_DATA / "swagger"
    if not folder.exists():
        return {}
    return {name: Document(folder / f"iroh-{name}.json") for name in ("inspect", "enrich", "response", "int")}


VENDOR = vendor_documents()
VENDOR_SEEN = set()


class Response:
    """response_driver under test. Every answer is validated against our document and the vendor's."""

    def __init__(self, folder):
        driver = os.environ.get("RESPONSE_DRIVER")
        assert driver, "RESPONSE_DRIVER names the program; run this by ctest"
        self.folder = folder
        console = folder / "console"
        console.mkdir()
        (console / "index.html").write_text("<!doctype html><title>console</title>")
        self.error = open(folder / "stderr", "wb")
        self.process = subprocess.Popen([driver, str(folder), str(console)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.error)
        line = self.process.stdout.readline()
        assert line, (folder / "stderr").read_text()
        said = json.loads(line)
        self.port, self.user, self.password = said["port"], said["user"], said["password"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = None
        self.headers = None

    def stop(self):
        self.process.stdin.close()
        code = self.process.wait(20)
        self.error.close()
        assert code == 0, (self.folder / "stderr").read_text()[-3000:]

    def call(self, method, target, body=None, token="own", headers=None, described=True):
        sent = dict(headers or {})
        if token == "own":
            token = self.token
        if token:
            sent["Authorization"] = "Bearer " + token
        data = None
        if body is not None:
            data = body if isinstance(body, (bytes, str)) else json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, target, data, sent)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8")
        self.headers = answer.headers
        connection.close()
        try:
            value = json.loads(text) if text else ""
        except ValueError:
            value = text
        if described:
            if INTEL_DOCUMENT.path_of(target) and not DOCUMENT.path_of(target):
                INTEL_DOCUMENT.check(method, target, answer.status, value)
                INTEL_SEEN.add((method, INTEL_DOCUMENT.path_of(target)))
                return answer.status, value
            DOCUMENT.check(method, target, answer.status, value)
            SEEN.add((method, DOCUMENT.path_of(target), answer.status))
            self._check_vendor(method, target, answer.status, value)
        return answer.status, value

    def _check_vendor(self, method, target, status, value):
        for document in VENDOR.values():
            path = document.path_of(target)
            if path is None or method.lower() not in document.doc["paths"][path] or status != 200:
                continue
            if isinstance(value, dict) and "coverage" in value:
                # The one field that is ours.
                value = {key: part for key, part in value.items() if key != "coverage"}
            if path.startswith("/iroh/iroh-int/module-instance"):
                # So is the state of an instance, which the vendor's own model has but does not publish.
                value = [dict(v) for v in value] if isinstance(value, list) else dict(value)
                for item in value if isinstance(value, list) else [value]:
                    item.pop("state", None)
            document.check(method, target, status, value)
            VENDOR_SEEN.add((method, path))

    def seen(self, method, target, status):
        """A page: its body is for people, so only that the status is described is checked."""
        path = DOCUMENT.path_of(target)
        assert str(status) in DOCUMENT.raw["paths"][path][method.lower()]["responses"], (method, target, status)
        SEEN.add((method, path, status))

    def sign_in(self, user=None, password=None):
        status, answer = self.call("POST", "/mailreeve/v1/sign-in",
                                   {"user": user or self.user, "password": password or self.password}, token=None)
        assert status == 200, answer
        return answer["access_token"]

    def make_client(self, scopes, name="client"):
        status, answer = self.call("POST", "/iroh/oauth2-clients/clients", {"name": name, "scopes": scopes})
        assert status == 200, answer
        return answer["id"], answer["password"]

    def client_token(self, client, secret, form="grant_type=client_credentials"):
        basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
        return self.call("POST", "/iroh/oauth2/token", form, token=None,
                         headers={"Authorization": "Basic " + basic,
                                  "Content-Type": "application/x-www-form-urlencoded"})

    def module(self, name, **answers):
        """Makes a module; answers by route with "/" as "_": _health={…}. Text is sent as it is."""
        folder = self.folder / "modules" / name
        folder.mkdir(parents=True, exist_ok=True)
        for route, answer in answers.items():
            (folder / f"{route}.json").write_text(answer if isinstance(answer, str) else json.dumps(answer))
        return folder

    def calls(self, name):
        path = self.folder / "modules" / name / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def audit(self):
        return [json.loads(line) for line in (self.folder / "audit.jsonl").read_text().splitlines()]


@pytest.fixture
def response(tmp_path):
    server = Response(tmp_path)
    try:
        server.token = server.sign_in()
        yield server
    finally:
        server.stop()
