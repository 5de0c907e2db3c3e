"""Runs last: what is described and was never met by the other files is not known to be true."""
import pytest

import conftest


def test_every_described_operation_was_tried():
    if len(conftest.SEEN) < 40:
        pytest.skip("only meaningful when every file ran")
    tried = {(method, path) for method, path, status in conftest.SEEN if status < 300}
    tried |= {("POST", "/device/v1/registration")}  # its success needs a device; tests/device_channel has it
    missing = set(conftest.DOCUMENT.operations()) - tried
    assert not missing


def test_vendor_documents_were_met():
    if not conftest.VENDOR:
        pytest.skip("no vendor documents: set MAILREEVE_TEST_DATA")
    if len(conftest.SEEN) < 40:
        pytest.skip("only meaningful when every file ran")
    assert ("POST", "/iroh/iroh-enrich/observe/observables") in conftest.VENDOR_SEEN
    assert ("POST", "/iroh/iroh-inspect/inspect") in conftest.VENDOR_SEEN
    assert ("POST", "/iroh/iroh-response/respond/observables") in conftest.VENDOR_SEEN
