"""What those who run mailreeve-response ask it: health, readiness, metrics, request ids, a stop without loss."""
import concurrent.futures
import http.client
import json
import pathlib
import re
import shutil
import signal
import ssl
import tempfile

import pytest

from conftest import ROOT  # noqa: F401
from lab import util
from lab.mailreeve import Response
from lab.postgresql import Postgresql


@pytest.fixture
def folder():
    # The programs run as an unprivileged user, who may not reach pytest's own folders.
    made = pathlib.Path(tempfile.mkdtemp(prefix="mailreeve-operations-"))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def operations(port):
    return util.Api(f"http://127.0.0.1:{port}")


def headers_of(server, path, headers):
    context = ssl.create_default_context(cafile=str(server.ca_file))
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.headers, json.loads(body)


def test_health_readiness_and_metrics(folder):
    port = util.free_ports(1)[0]
    with Postgresql() as postgresql:
        tables = {"response": {"operations_listen": f"127.0.0.1:{port}"}, "storage": {"url": postgresql.url("state")}}
        with Response(folder / "one", tables=tables) as one:
            ask = operations(port)
            assert ask.call("GET", "/health") == (200, {"status": "ok"})
            assert ask.call("GET", "/ready") == (200, {"status": "ready"})
            one.sign_in().get("/iroh/iroh-sse/device")
            status, text = ask.call("GET", "/metrics")
            assert status == 200
            assert 'mailreeve_requests_total{method="GET",route="/iroh/iroh-sse/device",status="200"} 1' in text
            assert 'mailreeve_request_seconds_bucket{method="POST",route="/mailreeve/v1/sign-in",le="+Inf"} 1' in text
            assert "mailreeve_database_up 1" in text and "mailreeve_channels 0" in text
            assert re.search(r"^process_resident_memory_bytes [1-9]", text, re.M)
            for line in text.splitlines():
                assert re.fullmatch(r"# (HELP|TYPE) .*|[a-z_]+({.*})? [0-9.e+-]+", line), line
            # Not on the listener of the API.
            assert one.api().call("GET", "/metrics")[0] != 200 or "process_threads" not in one.api().call("GET", "/metrics")[1]
            postgresql.stop()
            util.wait_for("not ready", lambda: ask.call("GET", "/ready") == (503, {"status": "no_database"}), 30)
            assert ask.call("GET", "/health")[0] == 200
            assert "mailreeve_database_up 0" in ask.call("GET", "/metrics")[1]
            postgresql.start()
            util.wait_for("ready again", lambda: ask.call("GET", "/ready")[0] == 200, 30)


def test_request_ids_go_from_a_trusted_proxy_to_log_audit_and_answer(folder):
    one = Response(folder / "one")
    with one:
        headers, body = headers_of(one, "/iroh/iroh-sse/device", {"X-Request-Id": "stranger"})
        assert headers["X-Request-Id"] not in (None, "stranger")
        assert body["trace_id"] == headers["X-Request-Id"]
    one.set_settings({"operations.trusted_proxies": ["127.0.0.1"]})
    with one:
        headers, body = headers_of(one, "/iroh/iroh-sse/device", {"X-Request-Id": "proxy-1.a_b"})
        assert headers["X-Request-Id"] == body["trace_id"] == "proxy-1.a_b"
        # What could break a log line or header is not taken over.
        headers, _ = headers_of(one, "/iroh/iroh-sse/device", {"X-Request-Id": "a b"})
        assert headers["X-Request-Id"] != "a b"
        token = one.sign_in().token
        context = ssl.create_default_context(cafile=str(one.ca_file))
        connection = http.client.HTTPSConnection("127.0.0.1", one.port, context=context, timeout=60)
        connection.request("POST", "/iroh/iroh-sse/device", json.dumps({"name": "gw"}),
                           {"Authorization": "Bearer " + token, "Content-Type": "application/json", "X-Request-Id": "make-1"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status < 300
        connection.close()
    audit = [json.loads(line) for line in (one.state / "audit.jsonl").read_text().splitlines()]
    made = [entry for entry in audit if entry["origin"]["request_id"] == "make-1"]
    assert [entry["action"] for entry in made] == ["device.create"]
    lines = [json.loads(line) for line in one.log.read_text().splitlines() if line.startswith("{")]
    logged = [line for line in lines if line["event"] == "request" and line["request_id"] == "make-1"]
    assert len(logged) == 1 and logged[0]["route"] == "/iroh/iroh-sse/device"


def test_a_stop_lets_running_requests_end(folder):
    with Response(folder / "one") as one:
        one.set_settings({})
        # Password hashing takes long enough for the signal to come in between.
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            running = [pool.submit(one.sign_in) for _ in range(8)]
            # With luck of the scheduler all may have ended by then; what follows holds for that too.
            util.wait_for("a request", lambda: "user.sign_in" in (one.state / "audit.jsonl").read_text(), 60, every=0.005)
            one.process.send_signal(signal.SIGTERM)
            outcomes = []
            for future in running:
                try:
                    outcomes.append(bool(future.result(60).token))
                except (ConnectionError, OSError, http.client.HTTPException) as error:
                    # Refused before it was taken, never broken off after.
                    outcomes.append(error)
        assert one.process.wait(60) == 0
        answered = [o for o in outcomes if o is True]
        assert answered
        signed_in = (one.state / "audit.jsonl").read_text().count('"user.sign_in"')
        assert signed_in == len(answered), outcomes
