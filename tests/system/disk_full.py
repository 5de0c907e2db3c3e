"""A gateway whose state folder fills up: mail is refused for now, never lost, and taken again once there is room. Runs in a
mount namespace of its own (test_disk_full.py), so that the small file system is seen by nothing else."""
import os
import smtplib
import subprocess
import sys

from lab import mailreeve, util
from lab.stack import Stack

MAIL = (b"From: a@sender.example\r\nSubject: %s\r\nMessage-ID: <%s@sender.example>\r\n\r\n" + b"".join(
    b"https://host-%d.example/\r\n" % n for n in range(200)))


def main():
    start = mailreeve.Gateway.start

    def start_on_small_disk(gateway):
        if not os.path.ismount(gateway.state):
            gateway.state.mkdir(exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0755", "tmpfs", str(gateway.state)], check=True)
        return start(gateway)
    mailreeve.Gateway.start = start_on_small_disk

    with Stack(users=1, register=False, settings={"milter.on_failure": "tempfail"}) as stack:
        def send(name):
            try:
                stack.send("a@sender.example", stack.users, MAIL % (name, name))
                return None
            except smtplib.SMTPDataError as error:
                return error.smtp_code
        assert send(b"before") is None
        filler = stack.gateway.state / "filler"
        with open(filler, "wb") as file:
            try:
                while True:
                    file.write(b"x" * 65536)
            except OSError:
                pass
        promised = [b"before"]
        codes = []
        for number in range(60):
            name = b"full-%d" % number
            code = send(name)
            codes.append(code)
            if code is None:
                promised.append(name)
            elif len([c for c in codes if c]) > 5:
                break
        assert 451 in codes, codes
        assert set(codes) <= {None, 451}, codes
        assert stack.gateway.process.poll() is None
        counted = stack.gateway.api().get("/v1/status")["messages"]
        assert counted["temporarily_refused"] >= 1 and counted["untracked"] == 0, counted
        filler.unlink()
        util.wait_for("mail to be taken again", lambda: send(b"after") is None)
        promised.append(b"after")
        held = {m["message_id"] for m in stack.track("--sender", "a@sender.example", "--limit", "1000")}
        missing = {f"<{name.decode()}@sender.example>" for name in promised} - held
        assert not missing, missing
        # And after a restart.
        stack.gateway.kill()
        stack.gateway.start()
        assert {f"<{n.decode()}@sender.example>" for n in promised} <= {
            m["message_id"] for m in stack.track("--sender", "a@sender.example", "--limit", "1000")}
        stack.gateway.stop()
        subprocess.run(["umount", str(stack.gateway.state)], check=True)
    print(f"{len(promised)} promised, {len([c for c in codes if c])} refused for lack of room")


if __name__ == "__main__":
    sys.exit(main())
