"""A throw-away CA, and settings for a door of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme


class Credentials:
    """A CA and one certificate for localhost, as files."""

    def __init__(self, folder: Path) -> None:
        self.authority = folder / "ca.pem"
        self.certificate = folder / "certificate.pem"
        self.key = folder / "key.pem"
        self._ca = trustme.CA()
        self._ca.cert_pem.write_to_path(self.authority)
        self.renew()

    def renew(self, key_type: trustme.KeyType = trustme.KeyType.ECDSA) -> None:
        """Write another certificate of the same CA."""
        issued = self._ca.issue_cert("localhost", "127.0.0.1", key_type=key_type)
        issued.private_key_pem.write_to_path(self.key)
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return Credentials(tmp_path)


@pytest.fixture
def settings_tree(tmp_path: Path, credentials: Credentials) -> dict[str, Any]:
    return make_tree(tmp_path, credentials)


def make_tree(folder: Path, credentials: Credentials) -> dict[str, Any]:
    """What `Settings` needs, for a door that takes passwords in the clear on loopback."""
    return {
        "service": {
            "domain": "ac-exemple.fr",
            "hostname": "mail.ac-exemple.fr",
            "language": "en",
        },
        "store": {"path": str(folder / "store")},
        "tls": {"certificate": str(credentials.certificate), "key": str(credentials.key)},
        "smtp": {"mx": [], "submission": [], "submissions": []},
        "pop3": {"pop3": ["127.0.0.1:0"], "pop3s": ["127.0.0.1:0"]},
        "auth": {"allow_plaintext_on_loopback": True},
    }
