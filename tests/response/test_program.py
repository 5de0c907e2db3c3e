"""mailreeve-response as it is installed: state on disk, TLS, restart."""
import json
import os
import pathlib
import shutil
import socket
import ssl
import stat
import tempfile

import pytest

from conftest import ROOT  # noqa: F401

try:
    from lab.mailreeve import Response, program
    program("mailreeve-response")
except Exception as error:  # pylint: disable=broad-except
    pytest.skip(f"mailreeve-response is not built: {error}", allow_module_level=True)


@pytest.fixture
def response():
    # The program runs as an unprivileged user, who may not reach pytest's own folders.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mailreeve-response-"))
    folder.chmod(0o755)
    try:
        with Response(folder / "response") as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_first_user_is_told_once_and_state_survives(response):
    api = response.sign_in()
    client = api.post("/iroh/oauth2-clients/clients", {"name": "x", "scopes": ["inspect:read"]})
    kid = response.api().get("/.well-known/jwks")["keys"][0]["kid"]
    response.kill()
    response.start()
    told = (response.folder / "first-user.json").read_text().splitlines()
    assert len([line for line in told if "first_user" in json.loads(line)]) == 1
    assert response.api().get("/.well-known/jwks")["keys"][0]["kid"] == kid
    # The token of before the crash still holds.
    assert [c["id"] for c in api.get("/iroh/oauth2-clients/clients")] == [client["id"]]


def test_secrets_are_private_files(response):
    for name in ("token-key.pem", "device-ca.key", "public-ca.key", "server.key"):
        mode = stat.S_IMODE(os.stat(response.state / name).st_mode)
        assert mode & 0o077 == 0, f"{name}: {mode:o}"
    password = response.admin[1]
    for path in pathlib.Path(response.folder).rglob("*"):
        if path.is_file() and path.name not in ("first-user.json", "mailreeve-response"):
            assert password.encode() not in path.read_bytes(), path


def test_device_listener_wants_a_certificate(response):
    context = ssl.create_default_context(cafile=str(response.ca_file))
    with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
        with socket.create_connection(("127.0.0.1", response.device_port), timeout=20) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
                tls.sendall(b"GET /device/v1/channel HTTP/1.1\r\nHost: x\r\n\r\n")
                if not tls.recv(100):
                    raise ConnectionError("closed")


def test_answers_over_tls_are_hardened(response):
    status, _ = response.api().call("GET", "/iroh/iroh-enrich/settings")
    assert status == 401
    assert response.api().get("/.well-known/oauth-authorization-server")["token_endpoint"].startswith("https://")
