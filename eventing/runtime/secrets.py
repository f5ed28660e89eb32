"""Secret values: from a `kind: Secret` manifest, else from a file under the secrets folder. Never logged."""

from __future__ import annotations

import os
from pathlib import Path

from eventing.http.log import Log
from eventing.resources.kind_table import Key
from eventing.resources.model import SecretValues
from eventing.resources.store import ObjectStore
from eventing.runtime.secret_files import SecretFiles


class Secrets:
    """``folder``: holds `NAME/KEY`, as `$EVENTING_SECRETS_DIR` names it; None where there is none."""

    def __init__(self, store: ObjectStore, folder: Path | None, log: Log) -> None:
        self._store = store
        self._files = None if folder is None else SecretFiles(folder, log)

    def get(self, namespace: str, name: str, key: str) -> bytes | None:
        """The value; None where there is none or it can't be read. That of a manifest is the present one, that of a file the
        one of at most a second ago. Hardly waits, whatever the folder does (`SecretFiles.get`)."""
        stored = self._store.get(Key("", "Secret", namespace, name))
        if stored is not None and isinstance(stored.resource.spec, SecretValues):
            value = stored.resource.spec.get(key)
            if value is not None:
                return value
        if self._files is None or _escapes(name) or _escapes(key):
            return None
        return self._files.get(name, key)

    def close(self) -> None:
        """Stop reading files. Idempotent."""
        if self._files is not None:
            self._files.close()


def _escapes(part: str) -> bool:
    return part in {"", ".", ".."} or os.sep in part or "\0" in part
