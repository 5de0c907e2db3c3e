"""One gateway with its own Postfix, some mail through it, and users of every role."""
import base64
import datetime
import http.client
import json
import pathlib
import ssl
import sys
import urllib.parse

import pytest

from lab.stack import Stack
from openapi import Document

ROOT = pathlib.Path(__file__).resolve().parents[2]
PASSPHRASE = "a rather long passphrase"
ROLES = {"admin": "Administrator", "cloud": "Cloud Administrator", "mail": "Email Administrator", "op": "Operator",
         "reader": "Read-Only Operator", "guest": "Guest", "helper": "Help Desk User", "tech": "Technician"}
URL = "https://login.parcel.example/verify?x=1"


def basic(user, passphrase=PASSPHRASE):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{passphrase}".encode()).decode()}


def stamp(time):
    return time.strftime("%Y-%m-%dT%H:%M:00.000Z")


class Client:
    """Speaks to the REST API byte by byte as a client would; checks JSON answers against the document."""

    def __init__(self, stack):
        self.gateway = stack.gateway
        self.port = stack.gateway.rest_port
        self.context = ssl.create_default_context(cafile=str(stack.gateway.rest_ca_file))
        self.document = Document(ROOT / "schema/openapi/gateway.json")
        now = datetime.datetime.now(datetime.timezone.utc)
        self.start, self.end = stamp(now - datetime.timedelta(days=1)), stamp(now + datetime.timedelta(hours=1))
        hour = now.replace(minute=0, second=0, microsecond=0)
        self.hours = (stamp(hour - datetime.timedelta(hours=23)), stamp(hour + datetime.timedelta(hours=1)))
        self.span = f"startDate={self.start}&endDate={self.end}"

    def raw(self, method, target, headers=None, body=None):
        """(status, headers, text)"""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=60)
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, text

    def call(self, method, path, headers=None, body=None, prefix="/esa/api/v2.0", check=True):
        status, _, text = self.raw(method, prefix + path, headers, body)
        answer = json.loads(text)
        if check:
            self.document.check(method, path, status, answer)
        return status, answer

    def get(self, path, headers=None, **options):
        return self.call("GET", path, basic("op") if headers is None else headers, **options)

    def search(self, query="", **options):
        status, answer = self.get(f"/message-tracking/messages?searchOption=messages&{self.span}" +
                                  (f"&{query}" if query else ""), **options)
        assert status == 200, answer
        return answer

    def mids(self, query=""):
        return [row["attributes"]["mid"][0] for row in self.search(query)["data"]]

    def login(self, user, passphrase=PASSPHRASE):
        encode = lambda text: base64.b64encode(text.encode()).decode()
        return self.call("POST", "/login", {"Content-Type": "application/json"},
                         json.dumps({"data": {"userName": encode(user), "passphrase": encode(passphrase)}}))

    def token(self, user):
        status, answer = self.login(user)
        assert status == 200, answer
        return answer["data"]["jwtToken"]


def mail(message_id, subject="Invoice", body="hello", extra="", sender="ann@sender.example"):
    return (f"From: Ann <{sender}>\r\nTo: u@corp.example\r\n{extra}Subject: {subject}\r\n"
            f"Message-ID: <{message_id}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n{body}\r\n").encode()


ATTACHED = (b"From: Ann <ann@sender.example>\r\nTo: u@corp.example\r\nReply-To: boss@elsewhere.example\r\nSubject: a file\r\n"
            b"Message-ID: <file@sender.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
            b"Content-Type: text/plain\r\n\r\nsee " + URL.encode() + b"\r\n--b\r\nContent-Type: application/pdf; "
            b"name=\"in#voice.pdf\"\r\nContent-Disposition: attachment; filename=\"in#voice.pdf\"\r\n\r\nhello\r\n--b--\r\n")


@pytest.fixture(scope="session")
def stack():
    with Stack(users=3, register=False, settings={"rest.min_passphrase": 12}) as running:
        for user, role in ROLES.items():
            running.gateway.cli("user", "add", user, "--role", role, stdin=PASSPHRASE + "\n")
        running.send("ann@sender.example", running.users[:2], mail("one@sender.example"))
        running.send("ann@sender.example", [running.users[0]], ATTACHED)
        running.send("bob+tag@other.example", [running.users[2]],
                     mail("two@other.example", subject="=?utf-8?B?5Y+R56Wo?= number 2", sender="bob+tag@other.example"))
        running.wait_delivered(4)
        yield running


@pytest.fixture(scope="session")
def client(stack):
    return Client(stack)
