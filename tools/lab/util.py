"""Ports, waiting, processes and a small JSON client that the lab's servers share."""
import http.client
import json
import os
import pathlib
import pwd
import signal
import socket
import ssl
import subprocess
import time
import urllib.parse

from .ports import free_ports  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Ended(RuntimeError):
    """What is waited for can no longer come."""


def wait_for(what, test, seconds=60, every=0.05):
    """Calls test() until it answers something true, and answers that; RuntimeError naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            got = test()
            if got:
                return got
        except Ended:
            raise
        except Exception as error:  # the server is not there yet
            last = error
        if time.monotonic() >= end:
            raise RuntimeError(f"{what}: not within {seconds} s" + (f" ({last})" if last else ""))
        time.sleep(every)


def port_answers(port, host="127.0.0.1"):
    with socket.create_connection((host, port), timeout=1):
        return True


def unprivileged_user():
    """(uid, gid) that servers run as when we are root; None when we are not."""
    if os.getuid() != 0:
        return None
    if os.environ.get("SUDO_UID") and os.environ["SUDO_UID"] != "0":
        return int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", os.environ["SUDO_UID"]))
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def own(path):
    """Gives a folder and what is in it to the unprivileged user."""
    user = unprivileged_user()
    if user is None:
        return
    os.chown(path, *user)
    for folder, names, files in os.walk(path):
        for name in names + files:
            os.chown(os.path.join(folder, name), *user, follow_symlinks=False)


def start(command, log, stdout=None, privileged=False, env=None):
    """Starts a process; its standard error goes to the file `log`. Unprivileged where we can choose."""
    extra = {}
    user = None if privileged else unprivileged_user()
    if user is not None:
        extra = {"user": user[0], "group": user[1], "extra_groups": []}
    with open(log, "ab") as err:
        return subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=stdout or err,
                                stderr=err, start_new_session=True, cwd="/", env=env, **extra)


def stop(process, seconds=60):
    """Asks a process to end; kills it when it does not."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


class Api:
    """JSON over HTTPS (trusting `ca_file` only) or, with `socket_path`, over a UNIX socket."""

    def __init__(self, base="http://unix", ca_file=None, socket_path=None, token=None):
        self.base = urllib.parse.urlsplit(base)
        self.socket_path = socket_path
        self.token = token
        self.context = ssl.create_default_context(cafile=ca_file) if self.base.scheme == "https" else None

    def call(self, method, path, body=None, headers=None, timeout=120):
        """(status, decoded JSON or text)"""
        if self.socket_path:
            connection = http.client.HTTPConnection("unix", timeout=timeout)
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(timeout)
            connection.sock.connect(self.socket_path)
        elif self.context:
            connection = http.client.HTTPSConnection(self.base.hostname, self.base.port, context=self.context,
                                                     timeout=timeout)
        else:
            connection = http.client.HTTPConnection(self.base.hostname, self.base.port, timeout=timeout)
        sent = dict(headers or {})
        if self.token:
            sent["Authorization"] = "Bearer " + self.token
        data = None
        if body is not None:
            data = body if isinstance(body, (bytes, str)) else json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        connection.request(method, path, data, sent)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def get(self, path, **options):
        return self._good("GET", path, None, options)

    def post(self, path, body=None, **options):
        return self._good("POST", path, body, options)

    def delete(self, path, **options):
        return self._good("DELETE", path, None, options)

    def _good(self, method, path, body, options):
        status, answer = self.call(method, path, body, **options)
        if status >= 300:
            raise RuntimeError(f"{method} {path}: HTTP {status}: {answer}")
        return answer
