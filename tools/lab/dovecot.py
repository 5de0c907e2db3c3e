"""A private Dovecot for tests, rehearsals and the demonstration.

Everything lies in one folder and listens on free loopback ports: IMAP over TLS with a certificate authority made on the
spot, plain IMAP (STARTTLS) and LMTP. It runs without privileges: as whoever calls, or as `nobody` when root calls.
Stopped by process id; the mail stays, so that a stopped server can be started again.

    with Dovecot(folder, users=["a@example.test"]) as server:
        server.deliver("a@example.test", b"Subject: hello\r\n\r\nhi\r\n")
        server.list("a@example.test")

Command line: `python3 -m lab.dovecot --dir D --users a@x,b@y` prints one JSON line that names ports, users, passwords,
certificate authority and process ids, and runs until its standard input closes.
"""
import argparse
import base64
import grp
import imaplib
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time

try:
    from .ports import free_ports
except ImportError:  # run as a program
    from ports import free_ports

HOST = "127.0.0.1"
SEPARATOR = "*"

CONFIG = """\
base_dir = {run}
state_dir = {dir}/state
log_path = {dir}/dovecot.log
info_log_path = {dir}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
instance_name = mailreeve-lab
login_greeting = {greeting}
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
default_process_limit = 200
default_vsz_limit = 1G
auth_mechanisms = plain login
auth_master_user_separator = {separator}
auth_username_format = %Lu
auth_failure_delay = 0
disable_plaintext_auth = {tls_only}
ssl = {ssl}
ssl_cert = <{dir}/tls/server.pem
ssl_key = <{dir}/tls/server.key
mail_location = {location}
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 0
mail_access_groups =
mail_max_userip_connections = 200
lda_mailbox_autocreate = yes
recipient_delimiter = +
postmaster_address = postmaster@localhost
hostname = localhost
lmtp_save_to_detail_mailbox = no
lmtp_rcpt_check_quota = no
mail_fsync = never
{extra}
namespace inbox {{
  inbox = yes
  mailbox Junk {{
    auto = subscribe
    special_use = \\Junk
  }}
  mailbox Trash {{
    auto = subscribe
    special_use = \\Trash
  }}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/master
  master = yes
  result_success = continue
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {dir}/users
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 0
  process_limit = 4
  client_limit = 500
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 200
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0600
  }}
}}
protocol lmtp {{
  mail_plugins =
  auth_username_format = %Lu
}}
"""


def children_of(pid):
    """Process ids of all descendants."""
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        try:
            tasks = os.listdir(f"/proc/{parent}/task")
        except OSError:
            continue
        for task in tasks:
            try:
                with open(f"/proc/{parent}/task/{task}/children", encoding="ascii") as f:
                    kids = [int(k) for k in f.read().split()]
            except OSError:
                continue
            found += kids
            todo += kids
    return found


def utf7(name):
    """Modified UTF-7 of a mailbox name (RFC 3501 section 5.1.3)."""
    out, wide = [], []

    def flush():
        if wide:
            coded = base64.b64encode("".join(wide).encode("utf-16-be")).decode().rstrip("=")
            out.append("&" + coded.replace("/", ",") + "-")
            wide.clear()

    for c in name:
        if " " <= c <= "~":
            flush()
            out.append("&-" if c == "&" else c)
        else:
            wide.append(c)
    flush()
    return "".join(out)


def quoted(name):
    return '"' + utf7(name).replace("\\", "\\\\").replace('"', '\\"') + '"'


class Dovecot:
    """`users` are addresses. `layout` is "maildir" or "mdbox". `extra` goes into the configuration as it is."""

    def __init__(self, directory, users=(), master="mailreeve", layout="maildir", extra="", greeting="Lab ready.",
                 plain=False):
        self.dir = os.path.abspath(directory)
        self.master, self.layout, self.extra, self.greeting = master, layout, extra, greeting
        self.plain = plain  # allow a log-in without TLS
        self.user_list = [u.lower() for u in users]
        self.process = None
        self.run_dir = None
        self.imap_port = self.imaps_port = self.lmtp_port = 0
        root = os.geteuid() == 0
        self.account = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.geteuid())
        self.group = grp.getgrgid(self.account.pw_gid).gr_name
        self.drop = root

    # Life

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def ca_file(self):
        return os.path.join(self.dir, "tls", "ca.pem")

    @property
    def secret_file(self):
        return os.path.join(self.dir, "master.secret")

    @property
    def log_file(self):
        return os.path.join(self.dir, "dovecot.log")

    def start(self):
        if self.process:
            return
        self._check_reachable()
        for folder in ("", "tls", "mail", "state"):
            self._folder(os.path.join(self.dir, folder))
        if not os.path.exists(self.ca_file):
            self._make_certificates()
        self.password = self._secret("user.secret")
        self.master_password = self._secret("master.secret")
        self._write("master", f"{self.master}:{{PLAIN}}{self.master_password}\n")
        self._write_users()
        if not self.imap_port:
            self.imap_port, self.imaps_port, self.lmtp_port = free_ports(3)
        # Socket paths are short of 108 bytes, so the run folder lies in /tmp whatever the length of ours.
        self.run_dir = tempfile.mkdtemp(prefix="mrdov", dir="/tmp")
        os.chown(self.run_dir, self.account.pw_uid, self.account.pw_gid)
        os.chmod(self.run_dir, 0o755)
        config = os.path.join(self.dir, "dovecot.conf")
        location = {"maildir": "maildir:~/Maildir", "mdbox": "mdbox:~/mdbox"}[self.layout]
        self._write("dovecot.conf", CONFIG.format(
            dir=self.dir, run=self.run_dir, greeting=self.greeting, user=self.account.pw_name, group=self.group,
            uid=self.account.pw_uid, gid=self.account.pw_gid, separator=SEPARATOR, location=location,
            imap=self.imap_port, imaps=self.imaps_port, lmtp=self.lmtp_port, extra=self.extra,
            tls_only="no" if self.plain else "yes", ssl="yes"))
        who = {}
        if self.drop:
            who = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        with open(os.path.join(self.dir, "start.log"), "ab") as out:
            self.process = subprocess.Popen(["dovecot", "-F", "-c", config], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, start_new_session=True, cwd=self.dir,
                                            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, **who)
        try:
            self._wait_ready()
        except Exception:
            self.stop()
            raise

    def stop(self):
        if not self.process:
            return
        kids = children_of(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in kids:
            if self._is_ours(pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
        self.process = None
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def pids(self):
        return [self.process.pid] + children_of(self.process.pid) if self.process else []

    def add_user(self, user):
        self.user_list.append(user.lower())
        self._write_users()

    def describe(self):
        return {"host": HOST, "imap_port": self.imap_port, "imaps_port": self.imaps_port, "lmtp_port": self.lmtp_port,
                "users": self.user_list, "user_password": self.password, "master_user": self.master,
                "master_separator": SEPARATOR, "master_secret_file": self.secret_file, "ca_file": self.ca_file,
                "dir": self.dir, "pid": self.process.pid if self.process else None, "pids": self.pids()}

    # Mail

    def deliver(self, user, message, sender="sender@example.test"):
        """By LMTP; Dovecot adds Return-Path and Delivered-To."""
        self.deliver_many([user], message, sender)

    def deliver_many(self, users, message, sender="sender@example.test"):
        with smtplib.LMTP(HOST, self.lmtp_port, timeout=30) as lmtp:
            lmtp.ehlo("localhost")
            # One transaction each: LMTP answers the data once a recipient, which smtplib does not read.
            for user in users:
                lmtp.sendmail(sender, [user], message)

    def imap(self, user):
        """A session of the master user for `user` (imaplib)."""
        context = ssl.create_default_context(cafile=self.ca_file)
        session = imaplib.IMAP4_SSL("localhost", self.imaps_port, ssl_context=context, timeout=30)
        session.login(user + SEPARATOR + self.master, self.master_password)
        return session

    def folders(self, session):
        out = []
        for line in session.list()[1]:
            name = re.match(rb'\(([^)]*)\) (?:"[^"]*"|NIL) (.+)$', line)
            if name and b"\\Noselect" not in name.group(1):
                out.append(name.group(2).decode().strip('"').replace('\\"', '"').replace("\\\\", "\\"))
        return out

    def list(self, user):
        """[{folder, uid, flags, message_id, message}] over all folders. Folder names as on the wire."""
        out = []
        session = self.imap(user)
        try:
            for folder in self.folders(session):
                wire = '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
                session.select(wire, readonly=True)
                for uid in session.uid("SEARCH", None, "ALL")[1][0].split():
                    part = session.uid("FETCH", uid, "(FLAGS BODY.PEEK[])")[1][0]
                    found = re.search(rb"^message-id:\s*(\S+)", part[1], re.I | re.M)
                    flags = re.search(rb"FLAGS \(([^)]*)\)", part[0])
                    out.append({"folder": folder, "uid": int(uid), "flags": flags.group(1).decode(),
                                "message_id": found.group(1).decode() if found else "", "message": part[1]})
        finally:
            session.logout()
        return out

    def _act(self, user, message_id, act):
        count = 0
        session = self.imap(user)
        try:
            for folder in self.folders(session):
                wire = '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
                session.select(wire)
                for uid in session.uid("SEARCH", None, "HEADER", "Message-ID", f'"{message_id}"')[1][0].split():
                    act(session, uid)
                    count += 1
                if count:
                    break
        finally:
            session.logout()
        if not count:
            raise LookupError(f"{user} has no message {message_id}")

    def move(self, user, message_id, folder):
        """Moves the message to `folder` (any Unicode name), made when it is not there."""
        def act(session, uid):
            session.create(quoted(folder))
            answer = session.uid("MOVE", uid, quoted(folder))
            if answer[0] != "OK":
                raise RuntimeError(f"MOVE: {answer}")
        self._act(user, message_id, act)

    def delete(self, user, message_id):
        def act(session, uid):
            session.uid("STORE", uid, "+FLAGS.SILENT", "(\\Deleted)")
            session.uid("EXPUNGE", uid)
        self._act(user, message_id, act)

    def flag(self, user, message_id, flags):
        self._act(user, message_id, lambda session, uid: session.uid("STORE", uid, "+FLAGS", f"({flags})"))

    # Inside

    def _folder(self, path):
        os.makedirs(path, exist_ok=True)
        if self.drop:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)
        os.chmod(path, 0o755)

    def _write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        if self.drop:
            os.chown(path + ".new", self.account.pw_uid, self.account.pw_gid)
        os.chmod(path + ".new", 0o600)
        os.rename(path + ".new", path)

    def _write_users(self):
        self._write("users", "".join(f"{u}:{{PLAIN}}{self.password}:{self.account.pw_uid}:{self.account.pw_gid}::"
                                       f"{self.dir}/mail/{u}::\n" for u in self.user_list))

    def _secret(self, name):
        path = os.path.join(self.dir, name)
        if not os.path.exists(path):
            self._write(name, secrets.token_urlsafe(18))
        with open(path, encoding="ascii") as f:
            return f.read().strip()

    def _check_reachable(self):
        if not self.drop:
            return
        folder = os.path.dirname(self.dir)
        while folder not in ("/", ""):
            if os.path.isdir(folder) and not os.stat(folder).st_mode & 0o001:
                raise PermissionError(f"{folder} must be open for '{self.account.pw_name}' (chmod o+x)")
            folder = os.path.dirname(folder)

    def _make_certificates(self):
        tls = os.path.join(self.dir, "tls")

        def openssl(*args):
            subprocess.run(["openssl", *args], check=True, cwd=tls, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                "-subj", "/CN=Mailreeve lab CA", "-keyout", "ca.key", "-out", "ca.new")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                "-keyout", "server.key", "-out", "server.csr")
        with open(os.path.join(tls, "server.ext"), "w", encoding="ascii") as f:
            f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.new", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                "30", "-extfile", "server.ext", "-out", "server.pem")
        os.rename(os.path.join(tls, "ca.new"), os.path.join(tls, "ca.pem"))
        if self.drop:
            for name in os.listdir(tls):
                os.chown(os.path.join(tls, name), self.account.pw_uid, self.account.pw_gid)

    def _wait_ready(self):
        until = time.monotonic() + 30
        for port in (self.imap_port, self.lmtp_port):
            while True:
                if self.process.poll() is not None:
                    raise RuntimeError(f"Dovecot ended at once; see {self.dir}/start.log and {self.log_file}")
                try:
                    with socket.create_connection((HOST, port), 5) as s:
                        if s.recv(100):
                            break
                except OSError:
                    pass
                if time.monotonic() > until:
                    raise TimeoutError(f"Dovecot does not answer on port {port}; see {self.log_file}")
                time.sleep(0.05)

    def _is_ours(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                return f.read().startswith(b"dovecot/")
        except OSError:
            return False


def main():
    parser = argparse.ArgumentParser(description="Runs a private Dovecot until standard input closes.")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--users", required=True, help="addresses, separated by commas")
    parser.add_argument("--layout", choices=["maildir", "mdbox"], default="maildir")
    args = parser.parse_args()
    with Dovecot(args.dir, users=[u for u in args.users.split(",") if u], layout=args.layout) as server:
        print(json.dumps(server.describe()), flush=True)
        while sys.stdin.read(4096):
            pass


if __name__ == "__main__":
    main()
