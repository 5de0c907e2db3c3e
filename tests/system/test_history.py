"""History from one gateway to another: export, import, check."""
import gzip
import json
import os
import pathlib
import tempfile

import pytest

from lab.mailreeve import Gateway
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
