"""Marionette: how a Mozilla program is told what to do, over a local socket.

A packet is the count of its octets, a colon, JSON: [0, id, command, parameters]
there, [1, id, error, result] back.
"""

from __future__ import annotations

import base64
import itertools
import json
import socket
from typing import Any


class MarionetteError(Exception):
    """The program refused a command; the text is its own."""


class Marionette:
    """One session with a Mozilla program, in its own (`chrome`) context."""

    def __init__(self, port: int, *, patience_s: float) -> None:
        self._patience_s = patience_s
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=patience_s)
        self._file = self._socket.makefile("rb")
        self._ids = itertools.count(1)
        self._packet()  # the greeting
        self._call("WebDriver:NewSession", {})
        self._call("WebDriver:SetTimeouts", {"script": int(patience_s * 1000)})
        self._call("Marionette:SetContext", {"value": "chrome"})

    def run(self, body: str, *arguments: object) -> Any:
        """Run the body of an asynchronous function; what it returns.

        Raises:
            MarionetteError: it threw.
        """
        script = (
            "const [done, ...given] = [arguments[arguments.length - 1], ...arguments];"
            f"(async (args) => {{ {body} }})(given)"
            ".then(value => done({value}), error => done({error: `${error} ${error?.stack}`}));"
        )
        told = self._call(
            "WebDriver:ExecuteAsyncScript", {"script": script, "args": list(arguments)}
        )["value"]
        if "error" in told:
            raise MarionetteError(told["error"])
        return told.get("value")

    def picture(self) -> bytes:
        """The current window as PNG."""
        told = self._call("WebDriver:TakeScreenshot", {"full": True, "hash": False})
        return base64.b64decode(told["value"])

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _call(self, command: str, parameters: dict[str, Any]) -> Any:
        octets = json.dumps([0, next(self._ids), command, parameters]).encode()
        self._socket.sendall(b"%d:" % len(octets) + octets)
        _, _, error, result = self._packet()
        if error is not None:
            raise MarionetteError(f"{command}: {error}")
        return result

    def _packet(self) -> Any:
        length = b""
        while (octet := self._file.read(1)) != b":":
            if not octet:
                raise MarionetteError("the program closed the connection")
            length += octet
        return json.loads(self._file.read(int(length)))
