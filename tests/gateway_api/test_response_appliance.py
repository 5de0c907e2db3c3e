"""The platform's built-in module type for gateways over the REST API, against our own gateway."""
import pathlib
import shutil
import tempfile

import pytest

from conftest import PASSPHRASE, URL
from lab.mailreeve import Response

APPLIANCE = "7b0f2f0c-3f6e-5d2b-8a41-5a9d6c1f4e90"


@pytest.fixture(scope="module")
def api(stack):
    # The program runs as an unprivileged user, who may not reach pytest's own folders.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mailreeve-appliance-"))
    folder.chmod(0o755)
    try:
        shutil.copy(stack.gateway.rest_ca_file, folder / "ca.pem")
        (folder / "ca.pem").chmod(0o644)
        response = Response(folder / "response")
        response.set_settings({"outbound.allowed_hosts": ["127.0.0.1"], "outbound.ca_file": str(folder / "ca.pem")})
        with response:
            yield response.sign_in()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def add(api, stack, name, user="reader", passphrase=PASSPHRASE):
    return api.post("/iroh/iroh-int/module-instance", {
        "name": name, "module_type_id": APPLIANCE, "visibility": "org",
        "settings": {"url": f"https://127.0.0.1:{stack.gateway.rest_port}", "basic-auth-user": user,
                     "basic-auth-password": passphrase, "console_url": "https://console.example"}})["id"]


def sightings_of(answer, module):
    """What the module of that name told, among all that answered."""
    told = [m["data"] for m in answer["data"] if m["module"] == module]
    return told[0].get("sightings", {"docs": []})["docs"] if told else []


def test_response_asks_the_rest_api(api, stack):
    module = add(api, stack, "esa")
    assert api.post(f"/iroh/iroh-enrich/health/{module}")["data"]["data"]["status"] == "ok"

    def seen(kind, value):
        answer = api.post("/iroh/iroh-enrich/observe/observables", [{"type": kind, "value": value}])
        assert answer["errors"] == [], answer
        return sightings_of(answer, "esa")

    for kind, value, messages in (
            ("email", "bob+tag@other.example", 1), ("email", stack.users[2], 1), ("email_messageid", "<two@other.example>", 1),
            ("domain", "other.example", 1), ("file_name", "in#voice.pdf", 1), ("email", "nobody@elsewhere.example", 0),
            ("mutex", "x", 0)):
        assert len(seen(kind, value)) == messages, (kind, value)
    # Other tests have sent more of these through the same gateway.
    for kind, value, messages in (("email_subject", "Invoice", 1), ("ip", "127.0.0.1", 3)):
        assert len(seen(kind, value)) >= messages, (kind, value)
    told = seen("email_messageid", "<two@other.example>")[0]
    assert told["targets"][0]["observables"] == [{"type": "email", "value": stack.users[2]}]
    assert told["source_uri"].startswith("https://console.example/message-tracking?ciscoMid=")
    relations = {(r["source"]["type"], r["relation"], r["related"]["type"]) for r in told["relations"]}
    assert ("email", "Sent", "email_messageid") in relations and ("email_messageid", "Sent_To", "email") in relations
    # Two questions about one message: told once, with both observables.
    both = api.post("/iroh/iroh-enrich/observe/observables", [
        {"type": "email_messageid", "value": "<two@other.example>"}, {"type": "domain", "value": "other.example"}])
    docs = sightings_of(both, "esa")
    assert len(docs) == 1 and len(docs[0]["observables"]) == 2
    links = [link for link in api.post("/iroh/iroh-enrich/refer/observables", [{"type": "url", "value": URL}])["data"]
             if link["module"] == "esa"]
    assert "domainNameValue=login.parcel.example" in links[0]["url"]


def test_wrong_credentials_are_named(api, stack):
    module = add(api, stack, "locked out", passphrase="not the passphrase")
    answer = api.post("/iroh/iroh-enrich/observe/observables", [{"type": "ip", "value": "127.0.0.1"}])
    errors = {e["module"]: e for e in answer["errors"]}
    assert errors["locked out"]["code"] == "permission denied"
    assert "Invalid username or passphrase." in errors["locked out"]["message"]
    assert "not the passphrase" not in str(answer)
    api.call("DELETE", f"/iroh/iroh-int/module-instance/{module}")
