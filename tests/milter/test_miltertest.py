"""The milter as miltertest, a mail server of its own kind, sees it."""

import shutil
import subprocess
import tempfile

import pytest

pytestmark = pytest.mark.skipif(not shutil.which("miltertest"), reason="miltertest is not installed")

PRELUDE = """
function must(what, failure)
  if failure ~= nil then error(what .. ": " .. tostring(failure)) end
end
function reply_is(what, want)
  local got = mt.getreply(conn)
  if got ~= want then error(what .. ": reply " .. tostring(got) .. ", not " .. tostring(want)) end
end
function begin(version, actions, steps)
  conn = mt.connect(address)
  if conn == nil then error("connect") end
  if version ~= nil then must("negotiate", mt.negotiate(conn, version, actions, steps)) end
  must("conninfo", mt.conninfo(conn, "mx.example.org", "192.0.2.1"))
  must("helo", mt.helo(conn, "helo.example.org"))
  reply_is("helo", SMFIR_CONTINUE)
end
function envelope(queue_id)
  must("macro", mt.macro(conn, SMFIC_MAIL, "i", queue_id))
  must("mail", mt.mailfrom(conn, "<s@example.org>", "SIZE=10"))
  must("rcpt", mt.rcptto(conn, "<b@corp.test>"))
end
function message(queue_id, action)
  envelope(queue_id)
  must("header", mt.header(conn, "Subject", "hello"))
  must("header", mt.header(conn, "X-Delete", "me"))
  if action ~= nil then must("header", mt.header(conn, "X-Action", action)) end
  must("eoh", mt.eoh(conn))
  must("body", mt.bodystring(conn, "text\\r\\n"))
  must("eom", mt.eom(conn))
end
"""


def run(address, script):
    host = address.split(":")
    where = f"inet:{host[2]}@{host[1]}" if host[0] == "inet" else address
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(PRELUDE + script)
        file.flush()
        done = subprocess.run(["miltertest", "-D", f"address={where}", "-s", file.name], text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def local(milter, tmp_path):
    one = milter("--listen", "inet:127.0.0.1:0", "--listen", f"unix:{tmp_path}/sock")
    one.tcp, one.unix = one.addresses
    return one


def test_accept_over_tcp_and_unix(local):
    for address in (local.tcp, local.unix):
        run(address, 'begin() message("Q1") reply_is("eom", SMFIR_ACCEPT) mt.disconnect(conn)')
        seen = local.next("message")
        assert seen["raw"] == b"Subject: hello\r\nX-Delete: me\r\n\r\ntext\r\n"
        assert (seen["queue_id"], seen["from"], seen["recipients"]) == ("Q1", "<s@example.org>", ["<b@corp.test>"])
        assert (seen["address"], seen["host_name"], seen["helo"]) == ("192.0.2.1", "mx.example.org", "helo.example.org")


@pytest.mark.parametrize("action,reply", [
    ("reject", "SMFIR_REJECT"), ("tempfail", "SMFIR_TEMPFAIL"), ("discard", "SMFIR_DISCARD"), ("reply", "SMFIR_REPLYCODE"),
    ("throw", "SMFIR_TEMPFAIL"), ("bad-header", "SMFIR_TEMPFAIL")])
def test_answers_at_the_end(local, action, reply):
    run(local.tcp, f'begin() message("Q1", "{action}") reply_is("eom", {reply}) mt.disconnect(conn)')


@pytest.mark.parametrize("action,check", [
    ("add-header", 'MT_HDRADD, "X-Added", " at the end"'), ("insert-header", 'MT_HDRINSERT, "X-Inserted"'),
    ("change-header", 'MT_HDRCHANGE, "Subject", " changed"'), ("delete-header", 'MT_HDRDELETE, "X-Delete"'),
    ("replace-body", 'MT_BODYCHANGE, "a new body\\r\\n"'), ("add-recipient", 'MT_RCPTADD, "<added@corp.test>"'),
    ("delete-recipient", 'MT_RCPTDELETE, "<b@corp.test>"'), ("quarantine", 'MT_QUARANTINE, "asked to"')])
def test_changes(local, action, check):
    run(local.tcp, f'begin() message("Q1", "{action}") '
                   f'if not mt.eom_check(conn, {check}) then error("not asked for") end mt.disconnect(conn)')


def test_negotiation(local):
    script = """
begin()
for _, step in ipairs({SMFIP_NR_CONN, SMFIP_NR_HELO, SMFIP_NR_MAIL, SMFIP_NR_RCPT, SMFIP_NR_HDR, SMFIP_NR_EOH, SMFIP_NR_BODY,
                       SMFIP_NODATA, SMFIP_NOUNKNOWN, SMFIP_SKIP, SMFIP_HDR_LEADSPC}) do
  if not mt.test_option(conn, step) then error("step " .. step .. " is not asked for") end
end
for _, step in ipairs({SMFIP_NOCONNECT, SMFIP_NOHELO, SMFIP_NOMAIL, SMFIP_NORCPT, SMFIP_NOHDRS, SMFIP_NOBODY, SMFIP_RCPT_REJ}) do
  if mt.test_option(conn, step) then error("step " .. step .. " is asked for") end
end
if not mt.test_action(conn, SMFIF_QUARANTINE) then error("quarantine") end
mt.disconnect(conn)
"""
    run(local.tcp, script)


def test_old_mail_server(local):
    """Version 2 without any step left out: an answer at each."""
    run(local.tcp, """
begin(2, SMFIF_ADDHDRS + SMFIF_CHGBODY, 0)
if mt.test_action(conn, SMFIF_QUARANTINE) then error("quarantine was not offered") end
if mt.test_option(conn, SMFIP_NR_HDR) then error("NR_HDR was not offered") end
message("Q2")
reply_is("eom", SMFIR_ACCEPT)
mt.disconnect(conn)
begin(2, SMFIF_ADDHDRS, 0)
message("Q3", "quarantine")
reply_is("eom", SMFIR_TEMPFAIL)
mt.disconnect(conn)
""")


def test_many_messages_aborts_and_sudden_ends(local):
    run(local.unix, """
begin()
message("Q1")
reply_is("eom", SMFIR_ACCEPT)
envelope("Q2")
must("abort", mt.abort(conn))
message("Q3")
reply_is("eom", SMFIR_ACCEPT)
envelope("Q4")
must("header", mt.header(conn, "Subject", "cut"))
mt.disconnect(conn, false)
""")
    assert local.next("message")["queue_id"] == "Q1"
    abort = local.next("abort")
    assert (abort["queue_id"], abort["stage"], abort["disconnected"]) == ("Q2", "rcpt", False)
    assert local.next("message")["queue_id"] == "Q3"
    abort = local.next("abort")
    assert (abort["queue_id"], abort["stage"], abort["disconnected"]) == ("Q4", "header", True)


STAGES = {
    "connect": 'must("negotiate", mt.negotiate(conn, nil, nil, nil)) must("c", mt.conninfo(conn, "{0}.example.org", "192.0.2.1"))',
    "helo": 'begin_quietly() must("h", mt.helo(conn, "{0}.example.org"))',
    "mail": 'begin_quietly() must("h", mt.helo(conn, "x")) must("m", mt.mailfrom(conn, "<{0}@example.org>"))',
    "rcpt": 'begin_quietly() must("h", mt.helo(conn, "x")) must("m", mt.mailfrom(conn, "<a@example.org>")) '
            'must("r", mt.rcptto(conn, "<{0}@corp.test>"))',
    "unknown": 'begin_quietly() must("u", mt.unknown(conn, "{0} me"))',
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("action,reply", [
    ("continue", "SMFIR_CONTINUE"), ("accept", "SMFIR_ACCEPT"), ("reject", "SMFIR_REJECT"), ("tempfail", "SMFIR_TEMPFAIL"),
    ("discard", "SMFIR_DISCARD"), ("reply", "SMFIR_REPLYCODE")])
def test_actions_at_stages(milter, stage, action, reply):
    one = milter("--listen", "inet:127.0.0.1:0", "--stages", "all")
    if action == "discard" and stage in ("connect", "helo", "unknown"):
        reply = "SMFIR_TEMPFAIL"  # there is nothing to discard: the failure mode
    run(one.addresses[0], """
function begin_quietly()
  must("negotiate", mt.negotiate(conn, nil, nil, nil))
  must("conninfo", mt.conninfo(conn, "mx.example.org", "192.0.2.1"))
end
conn = mt.connect(address)
""" + STAGES[stage].format(action) + f' reply_is("{stage}", {reply}) mt.disconnect(conn)')
