"""mailreeve-response on SQLite and PostgreSQL: backup beside the server, restore into either, the command check."""
import json
import pathlib
import shutil
import tempfile

import pytest

from conftest import ROOT  # noqa: F401
from lab.mailreeve import Response
from lab.postgresql import Postgresql
from lab.util import wait_for


@pytest.fixture(scope="module")
def postgresql():
    with Postgresql() as server:
        yield server


@pytest.fixture
def folder():
    # The programs run as an unprivileged user, who may not reach pytest's own folders.
    made = pathlib.Path(tempfile.mkdtemp(prefix="mailreeve-storage-"))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def tables(kind, postgresql, name):
    return {"storage": {"url": postgresql.url(name)}} if kind == "postgresql" else {}


@pytest.mark.parametrize("source, target", [("sqlite", "postgresql"), ("postgresql", "sqlite"), ("postgresql", "postgresql")])
def test_backup_beside_the_server_and_restore_elsewhere(postgresql, folder, source, target):
    backup = folder / "backup.zst"
    with Response(folder / "one", tables=tables(source, postgresql, f"a_{source}_{target}")) as one:
        api = one.sign_in()
        client = api.post("/iroh/oauth2-clients/clients", {"name": "x", "scopes": ["inspect:read"]})
        said = json.loads(one.run("backup", backup).stdout)
        assert said["tables"] > 3 and said["rows"] > 3
        # Keys are saved apart, and named.
        assert {"token-key.pem", "device-ca.key", "device-ca.pem", "audit.jsonl"} <= set(said["keys_apart"])
        refused = one.run("restore", backup, check=False)
        assert refused.returncode == 1 and "holds data already" in refused.stderr
        password = one.admin

    two = Response(folder / "two", tables=tables(target, postgresql, f"b_{source}_{target}"))
    two.run("restore", backup)
    for name in said["keys_apart"]:
        if name.startswith(("token-key", "device-ca", "public-ca")):
            shutil.copy2(one.state / name, two.state / name)
    two.admin = password
    with two:
        # The same users and clients; with the keys even the tokens of before.
        assert [c["id"] for c in two.sign_in().get("/iroh/oauth2-clients/clients")] == [client["id"]]
        assert [c["id"] for c in two.api(api.token).get("/iroh/oauth2-clients/clients")] == [client["id"]]


def test_a_restarted_postgresql_is_found_again(postgresql, folder):
    with Response(folder / "one", tables=tables("postgresql", postgresql, "restarted")) as one:
        api = one.sign_in()
        postgresql.stop()
        status, answer = api.call("GET", "/iroh/oauth2-clients/clients")
        assert status == 503, answer
        postgresql.start()
        assert wait_for("the database", lambda: api.call("GET", "/iroh/oauth2-clients/clients")[0] == 200, 30)


def test_check_names_every_problem(folder):
    one = Response(folder / "one")
    assert one.run("check").returncode == 0
    one.tables = {"response": {"public_url": "http://x/", "device_url": "wss://x", "listen": "nowhere", "certificate_file": "none.pem",
                               "misspelt": 1},
                  "storage": {"url": "postgresql://me:hunter2@db/x"}}
    one.set_settings({"identity.token_life": 1, "no.such": True})
    failed = one.run("check", check=False)
    assert failed.returncode == 1
    for part in ("response.public_url must be", "response.device_url must be", "response.listen", "belong together",
                 "response.misspelt", "identity.token_life", "no.such"):
        assert part in failed.stderr, part
    one.set_settings({})
    failed = one.run("check", check=False)
    assert "holds a password" in failed.stderr and "hunter2" not in failed.stderr
    assert "console_folder" not in failed.stderr
