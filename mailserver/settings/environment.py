"""Settings from variables, by pydantic-settings: a module of its own, because it takes longer to
import than everything else that reading settings needs, and few services set variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import create_model
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from mailserver.settings.model import Settings

# The same tree, for pydantic-settings to find its variables in.
_FIELDS: dict[str, Any] = {
    name: (field.annotation, field) for name, field in Settings.model_fields.items()
}
_Environment: type[BaseSettings] = create_model("_Environment", __base__=BaseSettings, **_FIELDS)


class _Source(EnvSettingsSource):
    """Reads the mapping it was given; lists may be written with commas."""

    def __init__(self, variables: Mapping[str, str], *, prefix: str, delimiter: str) -> None:
        self._variables = {name.lower(): value for name, value in variables.items()}
        super().__init__(
            _Environment,
            env_prefix=prefix,
            env_nested_delimiter=delimiter,
            case_sensitive=False,
        )

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Never fails: what is no JSON is taken as a list with commas, for the model to refuse."""
        with suppress(ValueError):
            return super().decode_complex_value(field_name, field, value)
        return [part.strip() for part in str(value).split(",") if part.strip()]


def read_variables(variables: Mapping[str, str], *, prefix: str, delimiter: str) -> dict[str, Any]:
    """Section -> key -> value, as far as `Settings` has such sections."""
    found = _Source(variables, prefix=prefix, delimiter=delimiter)()
    return {name: values for name, values in found.items() if name in Settings.model_fields}
