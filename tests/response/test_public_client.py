"""The public Python client of this API (package threatresponse), unchanged, against our server.

MAILREEVE_TR_CLIENT names a checkout of it (repository CiscoSecurity/tr-05-api-module); it is no part of this project.
"""
import os
import sys

import pytest

from test_api import DOMAIN, GOOD

CLIENT = os.environ.get("MAILREEVE_TR_CLIENT")
pytestmark = pytest.mark.skipif(
    not CLIENT, reason="THE PUBLIC CLIENT WAS NOT TRIED: MAILREEVE_TR_CLIENT does not name a checkout of it")

SCOPES = ["inspect:read", "enrich:read", "response", "integration:read", "profile", "sse"]


@pytest.fixture
def threat_response():
    sys.path.insert(0, CLIENT)
    try:
        import threatresponse
        yield threatresponse.ThreatResponse
    finally:
        sys.path.remove(CLIENT)


@pytest.fixture
def connect(response, threat_response):
    client, secret = response.make_client(SCOPES)
    response.module("good", **GOOD)
    response.module("dead")

    def make(**options):
        options = options or {"client_id": client, "client_password": secret}
        urls = dict.fromkeys(("visibility", "private_intel", "global_intel"), response.url)
        return threat_response(environment=urls, **options)
    make.credentials = (client, secret)
    return make


def test_constructs_with_id_and_password(connect):
    assert connect().inspect.inspect({"content": "cisco.com"}) == [{"value": "cisco.com", "type": "domain"}]


def test_constructs_with_a_token(connect, response):
    token = response.client_token(*connect.credentials)[1]["access_token"]
    assert connect(token=token).inspect.inspect({"content": ""}) == []


def test_refuses_wrong_credentials(connect):
    import requests
    with pytest.raises(requests.HTTPError):
        connect(client_id=connect.credentials[0], client_password="wrong")
    with pytest.raises(requests.HTTPError):
        connect(token="garbage")


def test_a_call_that_lacks_a_scope_raises(connect, response):
    import requests
    client, secret = response.make_client(["inspect:read"], "narrow")
    with pytest.raises(requests.HTTPError) as raised:
        connect(client_id=client, client_password=secret).enrich.observe.observables(DOMAIN)
    assert raised.value.response.status_code == 403


def test_enrich(connect):
    client = connect()
    sighting = {"type": "sighting", "observables": DOMAIN}
    assert {m["module"]: m["data"]["status"] for m in client.enrich.health()["data"]} == {"good": "ok", "dead": "error"}
    assert client.enrich.health.module_instance_id("good")["data"]["data"]["status"] == "ok"
    for verb in (client.enrich.deliberate, client.enrich.observe, client.enrich.refer):
        for answer in (verb.observables(DOMAIN), verb.sighting(sighting), verb.sighting_ref(sighting)):
            assert [m["module"] for m in answer["data"]] == ["good"]
            assert [e["module"] for e in answer["errors"]] == ["dead"]
    assert client.enrich.settings.get()["timeout_ms"] > 0


def test_respond(connect, response):
    client = connect()
    actions = client.response.respond.observables(DOMAIN)["data"]
    assert actions[0]["id"] == "delete"
    assert client.response.respond.sighting({"observables": DOMAIN})["data"] == actions
    assert client.response.respond.trigger("good", "delete", "domain", "bad.example")["data"] == {"status": "success"}
    assert response.calls("good")[-1] == {"/respond/trigger": {
        "action-id": "delete", "observable_type": "domain", "observable_value": "bad.example"}}


def test_commands(connect):
    client = connect()
    found = client.commands.verdict("bad.example")["verdicts"]
    assert found == [{"observable_value": "bad.example", "observable_type": "domain",
                      "expiration": "2026-01-31T00:00:00.000Z", "module": "good",
                      "module_type_id": found[0]["module_type_id"], "module_instance_id": "good",
                      "disposition_name": "Malicious"}]
    targets = client.commands.targets(("bad.example", "1.1.1.1"))["targets"]
    assert targets[0]["targets"] == [{"type": "email", "observables": [{"type": "email", "value": "bob@example.org"}]}]


def test_reads_modules_profile_and_devices(connect):
    client = connect()
    assert client.int.module_type.get()[0]["default_name"] == "Email gateway"
    assert {m["id"] for m in client.int.module_instance.get()} == {"good", "dead"}
    assert client.int.module_instance.get("good")["name"] == "good"
    assert client.profile.whoami()["user"]["user-name"] == "admin"
    device = client.sse_device.post({"name": "mx1"})
    assert client.sse_device.get_by_id(device["id"])["name"] == "mx1"
    assert client.sse_device.token(device["id"], {})["token"]
    assert client.sse_device.delete(device["id"])["state"] == "removed"
