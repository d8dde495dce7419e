"""What Python cannot raise (in a callback of a library, in `__del__`): one line of the log, seldom.

By default it writes a traceback to standard error each time, and some of it a stranger can cause:
a ClientHello whose server name is not ASCII, for instance.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from mailserver.telemetry.hush import Hush
from mailserver.telemetry.log import Log


def log_unraised(log: Log) -> None:
    """From now on, in this process."""
    hush = Hush(most_of_one=1)

    def hook(unraised: Any, /) -> None:
        kind = unraised.exc_type.__name__
        if (kept_back := hush.ask(kind, now_s=time.monotonic())) is None:
            return
        log.warning(
            "an error could not be raised",
            error=f"{kind}: {unraised.exc_value}",
            where=repr(unraised.object)[:200],
            also=kept_back,
        )

    sys.unraisablehook = hook
