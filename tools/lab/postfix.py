"""A private Postfix instance for tests, measurements and the demo.

Everything it writes is under one directory; it listens on loopback only, looks up no names in DNS and sends nothing
outside; /etc/postfix is neither used nor changed. Postfix's master needs root: when we are not root, the instance is run
by `sudo -n` through this file's own command line.

    with Postfix(make_directory(), milters=["inet:127.0.0.1:11332"], domains=["corp.test"],
                 virtual_transport="lmtp:inet:127.0.0.1:2400") as mta:
        mta.send("a@example.org", ["b@corp.test"], b"Subject: hello\\r\\n\\r\\ntext\\r\\n")
        mta.wait_until_empty()

Command line: `python3 -m lab.postfix --dir D …` (with tools/ as PYTHONPATH) prints one JSON line with ports, paths and
process id, obeys the words queue, flush, reload and config on standard input (one JSON line each), and stops Postfix
when standard input ends.
"""

import argparse
import grp
import json
import os
import pathlib
import pwd
import select
import shutil
import signal
import smtplib
import socket
import stat
import subprocess
import sys
import tempfile
import time

try:
    from .ports import free_ports
except ImportError:  # run as a program
    from ports import free_ports

START_SECONDS = 60
STOP_SECONDS = 20


def make_directory(prefix="mailreeve-postfix-", parent=None):
    """A fresh directory that the postfix user can walk through, which tempfile.mkdtemp's are not."""
    made = tempfile.mkdtemp(prefix=prefix, dir=parent)
    os.chmod(made, 0o755)
    return made


class Postfix:
    """One instance. Not thread-safe.

    dir                made when missing; every directory above it must be open to others (o+x)
    smtp_port          0: a free one
    milters            as smtpd_milters takes them: "inet:127.0.0.1:11332", "unix:/path"
    domains            virtual mailbox domains, delivered by virtual_transport
    lmtp               ("127.0.0.1", 2400) or "/path/of/socket": the same as virtual_transport "lmtp:inet:…" or "lmtp:unix:…"
    virtual_transport  "lmtp:inet:127.0.0.1:2400", "lmtp:unix:/path", "discard:", …
    mailboxes          the addresses that exist in `domains`; None: all
    aliases            {"list@corp.test": ["a@corp.test", "b@corp.test"]}
    transports         {"other.test": "smtp:[127.0.0.1]:2525"}: transport_maps
    relayhost          "[127.0.0.1]:2525": everything that is not in `domains`; else it is bounced
    extra_ports        {port: {"smtpd_milters": ""}}: more SMTP listeners with their own settings; port 0: a free one,
                       see `ports`
    extra              main.cf settings, which win over all of the above
    master_lines       lines for master.cf
    log_path           the log; default: DIR/log/maillog
    """

    def __init__(self, dir, smtp_port=0, milters=(), domains=(), virtual_transport="discard:", mailboxes=None, aliases=None,
                 transports=None, relayhost=None, extra_ports=None, extra=None, master_lines=(), hostname="mta.test", lmtp=None,
                 log_path=None):
        self.dir = pathlib.Path(dir).resolve()
        self.smtp_port = smtp_port or free_ports(1)[0]
        self.ports = [self.smtp_port]
        self.milters = list(milters)
        self.domains = list(domains)
        self.virtual_transport = virtual_transport
        if lmtp:
            where = lmtp if isinstance(lmtp, (str, os.PathLike)) else None
            self.virtual_transport = f"lmtp:unix:{where}" if where else f"lmtp:inet:{lmtp[0]}:{lmtp[1]}"
        self.mailboxes = mailboxes
        self.aliases = aliases or {}
        self.transports = transports or {}
        self.relayhost = relayhost
        self.extra_ports = []
        for port, options in (extra_ports or {}).items():
            port = int(port) or free_ports(1)[0]
            self.ports.append(port)
            self.extra_ports.append((port, dict(options)))
        self.extra = {key: str(value) for key, value in (extra or {}).items()}
        self.master_lines = list(master_lines)
        self.hostname = hostname
        self.config_directory = self.dir / "etc"
        self.queue_directory = self.dir / "queue"
        self.log = pathlib.Path(log_path).resolve() if log_path else self.dir / "log" / "maillog"
        self.pid = None
        self._process = None
        self._helper = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    # -- life

    def start(self):
        if os.geteuid() != 0:
            self._start_helper()
            return
        self._check_directories()
        self._write_files()
        output = open(self.dir / "log" / "start.log", "ab")
        # start-fg keeps master our child, so that it ends by its process id whatever happens.
        self._process = subprocess.Popen(["postfix", "-c", str(self.config_directory), "start-fg"], stdin=subprocess.DEVNULL,
                                         stdout=output, stderr=output, start_new_session=True)
        output.close()
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self._helper:
            helper, self._helper = self._helper, None
            helper.stdin.close()
            try:
                helper.wait(STOP_SECONDS + 10)
            except subprocess.TimeoutExpired:
                helper.kill()
                helper.wait()
            helper.stdout.close()
            return
        process, self._process = self._process, None
        if process is None:
            return
        pid = self._master_pid() or process.pid
        self.pid = None
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                pass
            try:
                process.wait(STOP_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
        # Master's children end when they see it gone; those that are in the middle of something get a moment.
        deadline = time.monotonic() + STOP_SECONDS
        while self._own_processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        for child in self._own_processes():
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass

    # -- use

    def send(self, sender, recipients, message, port=None):
        """Delivers bytes over SMTP; raises smtplib's errors."""
        with smtplib.SMTP("127.0.0.1", port or self.smtp_port, local_hostname="client.test", timeout=120) as smtp:
            return smtp.sendmail(sender, recipients, message)

    def queue(self):
        """What is in the queue: the objects of `postqueue -j`."""
        if self._helper:
            return self._ask_helper("queue")
        done = subprocess.run(["postqueue", "-c", str(self.config_directory), "-j"], capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"postqueue: {done.stderr.strip()}")
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def queue_empty(self):
        return not self.queue()

    def wait_until_empty(self, seconds=60):
        deadline = time.monotonic() + seconds
        while not self.queue_empty():
            if time.monotonic() > deadline:
                raise TimeoutError(f"mail is still queued after {seconds} s: {self.queue()[:3]}")
            time.sleep(0.1)

    def wait_for_log(self, text, seconds=60):
        """Waits until the log has the text: postlogd writes lines some time after they are sent to it."""
        deadline = time.monotonic() + seconds
        while text not in self.log_text():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} is not in the log after {seconds} s: {self.log_text()[-2000:]}")
            time.sleep(0.1)

    def delete(self, queue_id, seconds=60):
        """Deletes one message from the queue; again while Postfix moves it from one part of the queue to another."""
        deadline = time.monotonic() + seconds
        while any(one["queue_id"] == queue_id for one in self.queue()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{queue_id} is still queued after {seconds} s")
            subprocess.run(["postsuper", "-c", str(self.config_directory), "-d", queue_id], check=True, capture_output=True,
                           timeout=60)

    def flush(self):
        """Tries deferred mail now."""
        if self._helper:
            self._ask_helper("flush")
        else:
            subprocess.run(["postqueue", "-c", str(self.config_directory), "-f"], check=True, timeout=60)

    def reload(self):
        if self._helper:
            self._ask_helper("reload")
        else:
            subprocess.run(["postfix", "-c", str(self.config_directory), "reload"], check=True, timeout=60,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def configuration(self):
        """The settings that differ from Postfix's defaults."""
        if self._helper:
            return self._ask_helper("config")
        done = subprocess.run(["postconf", "-c", str(self.config_directory), "-n"], capture_output=True, text=True, check=True,
                              timeout=60)
        return dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def describe(self):
        return {"pid": self.pid, "smtp_port": self.smtp_port, "ports": self.ports, "dir": str(self.dir), "log": str(self.log),
                "config_directory": str(self.config_directory), "queue_directory": str(self.queue_directory)}

    # -- inside

    def _check_directories(self):
        if not shutil.which("postfix"):
            raise RuntimeError("Postfix is not installed: apt-get install postfix")
        self.dir.mkdir(parents=True, exist_ok=True)
        for folder in [self.dir, *self.dir.parents]:
            if not folder.stat().st_mode & stat.S_IXOTH:
                raise RuntimeError(f"{folder} is closed to other users, so the postfix user cannot reach {self.dir}: "
                                   f"chmod o+x it, or use lab.postfix.make_directory()")

    def _settings(self):
        maps = self.config_directory
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": self.queue_directory,
            "data_directory": self.dir / "data",
            "maillog_file": self.log,
            "maillog_file_prefixes": f"{self.dir}, {self.log.parent}",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "syslog_name": "postfix",
            "myhostname": self.hostname,
            "mydomain": self.hostname,
            "myorigin": self.hostname,
            "mydestination": "",
            "mynetworks": "127.0.0.0/8 [::1]/128",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "smtp_dns_support_level": "disabled",
            "smtp_host_lookup": "native",
            "smtpd_peername_lookup": "no",
            "append_dot_mydomain": "no",
            "biff": "no",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "enable_long_queue_ids": "yes",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
            "milter_protocol": "6",
            "milter_default_action": "tempfail",
            "smtpd_milters": ", ".join(self.milters),
            "virtual_mailbox_domains": " ".join(self.domains),
            "virtual_transport": self.virtual_transport,
            "virtual_alias_maps": f"texthash:{maps}/aliases" if self.aliases else "",
            "virtual_mailbox_maps": f"texthash:{maps}/mailboxes" if self.mailboxes is not None else "",
            "transport_maps": f"texthash:{maps}/transports" if self.transports else "",
            "default_transport": "smtp" if self.relayhost else "error:5.1.2 this laboratory sends nothing outside",
            "relayhost": self.relayhost or "",
        }
        settings.update(self.extra)
        return settings

    def _write_files(self):
        for name in ("etc", "queue", "data", "log"):
            (self.dir / name).mkdir(exist_ok=True)
            os.chmod(self.dir / name, 0o755)
        owner = pwd.getpwnam("postfix")
        grp.getgrnam("postdrop")
        os.chown(self.dir / "data", owner.pw_uid, owner.pw_gid)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # Postfix makes its log for root alone; ours is read by an unprivileged follower.
        self.log.touch(mode=0o644)
        os.chmod(self.log, 0o644)

        etc = self.config_directory
        (etc / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in self._settings().items()))
        (etc / "master.cf").write_text(self._master())
        (etc / "mailboxes").write_text("".join(f"{a} {a}\n" for a in self.mailboxes or []))
        (etc / "aliases").write_text("".join(f"{a} {', '.join(to)}\n" for a, to in self.aliases.items()))
        (etc / "transports").write_text("".join(f"{a} {to}\n" for a, to in self.transports.items()))

    def _master(self):
        lines = [f"127.0.0.1:{self.smtp_port} inet n - n - - smtpd"]
        for port, options in self.extra_ports:
            lines.append(f"127.0.0.1:{port} inet n - n - - smtpd")
            lines += [f"  -o {{ {name} = {value} }}" for name, value in options.items()]
        lines += """\
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
local     unix  - n n - - local
virtual   unix  - n n - - virtual
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd""".splitlines()
        return "\n".join(lines + self.master_lines) + "\n"

    def _master_pid(self):
        try:
            return int((self.queue_directory / "pid" / "master.pid").read_text())
        except (OSError, ValueError):
            return None

    def _own_processes(self):
        """Postfix processes that work in our queue directory."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if os.readlink(entry / "cwd") == str(self.queue_directory):
                        found.append(int(entry.name))
                except OSError:
                    pass
        return found

    def _wait_until_up(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._process.poll() is not None:
                raise RuntimeError("Postfix did not start: " + (self.dir / "log" / "start.log").read_text(errors="replace")
                                   + self.log_text())
            try:
                with socket.create_connection(("127.0.0.1", self.smtp_port), 30) as probe:
                    probe.settimeout(30)
                    if probe.recv(4).startswith(b"220"):
                        probe.sendall(b"QUIT\r\n")
                        break
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"Postfix gives no greeting after {START_SECONDS} s: {self.log_text()[-2000:]}")
            time.sleep(0.05)
        self.pid = self._master_pid()

    def _start_helper(self):
        command = ["sudo", "-n", sys.executable, str(pathlib.Path(__file__).resolve()), *self._arguments()]
        self._helper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.__dict__.update({"pid": self._read_helper()["pid"]})

    def _read_helper(self):
        ready, _, _ = select.select([self._helper.stdout], [], [], START_SECONDS + 10)
        line = self._helper.stdout.readline() if ready else ""
        if not line:
            helper, self._helper = self._helper, None
            helper.stdin.close()
            raise RuntimeError("Postfix did not start by sudo -n; run as root, or allow sudo without a password")
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def _ask_helper(self, word):
        self._helper.stdin.write(word + "\n")
        self._helper.stdin.flush()
        return self._read_helper()

    def _arguments(self):
        options = {"smtp_port": self.smtp_port, "milters": self.milters, "domains": self.domains,
                   "virtual_transport": self.virtual_transport, "mailboxes": self.mailboxes, "aliases": self.aliases,
                   "transports": self.transports, "relayhost": self.relayhost,
                   "extra_ports": {str(port): options for port, options in self.extra_ports}, "extra": self.extra,
                   "master_lines": self.master_lines, "hostname": self.hostname, "log_path": str(self.log)}
        return ["--dir", str(self.dir), "--options", json.dumps(options)]


def main():
    parser = argparse.ArgumentParser(description="Runs a private Postfix until standard input ends.")
    parser.add_argument("--dir", help="everything goes here; default: a new one under the temporary directory")
    parser.add_argument("--smtp-port", type=int, default=0)
    parser.add_argument("--milter", action="append", default=[], metavar="ADDRESS")
    parser.add_argument("--domain", action="append", default=[])
    parser.add_argument("--virtual-transport", default="discard:")
    parser.add_argument("--relayhost")
    parser.add_argument("--hostname", default="mta.test")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a main.cf setting")
    parser.add_argument("--options", type=json.loads, default={}, help="arguments of the class as JSON; they win")
    given = parser.parse_args()
    options = {"smtp_port": given.smtp_port, "milters": given.milter, "domains": given.domain,
               "virtual_transport": given.virtual_transport, "relayhost": given.relayhost, "hostname": given.hostname,
               "extra": dict(pair.split("=", 1) for pair in given.set)}
    options.update(given.options)
    if os.geteuid() != 0:
        sys.exit("must be root: sudo -n " + " ".join(sys.argv))

    def say(value):
        print(json.dumps(value), flush=True)

    # A signal ends it as the end of input does.
    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, lambda *_: sys.exit(0))
    mta = Postfix(given.dir or make_directory(), **options)
    try:
        mta.start()
    except (RuntimeError, TimeoutError, OSError) as error:
        say({"error": str(error)})
        sys.exit(1)
    try:
        say(mta.describe())
        words = {"queue": mta.queue, "flush": mta.flush, "reload": mta.reload, "config": mta.configuration}
        for line in sys.stdin:
            word = words.get(line.strip())
            try:
                say(word() if word else {"error": f"unknown word {line.strip()!r}: must be one of {', '.join(words)}"})
            except (RuntimeError, subprocess.SubprocessError) as error:
                say({"error": str(error)})
    finally:
        mta.stop()


if __name__ == "__main__":
    main()
