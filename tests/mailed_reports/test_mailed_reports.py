"""Reports by mail, with the real gateway: once for each period, through refusals, kill -9 and restarts."""
import datetime
import email
import email.policy
import json
import pathlib
import shutil
import socketserver
import subprocess
import tempfile
import threading

import pytest

from lab import util
from lab.mailreeve import Gateway


class MailServer(socketserver.ThreadingTCPServer):
    """Takes letters over SMTP; answers `refusals` of them with 451 first, or hangs up instead of answering."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, refusals=0, hang_ups=0):
        super().__init__(("127.0.0.1", 0), Session)
        self.refusals, self.hang_ups = refusals, hang_ups
        self.letters = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 mail.corp.example\r\n")
        recipients = []
        for line in self.rfile:
            word = line.strip().upper()
            if word.startswith(b"RCPT"):
                recipients.append(line.strip().decode())
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                letter = b""
                while not letter.endswith(b"\r\n.\r\n"):
                    letter += self.rfile.readline()
                if self.server.refusals > 0:
                    self.server.refusals -= 1
                    self.wfile.write(b"451 4.3.0 later\r\n")
                    continue
                self.server.letters.append((recipients, email.message_from_bytes(letter[:-3], policy=email.policy.default)))
                if self.server.hang_ups > 0:
                    self.server.hang_ups -= 1
                    return
                self.wfile.write(b"250 2.0.0 Ok: queued as 4F0C2A\r\n")
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


@pytest.fixture
def folder():
    """One that the unprivileged user of the gateway may reach."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="mailreeve-reports-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def make_gateway(folder, server, days_back, **settings):
    gateway = Gateway(folder, "gateway.corp.example", settings={
        "reporting.daily": True, "reporting.hour": 0, "reporting.recipients": ["admin@corp.example", "boss@corp.example"],
        "reporting.smtp_port": server.port, "reporting.retry_delay": 300, **settings})
    gateway.state.mkdir(exist_ok=True)
    since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days_back)
    (gateway.state / "mailed-reports.json").write_text(
        json.dumps({"since": since.strftime("%Y-%m-%dT00:00:01.000Z"), "daily": [], "weekly": []}))
    return gateway


def days_marked(gateway):
    """The days that the gateway knows to be sent; after a letter was taken, its answer is still under way."""
    return json.loads((gateway.state / "mailed-reports.json").read_text())["daily"]


def test_each_day_is_sent_once(folder):
    server = MailServer(refusals=2)
    gateway = make_gateway(folder / "gateway", server, 3)
    with gateway:
        util.wait_for("three days to be marked", lambda: len(days_marked(gateway)) == 3, 60)
    gateway.start()
    gateway.kill()
    # The oldest is sent first: once the newest, made due again, has come, nothing else was due.
    marks_file = gateway.state / "mailed-reports.json"
    marks = json.loads(marks_file.read_text())
    marks["daily"].pop()
    marks_file.write_text(json.dumps(marks))
    with gateway:
        util.wait_for("the newest day to be marked again", lambda: len(days_marked(gateway)) == 3, 60)
    ids = [letter["Message-ID"] for _, letter in server.letters]
    assert len(ids) == 4 and len(set(ids)) == 3 and ids[3] == ids[2]
    recipients, letter = server.letters[0]
    assert recipients == ["RCPT TO:<admin@corp.example>", "RCPT TO:<boss@corp.example>"]
    assert letter["Auto-Submitted"] == "auto-generated"
    types = [part.get_content_type() for part in letter.walk()]
    assert types[:4] == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html"]
    assert types.count("application/pdf") == 1 and types.count("text/csv") == 10
    pdf = next(p for p in letter.walk() if p.get_content_type() == "application/pdf").get_payload(decode=True)
    shown = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True).stdout.decode()
    assert "Daily mail report" in shown and "gateway.corp.example" in shown
    marks = json.loads((gateway.state / "mailed-reports.json").read_text())
    assert len(marks["daily"]) == 3 and marks["daily"] == sorted(marks["daily"])


def test_a_lost_answer_is_sent_again_under_the_same_id(folder):
    server = MailServer(hang_ups=1)
    with make_gateway(folder / "gateway", server, 1, **{"reporting.language": "zh-CN", "reporting.formats": ["html"]}) as gateway:
        util.wait_for("the day to be marked", lambda: len(days_marked(gateway)) == 1, 60)
    first, second = (letter for _, letter in server.letters)
    assert first["Message-ID"] == second["Message-ID"]
    assert "邮件日报" in first["Subject"]
    assert [p.get_content_type() for p in first.walk()][1:] == ["multipart/alternative", "text/plain", "text/html"]


@pytest.mark.parametrize("settings, text", [
    ({"reporting.reports": ["mail_nothing"]}, "there is no report 'mail_nothing'"),
    ({"reporting.recipients": ["Admin <a@b>"]}, "is no plain mail address"),
])
def test_a_wrong_setting_is_named(folder, settings, text):
    gateway = Gateway(folder / "gateway", "gateway.corp.example", settings=settings)
    with pytest.raises(RuntimeError, match=text):
        gateway.start()
