"""The whole product, small: one response, one gateway with its own Postfix and Dovecot, registered.

    with Stack(folder, users=4) as stack:
        stack.send("a@sender.example", [stack.users[0]], b"Subject: hi\r\n\r\nhello\r\n")

Command line: `python3 -m lab.stack --dir D [--campaign]` prints one JSON line (addresses, users, passwords, files) and runs
until standard input closes.
"""
import argparse
import datetime
import json
import os
import pathlib
import shutil
import smtplib
import sys
import tempfile

from . import campaign, util
from .dovecot import Dovecot
from .mailreeve import Gateway, Response
from .postfix import Postfix


class Stack:
    def __init__(self, folder=None, users=4, domain="corp.example", name="gateway-1", settings=None, register=True, build=None,
                 response=None):
        self.made = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="mailreeve-stack-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        os.chmod(self.folder, 0o755)
        self.domain = domain
        self.users = [f"user{n:02}@{domain}" for n in range(1, users + 1)]
        self.soc = f"soc@{domain}"
        self.own_response = response is None
        self.response = response or Response(self.folder / "response", build=build)
        self.dovecot = Dovecot(str(self.folder / "dovecot"), users=self.users + [self.soc])
        (self.smtp_port,) = util.free_ports(1)
        self.settings = {"mail.internal_domains": [domain], "remediation.forward_address": self.soc,
                         "remediation.attempts": 2, "remediation.retry_delay": 300, **(settings or {})}
        self.name, self.register, self.build = name, register, build
        self.gateway = self.postfix = self.admin = self.device_id = None

    def start(self):
        try:
            if self.own_response:
                self.response.start()
            self.dovecot.start()
            log = self.folder / "postfix" / "log" / "maillog"
            secret = self.folder / "gateway" / "master.secret"
            self.gateway = Gateway(
                self.folder / "gateway", self.name, mta_log=log, response=self.response,
                imap={"imap_host": "localhost", "imap_port": self.dovecot.imaps_port, "ca_file": self.dovecot.ca_file,
                      "master_user": self.dovecot.master, "master_separator": "*", "master_password_file": str(secret)},
                smtp_port=self.smtp_port, settings=self.settings, build=self.build)
            shutil.copy(self.dovecot.secret_file, secret)
            self.gateway.start()
            self.postfix = Postfix(str(self.folder / "postfix"), smtp_port=self.smtp_port, milters=[self.gateway.milter],
                                   domains=[self.domain], lmtp=("127.0.0.1", self.dovecot.lmtp_port), log_path=str(log),
                                   hostname=f"mx.{self.domain}")
            self.postfix.start()
            self.admin = self.response.sign_in()
            if self.register:
                self.device_id = self.gateway.register(self.admin)["device_id"]
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        for part in (self.postfix, self.gateway, self.dovecot, self.response if self.own_response else None):
            if part is not None:
                part.stop()
        if self.made:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def send(self, sender, recipients, raw):
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=120) as smtp:
            smtp.ehlo("sender.example")
            return smtp.sendmail(sender, recipients, raw)

    def track(self, *arguments):
        """Messages of `mailreeve track`."""
        return json.loads(self.gateway.cli("--json", "track", *arguments).stdout)["messages"]

    def wait_delivered(self, events):
        """Waits until so many delivery events are recorded."""
        util.wait_for(f"{events} delivery events",
                      lambda: self.gateway.api().get("/v1/status")["delivery"]["events"] >= events, 60)

    def describe(self):
        return {
            "folder": str(self.folder), "url": self.response.url, "ca_file": str(self.response.ca_file),
            "user": self.response.admin[0], "password": self.response.admin[1], "users": self.users, "soc": self.soc,
            "device_id": self.device_id, "admin_socket": str(self.gateway.socket), "smtp_port": self.smtp_port,
            "dovecot": self.dovecot.describe(),
        }


def plant(stack):
    """A campaign over all users: one mail to the first, one to the rest; the second user has moved his copy."""
    now = datetime.datetime.now(datetime.timezone.utc)
    for number, recipients in enumerate((stack.users[:1], stack.users[1:])):
        sender, raw = campaign.message(number, recipients, now)
        stack.send(sender, recipients, raw)
        if number == 1:
            import email
            message_id = email.message_from_bytes(raw)["Message-ID"]
    stack.send("friend@partner.example", [stack.users[0]], b"Subject: lunch\r\nMessage-ID: <lunch@partner.example>\r\n\r\nAt noon?\r\n")
    stack.wait_delivered(len(stack.users) + 1)
    stack.dovecot.move(stack.users[1], message_id, "Archive")


def main():
    parser = argparse.ArgumentParser(prog="lab.stack")
    parser.add_argument("--dir")
    parser.add_argument("--users", type=int, default=4)
    parser.add_argument("--campaign", action="store_true")
    options = parser.parse_args()
    with Stack(options.dir, options.users) as stack:
        if options.campaign:
            plant(stack)
        print(json.dumps(stack.describe()), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
