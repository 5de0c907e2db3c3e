"""Remediation on a real Dovecot with a real SMTP conversation (issue: the main job, point 6; hostile-input B01-B07)."""
import contextlib
import email
import email.policy
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "tools"))
sys.path.insert(0, os.path.dirname(__file__))
from lab.dovecot import Dovecot  # noqa: E402
from sink import Sink  # noqa: E402

DRIVER = os.environ.get("REMEDIATION_DRIVER") or os.path.join(
    os.path.dirname(__file__), "..", "..", "build", "dev", "tests", "remediation", "remediation_driver")
SENDER = "spam@bad.test"


@pytest.fixture(scope="module")
def folder():
    path = tempfile.mkdtemp(prefix="mrrem")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def dovecot(folder):
    users = [f"u{n}@x.test" for n in range(8)]
    with Dovecot(os.path.join(folder, "dovecot"), users=users) as server:
        yield server


class Lab:
    """One gateway's remediation: its journal, its tracked messages, and a sink for forwards."""

    def __init__(self, folder, server):
        self.dir = tempfile.mkdtemp(dir=folder)
        self.server = server
        self.sink = Sink(os.path.join(self.dir, "accepted"))
        self.messages = []
        self.extra = {}
        self.imap = {"host": "localhost", "port": server.imaps_port, "ca_file": server.ca_file,
                     "master_user": server.master, "secret_file": server.secret_file}

    def close(self):
        self.sink.close()

    def message(self, name, recipients, body="Please pay at http://evil.test/now", subject="Invoice", tracked=True,
                message_id=None, headers="", deliver=True):
        message_id = message_id or f"<{name}.{os.path.basename(self.dir)}@bad.test>"
        text = (f"From: Spam <{SENDER}>\r\nTo: all@x.test\r\nSubject: {subject}\r\n"
                f"Date: Tue, 24 Nov 2026 04:00:00 +0000\r\nMessage-ID: {message_id}\r\n{headers}\r\n{body}\r\n")
        data = text.encode() if isinstance(text, str) else text
        if deliver:
            self.server.deliver_many([r for r in recipients if not r.startswith("undelivered")], data, SENDER)
        if tracked:
            path = os.path.join(self.dir, f"{name}.eml")
            with open(path, "wb") as f:
                f.write(data)
            self.messages.append({"mid": len(self.messages) + 1, "file": path, "message_id": message_id,
                                  "subject": subject, "envelope_from": SENDER, "recipients": recipients,
                                  "received": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")})
        return message_id

    def config(self):
        path = os.path.join(self.dir, "config.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"journal": os.path.join(self.dir, "journal.db"), "audit": os.path.join(self.dir, "audit.jsonl"),
                       "events": os.path.join(self.dir, "events"), "accepted": self.sink.accepted_file,
                       "log": os.path.join(self.dir, "log.jsonl"), "imap": self.imap,
                       "smtp": {"host": "127.0.0.1", "port": self.sink.port}, "messages": self.messages,
                       **self.extra}, f)
        return path

    def start(self, *args):
        return subprocess.Popen([DRIVER, self.config(), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def call(self, *args):
        process = self.start(*args)
        out, err = process.communicate(timeout=300)
        assert out, err.decode()
        return json.loads(out)

    def plan(self, action):
        return self.call("plan", action, ",".join(str(m["mid"]) for m in self.messages))

    def run(self, plan, key="key", to="soc@y.test"):
        return self.call("run", plan["id"], plan["hash"], key, to)

    def events(self):
        with open(os.path.join(self.dir, "events"), encoding="utf-8") as f:
            return [line.rstrip("\n").split("\t") for line in f]


@pytest.fixture
def lab(folder, dovecot):
    made = Lab(folder, dovecot)
    yield made
    made.close()


def receipts(batch):
    return {(r["mid"], r["recipient"]): r for r in batch["receipts"]}


def test_the_main_job(lab, dovecot):
    users = [f"u{n}@x.test" for n in range(4)]
    mid = lab.message("a", users + ["undelivered@x.test"])
    dovecot.flag("u0@x.test", mid, "\\Seen \\Answered")
    dovecot.move("u1@x.test", mid, "Pläne & 计划")
    dovecot.delete("u2@x.test", mid)
    plan = lab.plan("forward_and_delete")
    states = {i["recipient"]: i for i in plan["items"]}
    assert states["u0@x.test"]["state"] == "present" and states["u0@x.test"]["answered"]
    assert not states["u0@x.test"]["unread"] and states["u3@x.test"]["unread"]
    assert states["u1@x.test"]["state"] == "moved"
    assert states["u1@x.test"]["copies"][0]["folder"] == "Pläne & 计划"
    assert states["u2@x.test"]["state"] == "gone"
    assert states["undelivered@x.test"]["reason"] == "not_delivered"
    assert plan["mailboxes"] == 3 and plan["messages"] == 1
    batch = lab.run(plan)
    result = {k[1]: r for k, r in receipts(batch).items()}
    assert {u: r["result"] for u, r in result.items()} == {
        "u0@x.test": "removed", "u1@x.test": "moved_followed", "u2@x.test": "already_gone", "u3@x.test": "removed",
        "undelivered@x.test": "refused"}
    evidence = result["u1@x.test"]["evidence"]
    assert evidence["before"]["found"][0]["folder"] == "Pläne & 计划" and evidence["after"]["found"] == []
    assert "INBOX" in evidence["after"]["folders"] and evidence["after"]["folders_unreadable"] == []
    assert evidence["before"]["server"].endswith("Lab ready.")
    for user in users:
        assert all(m["message_id"] != mid for m in dovecot.list(user))
    assert len(lab.sink.letters) == 1
    letter = email.message_from_bytes(lab.sink.letters[0][2], policy=email.policy.default)
    attached = letter.get_payload()[1]
    assert attached.get_content_type() == "message/rfc822"
    assert attached.get_payload()[0]["Message-ID"] == mid
    assert letter["X-Mailreeve-Remediation"] and letter["To"] == "soc@y.test"
    assert all(r["forwarded"] for r in batch["receipts"])
    kinds = [kind for _, kind in lab.events()]
    assert kinds.count("removed") == 2 and kinds.count("moved_followed") == 1 and kinds.count("already_gone") == 1
    with open(os.path.join(lab.dir, "audit.jsonl"), encoding="utf-8") as f:
        entries = [json.loads(line) for line in f]
    assert [e["action"] for e in entries] == ["mail.remediate"] * 2 and entries[0]["actor"]["name"] == "Ann"
    # The same key again does nothing more.
    again = lab.run(plan)
    assert again["id"] == batch["id"] and len(lab.sink.letters) == 1


def test_b01_same_message_id_other_content(lab, dovecot):
    user = "u4@x.test"
    message_id = lab.message("bad", [user])
    lab.message("good", [user], body="Minutes of our meeting", tracked=False, message_id=message_id)
    plan = lab.plan("delete")
    assert plan["items"][0]["others_seen"] == 1
    batch = lab.run(plan, to="")
    assert batch["receipts"][0]["result"] == "removed"
    left = [m for m in dovecot.list(user) if m["message_id"] == message_id]
    assert len(left) == 1 and b"Minutes" in left[0]["message"]
    # The right one is gone now; the other one is told, not touched, and not called "gone".
    lab.extra = {}
    batch = lab.run(lab.plan("delete"), key="second", to="")
    assert batch["receipts"][0]["result"] == "refused" and batch["receipts"][0]["why"] == "digest_differs"
    assert len([m for m in dovecot.list(user) if m["message_id"] == message_id]) == 1


def test_copies_and_marked_mail_of_others(lab, dovecot):
    user = "u5@x.test"
    message_id = lab.message("copy", [user])
    lab.message("mine", [user], body="private", tracked=False, message_id="<mine@x.test>")
    session = dovecot.imap(user)
    session.create("Saved")
    session.select("INBOX")
    uid = session.uid("SEARCH", None, "HEADER", "Message-ID", f'"{message_id}"')[1][0]
    session.uid("COPY", uid, "Saved")
    mine = session.uid("SEARCH", None, "HEADER", "Message-ID", '"<mine@x.test>"')[1][0]
    session.uid("STORE", mine, "+FLAGS", "(\\Deleted)")
    session.logout()
    batch = lab.run(lab.plan("delete"), to="")
    assert batch["receipts"][0]["result"] == "removed"
    assert len(batch["receipts"][0]["evidence"]["removed"]) == 2
    left = dovecot.list(user)
    assert [m["message_id"] for m in left] == ["<mine@x.test>"] and "\\Deleted" in left[0]["flags"]


def test_odd_message_ids_and_bytes(lab, dovecot):
    user = "u6@x.test"
    lab.message("space", [user], message_id="<with space@bad.test>")
    lab.messages[-1]["message_id"] = "<withspace@bad.test>"
    lab.message("quote", [user], message_id='<a"b\\c)(@bad.test>')
    lab.message("eight", [user], body="Zahlen Sie jetzt: Übergröße 计划", subject="Grüße")
    lab.message("long", [user], body="x" * 3000)
    lab.message("none", [user], message_id="<drop>", deliver=False)
    with open(lab.messages[-1]["file"], "rb") as f:
        data = f.read().replace(b"Message-ID: <drop>\r\n", b"")
    with open(lab.messages[-1]["file"], "wb") as f:
        f.write(data)
    lab.messages[-1]["message_id"] = ""
    dovecot.deliver(user, data, SENDER)
    batch = lab.run(lab.plan("forward_and_delete"))
    assert [r["result"] for r in batch["receipts"]] == ["removed"] * 5
    assert dovecot.list(user) == []
    assert len(lab.sink.letters) == 5
    for _, _, letter in lab.sink.letters:
        parts = email.message_from_bytes(letter, policy=email.policy.default).get_payload()
        assert parts[1].get_content_type() == (
            "application/octet-stream" if b"octet-stream" in letter else "message/rfc822")


def test_wrong_secret_unknown_mailbox_and_stopped_server(folder):
    with Dovecot(os.path.join(folder, "second"), users=["a@x.test"]) as server:
        lab = Lab(folder, server)
        message_id = lab.message("m", ["a@x.test"])
        lab.messages[0]["recipients"] = ["a@x.test", "nobody@x.test"]
        secret = os.path.join(lab.dir, "wrong")
        with open(secret, "w", encoding="ascii") as f:
            f.write("wrong")
        right, lab.imap["secret_file"] = lab.imap["secret_file"], secret
        batch = lab.run(lab.plan("delete"), key="k1", to="")
        assert {r["why"] for r in batch["receipts"]} == {"login_refused"}
        assert {r["result"] for r in batch["receipts"]} == {"refused"}
        lab.imap["secret_file"] = right
        server.stop()
        plan = lab.plan("delete")
        assert {i["state"] for i in plan["items"]} == {"unreachable"}
        batch = lab.run(plan, key="k2", to="")
        assert {r["result"] for r in batch["receipts"]} == {"unreachable"}
        assert {r["attempts"] for r in batch["receipts"]} == {3}
        server.start()
        for style, security in (("separator", "tls"), ("authzid", "starttls")):
            lab.imap.update({"login_style": style, "security": security,
                             "port": server.imaps_port if security == "tls" else server.imap_port})
            batch = lab.run(lab.plan("delete"), key=style, to="")
            result = {r["recipient"]: r for r in batch["receipts"]}
            assert result["a@x.test"]["result"] == ("removed" if style == "separator" else "already_gone")
            assert result["nobody@x.test"]["why"] == "no_such_mailbox"
        assert message_id not in [m["message_id"] for m in server.list("a@x.test")]
        # A certificate of another authority is not trusted, and no secret is sent.
        lab.imap.update({"security": "tls", "port": server.imaps_port, "ca_file": ""})
        batch = lab.run(lab.plan("delete"), key="ca", to="")
        assert {r["result"] for r in batch["receipts"]} == {"refused"}
        lab.close()


def test_forward_refused_or_answer_lost(lab, dovecot):
    user = "u7@x.test"
    message_id = lab.message("f", [user])
    lab.sink.answer_data = b"554 5.7.1 no\r\n"
    batch = lab.run(lab.plan("forward_and_delete"), key="1")
    assert batch["receipts"][0]["result"] == "refused" and batch["receipts"][0]["why"] == "forward_not_accepted"
    assert [m["message_id"] for m in dovecot.list(user)] == [message_id]
    lab.sink.answer_data = b"250 2.0.0 Ok: queued as %s\r\n"
    # Kept, but the answer is lost: tracking tells.
    lab.sink.drop_after_data = 1
    lab.extra = {"forward_settle": 100}
    batch = lab.run(lab.plan("forward_and_delete"), key="2")
    assert batch["receipts"][0]["result"] == "removed" and batch["forwards"][0]["evidence"] == "tracking"
    assert len(lab.sink.letters) == 1
    # Where forwards are not tracked, nothing is sent twice and nothing deleted on a guess.
    lab.message("g", [user])
    lab.sink.drop_after_data = 1
    lab.extra = {"forward_settle": 100, "forwards_are_tracked": False}
    batch = lab.run(lab.plan("forward_and_delete"), key="3")
    second = receipts(batch)[(2, user)]
    assert second["result"] == "refused" and not second["forwarded"]
    assert len(lab.sink.letters) == 2 and len(dovecot.list(user)) == 1
    dovecot.delete(user, dovecot.list(user)[0]["message_id"])


def test_kill_at_any_instant(folder, dovecot):
    """E4: at least 20 kills; each message forwarded exactly once, each mailbox item with exactly one outcome."""
    users = [f"u{n}@x.test" for n in range(4)]
    kills = scenarios = 0
    generator = random.Random(20261124)
    stages = set()
    wanted = {"forward_intended", "remove_intended", "removed"}
    # On a busy machine a step can be over before it is seen: some more rounds, but not without end.
    while kills < 24 or (not wanted <= stages and kills < 72):
        scenarios += 1
        lab = Lab(folder, dovecot)
        lab.sink.slow = 0.08
        lab.extra = {"forward_settle": 1500, "retry_delay": 50}
        ids = [lab.message(f"k{n}", users) for n in range(2)]
        plan = lab.plan("forward_and_delete")
        assert plan["mailboxes"] == 4 and plan["messages"] == 2
        batch = None
        killed_here = 0
        while batch is None:
            process = lab.start("run", plan["id"], plan["hash"], "once", "soc@y.test")
            # Each scenario is killed some times, then left to end.
            if killed_here < len(TARGETS) and kill_after(lab, process, TARGETS[killed_here], generator):
                kills += 1
                killed_here += 1
                stages.add(TARGETS[killed_here - 1])
                continue
            out, err = process.communicate(timeout=240)
            assert process.returncode == 0, (out, err)
            batch = json.loads(out)
        message_ids = [next(l for l in body.split(b"\r\n") if l.lower().startswith(b"message-id:"))
                       for _, _, body in lab.sink.letters]
        assert len(message_ids) == 2 and len(set(message_ids)) == 2, f"scenario {scenarios}: {message_ids}"
        assert len(batch["receipts"]) == 8
        assert {r["result"] for r in batch["receipts"]} == {"removed"}, [
            (r["result"], r["why"], r["detail"]) for r in batch["receipts"]]
        assert all(r["forwarded"] for r in batch["receipts"])
        for user in users:
            assert not [m for m in dovecot.list(user) if m["message_id"] in ids]
        keys = [key for key, _ in lab.events()]
        assert len(keys) == len(set(keys)) == 24  # started, forwarded, removed for each of 8
        lab.close()
    print(f"{kills} kills over {scenarios} scenarios, after steps {sorted(stages)}")
    assert kills >= 20 and wanted <= stages


def steps(lab):
    """Names of the steps in the journal, in order."""
    with contextlib.closing(sqlite3.connect(os.path.join(lab.dir, "journal.db"), timeout=30)) as journal:
        return ["start"] + [row[0] for row in journal.execute("SELECT name FROM step ORDER BY id")]


# Steps after which the program is killed, in the order of a scenario.
TARGETS = ["forward_intended", "forward_intended", "forward_accepted", "attempt", "remove_intended", "remove_intended",
           "removed", "done", "events_recorded", "remove_intended"]


def kill_after(lab, process, target, generator):
    """Kills it some milliseconds after it wrote one more step of that name; False when it ended by itself."""
    goal = steps(lab).count(target) + 1
    until = time.monotonic() + 30
    while process.poll() is None and steps(lab).count(target) < goal and time.monotonic() < until:
        time.sleep(0.002)
    time.sleep(generator.choice([0, 0, 0.005, 0.02, 0.08, 0.2]))
    if process.poll() is not None:
        return False
    process.kill()
    process.communicate()
    return True
