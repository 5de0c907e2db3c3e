"""Mailreeve's own programs as the lab starts them: class Response and class Gateway."""
import json
import os
import pathlib
import shutil
import subprocess

from . import util


def program(name, build=None):
    """Path of a built program: of MAILREEVE_BUILD or `build`, else release before dev."""
    wanted = build or os.environ.get("MAILREEVE_BUILD")
    folders = [pathlib.Path(wanted)] if wanted else [util.ROOT / "build" / preset for preset in ("release", "dev")]
    for folder in folders:
        path = folder / "apps" / name / name
        if path.exists():
            return path
    raise RuntimeError(f"{name} is not built; run tools/build release")


def toml(value):
    return json.dumps(value)


def write_toml(path, tables):
    lines = []
    for table, values in tables.items():
        lines.append(f"[{table}]")
        lines += [f"{key} = {toml(value)}" for key, value in values.items()]
        lines.append("")
    path.write_text("\n".join(lines))


class Process:
    """A program of ours with a folder, a log and a life."""

    def __init__(self, folder, name, build=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.build = build
        self.process = None
        # The unprivileged user may not reach the checkout: the programs run from a copy.
        self.binary = self.folder / name
        source = program(name, build)
        if not self.binary.exists() or self.binary.stat().st_mtime < source.stat().st_mtime:
            shutil.copy2(source, self.binary)
        self.config = self.folder / "bootstrap.toml"
        self.settings = self.folder / "settings.json"
        self.log = self.folder / "stderr.log"

    def set_settings(self, values):
        self.settings.write_text(json.dumps({"revision": 1, "values": values}, indent=1))

    def stop(self):
        util.stop(self.process)
        self.process = None

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def _failed(self, what):
        tail = self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""
        return RuntimeError(f"{self.name}: {what}\n{tail}")


class Response(Process):
    """The platform. After start(): .url, .device_url, .ca_file, .admin (user, password)."""

    def __init__(self, folder, console=None, build=None, tables=None):
        super().__init__(folder, "mailreeve-response", build)
        # Further tables of the bootstrap file: {"storage": {"url": …}}.
        self.tables = tables or {}
        self.port, self.device_port = util.free_ports(2)
        self.url = f"https://127.0.0.1:{self.port}"
        self.console = console or util.ROOT / "web" / "dist"
        self.state = self.folder / "state"
        self.ca_file = self.state / "public-ca.pem"
        self.admin = None
        self.set_settings({})

    def write_config(self):
        console = self.folder / "console"
        if pathlib.Path(self.console).exists() and not console.exists():
            shutil.copytree(self.console, console)
        self.state.mkdir(exist_ok=True)
        write_toml(self.config, {"response": {
            "state_folder": str(self.state), "settings_file": str(self.settings),
            "listen": f"127.0.0.1:{self.port}", "device_listen": f"127.0.0.1:{self.device_port}",
            "public_url": self.url, "device_url": f"wss://127.0.0.1:{self.device_port}/device/v1/channel",
            "server_names": ["127.0.0.1", "localhost"],
            "console_folder": str(console) if console.exists() else "",
            **self.tables.get("response", {}),
        }, **{name: keys for name, keys in self.tables.items() if name != "response"}})
        util.own(self.folder)

    def run(self, *arguments, check=True):
        """Runs the program with a command ("backup", file) as its own user; answers the finished process."""
        self.write_config()
        user = util.unprivileged_user()
        extra = {} if user is None else {"user": user[0], "group": user[1], "extra_groups": []}
        done = subprocess.run([str(self.binary), "--config", str(self.config), *map(str, arguments)], cwd="/",
                              capture_output=True, text=True, timeout=300, **extra)
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name} {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stderr}")
        return done

    def start(self):
        self.write_config()
        first = self.folder / "first-user.json"
        out = open(first, "ab")
        self.process = util.start([self.binary, "--config", self.config], self.log, stdout=out)
        out.close()
        try:
            util.wait_for("mailreeve-response", lambda: self._check() and util.port_answers(self.port)
                          and util.port_answers(self.device_port), 60)
        except RuntimeError as error:
            raise self._failed(str(error)) from None
        if self.admin is None:
            said = util.wait_for("the first user", lambda: self._check() and json.loads(first.read_text().splitlines()[0]), 30)
            self.admin = (said["first_user"], said["password"])
        return self

    def _check(self):
        if self.process.poll() is not None:
            raise util.Ended(f"{self.name} ended with {self.process.returncode}")
        return True

    def api(self, token=None):
        return util.Api(self.url, str(self.ca_file), token=token)

    def sign_in(self, user=None, password=None):
        """An Api that acts as a person."""
        answer = self.api().post("/mailreeve/v1/sign-in", {"user": user or self.admin[0],
                                                           "password": password or self.admin[1]})
        return self.api(answer["access_token"])

    def device_token(self, api):
        """A one-time registration token."""
        return api.get("/iroh/iroh-sse/tenant/token")["token"]


class Gateway(Process):
    """A gateway. `mta_log` is Postfix's log; the milter listens at .milter ("inet:127.0.0.1:port")."""

    def __init__(self, folder, name, mta_log="", response=None, imap=None, smtp_port=0, build=None, settings=None, rest=None):
        super().__init__(folder, "mailreeve-gateway", build)
        self.gateway_name = name
        self.mta_log = mta_log
        self.response = response
        self.imap = imap or {}
        self.smtp_port = smtp_port
        self.milter_port, self.rest_port, self.rest_http_port = util.free_ports(3)
        self.milter = f"inet:127.0.0.1:{self.milter_port}"
        # Further keys of the bootstrap file's [rest]; {"http": address} opens the listener without TLS.
        self.rest = {"https": f"127.0.0.1:{self.rest_port}", **(rest or {})}
        self.rest_url = f"https://127.0.0.1:{self.rest_port}"
        self.rest_ca_file = self.folder / "state" / "rest-ca.pem"
        self.socket = self.folder / "admin.sock"
        self.state = self.folder / "state"
        self.set_settings(settings or {})

    def start(self):
        self.state.mkdir(exist_ok=True)
        tables = {"gateway": {
            "name": self.gateway_name, "state_folder": str(self.state), "settings_file": str(self.settings),
            "admin_socket": str(self.socket), "milter": [self.milter], "mta_log": str(self.mta_log)}, "rest": self.rest}
        if self.response is not None:
            tables["response"] = {"ca_file": str(self.response.ca_file), "console_url": self.response.url}
        if self.imap:
            tables["mailboxes"] = self.imap
        if self.smtp_port:
            tables["forward"] = {"smtp_host": "127.0.0.1", "smtp_port": self.smtp_port}
        write_toml(self.config, tables)
        util.own(self.folder)
        self.process = util.start([self.binary, "--config", self.config], self.log)
        try:
            util.wait_for("mailreeve-gateway", lambda: self._check() and util.port_answers(self.milter_port)
                          and self.api().get("/v1/version"), 60)
        except RuntimeError as error:
            raise self._failed(str(error)) from None
        return self

    def _check(self):
        if self.process.poll() is not None:
            raise util.Ended(f"{self.name} ended with {self.process.returncode}")
        return True

    def api(self):
        return util.Api(socket_path=str(self.socket))

    def rest_api(self):
        """The REST API over HTTPS, without credentials."""
        return util.Api(self.rest_url, str(self.rest_ca_file))

    def cli(self, *arguments, check=True, env=None, stdin=None):
        """Runs the mailreeve command against this gateway; answers the finished process."""
        done = subprocess.run([str(program("mailreeve", self.build)), "--socket", str(self.socket), *arguments],
                              capture_output=True, text=True, timeout=120, env={**os.environ, **(env or {})}, input=stdin)
        if check and done.returncode != 0:
            raise RuntimeError(f"mailreeve {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}")
        return done

    def register(self, api):
        """Registers with the platform by a fresh token of `api` and waits for the channel."""
        token = self.response.device_token(api)
        token_file = self.folder / "token"
        token_file.write_text(token)
        os.chmod(token_file, 0o600)
        self.cli("register", "--server", self.response.url, "--token-file", str(token_file), "--ca",
                 str(self.response.ca_file))
        token_file.unlink()
        return util.wait_for("device channel", lambda: self._device_when_connected(), 30)

    def _device_when_connected(self):
        device = self.api().get("/v1/device")
        return device if device.get("channel") == "connected" else None
