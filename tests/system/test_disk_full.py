"""What happens when the gateway's disk is full."""
import pathlib
import subprocess
import sys

import pytest


def test_full_disk_refuses_for_now_and_loses_nothing():
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("needs a mount namespace: run as root")
    done = subprocess.run(["unshare", "--mount", sys.executable, str(pathlib.Path(__file__).with_name("disk_full.py"))],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
