"""reporting/* and `mailreeve report` over real mail; admin answers against their document."""
import json
import pathlib
import re

from conftest import basic
from openapi import Document

ROOT = pathlib.Path(__file__).resolve().parents[2]


def ask(client, path, query="", **options):
    start, end = client.hours
    return client.get(f"/reporting/{path}?startDate={start}&endDate={end}&device_type=esa{query}", **options)


def test_reports_over_real_mail(client):
    status, answer = ask(client, "mail_incoming_traffic_summary")
    assert status == 200 and answer["meta"]["totalCount"] == -1
    totals = {k: v for item in answer["data"]["resultSet"] for k, v in item.items()}
    assert totals["total_recipients"] >= 4
    status, answer = ask(client, "mail_env_sender_stats/num_msgs", "&top=5")
    assert status == 200 and answer["data"]["type"] == "num_msgs"
    assert {"ann@sender.example"} <= {k for item in answer["data"]["resultSet"]["num_msgs"] for k in item}
    assert ask(client, "mail_users_detail", "&query_type=export")[0] == 200
    assert ask(client, "mail_incoming_traffic_summary", "&query_type=graph")[0] == 200
    assert ask(client, "mail_incoming_traffic_summary", prefix="/sma/api/v2.0")[0] == 200


def test_every_report_is_served(client, stack):
    for report in json.loads(stack.gateway.cli("--json", "report", "list").stdout)["reports"]:
        assert ask(client, report["name"])[0] == 200, report["name"]


def test_report_errors(client):
    assert ask(client, "mail_nowhere")[0] == 404
    assert ask(client, "mail_incoming_traffic_summary/nothing")[0] == 404
    for query in ("&limit=5", "&orderBy=total_recipients", "&filterBy=domain", "&top=x"):
        assert ask(client, "mail_incoming_domain_detail", query)[0] == 400, query
    status, answer = client.get("/reporting/mail_subject_stats?startDate=2024-05-01T00:30:00.000Z&endDate=2024-05-02T00:00:00.000Z&device_type=esa")
    assert status == 404
    assert answer["error"]["message"] == "startDate and endDate attribute supports only 00 minutes, 00 seconds and 000 microseconds."
    hour = lambda text: text[:13] + ":00"
    start, end = map(hour, client.hours)
    for zone in ("+00:00", "%2B00:00", "Z"):  # Splunk's dates
        assert client.get(f"/reporting/mail_subject_stats?startDate={start}{zone}&endDate={end}{zone}&device_type=esa")[0] == 200


def test_report_command(stack):
    cli = stack.gateway.cli
    assert re.search(r"^mail_env_sender_stats\s.*yes$", cli("report", "list").stdout, re.M)
    shown = cli("report", "mail_env_sender_stats", "--top", "3").stdout
    assert "ann@sender.example" in shown and "█" in shown and "(others)" in shown
    assert "█" in cli("report", "mail_incoming_traffic_summary").stdout
    assert "Not available here" in cli("report", "mail_incoming_traffic_summary").stdout
    answer = json.loads(cli("--json", "report", "mail_env_sender_stats", "--key", "ann@sender.example").stdout)
    assert [row["key"] for row in answer["rows"]] == ["ann@sender.example"]
    assert {"type": "email", "value": "ann@sender.example"} in answer["rows"][0]["observables"]
    assert cli("report", "nowhere", check=False).returncode == 4
    assert cli("report", "mail_env_sender_stats", "--from", "2024-01-01T00:30:00Z", check=False).returncode == 2
    assert "统计" in cli("report", "list", env={"LC_ALL": "zh_CN.UTF-8"}).stdout


def test_hostile_subjects_in_reports(stack, client):
    stack.send("ann@sender.example", [stack.users[0]], b"Subject: \x1b]0;owned\x07 report me\r\nMessage-ID: <r@sender.example>\r\n\r\nx\r\n")
    shown = stack.gateway.cli("report", "mail_subject_stats", "--top", "50").stdout
    assert "report me" in shown and "\x1b" not in shown and "\x07" not in shown


def test_administration_answers_follow_their_document(stack):
    document = Document(ROOT / "schema/openapi/gateway-admin.json")
    api = stack.gateway.api()
    for method, target, body in (("GET", "/v1/messages/count?sender=ann@sender.example", None), ("GET", "/v1/messages/count?status=Lost", None),
                                 ("GET", "/v1/messages/1/log", None), ("GET", "/v1/messages/999999/log", None),
                                 ("GET", "/v1/messages/count?condition=x", None), ("GET", "/v1/messages?condition=subject:is:Invoice", None),
                                 ("GET", "/v1/reports", None), ("GET", "/v1/reports/mail_env_sender_stats?top=2", None),
                                 ("GET", "/v1/reports/mail_env_sender_stats?top=0", None), ("GET", "/v1/reports/mail_env_sender_stats?counter=x", None),
                                 ("GET", "/v1/reports/nowhere", None), ("GET", "/v1/users", None), ("POST", "/v1/users", {"name": "x"}),
                                 ("POST", "/v1/users", {"name": "op", "role": "Guest", "passphrase": "some long passphrase"}),
                                 ("PUT", "/v1/users/op/role", {"role": "none"}), ("PUT", "/v1/users/nobody/role", {"role": "Guest"}),
                                 ("DELETE", "/v1/users/nobody", None)):
        status, answer = api.call(method, target, body)
        document.check(method, target, status, answer)


def test_roles_may_differ_on_reports(client):
    assert ask(client, "mail_subject_stats", headers=basic("helper"))[0] == 403
    assert ask(client, "mail_subject_stats", headers=basic("guest"))[0] == 200
