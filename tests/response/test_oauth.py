"""OAuth as a browser, a device and a client meet it: pages, redirects, tokens."""
import base64
import hashlib
import html
import http.client
import json
import re
import secrets
import urllib.parse

import pytest

FORM = "application/x-www-form-urlencoded"
BACK = "https://app.example/back"


class Browser:
    """Keeps cookies, fills forms in, and looks at the policy of each page."""

    def __init__(self, response, language="en"):
        self.response, self.language, self.cookies = response, language, {}
        self.page = self.location = self.policy = None

    def _send(self, method, target, body=None, **headers):
        sent = {"Accept-Language": self.language, **headers}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        connection = http.client.HTTPConnection("127.0.0.1", self.response.port, timeout=60)
        connection.request(method, target, body, sent)
        answer = connection.getresponse()
        self.page = answer.read().decode()
        self.location = answer.headers["Location"]
        self.policy = answer.headers["Content-Security-Policy"] or ""
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, value = cookie.split(";")[0].split("=", 1)
            assert "; Secure; HttpOnly; SameSite=" in cookie and name.startswith("__Host-")
            if "Max-Age=0" in cookie:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        connection.close()
        if "text/html" in (answer.headers["Content-Type"] or ""):
            assert "frame-ancestors 'none'" in self.policy and "default-src 'none'" in self.policy
            assert "<script" not in self.page
            self.response.seen(method, target, answer.status)
        return answer.status

    def get(self, target):
        return self._send("GET", target)

    def post(self, target, origin=None, **fields):
        fields = {"request": self.request(), **fields}
        return self._send("POST", target, urllib.parse.urlencode(fields), **{
            "Content-Type": FORM, "Origin": origin or self.response.url})

    def request(self):
        found = re.search(r'name="request" value="([^"]+)"', self.page or "")
        return html.unescape(found.group(1)) if found else ""

    def sign_in(self, password=None):
        return self.post("/iroh/oauth2/authorize", step="sign-in", user=self.response.user,
                         password=password or self.response.password)


@pytest.fixture
def app(response):
    status, client = response.call("POST", "/iroh/oauth2-clients/clients", {
        "name": "App <b>&", "scopes": ["inspect:read", "openid"], "public?": True, "redirects": [BACK],
        "grants": ["auth-code", "device-grant"]})
    assert status == 200 and "password" not in client, client
    return client["id"]


def token(response, **fields):
    return response.call("POST", "/iroh/oauth2/token", urllib.parse.urlencode(fields), token=None,
                         headers={"Content-Type": FORM})


def authorize_target(app, verifier, **more):
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = {"response_type": "code", "client_id": app, "redirect_uri": BACK, "state": "a b", "nonce": "n",
             "code_challenge": challenge, "code_challenge_method": "S256", **more}
    return "/iroh/oauth2/authorize?" + urllib.parse.urlencode(query)


def code_of(browser):
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(browser.location).query)
    assert query["state"] == ["a b"] and query["iss"] == ["IROH Auth"]
    return query.get("code", [None])[0] or query["error"][0]


def test_code_with_pkce(response, app):
    browser, verifier = Browser(response), secrets.token_urlsafe(40)
    assert browser.get(authorize_target(app, verifier)) == 200
    assert "App &lt;b&gt;&amp;" in browser.page and "form-action 'self' https://app.example;" in browser.policy
    assert browser.sign_in("wrong") == 401 and 'role="alert"' in browser.page
    assert browser.sign_in() == 200 and "<code>inspect:read</code>" in browser.page
    assert browser.post("/iroh/oauth2/authorize", step="allow") == 303
    code = code_of(browser)
    proof = {"grant_type": "authorization_code", "client_id": app, "code": code, "redirect_uri": BACK}
    assert token(response, **proof)[1]["error"] == "invalid_grant"
    status, answer = token(response, **proof, code_verifier=verifier)
    assert status == 200 and answer["scope"] == "inspect:read openid" and answer["id_token"]
    access = answer["access_token"]
    assert response.call("POST", "/iroh/iroh-inspect/inspect", {"content": ""}, token=access)[0] == 200

    status, next_answer = token(response, grant_type="refresh_token", client_id=app,
                                refresh_token=answer["refresh_token"])
    assert status == 200 and next_answer["refresh_token"] != answer["refresh_token"]
    assert token(response, grant_type="refresh_token", client_id=app,
                 refresh_token=answer["refresh_token"])[1]["error"] == "invalid_grant"
    for old in (access, next_answer["access_token"]):
        status, refused = response.call("POST", "/iroh/iroh-inspect/inspect", {"content": ""}, token=old)
        assert (status, refused["error"]) == (401, "jwt_revoked")
    text = json.dumps(response.audit()) + (response.folder / "driver.log").read_text()
    for secret in (code, verifier, access, answer["refresh_token"]):
        assert secret not in text


def test_pages_cannot_be_driven_from_elsewhere(response, app):
    browser, verifier = Browser(response), secrets.token_urlsafe(40)
    browser.get(authorize_target(app, verifier))
    assert browser.post("/iroh/oauth2/authorize", origin="https://evil.example", step="refuse") == 403
    browser.get(authorize_target(app, verifier))
    assert browser.post("/iroh/oauth2/authorize", origin="null", step="refuse") == 403
    browser.get(authorize_target(app, verifier))
    # Another browser that knows the request, but not the cookie.
    other = Browser(response)
    other.page = browser.page
    assert other.sign_in() == 400
    assert browser.post("/iroh/oauth2/authorize", step="allow") == 200 and "password" in browser.page
    assert browser.post("/iroh/oauth2/authorize", step="refuse") == 303 and code_of(browser) == "access_denied"
    assert browser.get(authorize_target(app, verifier, redirect_uri="https://evil.example/")) == 400
    assert browser.location is None
    assert browser.get(authorize_target(app, verifier) + "&client_id=" + app) == 400
    assert browser.get(authorize_target(app, verifier, response_type="token")) == 303
    assert code_of(browser) == "unsupported_response_type"


def test_session_of_the_browser_and_chinese(response, app):
    browser, verifier = Browser(response, "zh-CN,zh;q=0.9"), secrets.token_urlsafe(40)
    browser.get(authorize_target(app, verifier))
    assert 'lang="zh-CN"' in browser.page and "登录" in browser.page
    assert browser.post("/iroh/oauth2/authorize", step="session") == 401
    response.sign_in()
    name, value = response.headers["Set-Cookie"].split(";")[0].split("=", 1)
    browser.cookies[name] = value
    assert browser.post("/iroh/oauth2/authorize", step="session") == 200 and "允许访问" in browser.page
    assert browser.post("/iroh/oauth2/authorize", step="allow") == 303 and len(code_of(browser)) > 30


def test_device_grant(response, app):
    status, codes = response.call("POST", "/iroh/oauth2/device_authorization", f"client_id={app}", token=None,
                                  headers={"Content-Type": FORM})
    assert status == 200
    poll = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": app,
            "device_code": codes["device_code"]}
    assert token(response, **poll)[1]["error"] == "authorization_pending"
    assert token(response, **poll)[1]["error"] == "slow_down"
    browser = Browser(response)
    assert browser.get("/iroh/oauth2/device?user_code=" + codes["user_code"]) == 200
    assert codes["user_code"] in browser.page
    assert browser.post("/iroh/oauth2/device", user_code="BBBBBBBB") == 400
    assert browser.post("/iroh/oauth2/device", user_code=codes["user_code"].lower()) == 200
    assert browser.sign_in() == 200
    assert browser.post("/iroh/oauth2/authorize", step="allow") == 200 and browser.location is None


def test_introspection_withdrawal_and_grants(response, app):
    status, service = response.call("POST", "/iroh/oauth2-clients/clients",
                                    {"name": "service", "scopes": ["inspect:read", "oauth:read"]})
    access = response.client_token(service["id"], service["password"])[1]["access_token"]
    proof = {"client_id": service["id"], "client_secret": service["password"], "token": access}

    def ask(route, fields):
        return response.call("POST", "/iroh/oauth2/" + route, urllib.parse.urlencode(fields), token=None,
                             headers={"Content-Type": FORM})
    assert ask("introspect", proof)[1]["active"] is True
    assert ask("introspect", {**proof, "client_secret": "wrong"})[0] == 401
    assert ask("introspect", {"client_id": app, "token": access})[0] == 401
    assert ask("revoke", proof)[0] == 200
    assert ask("introspect", proof)[1] == {"active": False}
    assert response.call("GET", "/iroh/oauth2/app-grant")[1] == []
    assert response.call("DELETE", "/iroh/oauth2/app-grant/" + app)[0] == 404
    browser, verifier = Browser(response), secrets.token_urlsafe(40)
    browser.get(authorize_target(app, verifier))
    browser.sign_in()
    browser.post("/iroh/oauth2/authorize", step="allow")
    token(response, grant_type="authorization_code", client_id=app, code=code_of(browser), redirect_uri=BACK,
          code_verifier=verifier)
    assert response.call("GET", "/iroh/oauth2/app-grant")[1][0]["client-id"] == app
    assert response.call("DELETE", "/iroh/oauth2/app-grant/" + app)[0] == 204


def test_clients_are_changed_and_rotated(response):
    clients = "/iroh/oauth2-clients/clients"
    status, made = response.call("POST", clients, {"name": "ribbon", "preset": "ribbon"})
    assert status == 200 and "registry/user/ribbon" in made["scopes"] and "users:read" in made["scopes"]
    one = f"{clients}/{made['id']}"
    assert response.call("GET", one)[1]["name"] == "ribbon"
    status, changed = response.call("PATCH", one, {"name": "r2", "scopes": ["inspect:read"],
                                                   "expires-at": "2099-01-01T00:00:00Z"})
    assert status == 200 and changed["scopes"] == ["inspect:read"] and changed["expires-at"].startswith("2099")
    for bad in ({"redirects": ["https://*.example/"]}, {"grants": []}, {"grants": ["auth-code"]}, {"id": "x"},
                {"expires-at": "2001-01-01T00:00:00Z"}, {"enabled?": "yes"}, {"scopes": []}, {"owner-id": "x"}):
        assert response.call("PATCH", one, bad)[0] == 400, bad
    status, rotated = response.call("POST", one + "/rotate", {})
    for secret in (made["password"], rotated["password"]):
        assert response.client_token(made["id"], secret)[0] == 200
    rotated_again = response.call("POST", one + "/rotate", {"keep-old?": False})[1]
    assert response.client_token(made["id"], rotated["password"])[0] == 401
    access = response.client_token(made["id"], rotated_again["password"])[1]["access_token"]
    assert response.call("PATCH", one, {"enabled?": False})[0] == 200
    assert response.call("GET", "/iroh/iroh-enrich/settings", token=access)[1]["error"] == "jwt_revoked"
    assert response.client_token(made["id"], rotated_again["password"])[0] == 401
    assert response.call("PATCH", clients + "/client-none", {})[0] == 404
    scopes = response.call("GET", "/iroh/oauth2-clients/scopes?search=casebook")[1]
    assert [s["scope"] for s in scopes] == ["casebook"] and scopes[0]["presets"] == ["ribbon"]


def test_a_client_with_oauth_alone_takes_over_no_other(response):
    """Who may manage clients could give a stronger one a secret or redirect he knows."""
    status, strong = response.call("POST", "/iroh/oauth2-clients/clients", {"name": "s", "scopes": ["response"]})
    weak = response.client_token(*response.make_client(["oauth"], "weak"))[1]["access_token"]
    one = "/iroh/oauth2-clients/clients/" + strong["id"]
    assert response.call("POST", one + "/rotate", {}, token=weak)[1]["missing-scopes"] == ["response"]
    assert response.call("PATCH", one, {"redirects": [BACK]}, token=weak)[0] == 403
    assert response.call("PATCH", one, {"enabled?": False}, token=weak)[0] == 200
    assert response.call("PATCH", one, {"enabled?": True}, token=weak)[0] == 403
