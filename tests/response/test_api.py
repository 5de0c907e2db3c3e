"""The response API as callers meet it; conftest validates every answer against schema/openapi/response.json."""
import json
import socket

import pytest

import conftest

VERDICT = {"type": "verdict", "disposition": 2, "disposition_name": "Malicious",
           "observable": {"type": "domain", "value": "bad.example"},
           "valid_time": {"start_time": "2026-01-01T00:00:00.000Z", "end_time": "2026-01-31T00:00:00.000Z"}}
SIGHTING = {"type": "sighting", "id": "transient:sighting-1", "schema_version": "1.1.0", "count": 1,
            "confidence": "High", "observables": [{"type": "domain", "value": "bad.example"}],
            "observed_time": {"start_time": "2026-01-02T03:04:05.000Z", "end_time": "2026-01-02T03:04:05.000Z"},
            "targets": [{"type": "email", "observables": [{"type": "email", "value": "bob@example.org"}],
                         "observed_time": {"start_time": "2026-01-02T03:04:05.000Z"}}],
            "relations": [{"origin": "gateway", "relation": "Connected_To",
                           "source": {"type": "email", "value": "mallory@bad.example"},
                           "related": {"type": "domain", "value": "bad.example"}}]}
GOOD = {
    "_health": {"data": {"status": "ok"}},
    "_deliberate_observables": {"data": {"verdicts": {"count": 1, "docs": [VERDICT]}},
                                "coverage": {"records_held": 3, "complete": True}},
    "_observe_observables": {"data": {"sightings": {"count": 1, "docs": [SIGHTING]}},
                             "coverage": {"records_held": 3, "complete": True}},
    "_refer_observables": {"data": [{"id": "ref-1", "title": "Search", "description": "d", "url": "https://gw.example/s",
                                     "categories": ["Search"]}]},
    "_respond_observables": {"data": [{"id": "delete", "title": "Delete", "description": "d", "categories": [],
                                       "query-params": {"observable_type": "domain",
                                                        "observable_value": "bad.example"}}]},
    "_respond_trigger": {"data": {"status": "success"}},
    "_mailreeve_messages": {"data": {"messages": [{"mid": 7, "subject": "<b>x</b>"}], "next_cursor": ""}},
    "_mailreeve_message": {"data": {"mid": 7, "subject": "x"}},
}
DOMAIN = [{"type": "domain", "value": "bad.example"}]


def modules_of_every_kind(response):
    response.module("good", **GOOD)
    response.module("dead")
    response.module("slow", **{route: "sleep" for route in GOOD})
    response.module("html", **{route: "<html>502 Bad Gateway</html>" for route in GOOD})
    response.module("list", **{route: [] for route in GOOD})
    response.module("long", **{route: json.dumps({"data": {"sightings": {"count": 1, "docs": [{"x": "y" * 1100000}]}}})
                               for route in GOOD})
    response.module("partly", _observe_observables={
        "data": {"sightings": {"count": 1, "docs": [SIGHTING]}},
        "errors": [{"code": "too many requests", "message": "quota", "type": "warning"}]})
    return {"dead", "slow", "html", "list", "long"}


def test_aggregates_name_every_module_that_failed(response):
    failing = modules_of_every_kind(response)
    status, answer = response.call("POST", "/iroh/iroh-enrich/observe/observables", DOMAIN)
    assert status == 200
    assert {m["module"] for m in answer["data"]} == {"good", "partly"}
    assert {e["module"] for e in answer["errors"]} == failing | {"partly"}
    codes = {e["module"]: e["code"] for e in answer["errors"]}
    assert codes == {"dead": "connection error", "slow": "timeout", "html": "invalid answer", "list": "invalid answer",
                     "long": "too long", "partly": "too many requests"}
    coverage = {c["module"]: c for c in answer["coverage"]}
    assert coverage["good"]["answered"] and coverage["good"]["held"]["records_held"] == 3
    assert not any(coverage[m]["answered"] for m in failing)
    assert answer["data"][0]["data"]["sightings"]["docs"][0]["id"].startswith("transient:sighting-")
    assert response.calls("good") == [{"/observe/observables": DOMAIN}]


def test_every_enrich_route(response):
    response.module("good", **GOOD)
    sighting = {"id": "transient:s", "observables": DOMAIN}
    for verb in ("deliberate", "observe", "refer"):
        for noun, body in (("observables", DOMAIN), ("sighting", sighting), ("sighting_ref", sighting)):
            status, answer = response.call("POST", f"/iroh/iroh-enrich/{verb}/{noun}", body)
            assert status == 200 and len(answer["data"]) == 1, (verb, noun, answer)
        assert response.call("POST", f"/iroh/iroh-enrich/{verb}/sighting_ref", "\"sighting-1\"")[0] == 404
        assert response.call("POST", f"/iroh/iroh-enrich/{verb}/observables", {})[0] == 400
    assert response.call("POST", "/iroh/iroh-enrich/health")[1]["data"][0]["data"] == {"status": "ok"}
    assert response.call("POST", "/iroh/iroh-enrich/health/good")[0] == 200
    assert response.call("POST", "/iroh/iroh-enrich/health/nobody")[1]["error"] == "module_instance_not_found"
    assert response.call("GET", "/iroh/iroh-enrich/settings")[0] == 200
    status, answer = response.call("POST", "/iroh/iroh-enrich/observe/observables?mids=nobody", DOMAIN)
    assert answer == {"data": [], "errors": [], "coverage": []}


def test_inspect(response):
    status, answer = response.call("POST", "/iroh/iroh-inspect/inspect", {"content": "hxxp://bad[.]example/x cisco.com"})
    assert status == 200
    assert {"type": "domain", "value": "cisco.com"} in answer
    assert {"type": "url", "value": "http://bad.example/x"} in answer
    assert response.call("POST", "/iroh/iroh-inspect/inspect", {})[1] == {"content": "missing-required-key"}
    # No header at all, word for word (the trace id apart).
    status, answer = response.call("POST", "/iroh/iroh-inspect/inspect", {"content": "x"}, token=None)
    del answer["trace_id"]
    assert (status, answer) == (401, {"error": "invalid_request",
                                      "error_description": "No JWT found in HTTP Authorization header"})


def test_respond(response):
    response.module("good", **GOOD)
    status, answer = response.call("POST", "/iroh/iroh-response/respond/observables", DOMAIN)
    action = answer["data"][0]
    assert action["url"] == "/respond/trigger/good/delete?observable_type=domain&observable_value=bad.example"
    assert response.call("POST", "/iroh/iroh-response/respond/sighting", {"observables": DOMAIN})[0] == 200
    status, answer = response.call("POST", "/iroh/iroh-response" + action["url"] + "&note=hello%20there")
    assert (status, answer["data"]) == (200, {"status": "success"})
    assert response.calls("good")[-1] == {"/respond/trigger": {
        "action-id": "delete", "observable_type": "domain", "observable_value": "bad.example", "note": "hello there"}}
    assert response.call("POST", "/iroh/iroh-response/respond/trigger/nobody/delete")[0] == 404
    response.module("dead")
    status, answer = response.call("POST", "/iroh/iroh-response/respond/trigger/dead/delete")
    assert (status, answer["data"]) == (200, {"status": "failure"})
    acts = [(e["action"], e["result"]) for e in response.audit() if e["action"].startswith("action.")]
    assert acts[:2] == [("action.request", "success"), ("action.trigger", "success")]
    assert ("action.trigger", "failure") in acts


def test_scopes(response):
    client, secret = response.make_client(["inspect:read"])
    token = response.client_token(client, secret)[1]["access_token"]
    assert response.call("POST", "/iroh/iroh-inspect/inspect", {"content": ""}, token=token)[0] == 200
    status, answer = response.call("POST", "/iroh/iroh-response/respond/trigger/x/y", token=token)
    assert status == 403
    assert answer["missing-scopes"] == ["response/trigger:write"]
    reader = response.sign_in("reader", "password of the reader")
    assert response.call("POST", "/iroh/iroh-response/respond/trigger/x/y", token=reader)[0] == 403
    assert response.call("POST", "/iroh/oauth2-clients/clients", {"name": "x", "scopes": ["inspect"]},
                         token=reader)[0] == 403
    assert response.call("POST", "/iroh/iroh-enrich/observe/observables", [], token=reader)[0] == 200


def test_tokens_and_clients(response):
    client, secret = response.make_client(["inspect:read", "enrich"])
    status, answer = response.client_token(client, secret)
    assert status == 200 and answer["scope"] == "enrich inspect:read"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.client_token(client, "wrong")[0] == 401
    assert response.client_token(client, secret, "grant_type=password")[0] == 400
    status, clients = response.call("GET", "/iroh/oauth2-clients/clients")
    assert [c["id"] for c in clients] == [client]
    assert response.call("DELETE", f"/iroh/oauth2-clients/clients/{client}")[0] == 204
    status, refused = response.call("GET", "/iroh/iroh-enrich/settings", token=answer["access_token"])
    assert (status, refused["error"]) == (401, "jwt_revoked")
    assert response.call("DELETE", f"/iroh/oauth2-clients/clients/{client}")[0] == 404
    assert response.call("POST", "/iroh/oauth2-clients/clients", {"name": "", "scopes": ["x"]})[0] == 400
    text = json.dumps(response.audit())
    assert secret not in text and answer["access_token"] not in text
    assert secret not in (response.folder / "driver.log").read_text()


def test_sign_in_session(response):
    status, _ = response.call("POST", "/mailreeve/v1/sign-in", {"user": "admin", "password": "wrong"}, token=None)
    assert status == 401
    response.sign_in()
    cookie = response.headers["Set-Cookie"].split(";")[0]
    origin = {"Cookie": cookie, "Origin": response.url}
    status, answer = response.call("POST", "/mailreeve/v1/sign-in/refresh", token=None, headers=origin)
    assert status == 200 and answer["user"]["name"] == "admin"
    origin["Cookie"] = response.headers["Set-Cookie"].split(";")[0]
    assert response.call("POST", "/mailreeve/v1/sign-in/refresh", token=None,
                         headers={**origin, "Origin": "https://evil.example"})[0] == 403
    assert response.call("POST", "/mailreeve/v1/sign-out", token=None, headers=origin)[0] == 204
    assert response.call("POST", "/mailreeve/v1/sign-in/refresh", token=None, headers=origin)[0] == 401
    assert response.call("GET", "/iroh/profile/whoami")[1]["user"]["mailreeve-role"] == "admin"


def test_wrong_passwords_are_limited(response):
    statuses = [response.call("POST", "/mailreeve/v1/sign-in", {"user": "admin", "password": f"guess {n}"},
                              token=None)[0] for n in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert int(response.headers["Retry-After"]) > 0


def test_modules_and_devices(response):
    response.module("good", **GOOD)
    types = response.call("GET", "/iroh/iroh-int/module-type")[1]
    assert types[0]["title"] == "Email gateway"
    assert response.call("GET", f"/iroh/iroh-int/module-type/{types[0]['id']}")[0] == 200
    assert response.call("GET", "/iroh/iroh-int/module-type/x")[0] == 404
    assert response.call("GET", "/iroh/iroh-int/module-instance")[1][0]["id"] == "good"
    assert response.call("GET", "/iroh/iroh-int/module-instance/good")[0] == 200
    assert response.call("GET", "/iroh/iroh-int/module-instance/x")[0] == 404
    assert response.call("GET", "/mailreeve/v1/status")[1]["module_instances"][0]["reachable"]

    status, device = response.call("POST", "/iroh/iroh-sse/device", {"name": "mx1"})
    assert status == 201
    target = "/iroh/iroh-sse/device/" + device["id"]
    assert response.call("GET", "/iroh/iroh-sse/device")[1][0]["id"] == device["id"]
    assert response.call("GET", target)[0] == 200
    assert response.call("PATCH", target, {"description": "new"})[1]["description"] == "new"
    assert response.call("POST", target + "/token")[0] == 200
    assert response.call("GET", "/iroh/iroh-sse/tenant/token")[0] == 200
    assert response.call("DELETE", target)[0] == 200
    assert response.call("GET", "/iroh/iroh-sse/device/nobody")[0] == 404
    assert response.call("POST", "/device/v1/registration", {"token": "0" * 32, "request_pem": "x"}, token=None)[0] == 401


def test_messages_and_remediation(response):
    folder = response.module("good", **GOOD)
    status, answer = response.call("POST", "/mailreeve/v1/messages/search", {"subject": "x", "limit": 5})
    assert answer["data"][0]["data"]["messages"][0]["mid"] == 7
    assert response.call("POST", "/mailreeve/v1/messages/search", {"limit": 0})[0] == 400
    assert response.call("GET", "/mailreeve/v1/messages/good/7")[1]["data"]["mid"] == 7
    assert response.call("GET", "/mailreeve/v1/messages/nobody/7")[0] == 404
    plan = {"id": "p", "hash": "h", "action": "delete", "mailboxes": 1, "messages": 1, "items": [
        {"mid": 7, "rid": 0, "recipient": "bob@example.org", "state": "present"}]}
    response.module("good", _mailreeve_remediation_plan={"data": plan},
                    _mailreeve_remediation_execute={"data": {"batch_id": "b"}},
                    _mailreeve_remediation_batch={"data": {"id": "b", "state": "running", "total": 1, "done": 0}})
    order = {"module_instance_id": "good", "action": "delete", "mids": ["7"]}
    assert response.call("POST", "/mailreeve/v1/remediation/plans", order)[1]["data"] == plan
    start = {"module_instance_id": "good", "plan_id": "p", "plan_hash": "h", "idempotency_key": "12345678"}
    assert response.call("POST", "/mailreeve/v1/remediation/batches", start)[1]["data"] == {"batch_id": "b"}
    assert response.call("GET", "/mailreeve/v1/remediation/batches/good/b")[1]["data"]["state"] == "running"
    (folder / "_mailreeve_remediation_execute.json").write_text(
        '{"errors":[{"code":"conflict","message":"the plan has changed","type":"fatal"}]}')
    assert response.call("POST", "/mailreeve/v1/remediation/batches", start)[0] == 409
    for module, status in (("html", 502), ("dead", 503), ("slow", 504)):
        modules_of_every_kind(response)
        response.module("slow", _mailreeve_remediation_plan="sleep")
        response.module("html", _mailreeve_remediation_plan="<html>")
        assert response.call("POST", "/mailreeve/v1/remediation/plans",
                             {**order, "module_instance_id": module})[0] == status


def test_discovery(response):
    for target in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/.well-known/jwks",
                   "/clouds.json"):
        assert response.call("GET", target, token=None)[0] == 200
    assert response.call("GET", "/.well-known/jwks.json", token=None, described=False)[0] == 404


def test_the_page_is_guarded_by_its_headers(response):
    status, text = response.call("GET", "/", token=None, described=False)
    assert status == 200 and "console" in text
    policy = response.headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'",
                 "base-uri 'none'", "require-trusted-types-for 'script'"):
        assert part in policy
    assert len(response.headers.get_all("Content-Security-Policy")) == 1
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Access-Control-Allow-Origin"] is None
    assert response.call("GET", "/investigate", token=None, described=False)[0] == 200
    assert response.call("GET", "/../token-key.pem", token=None, described=False)[0] in (400, 404)
    assert response.call("GET", "/%2e%2e/token-key.pem", token=None, described=False)[0] in (400, 404)
    status, _ = response.call("GET", "/iroh/none", token=None, described=False)
    assert status == 404 and response.headers["x-iroh-version"] == "test"


@pytest.mark.parametrize("raw", [
    b"GET /iroh/profile/whoami HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
    b"POST /iroh/oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
])
def test_nonsense_on_the_wire_harms_nobody(response, raw):
    with socket.create_connection(("127.0.0.1", response.port), timeout=20) as peer:
        peer.sendall(raw)
        peer.shutdown(socket.SHUT_WR)
        peer.recv(100000)
    assert response.call("GET", "/iroh/iroh-enrich/settings")[0] == 200
