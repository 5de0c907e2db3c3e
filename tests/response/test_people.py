"""People: roles, passwords, one-time codes, sessions, and what nobody may do to somebody else."""
import base64
import hashlib
import hmac
import json
import struct
import time

USERS = "/iroh/user-mgmt/users/"
ACCOUNT = "/mailreeve/v1/account/"


def make_user(response, name, role="analyst", token="own"):
    status, made = response.call("POST", "/mailreeve/v1/users", {
        "user-name": name, "user-email": name + "@example.org", "mailreeve-role": role}, token=token)
    assert status == 201, made
    return made


def first_password(response, made, password):
    """Signs in with the generated password and replaces it; answers the answer of the sign-in after."""
    status, answer = sign_in(response, made["user-name"], made["password"])
    assert answer["needs"] == ["new-password"] and answer["scopes"] in (["profile"], ["profile:read"]), answer
    token = answer["access_token"]
    assert response.call("POST", "/iroh/iroh-inspect/inspect", {"content": ""}, token=token)[0] == 403
    assert response.call("POST", ACCOUNT + "password", {"present": made["password"], "new": "short"},
                         token=token)[0] == 400
    assert response.call("POST", ACCOUNT + "password", {"present": "wrong", "new": password}, token=token)[0] == 403
    assert response.call("POST", ACCOUNT + "password", {"present": made["password"], "new": password},
                         token=token)[0] == 204
    return sign_in(response, made["user-name"], password)[1]


def sign_in(response, user, password, **more):
    return response.call("POST", "/mailreeve/v1/sign-in", {"user": user, "password": password, **more}, token=None)


def code_of(secret, ahead=0):
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    mac = hmac.new(key, struct.pack(">Q", int(time.time()) // 30 + ahead), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 1000000:06d}"


def test_users_are_made_changed_found_and_disabled(response):
    made = make_user(response, "ann")
    answer = first_password(response, made, "a long enough password")
    assert answer["needs"] == []
    token, one = answer["access_token"], USERS + made["user-id"]
    assert response.call("GET", one)[1]["mailreeve-role"] == "analyst"
    assert response.call("GET", one, token=token)[0] == 403
    assert response.call("POST", "/mailreeve/v1/users", {
        "user-name": "Ann", "user-email": "other@example.org", "mailreeve-role": "analyst"})[0] == 409
    # Mass assignment.
    for key in ("user-id", "org-id", "scopes", "additional-scopes", "created-at", "password"):
        assert response.call("POST", one, {key: "x"})[1] == {"errors": {key: "disallowed-key"}}
    assert response.call("POST", one, {"mailreeve-role": "root"})[0] == 400
    status, changed = response.call("POST", one, {"user-nick": "A", "mailreeve-role": "approver"})
    assert (status, changed["mailreeve-role"], changed["role"]) == (200, "approver", "user")
    # The token with the old role's scopes is refused.
    assert response.call("GET", "/iroh/profile/whoami", token=token)[1]["error"] == "jwt_revoked"
    ids = f"id={made['user-id']}&id={made['user-id']}&id=nobody"
    assert [u["user-name"] for u in response.call("GET", "/iroh/user-mgmt/batch/users?" + ids)[1]] == ["ann"]
    found = response.call("POST", "/iroh/user-mgmt/search/users?sort_by=user-name&limit=1&offset=0",
                          {"role": ["admin", "user"]})[1]
    assert [u["user-name"] for u in found] == ["admin"] and response.headers["X-Total-Hits"] == "3"
    assert response.call("POST", "/iroh/user-mgmt/search/users", {"nothing": 1})[1] == []
    assert response.call("POST", one, {"enabled?": False})[1]["enabled?"] is False
    assert sign_in(response, "ann", "a long enough password")[0] == 401
    me = response.call("GET", "/iroh/profile/whoami")[1]["user"]["user-id"]
    for change in ({"enabled?": False}, {"role": "user"}):
        assert response.call("POST", USERS + me, change)[0] == 409, change
    assert response.call("GET", USERS + "nobody")[0] == 404


def test_reset_ends_sessions(response):
    made = make_user(response, "bob")
    token = first_password(response, made, "a long enough password")["access_token"]
    status, reset = response.call("POST", f"/mailreeve/v1/users/{made['user-id']}/reset-password")
    assert status == 200
    assert response.call("GET", "/iroh/profile/whoami", token=token)[1]["error"] == "jwt_revoked"
    assert sign_in(response, "bob", "a long enough password")[0] == 401
    assert sign_in(response, "bob", reset["password"])[1]["needs"] == ["new-password"]
    assert reset["password"] not in json.dumps(response.audit())


def test_nobody_takes_over_who_may_do_more(response):
    """The scope users is no way to the scopes of an administrator."""
    me = response.call("GET", "/iroh/profile/whoami")[1]["user"]["user-id"]
    weak = response.client_token(*response.make_client(["users"]))[1]["access_token"]
    assert response.call("POST", f"/mailreeve/v1/users/{me}/reset-password", token=weak)[0] == 403
    assert response.call("POST", f"/mailreeve/v1/users/{me}/reset-one-time-codes", token=weak)[0] == 403
    assert response.call("POST", USERS + me, {"user-email": "evil@example.org"}, token=weak)[0] == 403
    assert response.call("POST", "/mailreeve/v1/users", {
        "user-name": "x", "user-email": "x@example.org", "mailreeve-role": "admin"}, token=weak)[0] == 403
    # What is a person's own needs a person.
    client = response.client_token(*response.make_client(["profile"], "p"))[1]["access_token"]
    for method, target, body in (("POST", "password", {"present": "x", "new": "y"}), ("POST", "one-time-codes", None),
                                 ("GET", "sessions", None), ("DELETE", "sessions/x", None)):
        assert response.call(method, ACCOUNT + target, body, token=client)[1]["error"] == "session_needed"


def test_one_time_codes(response):
    made = make_user(response, "eve", "read-only")
    password = "a long enough password"
    token = first_password(response, made, password)["access_token"]
    status, begun = response.call("POST", ACCOUNT + "one-time-codes", token=token)
    assert begun["uri"].startswith("otpauth://totp/") and begun["secret"] in begun["uri"]
    assert sign_in(response, "eve", password)[0] == 200  # not confirmed yet
    assert response.call("POST", ACCOUNT + "one-time-codes/confirm", {"code": "000000x"}, token=token)[0] == 400
    used = code_of(begun["secret"])
    status, codes = response.call("POST", ACCOUNT + "one-time-codes/confirm", {"code": used}, token=token)
    assert status == 200 and len(codes["recovery-codes"]) == 10
    assert response.call("POST", ACCOUNT + "one-time-codes", token=token)[0] == 409
    assert sign_in(response, "eve", password)[1]["error"] == "one_time_code_required"
    assert sign_in(response, "eve", "wrong")[1]["error"] == "wrong_credentials"
    assert sign_in(response, "eve", password, code=used)[0] == 401  # a second time
    assert sign_in(response, "eve", password, code=code_of(begun["secret"], 1))[0] == 200
    assert sign_in(response, "eve", password, code=codes["recovery-codes"][0])[0] == 200
    assert sign_in(response, "eve", password, code=codes["recovery-codes"][0])[0] == 401
    assert response.call("POST", ACCOUNT + "one-time-codes/remove",
                         {"password": password, "code": "123"}, token=token)[0] == 403
    assert response.call("POST", ACCOUNT + "one-time-codes/remove",
                         {"password": password, "code": codes["recovery-codes"][1]}, token=token)[0] == 204
    assert sign_in(response, "eve", password)[0] == 200
    response.call("POST", ACCOUNT + "one-time-codes", token=token)
    assert response.call("POST", f"/mailreeve/v1/users/{made['user-id']}/reset-one-time-codes")[0] == 204
    kept = json.dumps(response.audit()) + (response.folder / "driver.log").read_text()
    kept += (response.folder / "identity.db").read_bytes().decode("latin-1")
    for secret in [begun["secret"], *codes["recovery-codes"]]:
        assert secret not in kept


def test_sessions_are_listed_and_ended(response):
    other = response.sign_in()
    sessions = response.call("GET", ACCOUNT + "sessions")[1]
    assert len(sessions) == 2 and sum(s["current?"] for s in sessions) == 1
    ended = next(s["id"] for s in sessions if not s["current?"])
    reader = response.sign_in("reader", "password of the reader")
    assert response.call("DELETE", ACCOUNT + "sessions/" + ended, token=reader)[0] == 404
    assert response.call("DELETE", ACCOUNT + "sessions/" + ended)[0] == 204
    assert response.call("GET", "/iroh/profile/whoami", token=other)[1]["error"] == "jwt_revoked"


def test_organisation_and_scopes(response):
    assert response.call("GET", "/iroh/profile/org")[1]["activation-status"] == "activated"
    assert response.call("POST", "/iroh/profile/org", {"bad": 1})[1] == {"errors": {"bad": "disallowed-key"}}
    assert response.call("POST", "/iroh/profile/org", {"name": "New"})[1]["name"] == "New"
    assert response.call("GET", "/iroh/profile/whoami")[1]["org"]["name"] == "New"
    assert "users" in response.call("GET", "/iroh/profile/scopes")[1]
    ann = first_password(response, make_user(response, "ann"), "a long enough password")["access_token"]
    assert response.call("POST", "/iroh/profile/org", {"name": "Mine"}, token=ann)[0] == 403


def test_failures_elsewhere_lock_nobody_out(response):
    """From the address of an earlier sign-in only one's own failures count."""
    statuses = {sign_in(response, "reader", f"guess {n}")[0] for n in range(9)}
    assert statuses == {401}
    assert sign_in(response, "reader", "password of the reader")[0] == 200
