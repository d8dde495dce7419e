"""What [web] promises must be answered, and nothing is said in clear to strangers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mailserver.settings.check.check import check_settings
from mailserver.settings.check.web import check_web
from mailserver.settings.model import WebSettings
from tests.settings.check.test_check import HOST, certify, settings_for

URL = "https://mel.a.test"


@pytest.mark.parametrize(
    ("web", "wanted"),
    [
        ({}, []),
        ({"https": ["0.0.0.0:443"], "url": URL}, []),
        ({"http": ["127.0.0.1:8080", "[::1]:8080"], "url": URL}, []),
        ({"http": ["0.0.0.0:8080"], "proxies": ["10.0.0.2/32"], "url": URL}, []),
        ({"url": URL}, [("error", "web.url", "nothing answers there")]),
        ({"https": ["0.0.0.0:443"]}, [("warning", "web.url", "no message of a list leads to it")]),
        (
            {"http": ["0.0.0.0:8080"], "url": URL},
            [("error", "web.http", "0.0.0.0:8080 would be answered without TLS")],
        ),
        (
            {"http": ["0.0.0.0:8080"], "proxies": ["0.0.0.0/0"], "url": URL},
            [("error", "web.proxies", "0.0.0.0/0 is everybody")],
        ),
    ],
)
def test_findings_of_the_web_door(
    tmp_path: Path, web: dict[str, Any], wanted: list[tuple[str, str, str]]
) -> None:
    found = list(check_web(settings_for(tmp_path, web=web, dkim={"enabled": True})))
    assert [(one.level.value, one.key) for one in found] == [(a, b) for a, b, _ in wanted]
    for one, (_, _, words) in zip(found, wanted, strict=True):
        assert words in one.sentence


def test_one_click_is_signed_or_not_promised(tmp_path: Path) -> None:
    web = {"https": ["0.0.0.0:443"], "url": URL}
    (found,) = check_web(settings_for(tmp_path, web=web))  # where DKIM is off
    assert (found.level.value, found.key) == ("warning", "dkim.enabled")
    assert "no message promises one click" in found.sentence


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("", ""),
        ("https://mel.ac-exemple.fr", "https://mel.ac-exemple.fr"),
        ("https://Mel.Ac-Exemple.fr/", "https://mel.ac-exemple.fr"),
        ("https://localhost:2443", "https://localhost:2443"),
    ],
)
def test_the_address_is_kept_as_links_begin(typed: str, kept: str) -> None:
    assert WebSettings(url=typed).url == kept


@pytest.mark.parametrize(
    "typed",
    [
        "http://mel.ac-exemple.fr",
        "mel.ac-exemple.fr",
        "https://",
        "https://mel.ac-exemple.fr/mel",
        "https://mel.ac-exemple.fr:0",
        "https://mel.ac-exemple.fr:65536",
        "https://a@mel.ac-exemple.fr",
        "https://mel.ac-exemple.fr?x",
        "https://mel..fr",
        "https://mél.fr",
        "https://mel.ac-exemple.fr\r\nX: y",
    ],
)
def test_what_is_no_address_under_https_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(ValidationError, match=r"as https://mel\.ac-exemple\.fr"):
        WebSettings(url=typed)


def test_the_certificate_must_bear_the_name_of_the_web_unless_a_proxy_has_its_own(
    tmp_path: Path,
) -> None:
    certify(tmp_path, HOST)
    direct = settings_for(tmp_path, web={"https": ["127.0.0.1:0"], "url": URL})
    finding, unsigned = check_settings(direct)
    assert (finding.key, "not for mel.a.test" in finding.sentence) == ("tls.certificate", True)
    behind = settings_for(tmp_path, web={"https": [], "http": ["127.0.0.1:0"], "url": URL})
    assert check_settings(behind) == [unsigned]
    assert unsigned.key == "dkim.enabled"
