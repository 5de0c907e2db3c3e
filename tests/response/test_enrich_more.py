"""Enrich beyond the plain questions: targets, reputation, transient ids, streams, tiles, an appliance."""
import http.client
import json
import time

from relays import Relay
from test_api import DOMAIN, GOOD, SIGHTING, VERDICT
from test_modules import INT
from test_relays import IP, add

APPLIANCE = "7b0f2f0c-3f6e-5d2b-8a41-5a9d6c1f4e90"


def test_targets(response):
    bare = {key: value for key, value in SIGHTING.items() if key != "targets"}
    response.module("good", _observe_observables={"data": {"sightings": {"count": 2, "docs": [SIGHTING, bare]}}})
    ask = lambda body: response.call("POST", "/iroh/iroh-enrich/observe/targets", body)
    status, answer = ask({"observables": DOMAIN})
    assert status == 200 and [d["targets"] for d in answer["data"][0]["data"]["sightings"]["docs"]] == [SIGHTING["targets"]]
    assert ask({"observables": DOMAIN, "start_time": "2026-01-02T04:00:00Z"})[1]["data"][0]["data"] == {}
    inside = {"start_time": "2026-01-02T03:00:00Z", "end_time": "2026-01-02T03:30:00Z"}
    assert ask({"observables": DOMAIN, **inside})[1]["data"][0]["data"]["sightings"]["count"] == 1
    assert ask({"observables": DOMAIN, "end_time": "2026-01-01T00:00:00Z"})[1]["data"][0]["data"] == {}
    assert ask({"observables": DOMAIN, "start_time": "soon", "x": 1})[1] == {
        "errors": {"start_time": ask({"observables": DOMAIN, "start_time": "soon"})[1]["errors"]["start_time"],
                   "x": "disallowed-key"}}
    assert ask({})[0] == 400


def test_reputation(response):
    verdict = lambda disposition, start: {"data": {"verdicts": {"count": 1, "docs": [
        {**VERDICT, "disposition": disposition, "valid_time": {"start_time": start, "end_time": "2999-01-01T00:00:00.000Z"}}]}}}
    response.module("a", _deliberate_observables=verdict(5, "2026-01-01T00:00:00.000Z"))
    response.module("b", _deliberate_observables=verdict(2, "2026-01-01T00:00:00.000Z"))
    response.module("c", _deliberate_observables=verdict(2, "2026-01-02T00:00:00.000Z"))
    response.module("dead")
    get = lambda query: response.call("GET", "/iroh/iroh-enrich/reputation/observable" + query)
    status, answer = get("?type=domain&value=bad.example")
    assert status == 200
    assert answer["data"]["reputation"]["disposition"] == 2
    assert answer["data"]["reputation"]["valid_time"]["start_time"] == "2026-01-02T00:00:00.000Z"
    assert [e["module"] for e in answer["data"]["errors"]] == ["dead"] and len(answer["data"]["data"]) == 3
    assert "reputation" not in get("?type=domain&value=bad.example&mids=nobody")[1]["data"]
    assert get("?type=domain")[1] == {"errors": {"value": "missing-required-key"}}
    assert set(get("?type=x&value=y")[1]["errors"]) == {"type"}


def test_transient_ids_of_modules_stay_apart(response):
    indicator = {"type": "indicator", "id": "transient:indicator-1", "schema_version": "1.1.0", "producer": "p",
                 "valid_time": {}, "confidence": "High", "title": "t"}
    relationship = {"type": "relationship", "id": "transient:relationship-1", "schema_version": "1.1.0",
                    "relationship_type": "sighting-of", "source_ref": "transient:sighting-1",
                    "target_ref": "transient:indicator-1"}
    bundle = {"data": {"sightings": {"count": 1, "docs": [SIGHTING]}, "indicators": {"count": 1, "docs": [indicator]},
                       "relationships": {"count": 1, "docs": [relationship]}}}
    response.module("a", _observe_observables=bundle)
    response.module("b", _observe_observables=bundle)
    ask = lambda: {m["module"]: m["data"] for m in response.call("POST", "/iroh/iroh-enrich/observe/observables", DOMAIN)[1]["data"]}
    first = ask()
    ids = {m: first[m]["sightings"]["docs"][0]["id"] for m in first}
    assert ids["a"] != ids["b"] and all(i.startswith("transient:sighting-") for i in ids.values())
    for module, data in first.items():
        linked = data["relationships"]["docs"][0]
        assert linked["source_ref"] == ids[module]
        assert linked["target_ref"] == data["indicators"]["docs"][0]["id"]
    assert ask() == first


def events(answer):
    """(name, data) of a stream of server-sent events, as they come."""
    name = None
    for line in answer:
        line = line.decode().rstrip("\n")
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


def open_stream(response, verb, body):
    connection = http.client.HTTPConnection("127.0.0.1", response.port, timeout=60)
    connection.request("POST", f"/mailreeve/v1/enrich/{verb}", json.dumps(body),
                       {"Authorization": "Bearer " + response.token, "Content-Type": "application/json"})
    return connection, connection.getresponse()


def test_stream_tells_each_module_as_it_answers(response):
    response.module("good", **GOOD)
    response.module("dead")
    response.module("slow", **{route: "sleep" for route in GOOD})
    for verb in ("deliberate", "observe", "refer"):
        connection, answer = open_stream(response, verb, DOMAIN)
        assert answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream"
        stream = events(answer)
        name, start = next(stream)
        assert name == "start" and {m["module"] for m in start["modules"]} == {"good", "dead", "slow"}
        told = [next(stream) for _ in range(3)]
        assert [name for name, _ in told] == ["module"] * 3
        assert [(part["answered"], part["asked"]) for _, part in told] == [(1, 3), (2, 3), (3, 3)]
        # The slow one is the last: the others did not wait for it.
        assert told[2][1]["module"] == "slow" and told[2][1]["errors"][0]["code"] == "timeout"
        parts = {part["module"]: part for _, part in told}
        assert parts["good"]["data"] and parts["good"]["coverage"]["answered"]
        assert "data" not in parts["dead"]
        name, end = next(stream)
        assert name == "end" and {e["module"] for e in end["errors"]} == {"dead", "slow"} and len(end["coverage"]) == 3
        assert next(stream, None) is None
        connection.close()
        assert response.call("POST", f"/mailreeve/v1/enrich/{verb}", [{"type": "x"}])[0] == 400
    # For the description.
    for verb in ("deliberate", "observe", "refer"):
        response.call("POST", f"/mailreeve/v1/enrich/{verb}?mids=good", DOMAIN)


def test_who_leaves_a_stream_ends_the_calls(response):
    with Relay("hang") as relay:
        add(response, relay, "hang")
        response.module("good", **GOOD)
        connection, answer = open_stream(response, "observe", DOMAIN)
        stream = events(answer)
        assert next(stream)[0] == "start"
        assert next(stream)[1]["module"] == "good"
        connection.sock.close() if connection.sock else None
        answer.close()
        connection.close()
        # The server goes on, and has a free place for the next question.
        assert response.call("POST", "/iroh/iroh-enrich/observe/observables?mids=good", DOMAIN)[0] == 200


TILES = "/iroh/iroh-dashboard/tiles"


def test_tiles(response):
    with Relay("none") as relay:
        module = add(response, relay, apis=["health", "tiles", "tiles/tile", "tiles/tile-data"])
        status, answer = response.call("GET", TILES)
        tiles = [t for t in answer["data"] if t["module_instance_id"] == module]
        assert status == 200 and [t["id"] for t in tiles] == ["t1"] and tiles[0]["module"] == "relay"
        one = f"{TILES}/{module}/t1"
        assert response.call("GET", one)[1]["data"]["title"] == "T"
        status, first = response.call("GET", f"{one}/data?period=last_hour")
        assert status == 200 and first["data"]["period"] == "last_hour"
        # Remembered for as long as the module says.
        assert response.call("GET", f"{one}/data?period=last_hour")[1] == first
        assert response.call("GET", f"{one}/data")[1]["data"]["period"] == "last_24_hours"
        assert response.call("GET", f"{one}/data?period=ever")[0] == 400
        assert response.call("GET", f"{TILES}/{module}/other")[1]["error"] == "tile_not_found"
        assert response.call("GET", f"{TILES}/nobody/t1/data?period=last_hour")[0] == 404


def test_an_appliance_that_is_none_is_named(response):
    with Relay("none") as relay:
        status, made = response.call("POST", f"{INT}/module-instance", {
            "name": "esa", "module_type_id": APPLIANCE, "visibility": "org",
            "settings": {"url": relay.url, "basic-auth-user": "ann", "basic-auth-password": "secret"}})
        assert status == 200
        answer = response.call("POST", "/iroh/iroh-enrich/observe/observables", IP)[1]
        assert answer["errors"][0]["module"] == "esa" and not any(m["data"] for m in answer["data"])
        assert response.call("POST", f"/iroh/iroh-enrich/health/{made['id']}")[1]["data"]["data"]["status"] == "error"
