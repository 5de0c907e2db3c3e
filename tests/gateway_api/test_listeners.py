"""Listeners, certificate and settings of the REST API: the program alone."""
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile

import pytest

from conftest import PASSPHRASE, basic
from lab import util
from lab.mailreeve import Gateway


@pytest.fixture
def folder():
    """The program runs as another user: a folder that it may enter."""
    made = pathlib.Path(tempfile.mkdtemp(prefix="mailreeve-rest-"))
    os.chmod(made, 0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def start(folder):
    (folder / "maillog").touch()
    return Gateway(folder / "gateway", "gw.example.org", mta_log=folder / "maillog").start()


def test_certificate_is_made_once(folder):
    gateway = start(folder)
    try:
        pem = (gateway.state / "rest-server.pem").read_text()
        assert stat.S_IMODE((gateway.state / "rest-server.key").stat().st_mode) == 0o600
        assert stat.S_IMODE((gateway.state / "rest-ca.key").stat().st_mode) == 0o600
        assert gateway.rest_api().call("GET", "/swagger")[0] == 200  # verified under rest-ca.pem
        serial = (gateway.state / "serial").read_text()
        gateway.stop()
        gateway.start()
        assert (gateway.state / "rest-server.pem").read_text() == pem and (gateway.state / "serial").read_text() == serial
        text = subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName"], input=pem, text=True,
                              capture_output=True, check=True).stdout
        assert "gw.example.org" in text and "127.0.0.1" in text
    finally:
        gateway.stop()


def test_nobody_can_log_in_at_first(folder):
    gateway = start(folder)
    try:
        for user, word in (("admin", "ironport"), ("admin", ""), ("admin", "admin")):
            assert gateway.rest_api().call("GET", "/esa/api/v2.0/health", headers=basic(user, word))[0] == 401
        assert "mailreeve user add" in gateway.cli("user", "list").stdout
    finally:
        gateway.stop()


def test_plain_http_is_off_until_it_is_asked_for(folder):
    gateway = start(folder)
    try:
        gateway.stop()
        gateway.rest["http"] = f"127.0.0.1:{gateway.rest_http_port}"
        gateway.set_settings({"rest.lenient_authorization": True, "rest.token_life": 60, "rest.tracking_shape": "legacy"})
        gateway.start()
        gateway.cli("user", "add", "op", "--role", "operator", stdin=PASSPHRASE + "\n")
        api = util.Api(f"http://127.0.0.1:{gateway.rest_http_port}")
        assert api.call("GET", "/esa/api/v2.0/health", headers=basic("op"))[0] == 200
        bare = {"Authorization": basic("op")["Authorization"].removeprefix("Basic ")}
        assert api.call("GET", "/esa/api/v2.0/health", headers=bare)[0] == 200
        gateway.stop()
        gateway.rest.update({"https": "", "http": ""})
        gateway.start()
        for port in (gateway.rest_port, gateway.rest_http_port):
            try:
                util.port_answers(port)
                raise AssertionError("a listener that is off answers")
            except ConnectionError:
                pass
    finally:
        gateway.stop()


def test_wrong_settings_are_told(folder):
    gateway = start(folder)
    gateway.stop()
    for rest, word in (({"https": "6443"}, "6443"), ({"https": "127.0.0.1:1", "certificate_file": "/nowhere.pem"}, "both"),
                       ({"colour": "red"}, "colour")):
        gateway.rest = rest
        try:
            gateway.start()
            raise AssertionError(f"started with {rest}")
        except (RuntimeError, util.Ended) as error:
            assert word in gateway.log.read_text() + str(error)
        finally:
            gateway.stop()
