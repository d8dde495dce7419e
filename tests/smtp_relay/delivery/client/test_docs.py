"""docs/smtp-client.md says what the code says."""

from __future__ import annotations

from pathlib import Path

from mailserver.settings.model import DeliverySettings
from smtp_relay.delivery.client import replies
from smtp_relay.delivery.client.options import Times
from smtp_relay.delivery.verdicts import Kind

PAGE = (Path(__file__).parents[4] / "docs/smtp-client.md").read_text("utf-8")


def test_every_limit_stands_in_the_page() -> None:
    for limit in (
        f"{replies.MAX_LINE_OCTETS:,} octets",
        f"{replies.MAX_LINES} lines, {replies.MAX_REPLY_OCTETS // 1024} KiB",
        f"{replies.MAX_WORDS:,} characters",
        f"{Times().quit_s:g} s",
    ):
        assert limit in PAGE


def test_every_time_out_stands_in_the_page() -> None:
    for name in DeliverySettings.model_fields:
        if name.endswith("_timeout_s"):
            assert f"{name}`" in PAGE


def test_every_verdict_and_every_module_stands_in_the_page() -> None:
    for kind in Kind:
        assert kind.name in PAGE
    folder = Path(replies.__file__).parent
    for module in folder.glob("[a-z]*.py"):
        assert module.stem == "offers" or module.name in PAGE or module.stem == "options"


def test_the_defaults_are_those_of_the_settings() -> None:
    delivery, times = DeliverySettings(), Times()
    assert times.connect_s == delivery.connect_timeout_s
    assert times.dot_s == delivery.dot_timeout_s
    assert times.block_s == delivery.block_timeout_s
    assert times.data_s == delivery.data_timeout_s
    assert times.command_s == delivery.command_timeout_s
    assert times.greeting_s == delivery.greeting_timeout_s
