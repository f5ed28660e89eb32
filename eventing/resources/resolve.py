"""From a Destination to the URL that is posted to (Knative eventing control plane, "Destination")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import unquote, urljoin, urlsplit

from eventing.kinds.destination import Destination, KReference
from eventing.resources.kind_table import BROKER, EVENTING, SERVICE, Key
from eventing.resources.model import BrokerSpec, Resource, ServiceSpec
from eventing.resources.plan import Target


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Why there is no URL (yet), for a condition's message."""

    message: str


def address_name(url: str) -> str:
    """What the entry in `status.addresses` with this URL is called: its scheme."""
    return url.partition(":")[0]


class Resolver:
    """Resolves against one set of objects. ``bases``: the URLs under which this process is reached, the published one
    first; ``brokers``: their uids by namespace and name."""

    def __init__(self, objects: Iterable[Resource], bases: Sequence[str], uids: Mapping[Key, str]) -> None:
        self._bases = [base.rstrip("/") for base in bases]
        self._services: dict[tuple[str, str], ServiceSpec] = {}
        self._unserved: set[tuple[str, str]] = set()
        self._brokers: dict[tuple[str, str], str] = {}
        sinks: dict[tuple[str, str], Destination] = {}
        for resource in objects:
            name = (resource.meta.namespace, resource.meta.name)
            if resource.kind is SERVICE and isinstance(resource.spec, ServiceSpec):
                self._services[name] = resource.spec
            elif resource.kind is BROKER:
                self._brokers[name] = uids[resource.key]
                if isinstance(resource.spec, BrokerSpec) and resource.spec.delivery and resource.spec.delivery.dead_letter_sink:
                    sinks[name] = resource.spec.delivery.dead_letter_sink
        self._origins = {origin for base in self._bases if (origin := _origin(base)) is not None}
        self._prefixes = {urlsplit(base).path for base in self._bases}

        # Brokers may be each other's dead-letter sink, so all are taken for served until one can't be; then those that refer to
        # its name are looked at again.
        behind: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for name, sink in sinks.items():
            if sink.ref is not None:
                behind.setdefault((sink.ref.namespace or name[0], sink.ref.name), []).append(name)
        waiting = list(sinks)
        while waiting:
            name = waiting.pop()
            if name not in self._unserved and isinstance(self.resolve(sinks[name], name[0]), Unresolved):
                self._unserved.add(name)
                waiting.extend(behind.get(name, ()))

    def address(self, namespace: str, *names: str) -> str:
        """The published URL of one of our own addressable objects."""
        return "/".join((self._bases[0], namespace, *names))

    def resolve(self, destination: Destination, namespace: str) -> Target | Unresolved:
        """``namespace``: that of the object which refers."""
        url = destination.uri or ""
        if destination.ref is not None:
            tls = destination.ca_certs is not None
            found = self._reference(destination.ref, destination.ref.namespace or namespace, tls=tls)
            if isinstance(found, Unresolved):
                return found
            url = urljoin(found, url) if url else found
        return Target(url, destination.ca_certs, self._own_broker(url))

    def _reference(self, reference: KReference, namespace: str, *, tls: bool) -> str | Unresolved:
        group, kind, name = reference.api_group, reference.kind, reference.name
        if (group, kind) == ("", "Service"):
            # Certificates mean https, as Knative reads it; the name of an address means nothing to a Service.
            known = self._services.get((namespace, name))
            return f"http{'s' if tls else ''}://{name}.{namespace}.svc/" if known is None else known.url(tls=tls)
        if (group, kind) == (EVENTING, "Broker"):
            if (namespace, name) not in self._brokers:
                return Unresolved(f"Broker {name!r} does not exist in namespace {namespace!r}")
            if (namespace, name) in self._unserved:
                return Unresolved(f"Broker {name!r} in namespace {namespace!r} has no address: it isn't Ready")
            url = self.address(namespace, name)
            if reference.address not in {None, address_name(url)}:
                return Unresolved(f"Broker {name!r} in namespace {namespace!r} has no address named {reference.address!r}")
            return url
        where = f"group {group!r}" if group else "the core group"
        return Unresolved(f"a reference to kind {kind!r} of {where} can't be resolved here; give its uri")

    def _own_broker(self, url: str) -> str | None:
        """The broker behind a URL, as far as its spelling tells; to what isn't seen here the hop count travels in a header."""
        if _origin(url) not in self._origins:
            return None
        path = urlsplit(url).path
        for prefix in self._prefixes:
            if path.startswith(f"{prefix}/"):
                parts = [unquote(part) for part in path[len(prefix) + 1 :].rstrip("/").split("/")]
                if len(parts) == 2:
                    return self._brokers.get((parts[0], parts[1]))
        return None


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port in one spelling; every name of this machine's loopback is the same host."""
    split = urlsplit(url)
    host = (split.hostname or "").rstrip(".")
    try:
        port = split.port
        if host == "localhost" or ip_address(host).is_loopback:
            host = "loopback"
    except ValueError:
        port = split.port
    return (split.scheme, host, port or (443 if split.scheme == "https" else 80))
