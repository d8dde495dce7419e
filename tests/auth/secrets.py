"""The passwords of these tests, in one place, so that every log can be searched for them."""

from __future__ import annotations

from typing import Final

NUMEN: Final = "13E0245678ABC"
PASSWORD: Final = "tournesol jaune"
OTHER: Final = "coquelicot rouge"
WRONG: Final = "mauvaise herbe"
ACCENTED: Final = "Forêt enneigée"

ALL_PASSWORDS: Final = (
    NUMEN,
    NUMEN.lower(),
    "13 e 0245678 abc",
    PASSWORD,
    OTHER,
    WRONG,
    ACCENTED,
)
