"""Which kinds there are: group, version, names. Sources come from their plug-ins, as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from eventing.kinds.source import SourceSpec
from eventing.ports.source import SourcePlugin

EVENTING = "eventing.knative.dev"
SOURCES = "sources.knative.dev"
OURS = "eventing-engine.dev"

_FOREIGN_KNATIVE = frozenset(
    f"{name}.knative.dev" for name in ("serving", "networking", "autoscaling", "caching", "operator", "samples", "client")
)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What identifies an object among all: there is one version of a kind."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def path(self) -> str:
        """`namespace/name`, as metrics and logs call it where the kind is clear."""
        return f"{self.namespace}/{self.name}"

    @property
    def label(self) -> str:
        """`Kind namespace/name`, for people."""
        return f"{self.kind} {self.path}"


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """One kind as the API lists it. ``group``: empty for core kinds. ``source``: its plug-in, where it is a source."""

    group: str
    version: str
    kind: str
    plural: str
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    source: SourcePlugin | None = None

    @property
    def api_version(self) -> str:
        """As in a manifest: `eventing.knative.dev/v1`, or `v1` for core kinds."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def has_status(self) -> bool:
        """Core kinds (Secret, Service) are only looked at, never reconciled."""
        return bool(self.group)


BROKER = ResourceKind(EVENTING, "v1", "Broker", "brokers", categories=("all", "knative", "eventing"))
TRIGGER = ResourceKind(EVENTING, "v1", "Trigger", "triggers", categories=("all", "knative", "eventing"))
SECRET = ResourceKind("", "v1", "Secret", "secrets")
SERVICE = ResourceKind("", "v1", "Service", "services", short=("svc",), categories=("all",))


class KindTable:
    """The kinds of this process: the built-in ones and those of the sources given. Raises `ValueError` where two sources
    claim one kind or one path of the API, or where a source's spec isn't built on `SourceSpec`."""

    def __init__(self, plugins: Mapping[str, SourcePlugin]) -> None:
        self._by_kind: dict[tuple[str, str], ResourceKind] = {}
        self._by_plural: dict[tuple[str, str], ResourceKind] = {}
        for kind in (BROKER, TRIGGER, SECRET, SERVICE, *map(_of_source, plugins.values())):
            if (kind.group, kind.kind) in self._by_kind or (kind.group, kind.plural) in self._by_plural:
                raise ValueError(f"{kind.kind} in group {kind.group!r} is claimed twice")
            self._by_kind[kind.group, kind.kind] = kind
            self._by_plural[kind.group, kind.plural] = kind

    def __iter__(self) -> Iterator[ResourceKind]:
        return iter(self._by_kind.values())

    def get(self, group: str, kind: str) -> ResourceKind | None:
        return self._by_kind.get((group, kind))

    def by_plural(self, group: str, version: str, plural: str) -> ResourceKind | None:
        found = self._by_plural.get((group, plural))
        return found if found is not None and found.version == version else None

    def groups(self) -> Iterable[tuple[str, str]]:
        """Group and version of all kinds but the core ones, sorted."""
        return sorted({(kind.group, kind.version) for kind in self if kind.group})


def is_ours(group: str) -> bool:
    """Whether an unknown kind in this group is a mistake (Knative Eventing's groups and this project's) rather than
    somebody else's business (core Kubernetes, Knative Serving ...)."""
    if group == OURS or group.endswith(f".{OURS}"):
        return True
    return (group == "knative.dev" or group.endswith(".knative.dev")) and group not in _FOREIGN_KNATIVE


def _of_source(plugin: SourcePlugin) -> ResourceKind:
    if not issubclass(plugin.spec, SourceSpec):
        raise ValueError(f"the spec of source {plugin.kind} is not built on eventing.kinds.source.SourceSpec")
    return ResourceKind(
        plugin.group, plugin.version, plugin.kind, plugin.plural, categories=("all", "knative", "sources"), source=plugin
    )
