"""Keys: made, read back, published; and what is wrong with a file, in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from mailserver.dkim.keys import Algorithm, BadKey, check_selector, load_key, make_key
from mailserver.dkim.signer import open_signer
from mailserver.settings.model import Settings
from tests.dkim.verifier import KEYS


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_key_that_was_made_is_read_back(tmp_path: Path, algorithm: Algorithm) -> None:
    (tmp_path / "s.pem").write_bytes(make_key(algorithm))
    key = load_key(tmp_path, "s")
    assert key.algorithm is algorithm
    assert key.selector == "s"


def test_the_records_say_which_kind_of_key_it_is() -> None:
    rsa_record, ed25519_record = (key.record() for key in KEYS)
    assert rsa_record.startswith("v=DKIM1; k=rsa; p=MIIBIjAN")
    assert len(ed25519_record) == len("v=DKIM1; k=ed25519; p=") + 44


def as_pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def test_a_file_that_cannot_sign_says_why(tmp_path: Path) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    bad = {
        "nothing": (b"", "no PEM private key"),
        "curve": (as_pem(curve), "neither RSA nor Ed25519"),
        "locked": (as_pem(curve, BestAvailableEncryption(b"x")), "encrypted"),
    }
    for selector, (octets, sentence) in bad.items():
        (tmp_path / f"{selector}.pem").write_bytes(octets)
        with pytest.raises(BadKey, match=sentence):
            load_key(tmp_path, selector)
    with pytest.raises(FileNotFoundError):
        load_key(tmp_path, "absent")


@pytest.mark.parametrize("selector", ["", "a.b", "../x", "-a", "a-", "é", "a" * 64, "a\n"])
def test_a_selector_is_one_label(selector: str) -> None:
    with pytest.raises(ValueError, match="no selector"):
        check_selector(selector)
    assert check_selector("mo3") == "mo3"


def settings_of(folder: Path, **dkim: object) -> Settings:
    return Settings.model_validate(
        {
            "service": {
                "domain": "A.test", "hostname": "mail.a.test", "extra_domains": ["é.test"]
            },
            "dkim": {"folder": folder, **dkim},
        }
    )  # fmt: skip


def test_a_service_signs_with_the_keys_that_it_has(tmp_path: Path) -> None:
    assert open_signer(settings_of(tmp_path)) is None
    (tmp_path / "mo2.pem").write_bytes(make_key(Algorithm.ED25519))
    (tmp_path / "mo1.pem").write_bytes(b"spoilt")
    signer = open_signer(settings_of(tmp_path))
    assert signer is not None
    assert [key.selector for key in signer.keys] == ["mo2"]
    assert signer.domain == "a.test"
    assert signer.domains == {"a.test", "xn--9ca.test"}
    assert open_signer(settings_of(tmp_path, enabled=False)) is None
