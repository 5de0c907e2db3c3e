"""History from one gateway to another: export, import, check."""
import datetime
import gzip
import http.server
import json
import os
import pathlib
import shutil
import signal
import socketserver
import subprocess
import tempfile
import threading

import pytest

from lab import util
from lab.mailreeve import Gateway, program
from lab.stack import Stack
from test_gateway import check_document, mail


@pytest.fixture(scope="module")
def stack():
    with Stack(users=2, register=False) as running:
        for n in range(12):
            running.send("ann@sender.example", running.users, mail(f"h{n}@sender.example", subject=f"number {n}".encode()))
        running.wait_delivered(24)
        yield running


@pytest.fixture(scope="module")
def other():
    with tempfile.TemporaryDirectory(prefix="mailreeve-history-") as folder:
        os.chmod(folder, 0o755)  # the gateway's own user has to reach its files
        gateway = Gateway(pathlib.Path(folder) / "gateway", "gateway-2")
        try:
            yield gateway.start()
        finally:
            gateway.stop()


def searched(gateway):
    messages = json.loads(gateway.cli("--json", "track").stdout)["messages"]
    return messages, [json.loads(gateway.cli("--json", "message", str(m["mid"])).stdout) for m in messages]


def imported(gateway, *arguments, check=True, stdin=None):
    done = gateway.cli("--json", "track", "import", *arguments, check=check, stdin=stdin)
    return done.returncode, json.loads(done.stdout)


def test_moves_history(stack, other, tmp_path):
    packed = tmp_path / "history.jsonl.zst"
    done = stack.gateway.cli("track", "export", str(packed))
    assert "12 messages exported" in done.stderr and packed.read_bytes()[:4] == b"\x28\xb5\x2f\xfd"
    plain = stack.gateway.cli("track", "export").stdout
    assert len(plain.splitlines()) == 12 and all(json.loads(line)["mailreeve_record"] == 1 for line in plain.splitlines())

    assert imported(other, str(packed)) == (0, {"added": 12, "present": 0, "refused": 0, "errors": []})
    assert searched(other) == searched(stack.gateway)
    assert [m["subject"] for m in searched(other)[0]] == [f"number {n}" for n in range(11, -1, -1)]
    assert other.cli("track", "export").stdout == plain
    # Again, and by standard input: nothing changes.
    assert imported(other, "-", stdin=plain) == (0, {"added": 0, "present": 12, "refused": 0, "errors": []})
    assert other.cli("track", "export").stdout == plain


def test_pages_and_spans(stack):
    api = stack.gateway.api()
    status, answer = api.call("GET", "/v1/tracking/records?limit=0")
    assert status == 400 and "limit" in answer["error_description"]
    check_document("/v1/tracking/records", "get", 400, answer)
    received = [m["received"] for m in searched(stack.gateway)[0]]
    some = stack.gateway.cli("track", "export", "--from", received[5], "--until", received[2]).stdout.splitlines()
    assert [json.loads(line)["inspection"]["subject"] for line in some] == ["number 8", "number 7", "number 6"]
    assert stack.gateway.cli("track", "export", "--from", "yesterday", check=False).returncode == 2


def test_bad_lines_are_refused_by_number(stack, other):
    lines = stack.gateway.cli("track", "export").stdout.splitlines()
    different = {**json.loads(lines[0]), "queue_id": "ANOTHER"}
    fresh = {**json.loads(lines[0]), "mid": 5000}
    nameless = {k: v for k, v in different.items() if k != "mid"}
    text = "\n".join(["not json", lines[1], "", json.dumps(different), json.dumps(nameless), json.dumps(fresh), json.dumps(fresh)])
    code, answer = imported(other, "-", check=False, stdin=text)
    assert code == 1 and (answer["added"], answer["present"], answer["refused"]) == (1, 2, 3), answer
    assert [e["line"] for e in answer["errors"]] == [1, 4, 5]
    assert "another message" in answer["errors"][1]["error"] and "mid" in answer["errors"][2]["error"]
    assert json.loads(other.cli("--json", "message", str(different["mid"])).stdout) == \
        json.loads(stack.gateway.cli("--json", "message", str(different["mid"])).stdout)


def test_many_at_once(stack, other):
    """More lines than a request, and than the store has reads at a time."""
    line = json.loads(stack.gateway.cli("track", "export").stdout.splitlines()[0])
    text = "\n".join(json.dumps({**line, "mid": 6000 + n}) for n in range(1200))
    assert imported(other, "-", stdin=text)[1] == {"added": 1200, "present": 0, "refused": 0, "errors": []}
    assert imported(other, "-", stdin=text)[1] == {"added": 0, "present": 1200, "refused": 0, "errors": []}
    assert len(other.cli("track", "export").stdout.splitlines()) == 12 + 1 + 1200


def test_postfix_log(stack):
    """The log of the mail that one gateway tracked, as history of another: what is in both is the same."""
    log = pathlib.Path(stack.gateway.mta_log).read_bytes()
    with tempfile.TemporaryDirectory(prefix="mailreeve-history-") as folder:
        os.chmod(folder, 0o755)
        packed = pathlib.Path(folder) / "maillog.gz"
        packed.write_bytes(gzip.compress(log))
        gateway = Gateway(pathlib.Path(folder) / "gateway", "gateway-3", settings={"mail.internal_domains": [stack.domain]})
        try:
            gateway.start()
            answer = imported(gateway, "--postfix", str(packed))[1]
            assert (answer["added"], answer["present"]) == (12, 0), answer
            assert answer["lines"] == log.count(b"\n") and 0 < answer["used"] <= answer["lines"]
            answer = imported(gateway, "--postfix", str(packed))[1]
            assert (answer["added"], answer["present"]) == (0, 12), answer
            for theirs in searched(stack.gateway)[1]:
                found = json.loads(gateway.cli("--json", "track", "--message-id", theirs["message_id"]).stdout)["messages"]
                assert len(found) == 1, theirs["message_id"]
                ours = json.loads(gateway.cli("--json", "message", str(found[0]["mid"])).stdout)
                assert ours["sender"] == theirs["sender"] and ours["client_address"] == theirs["client_address"]
                statuses = lambda m: {r["address"]: r["status"] for r in m["recipients"]}
                assert statuses(ours) == statuses(theirs)
        finally:
            gateway.stop()
    # The gateway that tracked the mail has it already.
    assert imported(stack.gateway, "--postfix", str(stack.gateway.mta_log))[1]["present"] == 12


RSPAMD_LINE = ("2026-11-24 13:00:18 #18164(normal) <082fc4>; task; rspamd_task_write_log: id: <Two@bad.example>, qid: "
               "<4A5B6C7D8F>, ip: 192.0.2.9, user: bob, from: <spam@bad.example>, (default: S (reject): [15.00/15.00] "
               "[GTUBE(0.00){}]), len: 165, time: 0.663ms, dns req: 0, digest: <277d773fc706318f4aba4bca56bc1757>, rcpts: "
               "<u@corp.example,v@corp.example>, mime_rcpts: <u@corp.example>\n")


def test_logs_of_several_programs(stack):
    """What Postfix, Dovecot and rspamd say of the same mail comes together."""
    known = searched(stack.gateway)[1]
    rows = [{"message-id": m["message_id"].strip("<>"), "action": "add header", "score": 7.5, "required_score": 15, "symbols": {"A": {"score": 7.5}},
             "sender_smtp": m["sender"], "sender_mime": m["sender"], "rcpt_smtp": [r["address"] for r in m["recipients"]],
             "rcpt_mime": [m["recipients"][0]["address"]], "user": "unknown", "subject": m["subject"], "size": 1, "ip": "127.0.0.1",
             "unix_time": datetime.datetime.fromisoformat(m["received"].replace("Z", "+00:00")).timestamp()} for m in known]
    with tempfile.TemporaryDirectory(prefix="mailreeve-history-") as folder:
        os.chmod(folder, 0o755)
        folder = pathlib.Path(folder)
        history, own = folder / "history.json", folder / "rspamd.log"
        history.write_text(json.dumps({"version": 2, "rows": rows}, indent=1))
        own.write_text(RSPAMD_LINE)
        dovecot = pathlib.Path(stack.dovecot.describe()["dir"]) / "dovecot.log"
        gateway = Gateway(folder / "gateway", "gateway-4", settings={
            "mail.internal_domains": [stack.domain], "history.max_lines": 5, "history.part_bytes": 65536})
        try:
            gateway.start()
            files = [str(history), str(own), str(stack.gateway.mta_log)]
            answer = imported(gateway, "--format", "log", *files)[1]
            assert (answer["added"], answer["present"], answer["unmatched"]) == (13, 0, 0), answer
            found = {m["message_id"]: m for m in searched(gateway)[1]}
            for theirs in known:
                ours = found[theirs["message_id"]]
                assert ours["subject"] == theirs["subject"] and ours["queue_id"] == theirs["queue_id"]
                assert [(v["engine"], v["disposition"]) for v in ours["verdicts"]] == [("rspamd", 3)]
                assert {r["status"] for r in ours["recipients"]} == {"Delivered"}
            assert json.loads(gateway.cli("--json", "track", "--queue-id", "4A5B6C7D8F").stdout)["messages"][0]["sender"] == "spam@bad.example"
            # Again: all of it is there, and Dovecot tells of no delivery that Postfix did not.
            assert imported(gateway, "--format", "log", *files)[1]["present"] == 13
            answer = imported(gateway, "--format", "dovecot", str(dovecot))[1]
            assert (answer["added"], answer["events"], answer["present"], answer["unmatched"]) == (0, 0, 24, 0), answer
            assert gateway.cli("track", "import", "--format", "sendmail", str(own), check=False).returncode == 2
            # A mail server whose deliveries are not known: Dovecot's are added, once.
            gateway.stop()
            shutil.rmtree(gateway.state / "tracking")
            gateway.start()
            assert imported(gateway, "--format", "rspamd", str(history))[1]["added"] == 12
            for added, present in ((24, 0), (0, 24)):
                answer = imported(gateway, "--format", "dovecot", str(dovecot))[1]
                assert (answer["events"], answer["present"]) == (added, present), answer
        finally:
            gateway.stop()


def test_check_is_cancelled(stack):
    api = stack.gateway.api()
    # Of a store this small it may have ended before: both answers are right, and another check works.
    api.post("/v1/tracking/check")
    status, answer = api.call("DELETE", "/v1/tracking/check")
    assert status in (200, 404)
    check_document("/v1/tracking/check", "delete", status, answer)
    util.wait_for("the check to end", lambda: api.call("GET", "/v1/tracking/check")[1].get("running") is not True)
    assert json.loads(stack.gateway.cli("--json", "track", "check").stdout)["records"] == 12
    assert stack.gateway.cli("track", "check", "--cancel", check=False).returncode == 4


class EndlessCheck(socketserver.ThreadingUnixStreamServer):
    """Stands in for a gateway whose check takes long."""
    daemon_threads = True

    def __init__(self, path):
        self.calls = []
        super().__init__(path, EndlessCheckHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class EndlessCheckHandler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        self.server.calls.append(self.command)
        body = b'{"running": true, "report": null}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


def test_ctrl_c_cancels_the_check(tmp_path):
    server = EndlessCheck(str(tmp_path / "admin.sock"))
    command = subprocess.Popen([str(program("mailreeve")), "--socket", str(tmp_path / "admin.sock"), "track", "check"],
                               stderr=subprocess.PIPE, text=True)
    try:
        # From the first question on the command waits, and Ctrl-C is its own to handle.
        util.wait_for("the first question", lambda: "GET" in server.calls)
        command.send_signal(signal.SIGINT)
        _, said = command.communicate(timeout=60)
    finally:
        command.kill()
        server.shutdown()
        server.server_close()
    assert command.returncode == 130 and "cancelled" in said
    assert server.calls[0] == "POST" and server.calls[-1] == "DELETE"


def test_check(stack, other):
    for gateway in (stack.gateway, other):
        said = gateway.cli("track", "check").stdout
        assert "Damaged" in said and "Records" in said
    report = json.loads(stack.gateway.cli("--json", "track", "check").stdout)
    assert report["records"] == 12 and report["damaged"] == [] and report["missing"] == [] and report["bytes"] > 0
    api = stack.gateway.api()
    status, answer = api.call("GET", "/v1/tracking/check")
    assert status == 200 and answer["report"] == report
    check_document("/v1/tracking/check", "get", 200, answer)


def test_check_names_damage(other):
    journal = max((other.state / "tracking").glob("journal-*.log"), key=lambda path: path.stat().st_size)
    with open(journal, "r+b") as file:
        file.seek(journal.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    done = other.cli("--json", "track", "check", check=False)
    report = json.loads(done.stdout)
    assert done.returncode == 1 and {d["file"] for d in report["damaged"]} == {journal.name}, report
    text = other.cli("track", "check", check=False)
    assert text.returncode == 1 and journal.name in text.stdout
