"""Routes, roles, errors, tolerance and paging of the REST API."""
import base64
import hashlib
import hmac
import http.client
import json
import re
import socket
import ssl
import time

import pytest

from conftest import PASSPHRASE, ROLES, URL, basic, mail

ROUTES = ["/message-tracking/messages", "/message-tracking/details", "/message-tracking/connection-details",
          "/message-tracking/amp-details", "/message-tracking/dlp-details", "/message-tracking/url-details",
          "/message-tracking/remediation-details", "/message-tracking/availability"]


def message(answer):
    return answer["error"]["message"]


# ---- log-in

def test_log_in_gives_a_token_that_works(client):
    status, answer = client.login("admin")
    assert status == 200 and answer["data"]["role"] == "Administrator"
    for name in ("jwtToken", "jwttoken", "JWTTOKEN"):
        status, answer = client.get("/login/privileges", {name: client.token("admin")})
        assert status == 200 and "e_message_tracking_messages" in answer["data"]


def test_wrong_credentials(client):
    for user, passphrase in (("admin", "ironport"), ("nobody", PASSPHRASE), ("", "")):
        status, answer = client.login(user, passphrase)
        assert status == 401 and message(answer) == "Invalid username or passphrase."
        assert answer["error"]["code"] == "401"
        assert answer["error"]["explanation"] == "401 = No permission -- see authorization schemes."
    status, answer = client.get("/health", {})
    assert status == 401 and message(answer) == "Unauthorized."
    status, answer = client.get("/health", basic("admin", "ironport"))
    assert status == 401 and message(answer) == "Invalid username or passphrase."


def forge(state, claims, key=None):
    key = key or (state / "rest-token.key").read_bytes()
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    text = part({"alg": "HS256", "typ": "JWT"}) + "." + part(claims)
    return text + "." + base64.urlsafe_b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()


def test_expired_and_forged_tokens(client, stack):
    token = client.token("op")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==="))
    assert claims["exp"] - claims["iat"] == 1800
    old = forge(stack.gateway.state, {**claims, "exp": int(time.time()) - 31})
    status, answer = client.get("/health", {"jwtToken": old})
    assert status == 401 and message(answer) == "ExpiredSignatureError."
    assert client.get("/health", {"jwtToken": forge(stack.gateway.state, claims)})[0] == 200
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode() + "." + token.split(".")[1] + "."
    for bad in (token[:-4] + "AAAA", forge(None, claims, b"x" * 32), none, "a.b.c", "junk",
                forge(stack.gateway.state, {**claims, "gen": "old"}), forge(stack.gateway.state, {"userName": "op"})):
        status, answer = client.get("/health", {"jwtToken": bad})
        assert status == 401 and message(answer) == "InvalidTokenError.", bad


def test_token_ends_with_a_change_of_the_user(client, stack):
    stack.gateway.cli("user", "add", "brief", "--role", "Operator", stdin=PASSPHRASE + "\n")
    token = client.token("brief")
    assert client.get("/health", {"jwtToken": token})[0] == 200
    stack.gateway.cli("user", "role", "brief", "guest")
    assert message(client.get("/health", {"jwtToken": token})[1]) == "InvalidTokenError."
    assert client.get("/health", basic("brief"))[0] == 200
    stack.gateway.cli("user", "passwd", "brief", stdin="another passphrase\n")
    assert client.get("/health", basic("brief"))[0] == 401
    stack.gateway.cli("user", "remove", "brief")
    assert client.get("/health", basic("brief", "another passphrase"))[0] == 401


def test_guessing_is_slowed_down(client, stack):
    stack.gateway.cli("user", "add", "target", "--role", "Guest", stdin=PASSPHRASE + "\n")
    answers = [client.login("target", f"guess number {n}")[0] for n in range(12)]
    assert answers[:10] == [401] * 10 and answers[10:] == [429] * 2
    status, headers, _ = client.raw("GET", "/esa/api/v2.0/health", basic("target"))
    assert status == 429 and int(headers["Retry-After"]) > 0
    assert client.get("/health", basic("op"))[0] == 200


# ---- roles

ALLOWED = {"tracking": {"admin", "cloud", "mail", "op", "reader", "guest", "helper"},
           "reporting": {"admin", "cloud", "mail", "op", "reader", "guest"}, "health": set(ROLES)}


@pytest.mark.parametrize("user", ROLES)
def test_roles(client, user):
    headers = {"jwtToken": client.token(user)}
    for route in ROUTES:
        status, answer = client.get(f"{route}?searchOption=messages&mid=1&{client.span}", headers)
        assert status == (200 if user in ALLOWED["tracking"] else 403), route
        if status == 403:
            assert message(answer) == "Forbidden."
    assert client.get("/health", headers)[0] == 200
    assert client.get("/config/logs/subscriptions", headers)[1]["data"] == []
    status, _ = client.get(f"/reporting/mail_subject_stats?startDate={client.hours[0]}&endDate={client.hours[1]}&device_type=esa", headers)
    assert (status == 403) == (user not in ALLOWED["reporting"])


# ---- transport, tolerance list of gateway-api.md 1.1

def test_common_headers_and_options(client):
    status, headers, text = client.raw("OPTIONS", "/esa/api/v2.0/message-tracking/messages")
    assert status == 200 and text == ""
    assert headers["Server"] == "API/2.0" and headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Allow-Methods"] == "GET, POST, DELETE, PUT, OPTIONS"
    assert "jwttoken" in headers["Access-Control-Allow-Headers"]
    status, headers, _ = client.raw("GET", "/esa/api/v2.0/health")
    assert status == 401 and headers["Content-Type"] == "application/json" and headers["Server"] == "API/2.0"


def test_odd_clients(client):
    path = "/esa/api/v2.0/message-tracking/messages"
    both = f"searchOption=messages&{client.span}"
    encoded = both.replace(":", "%3A")
    token = client.token("op")
    junk = {"Cookie": "SEG=x; alsla=\"; ;;=", **basic("op")}
    for target, headers, body in (
            (f"{path}?{both}", {**basic("op"), "Content-Type": "application/json"}, "{}"),   # 1 GET with a body
            (f"{path}?{encoded}", basic("op"), None),                                            # 2 encoded
            (f"{path}?{both.replace('.000Z', '')}", basic("op"), None),
            (f"{path}?{both.replace('.000Z', '%2B00:00')}", basic("op"), None),
            (f"{path}?{both.replace('.000Z', '+00:00')}", basic("op"), None),                    # a bare plus
            (f"{path}?{both}&&stray=1&another&", basic("op"), None),                              # 3 unknown keys
            (f"{path}/?{both}", basic("op"), None),
            (f"{path}?{both}", {"JwtToken": token}, None),                                        # 4 case
            (f"{path}?{both}", {"authorization": "Basic " + token}, None),                        # 5 a token as Basic
            (f"{path}?{both}", junk, None),                                                       # 6 cookies
            (f"{path}?{both}", {**basic("op"), "Accept": "*/*", "Content-Type": "text/plain"}, None)):
        status, _, text = client.raw("GET", target, headers, body)
        assert status == 200, (target, headers, text)
        assert json.loads(text)["meta"]["totalCount"] == 3
    status, _, text = client.raw("GET", f"{path}?{both}", {"Authorization": basic("op")["Authorization"][6:]})
    assert status == 401  # without a scheme: only with rest.lenient_authorization


def test_keep_alive(client):
    connection = http.client.HTTPSConnection("127.0.0.1", client.port, context=client.context, timeout=60)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("GET", "/esa/api/v2.0/health", headers=basic("op"))
        assert connection.getresponse().read()
        assert connection.sock is first
    connection.close()


def test_what_is_no_request_gets_json_too(client):
    for sent, status in ((b"GET / HTTP/1.1\r\n\r\n", 400), (b"nonsense\r\n\r\n", 400),
                         (b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
                         (b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431)):
        with socket.create_connection(("127.0.0.1", client.port), timeout=60) as plain, \
                client.context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
            tls.sendall(sent)
            answer = b""
            while chunk := tls.recv(65536):
                answer += chunk
        head, _, body = answer.partition(b"\r\n\r\n")
        assert int(head.split()[1]) == status, sent[:40]
        error = json.loads(body)["error"]
        assert error["code"] == str(status) and error["explanation"].startswith(f"{status} = ")


def test_errors(client):
    for path in ("/", "/esa/api/v2.0/nowhere", "/esa/api/v1.0/health", "/sma/api/v2.0/message-tracking"):
        status, _, text = client.raw("GET", path, basic("op"))
        assert status == 404
        assert json.loads(text) == {"error": {"message": "Not Found.", "code": "404",
                                              "explanation": "404 = Nothing matches the given URI."}}
    status, headers, text = client.raw("DELETE", "/esa/api/v2.0/health", basic("op"))
    assert status == 405 and headers["Allow"] == "GET, HEAD"
    get = lambda query: client.get("/message-tracking/messages?" + query)
    seconds = "searchOption=messages&startDate=2024-05-01T00:00:01.000Z&endDate=2024-05-02T00:00:00.000Z"
    status, answer = get(seconds)
    assert status == 404
    assert message(answer) == "startDate and endDate attribute supports only 00 seconds and 000 microseconds."
    for query in ("", "searchOption=messages", f"searchOption=other&{client.span}", f"searchOption=messages&{client.span}&limit=x",
                  "searchOption=messages&startDate=x&endDate=y", f"searchOption=messages&{client.span}&senderIp=300.1.1.1",
                  f"searchOption=messages&startDate={client.end}&endDate={client.start}"):
        status, answer = get(query)
        assert status == 400 and message(answer), query


# ---- tracking

def test_rows(client, stack):
    page = client.search("messageIdHeader=one@sender.example")
    assert page["meta"]["totalCount"] == 1 and page["meta"]["num_bad_records"] == 0
    row = page["data"][0]["attributes"]
    mid = str(row["mid"][0])
    assert row["recipient"] == stack.users[:2] and row["recipientMap"][mid] == stack.users[:2]
    assert row["messageStatus"] == {mid: "Delivered"} and row["hostName"] == "" and row["sbrs"] == "None"
    assert row["messageID"] == {mid: "<one@sender.example>"} and row["finalSubject"] == {mid: "Invoice"}
    assert row["senderIp"] == "127.0.0.1" and row["senderDomain"] == "sender.example"
    sma = client.search("messageIdHeader=one@sender.example", prefix="/sma/api/v2.0")["data"][0]["attributes"]
    assert sma["hostName"] == "gateway-1" and sma["serialNumber"] == row["serialNumber"]
    assert re.fullmatch(r"[0-9A-F]{20}-[0-9A-F]{12}", row["serialNumber"])


def test_every_filter(client):
    one, file, two = (client.mids(f"messageIdHeader=%3C{name}%3E")[0]
                      for name in ("one@sender.example", "file@sender.example", "two@other.example"))
    sha = client.search(f"ciscoMid={file}")["data"] and hashlib.sha256(b"hello").hexdigest()
    text = lambda name, op, value: f"{name}Operator={op}&{name}Value={value}"
    for query, expected in (
            ("", {one, file, two}), (f"ciscoMid={one}", {one}), ("ciscoMid=999999", set()), ("ciscoHost=All_Hosts", {one, file, two}),
            ("ciscoHost=gateway-1", {one, file, two}), ("ciscoHost=other", set()),
            (text("envelopeSenderfilter", "is", "ANN@sender.example"), {one, file}),
            (text("envelopeSenderfilter", "contains", "sender"), {one, file}),
            (text("envelopeSenderfilter", "begins_with", "bob"), {two}),
            (text("envelopeSenderfilter", "is", "bob%2Btag@other.example"), {two}),
            (text("envelopeSenderfilter", "is", "bob+tag@other.example"), {two}),
            (text("envelopeRecipientfilter", "contains", "user03"), {two}),
            (text("envelopeRecipientfilter", "is", "user02@corp.example,user03@corp.example"), {one, two}),
            (text("subjectfilter", "is", "invoice"), {one}), (text("subjectfilter", "contains", "%E5%8F%91%E7%A5%A8"), {two}),
            (text("subjectfilter", "begins_with", "A%20FI"), {file}), ("subjectfilterOperator=is_empty", set()),
            (text("replyTo", "contains", "elsewhere"), {file}), (text("attachmentName", "is", "in%23voice.pdf"), {file}),
            (text("domainName", "is", "other.example"), {two}), (f"fileSha256={'0' * 64}", set()),
            ("senderIp=127.0.0.1", {one, file, two}), ("senderIp=127.0.0.0/8", {one, file, two}), ("senderIp=10.0.0.0/8", set()),
            ("messageDirection=incoming", {one, file, two}), ("messageDirection=outgoing", set()),
            ("mailPolicyName=DEFAULT&mailPolicyDirection=inbound", {one, file, two}), ("mailPolicyName=VIP", set()),
            ("deliveryStatus=DELIVERED", {one, file, two}), ("deliveryStatus=DROPPED,BOUNCED", set()),
            ("message_delivered=True", {one, file, two}), ("hardBounced=True", set()), ("hardBounced=True&message_delivered=True", {one, file, two}),
            ("spamPositive=true", set()), ("virusPositive=true", set()), ("quarantinedTo=Policy", set()), ("quarantineStatus=AMP", set()),
            ("advancedMalwareProtection=amp_malicious", set()), ("dmarcAction=failed", set()), ("threatName=x", set()),
            ("dlpViolationsSeverities=high", set()), ("geoLocation=France", set()), ("smime=smime_failed", set()),
            (f"ciscoMid={one}&senderIp=10.0.0.0/8", set())):
        assert set(client.mids(query)) == expected, query
    assert sha
    meta = client.search("geoLocation=France")["meta"]
    assert meta["mailreeve"]["unanswered"] == ["geoLocation"]
    assert client.search("searchOption=rejected_connections")["data"] == []


def test_details(client, stack):
    mid = client.mids("messageIdHeader=file@sender.example")[0]
    row = client.search(f"ciscoMid={mid}")["data"][0]["attributes"]
    named = f"mid={mid}&icid={row['icid']}&serialNumber={row['serialNumber']}&{client.span}"
    details = client.get(f"/message-tracking/details?{named}")[1]["data"]["messages"]
    assert details["mid"] == [mid] and details["attachments"] == ["in#voice.pdf"] and details["showURL"] is True
    lines = [line["description"] for line in details["summary"]]
    assert f"Start message {mid} on incoming connection (ICID {row['icid']})." in lines
    assert any(re.fullmatch(rf"Message {mid} to {stack.users[0]} received remote SMTP response '.+'\.", line) for line in lines)
    assert [line["lastEvent"] for line in details["summary"]] == [False] * (len(lines) - 1) + [True]
    connection = client.get(f"/message-tracking/connection-details?{named}")[1]
    assert "sender_ip: 127.0.0.1" in connection["messages"]["summary"][0]["description"]
    amp = client.get(f"/message-tracking/amp-details?{named}")[1]["data"]["messages"]
    assert amp["showAMPDetails"] and "File Name = in#voice.pdf" in amp["ampDetails"][0]["description"]
    url = client.get(f"/message-tracking/url-details?{named}")[1]["data"]["messages"]
    assert any(URL in line["description"] for line in url["urlDetails"])
    assert client.get(f"/message-tracking/dlp-details?{named}")[1]["data"]["messages"]["showDLPDetails"] is False
    assert client.get(f"/message-tracking/remediation-details?{named}")[1]["data"]["messages"]["morDetails"] == []
    for route in ROUTES[1:7]:
        status, answer = client.get(f"{route}?mid=999999")
        assert status == 200
        if "data" in answer:
            assert answer["data"]["messages"]["mid"] == ["N/A"]
        assert client.get(route)[0] == 400
    both = client.mids()[:2]
    assert client.get(f"/message-tracking/details?mid={both[0]}&mid={both[1]}")[1]["data"]["messages"]["mid"] == sorted(both)


def test_availability(client):
    row = client.get("/message-tracking/availability")[1]["data"][0]
    assert row["hostName"] == "gateway-1" and row["missingIntervals"] == [] and row["messages"] >= 3


def test_hostile_text_stays_data(client, stack):
    subject = "<script>alert(1)</script>\x1b]0;x\x07 \"}],"
    stack.send("ann@sender.example", [stack.users[0]], mail("evil@sender.example", subject=subject))
    row = client.search("messageIdHeader=evil@sender.example")["data"][0]["attributes"]
    assert "<script>" in row["subject"]
    details = client.get(f"/message-tracking/details?mid={row['mid'][0]}")[1]["data"]["messages"]
    assert all(ord(c) >= 32 for line in details["summary"] for c in line["description"])


# ---- paging: how three clients know that they are done

def test_paging_rules_of_clients(client, stack):
    for number in range(25):
        stack.send("pager@sender.example", [stack.users[0]], mail(f"page-{number}@sender.example", sender="pager@sender.example"))
    query = "envelopeSenderfilterOperator=is&envelopeSenderfilterValue=pager@sender.example"
    everything = client.mids(query + "&limit=100&offset=0")
    assert len(everything) == 25 and everything == sorted(everything, reverse=True)
    assert len(client.mids(query)) == 20  # without limit
    # offset += len(data) until there is no data
    got, offset = [], 0
    while True:
        page = client.search(f"{query}&offset={offset}&limit=7")
        if not page["data"]:
            break
        got += [row["attributes"]["mid"][0] for row in page["data"]]
        offset += len(page["data"])
    assert got == everything
    # offset += 100 while meta.totalCount > 0
    offset, rounds = 0, 0
    while client.search(f"{query}&offset={offset}&limit=100")["meta"]["totalCount"] > 0:
        offset, rounds = offset + 100, rounds + 1
    assert rounds == 1
    # while totalCount + num_bad_records == limit
    got, offset = [], 0
    while True:
        page = client.search(f"{query}&offset={offset}&limit=5")
        got += [row["attributes"]["mid"][0] for row in page["data"]]
        offset += 5
        if page["meta"]["totalCount"] + page["meta"]["num_bad_records"] != 5:
            break
    assert got == everything
    # Mail that comes in meanwhile moves nothing.
    first = client.mids(query + "&offset=0&limit=10")
    stack.send("pager@sender.example", [stack.users[0]], mail("page-late@sender.example", sender="pager@sender.example"))
    assert first + client.mids(query + "&offset=10&limit=10") == everything[:20]
    assert len(client.mids(query + "&limit=100000&offset=0")) == 26


# ---- command line

def test_user_command(stack):
    cli = stack.gateway.cli
    assert "helper" in cli("user", "list").stdout and "Help Desk User" in cli("user", "list").stdout
    assert {u["name"] for u in json.loads(cli("--json", "user", "list").stdout)["users"]} >= set(ROLES)
    assert "hash" not in cli("--json", "user", "list").stdout
    for arguments, stdin, code in ((("add", "admin", "--role", "Guest"), PASSPHRASE, 1), (("add", "new", "--role", "Root"), PASSPHRASE, 2),
                                   (("add", "new", "--role", "Guest"), "short", 2), (("add", "a b", "--role", "Guest"), PASSPHRASE, 2),
                                   (("remove", "nobody"), "", 4), (("passwd", "nobody"), PASSPHRASE, 4), (("role", "nobody", "Guest"), "", 4)):
        done = cli("user", *arguments, stdin=stdin + "\n", check=False)
        assert done.returncode == code and done.stderr, (arguments, done)
    audit = (stack.gateway.state / "audit.jsonl").read_text()
    assert '"user.create"' in audit and PASSPHRASE not in audit
    assert PASSPHRASE not in stack.gateway.log.read_text()


def test_track_command(stack, client):
    cli = stack.gateway.cli
    assert cli("track", "--sender", "ann@sender.example", "--subject-is", "Invoice", "--count").stdout.strip() == "1"
    count = json.loads(cli("--json", "track", "--sender-domain", "sender.example", "--count").stdout)
    assert count["exact"] and count["count"] >= 3
    for arguments, found in ((("--subject-begins", "a fi"), 1), (("--reply-to", "elsewhere"), 1), (("--network", "127.0.0.0/8", "--reply-to", "elsewhere"), 1),
                             (("--network", "10.0.0.0/8"), 0), (("--url-prefix", URL[:20]), 1), (("--direction", "outgoing"), 0),
                             (("--event", "bounced"), 0), (("--status", "Delivered", "--reply-to", "elsewhere"), 1), (("--status", "Hard Bounced"), 0)):
        assert len(stack.track(*arguments)) == found, arguments
    mid = str(client.mids("messageIdHeader=file@sender.example")[0])
    assert f"Start message {mid} on incoming connection" in cli("message", mid).stdout
    assert cli("track", "--direction", "up", check=False).returncode == 2
