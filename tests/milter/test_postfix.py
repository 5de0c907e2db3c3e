"""Each action of the milter as a real Postfix carries it out, and what the log follower makes of its log."""

import smtplib

import pytest

SENDER = "s@example.org"


def mail(*actions, extra=b"", body=b"text\r\n"):
    fields = b"".join(b"X-Action: %s\r\n" % action.encode() for action in actions)
    return b"From: s@example.org\r\nSubject: hello\r\nX-Delete: me\r\n" + extra + fields + b"\r\n" + body


@pytest.fixture(autouse=True)
def fresh(lab):
    # What an earlier test sent must not reach the sink while this one looks.
    lab.mta.wait_until_empty()
    lab.milter.clear()
    while not lab.sink.messages.empty():
        lab.sink.messages.get()
    yield


def send(lab, message, recipients=("b@corp.test",), sender=SENDER):
    return lab.mta.send(sender, list(recipients), message)


def test_what_a_message_carries(lab):
    raw = mail(extra=b"X-Fold: one\r\n\ttwo\r\nX-Tight:x\r\nX-Empty:\r\nX-8bit: \xe4\r\n", body=b".dot\r\n\r\n\x00nul \xff\r\nlast\r\n")
    send(lab, raw, ["b@corp.test", "c@corp.test"])
    seen = lab.milter.next("message")
    # Postfix's own Received field is not shown to milters; all else is, byte for byte, and so it is delivered.
    head, _, body = seen["raw"].partition(b"\r\n\r\n")
    sent_head, _, sent_body = raw.partition(b"\r\n\r\n")
    for line in sent_head.split(b"\r\n"):
        assert line in head.split(b"\r\n"), line
    assert body == sent_body
    delivered = lab.sink.next()["raw"]
    assert delivered.partition(b"\r\n\r\n")[2] == sent_body
    assert seen["from"] == "<s@example.org>"
    assert seen["recipients"] == ["<b@corp.test>", "<c@corp.test>"]
    assert seen["address"] == "127.0.0.1" and seen["port"] > 0
    assert seen["helo"] == "client.test"
    assert seen["mta_host"] == "mta.test" and "Postfix" in seen["mta_version"]
    assert seen["daemon_name"] == "mta.test" and seen["daemon_address"] == "127.0.0.1"
    assert seen["client_ptr"] and seen["client_name"]
    lab.mta.wait_for_log(seen["queue_id"])
    assert seen["tls_version"] == "" and seen["auth_authen"] == ""


@pytest.mark.parametrize("action,code,text", [
    ("reject", 550, b"5.7.1"), ("tempfail", 451, b"4.7.1"), ("reply", 554, b"5.7.9 100% refused  QUIT"), ("reply-421", 421, b"4.7.9"),
    ("throw", 451, b"4.7.1"), ("bad-header", 451, b"4.7.1")])
def test_refusals_of_a_message(lab, action, code, text):
    with pytest.raises((smtplib.SMTPDataError, smtplib.SMTPServerDisconnected)) as refused:
        send(lab, mail(action))
    assert refused.value.smtp_code == code and text in refused.value.smtp_error
    lab.mta.wait_until_empty()
    assert lab.sink.messages.empty()


@pytest.mark.parametrize("action,code", [("reject", 550), ("tempfail", 451), ("reply", 554)])
def test_refusals_in_the_envelope(lab, action, code):
    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        send(lab, mail(), sender=f"{action}@example.org")
    assert refused.value.smtp_code == code
    # One recipient is refused, the other is not.
    refused = send(lab, mail(), [f"{action}@corp.test", "b@corp.test"])
    assert refused[f"{action}@corp.test"][0] == code
    assert lab.milter.next("message")["recipients"] == ["<b@corp.test>"]
    assert lab.sink.next()["recipients"] == ["b@corp.test"]


def test_discard(lab):
    send(lab, mail("discard"))
    lab.milter.next("message")
    send(lab, mail(), ["discard@corp.test"])
    send(lab, mail(), ["d@corp.test"])
    assert lab.sink.next()["recipients"] == ["d@corp.test"]
    # The sink has the message before Postfix has taken it out of its queue.
    lab.mta.wait_until_empty()


def test_quarantine(lab):
    send(lab, mail("quarantine"))
    queue_id = lab.milter.next("message")["queue_id"]
    held = [one for one in lab.mta.queue() if one["queue_id"] == queue_id]
    assert [one["queue_name"] for one in held] == ["hold"]
    lab.mta.wait_for_log(f"{queue_id}: milter-hold: END-OF-MESSAGE")
    lab.mta.delete(queue_id)


def test_changes(lab):
    send(lab, mail("add-header", "insert-header", "change-header", "delete-header", "replace-body", "change-sender",
                   "add-recipient", "delete-recipient"), ["b@corp.test", "c@corp.test"])
    got = [lab.sink.next()]
    while len({r for one in got for r in one["recipients"]}) < 2:
        got.append(lab.sink.next())
    assert sorted(r for one in got for r in one["recipients"]) == ["added@corp.test", "c@corp.test"]
    raw = got[0]["raw"]
    assert b"\r\nX-Added: at the end\r\n" in raw
    assert b"X-Inserted: first\r\n\tfolded\r\n" in raw
    assert raw.index(b"X-Inserted") < raw.index(b"From: s@example.org")
    assert b"Subject: changed\r\n" in raw and b"hello" not in raw
    assert b"X-Delete" not in raw
    assert raw.endswith(b"\r\n\r\na new body\r\n")
    assert got[0]["sender"] == "changed@example.org"


def test_many_messages_on_one_connection_and_aborts(lab):
    with smtplib.SMTP("127.0.0.1", lab.mta.smtp_port, local_hostname="client.test", timeout=120) as smtp:
        smtp.sendmail(SENDER, ["b@corp.test"], mail())
        first = lab.milter.next("message")
        smtp.mail(SENDER)
        smtp.rcpt("b@corp.test")
        smtp.rset()  # Postfix keeps the abort until it has more to say
        smtp.sendmail(SENDER, ["c@corp.test"], mail())
        assert lab.milter.next("abort")["stage"] == "rcpt"
        second = lab.milter.next("message")
        assert second["recipients"] == ["<c@corp.test>"]
        assert (first["connection"], second["index"]) == (second["connection"], first["index"] + 2)
        smtp.mail(SENDER)
        smtp.rcpt("b@corp.test")
        smtp.docmd("DATA")
        smtp.send(b"Subject: cut\r\n")
        smtp.close()
    assert not lab.milter.next("abort")["answer_lost"]


def test_slow_answer_is_waited_for(lab):
    send(lab, mail("sleep-1500"))
    assert lab.sink.next()["recipients"] == ["b@corp.test"]


def test_over_the_limit(lab):
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(lab, mail(body=b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 5000))
    assert refused.value.smtp_code == 451


def test_many_headers_and_long_lines(lab):
    many = b"".join(b"X-%d: y\r\n" % i for i in range(20000))
    send(lab, mail(extra=many))
    assert lab.milter.next("message")["raw"].count(b"\r\nX-") >= 20000
    send(lab, mail(body=b"z" * 200000 + b"\r\n"))
    assert b"\r\n" + b"z" * 200000 + b"\r\n" in lab.milter.next("message")["raw"]


def test_what_became_of_it(lab):
    everyone = ["ok@corp.test", "bounce@corp.test", "defer@corp.test", "list@corp.test"]
    send(lab, mail(), everyone)
    queue_id = lab.milter.next("message")["queue_id"]
    seen = {}
    while len(seen) < 4:
        event = lab.milter.next("delivered", "bounced", "deferred")
        if event["recipient"] in everyone:  # not what is still told of earlier tests
            seen.setdefault(event["recipient"], []).append(event)
    assert {who: events[0]["event"] for who, events in seen.items()} == {
        "ok@corp.test": "delivered", "bounce@corp.test": "bounced", "defer@corp.test": "deferred", "list@corp.test": "delivered"}
    delivered = seen["ok@corp.test"][0]
    assert delivered["dsn"] == "2.0.0" and delivered["detail"] == "250 2.0.0 <ok@corp.test> saved"
    assert delivered["relay"].startswith("127.0.0.1[127.0.0.1]:")
    assert "5.1.1 no such user" in seen["bounce@corp.test"][0]["detail"]
    assert seen["defer@corp.test"][0]["dsn"] == "4.2.1"
    assert queue_id in lab.mta.log_text()
    lab.mta.delete(queue_id)
