"""A private PostgreSQL server on a Unix socket: class Postgresql."""
import pathlib
import shutil
import signal
import subprocess
import tempfile

from . import util


class Postgresql:
    """Started in a folder of its own; .url(database) is what storage.url takes."""

    def __init__(self):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        if not found:
            raise RuntimeError("PostgreSQL is not installed; run tools/setup test")
        self.programs = found[-1]
        # Short: the path of a socket has at most 107 bytes.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mailreeve-pg-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.process = None

    def __enter__(self):
        util.own(self.folder)
        log = self.folder / "log"
        made = util.start([self.programs / "initdb", "-D", self.folder / "data", "-U", "mailreeve", "-A", "trust", "-E", "UTF8",
                           "--locale=C", "--no-sync", "--no-instructions"], log)
        if made.wait(120) != 0:
            raise RuntimeError(f"initdb: {log.read_text()}")
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        self.process = util.start([self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder, "-c",
                                   "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"], self.folder / "log")
        util.wait_for("PostgreSQL", lambda: self.sql("SELECT 1") == "1", 60)

    def stop(self):
        """At once, as after a crash: connections break."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(60)
            self.process = None

    def sql(self, text, database="postgres"):
        return subprocess.run([str(self.programs / "psql"), "-h", str(self.folder), "-U", "mailreeve", "-d", database, "-Atqc", text],
                              check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def url(self, database):
        """Of a fresh database."""
        self.sql(f"CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8'")
        return f"postgresql:///{database}?host={self.folder}&user=mailreeve"
