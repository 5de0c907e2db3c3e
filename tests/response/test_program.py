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
    from lab.util import wait_for
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


def test_commands_make_people_clients_and_keys(response):
    """Beside the running server, which sees them soon."""
    def run(*arguments, **more):
        done = response.run(*arguments, **more)
        return json.loads(done.stdout) if done.returncode == 0 else done

    made = run("user", "add", "ann", "--email", "ann@example.org", "--role", "analyst")
    api = response.api()
    status, answer = api.call("POST", "/mailreeve/v1/sign-in", {"user": "ann", "password": made["password"]})
    assert status == 200 and answer["needs"] == ["new-password"]
    assert [u["name"] for u in run("user", "list")] == ["admin", "ann"]
    assert run("user", "add", "Ann", "--email", "b@example.org", check=False).returncode == 1
    assert run("user", "add", "bob", "--email", "b@example.org", "--role", "root", check=False).returncode == 1
    assert run("user", "disable", "admin", check=False).returncode == 1  # nobody would be left

    ann = response.api(answer["access_token"])
    assert run("user", "disable", "ann")["enabled"] is False
    assert wait_for("the withdrawal", lambda: ann.call("GET", "/iroh/profile/whoami")[0] == 401, 60)
    run("user", "enable", "ann")
    new = run("user", "reset-password", "ann")["password"]
    assert run("user", "totp-reset", "ann@example.org")["one_time_codes"] is False
    assert api.call("POST", "/mailreeve/v1/sign-in", {"user": "ann", "password": made["password"]})[0] == 401
    assert api.call("POST", "/mailreeve/v1/sign-in", {"user": "ann", "password": new})[0] == 200

    def works(client, secret):
        return api.call("POST", "/iroh/oauth2/token", {"grant_type": "client_credentials", "client_id": client["id"],
                                                       "client_secret": secret})[0] == 200
    client = run("client", "add", "ribbon", "--preset", "ribbon")
    assert works(client, client["password"])
    assert [c["id"] for c in run("client", "list")] == [client["id"]]
    rotated = run("client", "rotate", client["id"])
    assert works(client, client["password"]) and works(client, rotated["password"])
    last = run("client", "rotate", client["id"], "--drop-old")
    assert works(client, last["password"]) and not works(client, rotated["password"])
    assert run("client", "add", "x", "--scope", "inspect", "--grant", "auth-code", "--redirect", "http://evil.example/",
               check=False).returncode == 1

    assert run("organisation", "add", "Second")["name"] == "Second"
    assert {o["name"] for o in run("organisation", "list")} >= {"Second"}
    assert run("user", "add", "zoe", "--email", "z@example.org", "--organisation", "Second")["organisation"] != \
        made["organisation"]

    admin = response.sign_in()
    assert admin.call("GET", "/iroh/profile/whoami")[0] == 200
    kids = {k["kid"] for k in api.get("/.well-known/jwks")["keys"]}
    kid = run("keys", "rotate")["kid"]
    assert wait_for("the new key", lambda: {k["kid"] for k in api.get("/.well-known/jwks")["keys"]} == kids | {kid}, 60)
    assert admin.call("GET", "/iroh/profile/whoami")[0] == 200
    kid = run("keys", "rotate", "--at-once")["kid"]
    assert wait_for("only the new key", lambda: {k["kid"] for k in api.get("/.well-known/jwks")["keys"]} == {kid}, 60)
    assert admin.call("GET", "/iroh/profile/whoami")[0] == 401
    text = (response.state / "audit.jsonl").read_text()
    for secret in (made["password"], new, client["password"], last["password"]):
        assert secret not in text


def test_stored_judgements_answer_enrichment_and_survive(response):
    api = response.sign_in()
    status, made = api.call("POST", "/ctia/judgement", {
        "observable": {"type": "domain", "value": "bad.example"}, "disposition": 2, "priority": 90,
        "confidence": "High", "severity": "High", "source": "test"})
    assert status == 201, made
    response.kill()
    response.start()
    answer = api.post("/iroh/iroh-enrich/deliberate/observables", [{"type": "domain", "value": "BAD.example"}])
    part = [p for p in answer["data"] if p["module"] == "Private intelligence"][0]
    assert part["module_type_id"] == "2c8b4134-c521-5be5-aaf8-af06e5e27cbb"
    verdict = part["data"]["verdicts"]["docs"][0]
    assert verdict["disposition_name"] == "Malicious" and verdict["judgement_id"] == made["id"]
    assert stat.S_IMODE(os.stat(response.state / "intel-keys.json").st_mode) == 0o600
