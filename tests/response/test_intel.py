"""The intelligence API (/ctia) as scripts meet it; conftest validates every answer against schema/openapi/intel.json."""
import json
import urllib.parse
import uuid

import pytest

MINIMAL = {
    "actor": {"title": "Ape", "description": "d", "short_description": "s", "source": "feed", "actor_types": ["Hacker"]},
    "asset": {"asset_type": "device", "source": "s", "valid_time": {}, "title": "laptop"},
    "asset-mapping": {"asset_ref": "transient:a", "asset_type": "device", "confidence": "High",
                      "observable": {"type": "ip", "value": "192.0.2.7"}, "source": "s", "specificity": "Unique",
                      "stability": "Managed", "valid_time": {}},
    "asset-properties": {"asset_ref": "transient:a", "source": "s", "valid_time": {},
                         "properties": [{"name": "os", "value": "Debian"}]},
    "attack-pattern": {"title": "Phishing", "description": "d", "short_description": "s",
                       "external_references": [{"source_name": "mitre-attack", "external_id": "T1566"}]},
    "campaign": {"title": "c", "description": "d", "short_description": "s", "campaign_type": "theft"},
    "casebook": {"title": "Case", "observables": [{"type": "domain", "value": "bad.example"}]},
    "coa": {"title": "Block"},
    "data-table": {"title": "t", "columns": [{"name": "a", "type": "string"}], "rows": [["x"]]},
    "feed": {"feed_type": "indicator", "output": "observables", "title": "f"},
    "feedback": {"entity_id": "actor-" + str(uuid.uuid4()), "feedback": 1, "reason": "good"},
    "identity-assertion": {"identity": {"observables": [{"type": "ip", "value": "192.0.2.7"}]},
                           "assertions": [{"name": "cisco:ctr:device:owner", "value": "bob"}]},
    "incident": {"title": "Wave", "confidence": "High", "status": "New",
                 "incident_time": {"opened": "2026-02-01T09:00:00.000Z"}, "severity": "High"},
    "indicator": {"title": "Kit", "producer": "p", "tags": ["phishing"]},
    "investigation": {"title": "i", "source": "s", "investigated_observables": ["ip:192.0.2.7"]},
    "judgement": {"observable": {"type": "domain", "value": "bad.example"}, "disposition": 2, "priority": 90,
                  "confidence": "High", "severity": "High", "source": "gw"},
    "malware": {"title": "m", "description": "d", "short_description": "s", "labels": ["bot"]},
    "note": {"content": "text", "note_class": "default", "related_entities": []},
    "relationship": {"relationship_type": "related-to", "source_ref": "transient:a", "target_ref": "transient:b"},
    "sighting": {"observed_time": {"start_time": "2026-02-01T10:00:00.000Z"},
                 "observables": [{"type": "domain", "value": "bad.example"}, {"type": "ip", "value": "192.0.2.7"}]},
    "target-record": {"title": "t", "source": "s",
                      "targets": [{"type": "endpoint", "observables": [{"type": "ip", "value": "192.0.2.8"}],
                                   "observed_time": {"start_time": "2026-02-01T10:00:00.000Z"}}]},
    "tool": {"title": "t", "description": "d", "short_description": "s", "labels": ["remote-access"]},
    "vulnerability": {"description": "d", "title": "CVE-2026-1",
                      "configurations": {"CVE_data_version": "4.0", "nodes": [{"operator": "OR", "cpe_match": [
                          {"vulnerable": True, "cpe23Uri": "cpe:2.3:a:x:y:1:*:*:*:*:*:*:*"}]}]}},
    "weakness": {"description": "d", "title": "CWE-79"},
}
OWN_URL = "http://response.example/ctia/"


def make(response, entity, **more):
    status, answer = response.call("POST", "/ctia/" + entity, {**MINIMAL[entity], **more})
    assert status == 201, (entity, answer)
    return answer


def short(long_id):
    return long_id.rpartition("/")[2]


def quoted(text):
    return urllib.parse.quote(text, safe="")


@pytest.mark.parametrize("entity", sorted(MINIMAL))
def test_a_record_lives_and_goes(response, entity):
    base = "/ctia/" + entity
    made = make(response, entity, external_ids=["x-1"])
    assert response.headers["Location"] == made["id"]
    assert made["id"].startswith(OWN_URL + entity + "/" + entity + "-")
    assert made["type"] == entity and made["tlp"] == "green" and made["owner"] and len(made["groups"]) == 1
    assert made["created"] == made["modified"] and made["schema_version"]
    for name in (short(made["id"]), quoted(made["id"])):
        assert response.call("GET", f"{base}/{name}") == (200, made)
    assert response.headers["X-Ctim-Version"] and response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.call("GET", f"{base}/{short(made['id'])}?fields=id&fields=tlp")[1] == {
        "id": made["id"], "tlp": "green"}
    assert response.call("GET", f"{base}/external_id/x-1") == (200, [made])
    assert response.headers["X-Total-Hits"] == "1"
    assert response.call("GET", f"{base}/external_id/none") == (200, [])
    assert response.call("GET", f"{base}/search?query=*") == (200, [made])
    assert response.call("GET", f"{base}/search?id={short(made['id'])}") == (200, [made])
    assert response.call("GET", f"{base}/search?query=" + quoted("id:*" + short(made["id"]))) == (200, [made])
    assert response.call("GET", f"{base}/search/count") == (200, 1)

    status, changed = response.call("PUT", f"{base}/{quoted(made['id'])}", {**MINIMAL[entity], "revision": 2})
    if entity == "judgement":
        assert status == 403 and changed["capabilities"] == ["create-judgement", "developer"]
    else:
        assert status == 200, changed
        assert changed["revision"] == 2 and changed["created"] == made["created"] and "external_ids" not in changed
        assert response.call("GET", f"{base}/external_id/x-1") == (200, [])
    history = response.call("GET", "/ctia/event/history/" + quoted(made["id"]))[1]
    kinds = [event["event_type"] for bucket in history for event in bucket["events"]]
    assert sorted(kinds) == sorted(["record-created"] + ([] if entity == "judgement" else ["record-updated"]))

    assert response.call("DELETE", f"{base}/{short(made['id'])}") == (204, "")
    for method in ("GET", "DELETE"):
        assert response.call(method, f"{base}/{short(made['id'])}") == (404, {"error": f"{entity} not found"})
    assert response.call("PUT", f"{base}/{short(made['id'])}", MINIMAL[entity])[0] in (403, 404)
    assert response.call("GET", f"{base}/search/count") == (200, 0)


def test_what_is_wrong_is_named(response):
    status, answer = response.call("POST", "/ctia/judgement", {"observable": {"type": "nope", "value": "x"}, "foo": 1})
    assert status == 400
    errors = answer["errors"]
    assert errors["foo"] == "disallowed-key" and errors["priority"] == "missing-required-key"
    assert "nope" in errors["observable"]["type"]
    assert response.call("POST", "/ctia/judgement", "{")[1]["type"] == "json-parse-exception"
    status, answer = response.call("POST", "/ctia/judgement", {**MINIMAL["judgement"], "disposition_name": "Clean"})
    assert status == 400 and answer["error"].startswith("Mismatched")
    status, answer = response.call("POST", "/ctia/actor", {**MINIMAL["actor"], "id": "actor-" + str(uuid.uuid4())})
    assert status == 403 and answer["error"] == "Missing capability to specify entity ID"
    assert response.call("POST", "/ctia/actor", {**MINIMAL["actor"], "title": "x" * 2000})[1]["type"] \
        == "Invalid Entity Error"
    foreign = quoted("http://other.example/ctia/actor/actor-" + str(uuid.uuid4()))
    assert response.call("GET", "/ctia/actor/" + foreign)[1]["error"] == "Invalid hostname in ID"
    assert response.call("GET", "/ctia/actor/nonsense")[0] == 404
    for query in ("title:[a", "(", "a AND"):
        status, answer = response.call("GET", "/ctia/actor/search?query=" + quoted(query))
        assert status == 400 and answer["type"] == "ES Invalid Request", answer
    for parameter in ("limit=x", "limit=-1", "sort_by=nonsense", "sort_order=up", "from=yesterday",
                      "search_fields=nonsense"):
        status, answer = response.call("GET", "/ctia/actor/search?" + parameter)
        assert status == 400 and list(answer["errors"]) == [parameter.split("=")[0]], answer
    assert response.call("GET", "/ctia/nothing/search", described=False)[0] == 404


def test_who_may_not(response):
    status, answer = response.call("GET", "/ctia/actor/search", token=None)
    assert status == 401 and answer == {"error": "not_authenticated", "message": "Only authenticated users allowed"}
    assert response.call("GET", "/ctia/actor/search", token="garbage")[0] == 401
    by_query = "/ctia/actor/search?Authorization=" + quoted("Bearer " + response.token)
    assert response.call("GET", by_query, token=None) == (200, [])
    client, secret = response.make_client(["casebook", "private-intel/actor:read"])
    weak = response.client_token(client, secret)[1]["access_token"]
    assert response.call("GET", "/ctia/actor/search", token=weak)[0] == 200
    status, answer = response.call("POST", "/ctia/actor", MINIMAL["actor"], token=weak)
    assert status == 403 and answer["error"] == "missing_capability" and answer["capabilities"] == "create-actor"
    assert response.call("POST", "/ctia/casebook", MINIMAL["casebook"], token=weak)[0] == 201
    assert response.call("DELETE", "/ctia/event/search?query=*")[1]["capabilities"] == [
        "search-event", "developer", "delete-event"]
    assert response.call("GET", "/ctia/properties")[0] == 403
    assert response.call("GET", "/ctia/version", token=None)[1]["base"] == "/ctia"
    assert response.call("GET", "/ctia/status") == (200, {"status": "ok"})
    assert response.call("GET", "/ctia/metrics")[1]["documents.casebook"] == 1


def test_red_is_the_owners_only(response):
    red = make(response, "actor", tlp="red")
    lent = make(response, "actor", tlp="red", title="lent", authorized_users=[])
    reader = response.sign_in("reader", "password of the reader")
    assert response.call("GET", "/ctia/actor/" + short(red["id"]), token=reader)[0] == 403
    assert response.call("GET", "/ctia/actor/search", token=reader) == (200, [])
    me = response.call("GET", "/iroh/profile/whoami", token=reader)[1]["user"]["user-id"]
    lent = response.call("PUT", "/ctia/actor/" + short(lent["id"]),
                         {**MINIMAL["actor"], "tlp": "red", "authorized_users": [me]})[1]
    assert response.call("GET", "/ctia/actor/search", token=reader) == (200, [lent])


def test_pages_of_250_indicators(response):
    for start in range(0, 250, 125):
        answer = response.call("POST", "/ctia/bulk", {"indicators": [
            {**MINIMAL["indicator"], "title": f"i{start + i}"} for i in range(125)]})
        assert answer[0] == 201
    by_next, target = [], "limit=100"
    for _ in range(3):
        status, page = response.call("GET", "/ctia/indicator/search?" + target)
        assert response.headers["X-Total-Hits"] == "250"
        by_next += [item["title"] for item in page]
        target = response.headers["X-Next"]
    assert target is None and len(set(by_next)) == 250
    by_after, after = [], ""
    while True:
        page = response.call("GET", "/ctia/indicator/search?limit=100" + after)[1]
        if not page:
            break
        by_after += [item["title"] for item in page]
        after = "".join("&search_after=" + quoted(str(v)) for v in json.loads(response.headers["X-Sort"]))
    assert by_after == by_next
    page = response.call("GET", "/ctia/indicator/search?limit=3&offset=5&sort_by=title:desc&fields=title")[1]
    assert page == [{"title": t} for t in sorted(by_next, reverse=True)[5:8]]
    assert response.headers["X-Previous"] == "limit=3&offset=2"


def test_deletion_by_search(response):
    for title in ("a", "b", "b"):
        make(response, "actor", title=title)
    base = "/ctia/actor/search"
    assert response.call("DELETE", base)[0] == 403
    assert response.call("DELETE", base + "?query=title:b") == (200, 2)
    assert response.call("GET", base + "/count") == (200, 3)
    assert response.call("DELETE", base + "?query=title:b&REALLY_DELETE_ALL_THESE_ENTITIES=true") == (200, 2)
    assert response.call("GET", base + "/count") == (200, 1)


def test_metrics(response):
    for severity in ("High", "High", "Low"):
        make(response, "incident", severity=severity)
    base = "/ctia/incident/metric/"
    answer = response.call("GET", base + "topn?from=2026-01-01T00:00:00Z&aggregate-on=severity")[1]
    assert answer["type"] == "topn"
    assert answer["data"] == {"severity": [{"key": "High", "value": 2}, {"key": "Low", "value": 1}]}
    answer = response.call("GET", base + "cardinality?from=2026-01-01T00:00:00Z&aggregate-on=severity")[1]
    assert answer["data"] == {"severity": 2}
    answer = response.call("GET", base + "histogram?from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z"
                           "&aggregate-on=incident_time.opened&granularity=month")[1]
    assert answer["data"] == {"incident_time": {"opened": [{"key": "2026-02-01T00:00:00.000+00:00", "value": 3}]}}
    assert response.call("GET", base + "topn?aggregate-on=severity")[1]["errors"] == {"from": "missing-required-key"}
    answer = response.call("GET", base + "average?from=2026-01-01T00:00:00Z&aggregate-on=intervals.new_to_opened")[1]
    assert answer["data"] == {"intervals": {"new_to_opened": None}} and response.headers["X-Total-Hits"] == "0"


def test_verdicts_and_judgements(response):
    route = "/ctia/domain/bad.example/"
    assert response.call("GET", route + "verdict")[0] == 404
    weak = make(response, "judgement", priority=50, disposition=1)
    strong = make(response, "judgement", priority=95, disposition=2,
                  observable={"type": "domain", "value": "BAD.example"})
    make(response, "judgement", priority=100, valid_time={"start_time": "2020-01-01T00:00:00.000Z",
                                                          "end_time": "2020-02-01T00:00:00.000Z"})
    status, verdict = response.call("GET", route + "verdict")
    assert status == 200 and verdict["judgement_id"] == strong["id"] and verdict["disposition_name"] == "Malicious"
    status, listed = response.call("GET", route + "judgements")
    assert [item["id"] for item in listed[-2:]] == [strong["id"], weak["id"]] and len(listed) == 3
    expire = "/ctia/judgement/" + short(strong["id"]) + "/expire"
    assert response.call("POST", expire, {})[0] == 400
    status, expired = response.call("POST", expire + "?reason=false%20positive", {})
    assert status == 200 and expired["reason"] == " false positive"
    assert response.call("GET", route + "verdict")[1]["judgement_id"] == weak["id"]
    assert response.call("GET", "/ctia/nonsense/x/verdict")[0] == 400
    url = make(response, "judgement", observable={"type": "url", "value": "http://a.b.example/c?d=e"})
    assert response.call("GET", "/ctia/url/" + quoted("http://a.b.example/c?d=e") + "/verdict")[1]["judgement_id"] \
        == url["id"]
    odd = make(response, "judgement", observable={"type": "ip", "value": "123.421.123.1"})
    assert response.call("GET", "/ctia/ip/123.421.123.1/verdict")[1]["judgement_id"] == odd["id"]


def test_relationships_are_followed(response):
    judgement, sighting = make(response, "judgement"), make(response, "sighting")
    indicators = [make(response, "indicator") for _ in range(3)]
    incident = make(response, "incident")
    for kind, source, target in (("element-of", judgement, indicators[0]), ("indicates", judgement, indicators[1]),
                                 ("related-to", judgement, indicators[2]), ("sighting-of", sighting, indicators[2]),
                                 ("member-of", sighting, incident)):
        make(response, "relationship", relationship_type=kind, source_ref=source["id"], target_ref=target["id"])
    newest_first = [indicators[1]["id"], indicators[0]["id"]]
    assert response.call("GET", "/ctia/domain/bad.example/judgements/indicators") == (200, newest_first)
    assert response.call("GET", "/ctia/bad.example/domain/judgements/indicators") == (200, newest_first)
    assert response.call("GET", "/ctia/ip/192.0.2.7/sightings/indicators") == (200, [indicators[2]["id"]])
    assert response.call("GET", "/ctia/ip/192.0.2.7/sightings/incidents") == (200, [incident["id"]])
    assert response.call("GET", "/ctia/ip/192.0.2.7/sightings") == (200, [sighting])
    feeds = {output: make(response, "feed", indicator_id=indicators[0]["id"], output=output)
             for output in ("observables", "judgements")}
    feed = feeds["observables"]
    assert feed["feed_view_url"] == f"{feed['id']}/view.txt?s={feed['secret']}"
    view = "/ctia/feed/" + short(feed["id"]) + "/view"
    secret = "?s=" + feed["secret"]
    assert response.call("GET", view + secret, token=None)[1] == {"observables": [judgement["observable"]]}
    assert response.call("GET", view + ".txt" + secret, token=None) == (200, "bad.example")
    assert response.call("GET", view + "?s=wrong", token=None) == (401, {"error": "wrong secret"})
    assert response.call("GET", "/ctia/feed/feed-" + str(uuid.uuid4()) + "/view" + secret, token=None)[0] == 404
    other = feeds["judgements"]
    answer = response.call("GET", f"/ctia/feed/{short(other['id'])}/view?s={other['secret']}&limit=1", token=None)[1]
    assert answer == {"judgements": [judgement]}
    assert feed["secret"].encode() not in (response.folder / "intel.db").read_bytes()
    again = response.call("PUT", "/ctia/feed/" + short(feed["id"]), {**MINIMAL["feed"], "secret": "mine"})[1]
    assert again["secret"] == feed["secret"]


def test_incident_status_and_link(response):
    incident = make(response, "incident")
    route = "/ctia/incident/" + short(incident["id"])
    status, opened = response.call("POST", route + "/status", {"status": "Open: Investigating"})
    assert status == 200 and opened["incident_time"]["opened"] > "2026-02-01T09:00:00.000Z"
    closed = response.call("POST", route + "/status", {"status": "Closed: Confirmed Threat"})[1]
    assert closed["incident_time"]["closed"] and closed["incident_time"]["opened"] == opened["incident_time"]["opened"]
    assert "intervals" not in closed
    answer = response.call("GET", "/ctia/incident/metric/average?from=2026-01-01T00:00:00Z"
                           "&aggregate-on=intervals.opened_to_closed")[1]
    assert answer["data"]["intervals"]["opened_to_closed"] >= 0
    assert response.call("POST", route + "/status", {"status": "Odd"})[0] == 400
    casebook = make(response, "casebook")
    status, link = response.call("POST", route + "/link", {"casebook_id": casebook["id"], "tlp": "white"})
    assert status == 201 and link["relationship_type"] == "related-to" and link["tlp"] == "white"
    assert (link["source_ref"], link["target_ref"]) == (casebook["id"], incident["id"])
    assert "None provided" in response.call("POST", route + "/link", {})[1]["error"]
    assert response.call("POST", route + "/link", {"casebook_id": OWN_URL + "casebook/casebook-" + str(uuid.uuid4())}) \
        == (400, {"error": "Invalid Casebook id"})
    assert response.call("POST", "/ctia/incident/incident-" + str(uuid.uuid4()) + "/link",
                         {"casebook_id": casebook["id"]}) == (404, {"error": "Invalid Incident id"})
    patched = response.call("PATCH", route, {"severity": "Low", "scores": {"asset": 5}})[1]
    assert patched["severity"] == "Low" and patched["scores"] == {"asset": 5} and patched["title"] == "Wave"


def test_casebook_operations(response):
    route = "/ctia/casebook/" + short(make(response, "casebook")["id"])
    ip, domain = {"type": "ip", "value": "192.0.2.7"}, {"type": "domain", "value": "bad.example"}
    assert response.call("POST", route + "/observables", {"operation": "add", "observables": [ip]})[1]["observables"] \
        == [domain, ip]
    assert response.call("POST", route + "/observables",
                         {"operation": "remove", "observables": [domain]})[1]["observables"] == [ip]
    text = {"type": "markdown", "text": "first note"}
    assert response.call("POST", route + "/texts", {"operation": "remove", "texts": [text]})[1]["texts"] == [text]
    bundle = {"type": "bundle", "source": "ui", "malwares": [{**MINIMAL["malware"], "id": "transient:m"}]}
    assert response.call("POST", route + "/bundle", {"operation": "add", "bundle": bundle})[1]["bundle"]["malwares"]
    assert response.call("POST", route + "/texts", {"operation": "twist", "texts": []})[0] == 400
    assert response.call("POST", "/ctia/casebook/casebook-" + str(uuid.uuid4()) + "/texts",
                         {"operation": "add", "texts": []}) == (404, {"error": "casebook not found"})
    assert response.call("GET", "/ctia/ip/192.0.2.7/verdict")[0] == 404


def test_lookups_by_outside_names(response):
    pattern, vulnerability = make(response, "attack-pattern"), make(response, "vulnerability")
    assert response.call("GET", "/ctia/attack-pattern/mitre/T1566") == (200, pattern)
    assert response.call("GET", "/ctia/attack-pattern/mitre/T1") == (404, {"error": "attack-pattern not found"})
    cpe = quoted("cpe:2.3:a:x:y:1:*:*:*:*:*:*:*")
    assert response.call("GET", "/ctia/vulnerability/cpe_match_strings?cpe23_match_strings=" + cpe) \
        == (200, [vulnerability])
    feedback = make(response, "feedback", entity_id=pattern["id"])
    assert response.call("GET", "/ctia/feedback?entity_id=" + quoted(pattern["id"])) == (200, [feedback])


def test_bulk(response):
    status, made = response.call("POST", "/ctia/bulk", {
        "relationships": [{**MINIMAL["relationship"], "id": "transient:r", "source_ref": "transient:s",
                           "target_ref": "transient:i"}, {**MINIMAL["relationship"]}],
        "sightings": [{**MINIMAL["sighting"], "id": "transient:s"}],
        "indicators": [{**MINIMAL["indicator"], "id": "transient:i"}, {**MINIMAL["indicator"], "title": "x" * 2000}]})
    assert status == 201, made
    relationship = response.call("GET", "/ctia/relationship/" + short(made["relationships"][0]))[1]
    assert (relationship["source_ref"], relationship["target_ref"]) == (made["sightings"][0], made["indicators"][0])
    assert made["tempids"]["transient:r"] == made["relationships"][0]
    assert "error" in made["relationships"][1] and "error" in made["indicators"][1]
    query = f"sightings={quoted(made['sightings'][0])}&sightings=sighting-{uuid.uuid4()}&indicators={short(made['indicators'][0])}"
    read = response.call("GET", "/ctia/bulk?" + query)[1]
    assert read["sightings"][0]["id"] == made["sightings"][0] and read["sightings"][1] is None
    assert read["indicators"][0]["title"] == "Kit"
    unknown = "indicator-" + str(uuid.uuid4())
    changed = response.call("PUT", "/ctia/bulk", {"indicators": [
        {**MINIMAL["indicator"], "id": made["indicators"][0], "title": "New"}, {**MINIMAL["indicator"], "id": unknown}]})[1]
    assert changed["indicators"]["updated"] == [made["indicators"][0]]
    assert changed["indicators"]["errors"]["not-found"]
    assert response.call("PUT", "/ctia/bulk", {"indicators": [MINIMAL["indicator"]]})[1]["errors"]["indicators"][0]["id"] \
        == "missing-required-key"
    gone = response.call("DELETE", "/ctia/bulk", {"sightings": made["sightings"]})[1]
    assert gone["sightings"]["deleted"] == made["sightings"]
    assert response.call("POST", "/ctia/bulk", {"nonsense": []})[1]["errors"] == {"nonsense": "disallowed-key"}
    status, answer = response.call("POST", "/ctia/bulk", {"actors": [{"title": "x"}, MINIMAL["actor"]]})
    assert status == 400 and answer["errors"]["actors"][0]["description"] == "missing-required-key"
    status, answer = response.call("POST", "/ctia/bulk", {"coas": [{}] * 2001})
    assert (status, answer) == (400, "Bulk max number of entities: 2000")


def test_bundles(response):
    bundle = {"type": "bundle", "source": "gw",
              "sightings": [{**MINIMAL["sighting"], "id": "transient:s", "external_ids": ["gw-s", "other"]}],
              "indicators": [{**MINIMAL["indicator"], "id": "transient:i", "external_ids": ["gw-i"]}],
              "relationships": [{**MINIMAL["relationship"], "id": "transient:r", "relationship_type": "sighting-of",
                                 "source_ref": "transient:s", "target_ref": "transient:i", "external_ids": ["gw-r"]}]}
    route = "/ctia/bundle/import?external-key-prefixes=gw-,x-"
    first = response.call("POST", route, bundle)[1]["results"]
    assert {r["result"] for r in first} == {"created"} and len(first) == 3
    ids = {r["type"]: r["id"] for r in first}
    second = response.call("POST", route, bundle)[1]["results"]
    assert {r["result"] for r in second} == {"exists"} and {r["type"]: r["id"] for r in second} == ids
    assert {r["original_id"] for r in second} == {"transient:s", "transient:i", "transient:r"}
    assert response.call("POST", "/ctia/bundle/import", {"source": "x"}) == (200, {"results": []})
    relationship = response.call("GET", "/ctia/relationship/" + short(ids["relationship"]))[1]
    assert relationship["source_ref"] == ids["sighting"] and relationship["target_ref"] == ids["indicator"]

    bad = {"source": "gw", "indicators": [{**MINIMAL["indicator"], "title": "x" * 2000, "id": "transient:b"},
                                          MINIMAL["indicator"]],
           "relationships": [{**MINIMAL["relationship"], "source_ref": "transient:nowhere"}]}
    results = response.call("POST", "/ctia/bundle/import", bad)[1]["results"]
    assert [r["result"] for r in results] == ["error", "created", "error"], results
    assert results[0]["error"]["type"] == "Invalid Entity Error"

    exported = response.call("GET", "/ctia/bundle/export?ids=" + quoted(ids["sighting"]))[1]
    assert exported["type"] == "bundle" and exported["source"] == "ctia"
    assert [d["id"] for d in exported["indicators"]] == [ids["indicator"]]
    assert [d["id"] for d in exported["relationships"]] == [ids["relationship"]]
    exported = response.call("POST", "/ctia/bundle/export?include_related_entities=false&related_to=target_ref",
                             {"ids": [ids["sighting"], "actor-" + str(uuid.uuid4())]})[1]
    assert "relationships" not in exported and len(exported["sightings"]) == 1


def test_the_global_store_is_read_only(response):
    host = {"Host": "intel.response.example"}
    assert response.call("GET", "/ctia/actor/search", headers=host) == (200, [])
    make(response, "actor")
    assert response.call("GET", "/ctia/actor/search", headers=host) == (200, [])
    assert response.call("POST", "/ctia/actor", MINIMAL["actor"], headers=host)[0] == 403
    assert response.call("DELETE", "/ctia/actor/search?query=*", headers=host)[0] == 403


def test_graphql(response):
    judgement, indicator = make(response, "judgement"), make(response, "indicator")
    sightings = [make(response, "sighting", title=t, tlp="amber") for t in ("a", "b", "c")]
    make(response, "relationship", relationship_type="element-of", source_ref=judgement["id"],
         target_ref=indicator["id"])

    def ask(text, /, **variables):
        return response.call("POST", "/ctia/graphql", {"query": text, "variables": variables})
    status, answer = ask("""query Q($query: String, $first: Int) {
        sightings(query: $query, first: $first, orderBy: [{field: TIMESTAMP, direction: desc}]) {
          totalCount pageInfo { hasNextPage endCursor } edges { cursor node { id title } } } }""",
                         query="tlp:amber", first=2)
    assert status == 200, answer
    page = answer["data"]["sightings"]
    assert page["totalCount"] == 3 and page["pageInfo"]["hasNextPage"] is True
    rest = ask("query($after: String) { sightings(after: $after, first: 2, orderBy: [{field: TIMESTAMP, direction: desc}])"
               " { nodes { id title observables { type value verdict { disposition_name } } } } }",
               after=page["pageInfo"]["endCursor"])[1]["data"]["sightings"]["nodes"]
    ids = [edge["node"]["id"] for edge in page["edges"]] + [node["id"] for node in rest]
    assert sorted(ids) == sorted(s["id"] for s in sightings)
    assert rest[0]["observables"][0] == {"type": "domain", "value": "bad.example",
                                         "verdict": {"disposition_name": "Malicious"}}
    answer = ask("""query($id: String!) { judgement(id: $id) { __typename
        relationships { nodes { relationship_type target_entity { ... on Indicator { title producer } } } } }
        observable(type: "domain", value: "bad.example") { sightings { totalCount } } }""", id=judgement["id"])[1]
    assert answer["data"]["judgement"] == {"__typename": "Judgement", "relationships": {"nodes": [
        {"relationship_type": "element-of", "target_entity": {"title": "Kit", "producer": "p"}}]}}
    assert answer["data"]["observable"]["sightings"]["totalCount"] == 3
    assert ask('{ actor(id: "actor-1") { title } }') == (200, {"data": {"actor": None}})
    for query in ("{ nonsense }", "{ sightings { nodes { nonsense } } }", "{ sightings(last: 1) { totalCount } }", "{",
                  '{ sightings(query: "(") { totalCount } }'):
        status, answer = ask(query)
        assert status == 400 and len(answer["errors"]) == 1, answer


def test_the_case_at_hand(response):
    base = "/mailreeve/v1/casebooks/"
    assert response.call("GET", base + "active")[0] == 404
    observables = [{"type": "domain", "value": f"h{i}.example"} for i in range(25)]
    case = make(response, "casebook", observables=observables, tlp="red")
    assert response.call("PUT", base + "active", {"id": case["id"]}) == (200, case)
    assert response.call("GET", base + "active") == (200, case)
    reader = response.sign_in("reader", "password of the reader")
    assert response.call("GET", base + "active", token=reader)[0] == 404
    assert response.call("PUT", base + "active", {"id": case["id"]}, token=reader)[0] == 403
    page = response.call("GET", f"{base}{short(case['id'])}/observables?limit=10&offset=20")
    assert page == (200, observables[20:]) and response.headers["X-Total-Hits"] == "25"
    assert response.headers["X-Next"] is None
    assert response.call("DELETE", base + "active")[0] == 204
    assert response.call("GET", base + "active")[0] == 404
    assert response.call("PUT", base + "active", {})[0] == 400


def test_promotion_and_export(response):
    route = "/mailreeve/v1/incidents/promotions"
    status, made = response.call("POST", route, {"sighting": {**MINIMAL["sighting"], "tlp": "red"},
                                                 "incident": MINIMAL["incident"]})
    assert status == 201, made
    link = made["relationship"]
    assert (link["source_ref"], link["target_ref"], link["relationship_type"], link["tlp"]) == (
        made["sighting"]["id"], made["incident"]["id"], "member-of", "red")
    other = make(response, "sighting")
    status, again = response.call("POST", route, {"sighting_id": other["id"], "incident_id": made["incident"]["id"]})
    assert status == 201 and again["incident"] == made["incident"]
    assert response.call("GET", "/ctia/ip/192.0.2.7/sightings/incidents") == (200, [made["incident"]["id"]])
    before = response.call("GET", "/ctia/incident/search/count")[1]
    missing = "sighting-" + str(uuid.uuid4())
    assert response.call("POST", route, {"sighting_id": missing, "incident": MINIMAL["incident"]})[0] == 404
    assert response.call("GET", "/ctia/incident/search/count")[1] == before
    assert response.call("POST", route, {"sighting": MINIMAL["sighting"]})[0] == 400

    export = f"/mailreeve/v1/incidents/{short(made['incident']['id'])}/export"
    bundle = response.call("GET", export)[1]
    assert {s["id"] for s in bundle["sightings"]} == {made["sighting"]["id"], other["id"]}
    assert len(bundle["relationships"]) == 2 and "attachment" in response.headers["Content-Disposition"]
    stix = response.call("GET", export + "?format=stix")[1]
    assert stix["type"] == "bundle" and {"sighting", "incident"} <= {o["type"] for o in stix["objects"]}
    assert response.headers["Content-Type"] == "application/stix+json;version=2.1"
    assert response.call("GET", export + "?format=pdf")[0] == 400
    case = make(response, "casebook", bundle={"source": "ui", "malwares": [{**MINIMAL["malware"], "id": "transient:m"}]})
    bundle = response.call("GET", f"/mailreeve/v1/casebooks/{short(case['id'])}/export")[1]
    assert bundle["malwares"][0]["title"] == "m" and bundle["sightings"][0]["observables"] == case["observables"]


def test_snapshots_are_kept_and_compared(response):
    verdict = {"type": "verdict", "disposition": 2, "disposition_name": "Malicious",
               "observable": {"type": "ip", "value": "192.0.2.7"},
               "valid_time": {"start_time": "2026-01-01T00:00:00.000Z", "end_time": "2026-01-31T00:00:00.000Z"}}

    def say(document):
        response.module("m", _deliberate_observables={"data": {"verdicts": {"count": 1, "docs": [document]}}},
                        _observe_observables={"data": {}, "coverage": {"complete": True}})
    say(verdict)
    investigation = make(response, "investigation")
    route = f"/mailreeve/v1/investigations/{short(investigation['id'])}/snapshots"
    status, taken = response.call("POST", route, {"title": "first look"})
    assert status == 201, taken
    assert taken["observables"] == [{"type": "ip", "value": "192.0.2.7"}]
    assert taken["answers"]["observe"]["coverage"][0]["answered"] is True
    say({**verdict, "disposition": 1, "disposition_name": "Clean"})
    assert response.call("GET", "/mailreeve/v1/snapshots/" + taken["id"]) == (200, taken)
    assert [s["title"] for s in response.call("GET", route)[1]] == ["first look"]
    changed = response.call("POST", f"/mailreeve/v1/snapshots/{taken['id']}/comparison")[1]
    assert (changed["added"], changed["gone"]) == ([], [])
    assert [(c["before"]["disposition_name"], c["after"]["disposition_name"]) for c in changed["changed"]] == [
        ("Malicious", "Clean")]
    assert changed["coverage"]["before"]["deliberate"] and changed["coverage"]["now"]["deliberate"]
    assert response.call("POST", route, {"observables": [{"type": "nope", "value": "x"}]})[0] == 400
    assert response.call("DELETE", "/mailreeve/v1/snapshots/" + taken["id"])[0] == 204
    assert response.call("GET", "/mailreeve/v1/snapshots/" + taken["id"])[0] == 404
