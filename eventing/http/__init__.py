"""HTTP/1.1 for the data plane, strict and bounded, on httptools and asyncio protocols.

Sans-I/O: `request_parser`, `response_parser`, `serialise`, `url`, `pool`. Transports: `server` with `connection` and `state`,
`client` with `client_connection`. Beside them `resolver`, `tls`, `limits`.
"""

from eventing.http.client import HttpClient
from eventing.http.limits import ClientLimits, ServerLimits
from eventing.http.resolver import AddressGuard, Resolver, ResolverLimits
from eventing.http.server import HttpServer
from eventing.http.tls import server_context

__all__ = [
    "AddressGuard",
    "ClientLimits",
    "HttpClient",
    "HttpServer",
    "Resolver",
    "ResolverLimits",
    "ServerLimits",
    "server_context",
]
