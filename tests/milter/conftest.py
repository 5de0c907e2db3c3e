"""The test milter as a process, and one Postfix for the whole run."""

import base64
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import threading
import time

import pytest
from lab import postfix

PROGRAM = os.environ.get("TEST_MILTER", "")
SECONDS = 60


class Milter:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        self.addresses = self.next("listening")["addresses"]

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def next(self, *events):
        """The next line of one of these events; others are passed over."""
        deadline = time.monotonic() + SECONDS
        while True:
            line = self.lines.get(timeout=max(0.1, deadline - time.monotonic()))
            assert line is not None, f"the milter ended while {events} was waited for"
            if line["event"] in events:
                if "raw" in line:
                    line["raw"] = base64.b64decode(line["raw"])
                return line

    def clear(self):
        while not self.lines.empty():
            self.lines.get()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        counters = self.next("counters")
        assert self.process.wait(SECONDS) == 0
        self.process.stdout.close()
        return counters


@pytest.fixture
def milter(request):
    """Starts test milters; a test calls it with the program's arguments."""
    started = []

    def start(*arguments):
        started.append(Milter(*arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()


@pytest.fixture(scope="session")
def lab():
    """Postfix with a milter on a UNIX socket: delivers to a sink that keeps each message."""
    if os.geteuid() != 0 and not shutil.which("sudo"):
        pytest.skip("Postfix's master needs root")
    folder = pathlib.Path(postfix.make_directory("mailreeve-milter-"))
    one = Lab(folder)
    try:
        yield one
    finally:
        one.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Lab:
    def __init__(self, folder):
        self.folder = folder
        self.socket = folder / "milter.sock"
        self.sink = Sink()
        log = folder / "postfix" / "log" / "maillog"
        self.milter = Milter("--listen", f"unix:{self.socket}", "--stages", "envelope", "--max-message", "300000",
                             "--progress-ms", "100", "--log", str(log), "--position", str(folder / "position"))
        self.mta = postfix.Postfix(
            folder / "postfix", milters=[f"unix:{self.socket}"], domains=["corp.test"],
            virtual_transport=f"lmtp:inet:127.0.0.1:{self.sink.port}", aliases={"list@corp.test": ["a@corp.test", "c@corp.test"]},
            extra={"in_flow_delay": "0"})
        self.mta.start()

    def stop(self):
        self.mta.stop()
        if self.milter.process.poll() is None:
            self.milter.stop()
        self.sink.stop()


class Sink:
    """An LMTP server that keeps what it gets; local parts say how it answers RCPT: bounce…, defer…."""

    def __init__(self):
        import socketserver
        sink = self
        self.messages = queue.Queue()

        class Handler(socketserver.StreamRequestHandler):
            timeout = 60

            def say(self, line):
                self.wfile.write(line.encode() + b"\r\n")

            def handle(self):
                self.say("220 sink LMTP")
                sender, recipients = None, []
                for line in iter(self.rfile.readline, b""):
                    word = line.strip().upper()
                    if word.startswith(b"LHLO"):
                        self.say("250-sink\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES")
                    elif word.startswith(b"MAIL"):
                        sender, recipients = line.split(b"<", 1)[1].split(b">")[0].decode(), []
                        self.say("250 2.1.0 ok")
                    elif word.startswith(b"RCPT"):
                        address = line.split(b"<", 1)[1].rsplit(b">", 1)[0].decode()
                        if address.startswith("bounce"):
                            self.say("550 5.1.1 no such user")
                        elif address.startswith("defer"):
                            self.say("450 4.2.1 come again")
                        else:
                            recipients.append(address)
                            self.say("250 2.1.5 ok")
                    elif word == b"DATA":
                        if not recipients:
                            self.say("503 5.5.1 nobody")
                            continue
                        self.say("354 go on")
                        raw = b""
                        for data in iter(self.rfile.readline, b""):
                            if data == b".\r\n":
                                break
                            raw += data[1:] if data.startswith(b".") else data
                        sink.messages.put({"sender": sender, "recipients": recipients, "raw": raw})
                        for address in recipients:
                            self.say(f"250 2.0.0 <{address}> saved")
                    elif word == b"QUIT":
                        self.say("221 2.0.0 bye")
                        return
                    else:
                        self.say("250 2.0.0 ok")

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self):
        return self.messages.get(timeout=SECONDS)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
