"""The main job on real mail (./demo): two gateways with their own Postfix and Dovecot, one response.

600 real mails and a planted phishing campaign pass through; one user moves his copy, one deletes it, one mail store is down
for a while. The URL is investigated, the campaign is forwarded to the security team and deleted, and the end state is checked
in the mailboxes themselves. The counts must be as planted.
"""
import argparse
import concurrent.futures
import datetime
import email
import email.policy
import json
import os
import pathlib
import shutil
import signal
import smtplib
import sys
import tempfile
import time

from . import campaign, corpus, util
from .dovecot import Dovecot
from .mailreeve import Gateway, Response
from .postfix import Postfix

RUN = util.ROOT / "run"
REAL_MAILS = 600
SEED = 20260101
MAILBOXES_EACH = 20
SITES = (("north", "north.example"), ("south", "south.example"))
# Recipients of each campaign mail of a site: 1 + 1 + 2 + 4 + 6 + 6 = 20 mailboxes.
SIZES = (1, 1, 2, 4, 6, 6)


class Plain:
    """What the run says, a line a step."""

    def __init__(self):
        self.started = time.monotonic()

    def step(self, text):
        print(f"[{time.monotonic() - self.started:6.1f} s] {text}", flush=True)


class Site:
    """One gateway with its mail server and mail store."""

    def __init__(self, folder, name, domain, response):
        self.name, self.domain = name, domain
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir(parents=True)
        os.chmod(self.folder, 0o755)
        self.users = [f"user{n:02}@{domain}" for n in range(1, MAILBOXES_EACH + 1)]
        self.soc = f"soc@{domain}"
        self.dovecot = Dovecot(str(self.folder / "dovecot"), users=self.users + [self.soc], greeting=f"{name} mail store.")
        (self.smtp_port,) = util.free_ports(1)
        self.response = response

    def start(self):
        self.dovecot.start()
        log = self.folder / "postfix" / "log" / "maillog"
        self.gateway = Gateway(
            self.folder / "gateway", f"gateway-{self.name}", mta_log=log, response=self.response,
            imap={"imap_host": "localhost", "imap_port": self.dovecot.imaps_port, "ca_file": self.dovecot.ca_file,
                  "master_user": self.dovecot.master, "master_separator": "*",
                  "master_password_file": str(self.folder / "gateway" / "master.secret")},
            smtp_port=self.smtp_port,
            settings={"mail.internal_domains": [self.domain], "remediation.forward_address": self.soc,
                      "remediation.attempts": 2, "remediation.retry_delay": 500})
        shutil.copy(self.dovecot.secret_file, self.folder / "gateway" / "master.secret")
        self.gateway.start()
        self.postfix = Postfix(str(self.folder / "postfix"), smtp_port=self.smtp_port, milters=[self.gateway.milter],
                               domains=[self.domain], hostname=f"mx.{self.domain}", lmtp=("127.0.0.1", self.dovecot.lmtp_port),
                               log_path=str(log))
        self.postfix.start()

    def stop(self):
        for part in ("postfix", "gateway", "dovecot"):
            if hasattr(self, part):
                getattr(self, part).stop()

    def send(self, mails):
        """(envelope sender, recipients, raw message) each, over one SMTP session."""
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=120) as smtp:
            smtp.ehlo("sender.example")
            for sender, recipients, raw in mails:
                smtp.sendmail(sender, recipients, raw, mail_options=["BODY=8BITMIME"])

    def mailbox_counts(self):
        """{(user, digest-like key): count} of every message in every mailbox of the users."""
        return {user: self.dovecot.list(user) for user in self.users}

    def pids(self):
        return {"gateway": self.gateway.pid, "postfix": self.postfix.pid, "dovecot": self.dovecot.pids()[:1]}


def envelope_sender(raw, number):
    """A sender for the real mail: its From address when it is a plain one."""
    parsed = email.message_from_bytes(raw.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n")
    _, address = email.utils.parseaddr(str(parsed.get("From", "")))
    ok = address.count("@") == 1 and address.isascii() and all(33 <= ord(c) <= 126 for c in address) and len(address) < 200
    return address if ok and not set(address) & set("<>()[],;:\\\"") else f"list{number % 7}@archive.example"


def deliver_real_mail(sites, say):
    per_site = REAL_MAILS // len(sites)
    mails = corpus.sample(REAL_MAILS, SEED)
    jobs = []
    for index, site in enumerate(sites):
        mine = mails[index * per_site:(index + 1) * per_site]
        batch = [(envelope_sender(raw, n), [site.users[n % MAILBOXES_EACH]], raw) for n, (_, raw) in enumerate(mine)]
        for lane in range(4):
            jobs.append((site, batch[lane::4]))
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(site.send, batch) for site, batch in jobs]:
            done.result()
    return REAL_MAILS


def plant_campaign(sites, now, url=campaign.URL, first=0):
    """Sends the campaign. Answers [{site, message_id, recipients, raw}]."""
    planted = []
    number = first
    for site in sites:
        left = list(site.users)
        mails = []
        for size in SIZES:
            recipients, left = left[:size], left[size:]
            sender, raw = campaign.message(number, recipients, now, url)
            message_id = email.message_from_bytes(raw)["Message-ID"]
            planted.append({"site": site, "message_id": message_id, "recipients": recipients, "raw": raw})
            mails.append((sender, recipients, raw))
            number += 1
        site.send(mails)
    return planted


def wait_delivered(sites):
    for site in sites:
        util.wait_for(f"Postfix of {site.name} to deliver", site.postfix.queue_empty, 180)


def answered(api, method, path, body):
    status, answer = api.call(method, path, body, timeout=180)
    if status >= 300:
        raise RuntimeError(f"{method} {path}: HTTP {status}: {answer}")
    return answer


def investigate(api, text):
    """(observables, observe answer)"""
    observables = api.post("/iroh/iroh-inspect/inspect", {"content": text})
    return observables, api.post("/iroh/iroh-enrich/observe/observables", observables)


def hits_of(answer):
    """{module instance id: {mid: set of recipients}} of the sightings; modules that tell none are left out."""
    out = {}
    for module in answer["data"]:
        if not module["data"].get("sightings", {}).get("docs"):
            continue
        found = out.setdefault(module["module_instance_id"], {})
        for sighting in module["data"].get("sightings", {}).get("docs", []):
            mids = [o["value"] for o in sighting["observables"] if o["type"] == "cisco_mid"]
            mids += [r[side]["value"] for r in sighting.get("relations", []) for side in ("source", "related")
                     if r[side]["type"] == "cisco_mid"]
            if not mids:
                raise RuntimeError(f"a sighting names no MID: {sighting}")
            targets = {o["value"] for t in sighting.get("targets", []) for o in t["observables"] if o["type"] == "email"}
            found.setdefault(int(mids[0]), set()).update(targets)
    return out


def remediate(api, module, mids, action, say):
    plan = api.post("/mailreeve/v1/remediation/plans", {"module_instance_id": module, "action": action,
                                                        "mids": [int(m) for m in mids]})["data"]
    batch_id = api.post("/mailreeve/v1/remediation/batches", {
        "module_instance_id": module, "plan_id": plan["id"], "plan_hash": plan["hash"],
        "idempotency_key": f"demo-{plan['id']}", "name": "parcel phishing"})["data"]["batch_id"]

    def finished():
        batch = api.get(f"/mailreeve/v1/remediation/batches/{module}/{batch_id}")["data"]
        return batch if batch["state"] in ("completed", "completed_with_errors", "failed") else None
    return plan, util.wait_for("the remediation to end", finished, 180, every=0.3)


def outcomes(batches):
    counts = {}
    for batch in batches:
        for receipt in batch["receipts"]:
            counts[receipt["result"]] = counts.get(receipt["result"], 0) + 1
    return counts


def check_mailboxes(sites, before, planted):
    """(campaign copies still there, other mails that went missing), looked up in the mail stores directly."""
    left, missing = 0, 0
    campaign_ids = {p["message_id"]: p for p in planted}
    for site in sites:
        for user in site.users:
            def key(m):
                return m["message_id"], m["message"].split(b"\r\n\r\n", 1)[-1]

            def is_campaign(m):
                sent = campaign_ids.get(m["message_id"])
                return sent is not None and m["message"].split(b"\r\n\r\n", 1)[-1] == sent["raw"].split(b"\r\n\r\n", 1)[-1]
            now = [key(m) for m in site.dovecot.list(user)]
            for message in before[user]:
                if is_campaign(message):
                    continue
                if key(message) in now:
                    now.remove(key(message))
                else:
                    missing += 1
                    print(f"demo: missing from {user}: {message['folder']} {message['message_id']}", file=sys.stderr)
            left += sum(1 for m in site.dovecot.list(user) if is_campaign(m))
    return left, missing


def forwards_received(sites, planted):
    """Message-IDs of the originals that reached the security team, as often as they did."""
    seen = []
    for site in sites:
        for item in site.dovecot.list(site.soc):
            parsed = email.message_from_bytes(item["message"])
            for part in parsed.walk():
                if part.get_content_type() == "message/rfc822":
                    original = part.get_payload(0) if isinstance(part.get_payload(), list) else None
                    if original is not None:
                        seen.append(str(original["Message-ID"]))
    return seen


def run(options, say):
    base = tempfile.mkdtemp(prefix="mailreeve-demo-")
    os.chmod(base, 0o755)
    started = []
    RUN.mkdir(exist_ok=True)

    def cleanup():
        for part in reversed(started):
            try:
                part.stop()
            except Exception as error:
                print(f"demo: {error}", file=sys.stderr)
    try:
        return job(options, say, base, started, cleanup)
    except BaseException:
        cleanup()
        print(f"demo: stopped; logs are in {base}", file=sys.stderr)
        raise


def job(options, say, base, started, cleanup):
    begin = time.monotonic()
    say.step("starting response")
    response = Response(pathlib.Path(base) / "response")
    started.append(response)
    response.start()
    admin = response.sign_in()
    client = admin.post("/iroh/oauth2-clients/clients", {
        "name": "demo script", "scopes": ["inspect:read", "enrich:read", "response", "integration", "sse", "casebook",
                                          "private-intel", "global-intel:read", "profile", "users:read"],
        "grants": ["client-creds"], "availability": "org"})
    sites = [Site(base, name, domain, response) for name, domain in SITES]
    devices = {}
    for site in sites:
        say.step(f"starting {site.name}: Dovecot, gateway, Postfix; registering the gateway")
        started.append(site)
        site.start()
        devices[site.name] = site.gateway.register(admin)["device_id"]
    module_of = {devices[site.name]: site for site in sites}

    say.step(f"passing {REAL_MAILS} real mails and the campaign through both mail servers")
    real = deliver_real_mail(sites, say)
    planted = plant_campaign(sites, datetime.datetime.now(datetime.timezone.utc))
    # An innocent mail that carries a campaign mail's Message-ID, in the same mailbox.
    twin_of = planted[1]
    twin = campaign.innocent_twin(twin_of["raw"])
    twin_of["site"].send([("colleague@partner.example", [twin_of["recipients"][0]], twin)])
    expected_messages = real + len(planted) + 1
    wait_delivered(sites)

    def all_delivered():
        done = sum(site.gateway.api().get("/v1/status")["delivery"]["events"] for site in sites)
        return done >= real + sum(len(p["recipients"]) for p in planted) + 1
    util.wait_for("the delivery events", all_delivered, 60)
    tracked = sum(site.gateway.api().get("/v1/status")["messages"]["tracked"] for site in sites)
    say.step(f"{tracked} messages tracked (expected {expected_messages})")

    # Users act before anybody knows.
    mover, deleter = planted[3], planted[4]
    mover["site"].dovecot.move(mover["recipients"][0], mover["message_id"], "Archiv Müll 2026")
    deleter["site"].dovecot.delete(deleter["recipients"][0], deleter["message_id"])
    before = {user: site.dovecot.list(user) for site in sites for user in site.users}
    say.step(f"{mover['recipients'][0]} moved a copy, {deleter['recipients'][0]} deleted one; "
             f"the mail store of {sites[1].name} goes down")
    sites[1].dovecot.stop()

    scripted = util.Api(response.url, str(response.ca_file))
    token = scripted.call("POST", "/iroh/oauth2/token", "grant_type=client_credentials", headers={
        "Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json",
        "Authorization": "Basic " + __import__("base64").b64encode(f"{client['id']}:{client['password']}".encode()).decode()})
    if token[0] != 200:
        raise RuntimeError(f"token: {token}")
    scripted.token = token[1]["access_token"]
    defanged = campaign.URL.replace("https://", "hxxps://").replace(".example", "[.]example")
    say.step(f"investigating {defanged}")
    observables, answer = investigate(scripted, f"reported by a user: {defanged} please check")
    hits = hits_of(answer)
    found = sum(len(recipients) for mids in hits.values() for recipients in mids.values())
    messages = sum(len(mids) for mids in hits.values())
    say.step(f"recognised {[o['type'] for o in observables]}: {messages} messages in {found} mailboxes, over "
             f"{sum(1 for m in hits.values() if m)} gateways")

    say.step("forward and delete, first run")
    first, again = [], []
    for module, mids in hits.items():
        plan, batch = remediate(admin, module, sorted(mids), "forward_and_delete", say)
        say.step(f"  {module_of[module].name}: plan for {plan['mailboxes']} mailboxes -> {outcomes([batch])}")
        first.append((module, batch))
    say.step(f"the mail store of {sites[1].name} is back; running again for what could not be reached")
    sites[1].dovecot.start()
    for module, batch in first:
        mids = sorted({int(r["mid"]) for r in batch["receipts"] if r["result"] == "unreachable"})
        if mids:
            plan, batch = remediate(admin, module, mids, "forward_and_delete", say)
            say.step(f"  {module_of[module].name}: {outcomes([batch])}")
            again.append((module, batch))
    wait_delivered(sites)

    say.step("verifying in the mail stores")
    left, missing = check_mailboxes(sites, before, planted)
    originals = forwards_received(sites, planted)
    one = outcomes([b for _, b in first])
    two = outcomes([b for _, b in again])
    total = {k: one.get(k, 0) + two.get(k, 0) for k in set(one) | set(two)}
    summary = {
        "messages_tracked": tracked,
        "campaign_messages": messages,
        "campaign_mailboxes": sum(len(p["recipients"]) for p in planted),
        "found": found,
        "removed": total.get("removed", 0),
        "already_gone": total.get("already_gone", 0),
        "moved_followed": total.get("moved_followed", 0),
        "unreachable": one.get("unreachable", 0),
        "forwarded": len(originals),
        "false_removals": missing,
        "seconds": round(time.monotonic() - begin, 1),
    }
    mailboxes = summary["campaign_mailboxes"]
    want = {
        "messages_tracked": expected_messages, "campaign_messages": len(planted), "campaign_mailboxes": mailboxes,
        "found": mailboxes, "removed": mailboxes - 2, "already_gone": 1, "moved_followed": 1,
        "unreachable": MAILBOXES_EACH, "forwarded": len(planted), "false_removals": 0,
    }
    wrong = {k: (summary[k], v) for k, v in want.items() if summary[k] != v}
    if left:
        wrong["campaign copies left"] = (left, 0)
    if two.get("unreachable") or total.get("refused"):
        wrong["second run"] = (total, "nothing unreachable or refused")
    if sorted(originals) != sorted(p["message_id"] for p in planted):
        wrong["forwarded originals"] = (sorted(originals), "each campaign mail once")

    if not wrong and not options.headless:
        plant_campaign(sites, datetime.datetime.now(datetime.timezone.utc),
                       url="https://payroll-update.example/login", first=100)
        wait_delivered(sites)
    write_run_file(base, response, client, sites, devices, summary)
    if options.headless:
        say.step("stopping everything")
        cleanup()
        if not wrong:
            shutil.rmtree(base, ignore_errors=True)
            (RUN / "demo.json").unlink(missing_ok=True)
    for name, (got, wanted) in wrong.items():
        print(f"demo: {name}: {got}, expected {wanted}", file=sys.stderr)
    if not options.headless:
        explain(response, client, sites)
    print(json.dumps(summary), flush=True)
    return 1 if wrong else 0


def write_run_file(base, response, client, sites, devices, summary):
    data = {
        "folder": base, "summary": summary,
        "response": {"url": response.url, "device_url": f"https://127.0.0.1:{response.device_port}",
                     "ca_file": str(response.ca_file), "user": response.admin[0], "password": response.admin[1],
                     "pid": response.pid},
        "client": {"id": client["id"], "secret": client["password"], "scopes": client["scopes"]},
        "gateways": [{
            "name": site.gateway.gateway_name, "device_id": devices[site.name], "domain": site.domain,
            "admin_socket": str(site.gateway.socket), "milter": site.gateway.milter, "smtp_port": site.smtp_port,
            "users": site.users, "forward_address": site.soc, "dovecot": site.dovecot.describe(), "pids": site.pids(),
        } for site in sites],
    }
    RUN.mkdir(exist_ok=True)
    path = RUN / "demo.json"
    path.touch(mode=0o600)
    os.chmod(path, 0o600)
    path.write_text(json.dumps(data, indent=2) + "\n")


def explain(response, client, sites):
    north = sites[0]
    print(f"""
Mailreeve is running.

  Console            {response.url}/     (certificate authority: {response.ca_file})
  Log in             {response.admin[0]} / {response.admin[1]}
  API client         {client['id']} / {client['password']}
  All of it          run/demo.json

Try
  - A second campaign has just arrived. Paste into the console: hxxps://payroll-update[.]example/login
  - Tick some of its messages, press Delete or Forward and delete, and read the receipts.
  - build/release/apps/mailreeve/mailreeve --socket {north.gateway.socket} track payroll-update.example
  - ./demo --stop ends it.
""")


def stop():
    path = RUN / "demo.json"
    if not path.exists():
        print("demo: nothing is running (run/demo.json is not there)")
        return 0
    data = json.loads(path.read_text())
    pids = [data["response"]["pid"]]
    for gateway in data["gateways"]:
        for part in gateway["pids"].values():
            pids += part if isinstance(part, list) else [part]

    def ours(pid):
        try:
            text = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() + os.readlink(f"/proc/{pid}/cwd").encode()
            return data["folder"].encode() in text or b"master" in text or b"dovecot" in text
        except OSError:
            return False
    for pid in pids:
        if pid and ours(pid):
            os.kill(pid, signal.SIGTERM)
    try:
        util.wait_for("the demo's processes to end", lambda: not any(pid and ours(pid) for pid in pids), 15)
    except RuntimeError:
        for pid in pids:
            if pid and ours(pid):
                os.kill(pid, signal.SIGKILL)
    shutil.rmtree(data["folder"], ignore_errors=True)
    path.unlink()
    print("demo: stopped")
    return 0


def main():
    parser = argparse.ArgumentParser(prog="demo")
    parser.add_argument("--headless", action="store_true")
    parser.add_argument("--stop", action="store_true")
    options = parser.parse_args()
    if options.stop:
        return stop()
    if (RUN / "demo.json").exists():
        stop()
    return run(options, Plain())


if __name__ == "__main__":
    sys.exit(main())
