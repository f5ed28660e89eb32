"""Secret values: from a `kind: Secret` manifest, else from a file under the secrets folder. Never cached, never logged."""

from __future__ import annotations

import os
from pathlib import Path

from eventing.resources.kind_table import Key
from eventing.resources.model import SecretValues
from eventing.resources.store import ObjectStore

MAX_SECRET = 1024 * 1024


class Secrets:
    """``folder``: holds `NAME/KEY`, as `$EVENTING_SECRETS_DIR` names it; None where there is none."""

    def __init__(self, store: ObjectStore, folder: Path | None) -> None:
        self._store = store
        self._folder = folder

    def get(self, namespace: str, name: str, key: str) -> bytes | None:
        """The value as it is now; None where there is none or it can't be read. A final newline of a file is left out, as
        editors add it."""
        stored = self._store.get(Key("", "Secret", namespace, name))
        if stored is not None and isinstance(stored.resource.spec, SecretValues):
            value = stored.resource.spec.get(key)
            if value is not None:
                return value
        if self._folder is None or _escapes(name) or _escapes(key):
            return None
        try:
            with (self._folder / name / key).open("rb") as file:
                value = file.read(MAX_SECRET + 1)
        except OSError:
            return None
        return None if len(value) > MAX_SECRET else value.removesuffix(b"\n")


def _escapes(part: str) -> bool:
    return part in {"", ".", ".."} or os.sep in part or "\0" in part
