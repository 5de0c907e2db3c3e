"""The gateway program beside a real Postfix: tracking, the command line, bad mail, kill -9 under load."""
import concurrent.futures
import json
import os
import pathlib
import smtplib
import threading

import jsonschema
import pytest

from lab import util
from lab.stack import Stack

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("MAILREEVE_TEST_DATA", ROOT.parent / "shared" / "data"))
URL = "https://login.parcel.example/verify?x=1"


@pytest.fixture(scope="module")
def stack():
    with Stack(users=3, register=False) as running:
        yield running


def mail(message_id, body=b"hello\r\n", subject=b"a subject"):
    return (b"From: Ann <ann@sender.example>\r\nTo: u@corp.example\r\nSubject: " + subject + b"\r\nMessage-ID: <" +
            message_id.encode() + b">\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n" + body)


def check_document(path, method, status, answer):
    """Validates an answer against schema/openapi/gateway-admin.json."""
    document = json.loads((ROOT / "schema/openapi/gateway-admin.json").read_text())
    response = document["paths"][path][method]["responses"][str(status)]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].split("/")[-1]]
    schema = response["content"]["application/json"]["schema"]

    def without_nullable(node):
        if isinstance(node, dict):
            out = {k: without_nullable(v) for k, v in node.items() if k != "nullable"}
            if node.get("nullable") and isinstance(out.get("type"), str):
                out["type"] = [out["type"], "null"]
            return out
        return [without_nullable(v) for v in node] if isinstance(node, list) else node
    schema = without_nullable({**schema, "components": document["components"]})
    jsonschema.validate(answer, schema)


def test_tracks_delivers_and_finds(stack):
    stack.send("ann@sender.example", stack.users[:2], mail("track-1@sender.example", f"see {URL}\r\n".encode()))
    stack.wait_delivered(2)
    for query in ([URL.replace("https", "hxxps").replace(".", "[.]")], ["--url", URL], ["--domain", "parcel.example"],
                  ["--sender", "ann@sender.example"], ["--recipient", stack.users[1]], ["--subject", "A SUB"],
                  ["--message-id", "<track-1@sender.example>"], ["--ip", "127.0.0.1"]):
        found = stack.track(*query)
        assert [m["message_id"] for m in found] == ["<track-1@sender.example>"], query
    assert stack.track("--domain", "nowhere.example") == []
    mid = str(found[0]["mid"])
    message = json.loads(stack.gateway.cli("--json", "message", mid).stdout)
    assert [e["event"] for e in message["events"]] == ["received", "accepted", "delivered", "delivered"]
    assert {r["address"]: r["status"] for r in message["recipients"]} == {u: "Delivered" for u in stack.users[:2]}
    assert message["sender"] == "ann@sender.example"
    assert "a subject" in stack.gateway.cli("message", mid).stdout
    assert URL in message["urls"]


def test_answers_follow_the_document(stack):
    api = stack.gateway.api()
    for path, target in (("/v1/version", "/v1/version"), ("/v1/status", "/v1/status"), ("/v1/settings", "/v1/settings"),
                         ("/v1/device", "/v1/device"), ("/v1/messages", "/v1/messages?limit=5"), ("/v1/messages/{mid}", "/v1/messages/1")):
        status, answer = api.call("GET", target)
        assert status == 200, answer
        check_document(path, "get", 200, answer)
    for path, target, expected in (("/v1/messages", "/v1/messages?limit=0", 400), ("/v1/messages", "/v1/messages?text=nothing", 400),
                                   ("/v1/messages", "/v1/messages?from=yesterday", 400), ("/v1/messages", "/v1/messages?colour=red", 400),
                                   ("/v1/messages/{mid}", "/v1/messages/999999", 404)):
        status, answer = api.call("GET", target)
        assert status == expected, (target, answer)
        check_document(path, "get", expected, answer)
    status, answer = api.call("POST", "/v1/device/registration", {"server": "https://127.0.0.1:1", "token": "x" * 32})
    assert status == 503 and "127.0.0.1" in answer["error_description"]
    check_document("/v1/device/registration", "post", 503, answer)
    assert api.call("POST", "/v1/device/registration", "not json")[0] == 400


def test_command_line(stack):
    assert os.stat(stack.gateway.socket).st_mode & 0o777 == 0o600
    status = stack.gateway.cli("status").stdout
    assert "gateway-1" in status and "Messages tracked" in status
    assert "已跟踪邮件" in stack.gateway.cli("status", env={"LC_ALL": "zh_CN.UTF-8"}).stdout
    assert json.loads(stack.gateway.cli("--json", "version").stdout)["gateway"]
    assert stack.gateway.cli("message", "999999", check=False).returncode == 4
    assert stack.gateway.cli("track", "--since", "yesterday", check=False).returncode == 2
    assert "unregistered" in stack.gateway.cli("device").stdout
    hostile = b"\x1b]0;owned\x07 =?utf-8?B?4oCu?= evil"
    stack.send("ann@sender.example", [stack.users[0]], mail("esc@sender.example", subject=hostile))
    shown = stack.gateway.cli("track", "--message-id", "<esc@sender.example>").stdout
    assert "\x1b" not in shown and "\x07" not in shown and "\u202e" not in shown and "evil" in shown


def accepted(stack, raw):
    """True when Postfix took the message; False for a clean refusal."""
    try:
        stack.send("bad@sender.example", [stack.users[2]], raw)
        return True
    except smtplib.SMTPResponseException as error:
        assert 400 <= error.smtp_code < 600
        return False


def test_bad_mail_is_tracked_or_refused_and_never_kills(stack):
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(10000))
    nested = b"".join(b"Content-Type: message/rfc822\r\n\r\n" for _ in range(2000))
    bad = [
        b"".join(b"X-%d: y\r\n" % n for n in range(100000)) + b"\r\nbody\r\n",
        deep, nested,
        b"Subject: nul\r\n\r\na\0b\r\n",
        b"Subject: broken\r\nContent-Transfer-Encoding: base64\r\n\r\n====!!!!AA=A\r\n",
        b"No header here\r\njust text\r\n",
        b"From: a@x.example\r\nFrom: b@y.example\r\nSubject: one\r\nSubject: two\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n--a\r\n\r\nx\r\n--b\r\n\r\ny\r\n--a--\r\n",
        b"Subject: " + b"=?utf-8?B?" * 5000 + b"\r\n\r\n",
        b"To: " + b"(" * 20000 + b"\r\n\r\n",
    ]
    before = stack.gateway.api().get("/v1/status")["messages"]
    pid = stack.gateway.pid
    taken = sum(accepted(stack, raw) for raw in bad)
    assert stack.gateway.process.poll() is None and stack.gateway.pid == pid
    after = stack.gateway.api().get("/v1/status")["messages"]
    assert after["tracked"] - before["tracked"] == taken
    assert after["untracked"] == 0
    assert taken >= len(bad) - 1


def test_a_line_of_thirty_megabytes(stack):
    stack.postfix.extra["message_size_limit"] = "60000000"
    before = stack.gateway.api().get("/v1/status")["messages"]["tracked"]
    raw = b"Subject: long\r\nMessage-ID: <long@sender.example>\r\n\r\n" + b"x" * (30 << 20) + b"\r\n"
    if accepted(stack, raw):
        assert stack.gateway.api().get("/v1/status")["messages"]["tracked"] == before + 1
    assert stack.gateway.process.poll() is None


def test_published_oddities(stack):
    folder = DATA / "mail-oddities"
    if not folder.exists():
        pytest.skip(f"{folder} is not there; set MAILREEVE_TEST_DATA")
    files = sorted(folder.rglob("*.eml"))
    assert files
    before = stack.gateway.api().get("/v1/status")["messages"]["tracked"]
    taken = sum(accepted(stack, f.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")) for f in files)
    assert taken == len(files)
    assert stack.gateway.api().get("/v1/status")["messages"]["tracked"] == before + taken


def test_kill_nine_under_load_loses_nothing(stack):
    stop = threading.Event()
    promised = []
    lock = threading.Lock()

    def sender(lane):
        number = 0
        while not stop.is_set():
            message_id = f"load-{lane}-{number}@sender.example"
            number += 1
            try:
                stack.send("load@sender.example", [stack.users[0]], mail(message_id))
            except (smtplib.SMTPException, OSError):
                continue  # refused for now: the client would try again
            with lock:
                promised.append(f"<{message_id}>")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        lanes = [pool.submit(sender, lane) for lane in range(4)]
        for _ in range(4):
            so_far = len(promised)
            util.wait_for("mail to be taken", lambda: len(promised) >= so_far + 5, 60)
            stack.gateway.kill()
            stack.gateway.start()
        so_far = len(promised)
        util.wait_for("mail to be taken", lambda: len(promised) >= so_far + 5, 60)
        stop.set()
        for lane in lanes:
            lane.result()
    assert len(promised) > 10
    held = set()
    cursor = []
    while True:
        page = json.loads(stack.gateway.cli("--json", "track", "--sender", "load@sender.example", "--limit", "1000", *cursor).stdout)
        held |= {m["message_id"] for m in page["messages"]}
        if not page["next_cursor"]:
            break
        cursor = ["--cursor", page["next_cursor"]]
    assert set(promised) <= held
    mids = [m["mid"] for m in stack.track("--sender", "load@sender.example", "--limit", "1000")]
    assert len(mids) == len(set(mids))
    # Delivery events of what was delivered while the gateway was down are caught up with.
    util.wait_for("delivery events of all",
                  lambda: all(m["status"] == "Delivered" for m in stack.track("--sender", "load@sender.example", "--limit", "1000")
                              if m["message_id"] in promised), 60)
