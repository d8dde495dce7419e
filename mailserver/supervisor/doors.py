"""The doors by name, as data, light enough for every command to say them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mailserver.settings.model import Settings

KEEPER: Final = "keeper"
DOOR_MODULES: Final = {
    "smtp": "smtp_relay.inbound.worker",
    "pop3": "pop3_store.worker",
    "web": "webmail.worker",
    "delivery": "smtp_relay.delivery.worker",
    KEEPER: "mailserver.keeper.keeper",
}
"""Every door that `run` may start; a new one is a line here and a service in docker-compose.yml."""
DOOR_NAMES: Final = ", ".join(DOOR_MODULES)
"""For people: what may stand behind `--door`."""


def open_doors(settings: Settings) -> list[str]:
    """The names of the doors that `run` starts: the web only where it has a listener."""
    from mailserver.settings.listeners import WEB, wanted_listeners

    has_web = any(wanted.kind.door == WEB for wanted in wanted_listeners(settings))
    return [name for name in DOOR_MODULES if name != WEB or has_web]
