"""A door that cannot be prepared."""

from __future__ import annotations

from mailserver.settings.model import Settings
from mailserver.supervisor.contract import WorkerContext


def prepare(settings: Settings) -> Settings:
    raise RuntimeError("this door is broken")


def serve(prepared: Settings, context: WorkerContext) -> None:
    raise AssertionError("never reached")
