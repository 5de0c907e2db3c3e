"""Response and a gateway together: registration, investigation, remediation, scopes; response down; wrong tokens."""
import base64
import json
import pathlib
import subprocess

import pytest

from lab import campaign, util
from lab.mailreeve import Gateway
from lab.stack import Stack, plant

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def stack():
    with Stack(users=4) as running:
        plant(running)
        yield running


@pytest.fixture(scope="module")
def script(stack):
    """An API client of limited scopes, as a script uses it."""
    client = stack.admin.post("/iroh/oauth2-clients/clients", {
        "name": "script", "scopes": ["inspect:read", "enrich:read", "response", "integration:read"], "grants": ["client-creds"]})
    return sign_in(stack, client["id"], client["password"])


def sign_in(stack, client, secret):
    api = stack.response.api()
    basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
    status, answer = api.call("POST", "/iroh/oauth2/token", "grant_type=client_credentials", headers={
        "Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {basic}"})
    assert status == 200, answer
    return stack.response.api(answer["access_token"])


def sightings_of(answer, module="gateway-1"):
    """What the module of that name told, among all that answered."""
    told = [m["data"] for m in answer["data"] if m["module"] == module]
    return told[0].get("sightings", {"docs": []})["docs"] if told else []


def test_investigation_names_who_was_hit(stack, script):
    observables = script.post("/iroh/iroh-inspect/inspect", {"content": f"see {campaign.URL.replace('https', 'hxxps')}"})
    assert observables == [{"type": "url", "value": campaign.URL}]
    answer = script.post("/iroh/iroh-enrich/observe/observables", observables)
    assert {m["module"] for m in answer["data"]} == {"gateway-1", "Private intelligence"} and not answer.get("errors")
    docs = sightings_of(answer)
    assert len(docs) == 2
    targets = {o["value"] for d in docs for t in d["targets"] for o in t["observables"]}
    assert targets == set(stack.users)
    coverage = {c["module"]: c for c in answer["coverage"]}
    assert coverage["gateway-1"]["answered"] and coverage["gateway-1"]["held"]["complete"]
    health = script.post("/iroh/iroh-enrich/health")
    assert {m["module"]: m["data"]["status"] for m in health["data"]} == {"gateway-1": "ok", "Private intelligence": "ok"}
    nothing = script.post("/iroh/iroh-enrich/observe/observables", [{"type": "domain", "value": "nowhere.example"}])
    assert not sightings_of(nothing)


def test_scopes_are_kept(stack, script):
    status, answer = script.call("GET", "/iroh/iroh-sse/device")
    assert status == 403 and answer["missing-scopes"]
    assert stack.response.api().call("GET", "/iroh/iroh-sse/device")[0] == 401
    assert stack.response.api("rubbish").call("GET", "/iroh/iroh-enrich/settings")[0] == 401


def test_token_works_once(stack):
    token = stack.response.device_token(stack.admin)
    folder = stack.folder / "second"
    with Gateway(folder, "gateway-2", response=stack.response) as second:
        def register(value):
            return second.cli("register", "--server", stack.response.url, "--token", value, "--ca", str(stack.response.ca_file),
                              check=False)
        wrong = register("0" * 32)
        assert wrong.returncode != 0 and "token" in wrong.stderr
        assert register(token).returncode == 0
        util.wait_for("channel", lambda: second.api().get("/v1/device")["channel"] == "connected")
        again = register(token)
        assert again.returncode != 0 and "used" in again.stderr
        # The old registration still works.
        util.wait_for("channel", lambda: second.api().get("/v1/device")["channel"] == "connected")
        devices = {d["name"]: d for d in stack.admin.get("/iroh/iroh-sse/device")}
        assert devices["gateway-2"]["status"] == "connected"
        # Removing it ends the session, and its certificate is refused from then on.
        stack.admin.delete(f"/iroh/iroh-sse/device/{devices['gateway-2']['id']}")
        util.wait_for("refusal", lambda: second.api().get("/v1/device")["channel"] == "refused")
        assert "removed" in second.api().get("/v1/device")["last_error"]


def test_remediation_with_proof(stack, script):
    observables = [{"type": "url", "value": campaign.URL}]
    docs = sightings_of(script.post("/iroh/iroh-enrich/observe/observables", observables))
    mids = sorted({o["value"] for d in docs for r in d["relations"] for o in (r["source"], r["related"]) if o["type"] == "cisco_mid"})
    actions = script.post("/iroh/iroh-response/respond/observables", [{"type": "cisco_mid", "value": mids[0]}])
    ids = {a["id"]: a for a in actions["data"]}
    assert set(ids) == {"esa-mor-delete", "esa-mor-forward", "esa-mor-forward-delete"}
    # The first message by the public action, as a script of the original would.
    first = [d for d in docs if len(d["targets"]) == 1][0]
    mid = [o["value"] for r in first["relations"] for o in (r["source"], r["related"]) if o["type"] == "cisco_mid"][0]
    answer = script.post("/iroh/iroh-response" + [
        a for a in script.post("/iroh/iroh-response/respond/observables", [{"type": "cisco_mid", "value": mid}])["data"]
        if a["id"] == "esa-mor-delete"][0]["url"])
    assert answer["data"]["status"] == "success"
    assert [m["message_id"] for m in stack.dovecot.list(stack.users[0])] == ["<lunch@partner.example>"]
    # The second by plan and batch, with the same key twice.
    other = [m for m in mids if m != mid]
    plan = script.post("/mailreeve/v1/remediation/plans", {"module_instance_id": stack.device_id, "action": "forward_and_delete",
                                                           "mids": [int(m) for m in other]})["data"]
    assert plan["mailboxes"] == 3 and plan["counts"]["moved"] == 1
    order = {"module_instance_id": stack.device_id, "plan_id": plan["id"], "plan_hash": plan["hash"], "idempotency_key": "test-key-one"}
    status, refused = script.call("POST", "/mailreeve/v1/remediation/batches", {**order, "plan_hash": "0" * 64})
    assert status >= 400
    batch_id = script.post("/mailreeve/v1/remediation/batches", order)["data"]["batch_id"]
    assert script.post("/mailreeve/v1/remediation/batches", order)["data"]["batch_id"] == batch_id

    def ended():
        batch = script.get(f"/mailreeve/v1/remediation/batches/{stack.device_id}/{batch_id}")["data"]
        return batch if batch["state"].startswith("completed") else None
    batch = util.wait_for("batch", ended, 60)
    assert sorted(r["result"] for r in batch["receipts"]) == ["moved_followed", "removed", "removed"]
    assert all(r["forwarded"] and r["evidence"] for r in batch["receipts"])
    for user in stack.users[1:]:
        assert stack.dovecot.list(user) == []
    util.wait_for("forward", lambda: len(stack.dovecot.list(stack.soc)) == 1)
    assert b"message/rfc822" in stack.dovecot.list(stack.soc)[0]["message"]
    audit = [json.loads(line) for line in (stack.gateway.state / "audit.jsonl").read_text().splitlines()]
    assert any(e["action"] == "mail.remediate" and e["actor"]["id"] for e in audit)


def test_a_gateway_that_is_away_is_named(stack, script):
    stack.gateway.stop()
    answer = script.post("/iroh/iroh-enrich/observe/observables", [{"type": "url", "value": campaign.URL}])
    assert [e["module"] for e in answer["errors"]] == ["gateway-1"]
    assert not [c for c in answer["coverage"] if c["module"] == "gateway-1"][0]["answered"]
    stack.response.stop()
    # Response is down when the gateway starts: mail is tracked all the same, and the channel comes by itself later.
    stack.gateway.start()
    stack.send("a@sender.example", [stack.users[0]], b"Subject: later\r\nMessage-ID: <later@sender.example>\r\n\r\nx\r\n")
    assert len(stack.track("--message-id", "<later@sender.example>")) == 1
    assert stack.gateway.api().get("/v1/device")["state"] == "registered"
    stack.response.start()
    util.wait_for("channel", lambda: stack.gateway.api().get("/v1/device")["channel"] == "connected", 90)


def test_nothing_secret_in_the_logs(stack):
    secrets = [stack.response.admin[1], pathlib.Path(stack.dovecot.secret_file).read_text().strip()]
    for log in (stack.response.log, stack.gateway.log):
        text = log.read_text(errors="replace")
        for secret in secrets:
            assert secret not in text
    for key in [*stack.response.state.rglob("*key*"), *stack.gateway.state.rglob("*key*")]:
        if key.is_file():
            assert key.stat().st_mode & 0o077 == 0, key
