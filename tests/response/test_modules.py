"""Module types, patches, instances and integrations over the API."""
import pytest

CUSTOM_RELAY = "a14ae422-01b6-5013-9876-695ff1b0ebe0"
PRIVATE_INTELLIGENCE = "2c8b4134-c521-5be5-aaf8-af06e5e27cbb"
INT = "/iroh/iroh-int"
SECRET = "hunter2 hunter2"
RELAY = {"name": "relay", "module_type_id": CUSTOM_RELAY, "visibility": "org",
         "settings": {"url": "http://127.0.0.1:9/", "auth-type": "authorization-header", "authorization-header": SECRET,
                      "supported-apis": ["health", "deliberate/observables"]}}
TYPE = {"title": "Example", "default_name": "Example module", "short_description": "s", "description": "# d", "tips": "1.",
        "capabilities": [{"id": "health", "description": "h"}], "flags": ["third-party-serverless"],
        "external_references": [{"label": "Site", "link": "https://example.org"}],
        "configuration_spec": [{"key": "custom_key", "type": "api_key", "label": "API key", "required": True},
                               {"key": "custom_CTR_ENTITIES_LIMIT", "type": "integer", "label": "Limit"}],
        "properties": {"supported-apis": ["health", "observe/observables"], "auth-type": "configuration-token",
                       "configuration-token-alg": "HS256", "configuration-token-key": SECRET,
                       "url": "https://relay.example.org"},
        "logo": "data:image/png;base64,AAAA"}


@pytest.fixture
def reader(response):
    return response.sign_in("reader", "password of the reader")


def test_module_types(response, reader):
    status, made = response.call("POST", f"{INT}/module-type", TYPE)
    assert status == 200
    assert {key: made[key] for key in TYPE} == TYPE
    assert made["record"] == "relay-module.module/RelayModule" and made["visibility"] == "org"
    one = f"{INT}/module-type/{made['id']}"
    assert response.call("GET", one) == (200, made)
    status, read = response.call("GET", one, token=reader)
    assert read["properties"]["configuration-token-key"] == "********"
    types = response.call("GET", f"{INT}/module-type?sort_by=title")[1]
    assert {CUSTOM_RELAY, PRIVATE_INTELLIGENCE, made["id"]} <= {t["id"] for t in types}
    assert [t["title"] for t in types] == sorted((t["title"] for t in types), key=str.lower)
    assert response.call("GET", f"{INT}/module-type?query=example&enabled=true&limit=1")[1] == [made]
    assert response.call("GET", f"{INT}/module-type?limit=-1")[0] == 400
    status, patched = response.call("PATCH", one, {"tips": "new", "properties": {"url": None}})
    assert status == 200 and patched["tips"] == "new" and "url" not in patched["properties"]
    assert response.call("PATCH", one, {"tips": "x"}, token=reader)[0] == 403
    assert response.call("DELETE", one, token=reader)[0] == 403
    status, errors = response.call("POST", f"{INT}/module-type", {"title": "x", "bad": 1})
    assert (status, errors) == (400, {"errors": {"default_name": "missing-required-key", "bad": "disallowed-key"}})
    assert response.call("DELETE", one)[0] == 204
    assert response.call("GET", one)[1]["error"] == "module_type_not_found"
    assert response.call("DELETE", f"{INT}/module-type/{CUSTOM_RELAY}")[0] == 403
    assert [e["action"] for e in response.audit() if e["action"].startswith("module_type.")] == [
        "module_type.create", "module_type.update", "module_type.delete"]


def test_module_instances_as_the_relay_command_line_uses_them(response, reader):
    status, made = response.call("POST", f"{INT}/module-instance", RELAY)
    assert status == 200 and made["settings"] == RELAY["settings"]
    one = f"{INT}/module-instance/{made['id']}"
    listed = [m for m in response.call("GET", f"{INT}/module-instance")[1]
              if (m["name"], m["module_type_id"]) == (RELAY["name"], CUSTOM_RELAY)]
    assert len(listed) == 1 and all(listed[0][key] == RELAY[key] for key in RELAY)
    assert response.call("GET", one, token=reader)[1]["settings"]["authorization-header"] == "********"
    assert response.call("PATCH", one, {"settings": {"supported-apis": ["health"]}})[1]["settings"] == {
        **RELAY["settings"], "supported-apis": ["health"]}
    status, errors = response.call("POST", f"{INT}/module-instance",
                                   {**RELAY, "settings": {"url": "http://10.0.0.1/", "auth-type": "magic"}})
    assert status == 400 and set(errors["errors"]) == {"settings.url", "settings.auth-type"}
    assert response.call("POST", f"{INT}/module-instance", RELAY, token=reader)[0] == 403
    assert response.call("DELETE", one)[0] == 204
    assert response.call("GET", one)[1]["error"] == "module_instance_not_found"
    bare = {"name": "intel", "module_type_id": PRIVATE_INTELLIGENCE, "visibility": "org"}
    assert response.call("POST", f"{INT}/module-instance", bare)[1]["settings"] == {}
    response.module("gateway")
    assert response.call("DELETE", f"{INT}/module-instance/gateway")[0] == 403
    assert response.call("PATCH", f"{INT}/module-instance/gateway", {"name": "x"})[0] == 403


def test_secrets_are_not_on_disk(response):
    response.call("POST", f"{INT}/module-type", TYPE)
    response.call("POST", f"{INT}/module-instance", RELAY)
    for path in response.folder.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_patches(response):
    made = response.call("POST", f"{INT}/module-type", TYPE)[1]
    patch = {"module_type_id": made["id"], "patch": {"tips": "better"}}
    patches = f"{INT}/module-type-patch"
    assert response.call("POST", f"{patches}?dry-run=true", patch)[0] == 200
    assert response.call("GET", patches)[1] == []
    stored = response.call("POST", patches, patch)[1]
    one = f"{patches}/{stored['id']}"
    assert response.call("GET", one)[1] == stored
    assert response.call("GET", f"{patches}?merge_status=pending&fields=id", described=False)[1] == [{"id": stored["id"]}]
    assert response.call("GET", f"{patches}?merge_status=merged")[1] == []
    assert response.call("GET", f"{one}/action/preview")[1]["tips"] == "better"
    # The public client sends the slash encoded.
    assert response.call("GET", f"{one}/action%2Fpreview", described=False)[1]["tips"] == "better"
    assert response.call("GET", f"{one}/action%2Fother", described=False)[0] == 404
    assert response.call("PUT", one, {**stored, "merge_status": "merged"})[1]["merge_status"] == "merged"
    assert response.call("GET", f"{INT}/module-type/{made['id']}")[1]["tips"] == "better"
    assert response.call("DELETE", one)[0] == 204
    assert response.call("GET", one)[1]["error"] == "module_type_patch_not_found"


def test_merging_needs_the_scopes_of_changing_types(response):
    made = response.call("POST", f"{INT}/module-type", TYPE)[1]
    client, secret = response.make_client(["integration"])
    token = response.client_token(client, secret)[1]["access_token"]
    stored = response.call("POST", f"{INT}/module-type-patch", {"module_type_id": made["id"], "patch": {"tips": "x"}},
                           token=token)[1]
    status, answer = response.call("PUT", f"{INT}/module-type-patch/{stored['id']}", {**stored, "merge_status": "merged"},
                                   token=token)
    assert status == 403 and answer["missing-scopes"] == ["admin/integration/module-type:write"]


def test_integrations(response):
    body = {"description": "d", "tips": "t", "module_type_id": CUSTOM_RELAY, "org_id": "system", "short_description": "s",
            "title": "Demo", "user_id": "system", "client_id": "system", "flags": ["default"], "enabled": True}
    assert response.call("GET", f"{INT}/integration")[1]
    status, made = response.call("POST", f"{INT}/integration", body)
    assert status == 200 and made["org_id"] != "system" and made["client_id"].startswith("client-")
    one = f"{INT}/integration/{made['id']}"
    assert response.call("PATCH", one, {"tips": "new", "flags": ["beta"]})[1]["flags"] == ["beta"]
    assert response.call("GET", one)[1]["tips"] == "new"
    assert response.call("DELETE", one)[0] == 204
    assert response.call("GET", one)[1]["error"] == "integration_not_found"


def test_one_click(response):
    body = {"module_type_id": CUSTOM_RELAY, "product_tenant_id": "t", "type": "one-click",
            "settings": {"url": "https://relay.example.org"}}
    status, made = response.call("POST", f"{INT}/module-instance-wrapper", body)
    assert status == 200 and made["created_new_module?"] and made["module_instances"][0]["module_type_id"] == CUSTOM_RELAY
    assert response.call("POST", f"{INT}/module-instance-wrapper", body)[1]["error"] == "already_has_one_click"
