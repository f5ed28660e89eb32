"""Every error this project raises on purpose, as one tree.

EventingError
├── InvalidEvent            a sender's event breaks a rule (400); names attribute and rule
│   └── EventTooLarge       over a size limit (413)
├── InvalidManifest         one or more faults in manifests; each names file, object, field, line
├── InvalidFilter           a filter that can't be compiled; names the place in the filter
├── InvalidSetting          an option or URL that can't be used
├── ChannelError            the channel's side of things
│   ├── ChannelUnavailable  can't store or read now; trying again may help (503)
│   │   └── ChannelFull     out of room: soft limit, quota or disk (503)
│   ├── ChannelBusy         another process owns the store (start refused)
│   ├── ChannelCorrupt      the store is damaged; it is kept, never overwritten
│   ├── ChannelUnsupported  a stored format newer than this program, or a capability it lacks
│   ├── ChannelClosed       used before open or after close
│   ├── Conflict            a document changed since it was read
│   └── Fenced              a lease was lost; whoever holds it now decides
└── DeliveryFailed          no usable HTTP answer from a subscriber
    ├── NameNotResolved     the host has no address
    ├── ConnectFailed       refused, unreachable or TLS failed
    ├── DeliveryTimeout     no complete answer in time
    ├── AnswerMalformed     an answer that is not HTTP, or cut short
    └── AnswerTooLarge      an answer over the limit

Messages are for people: what is wrong, where, and the rule. They never hold payloads or secrets.
"""

from __future__ import annotations

from collections.abc import Sequence


class EventingError(Exception):
    """Root of all errors raised on purpose."""


class InvalidEvent(EventingError):
    """An event breaks a rule of CloudEvents or of its binding.

    ``attribute`` names the attribute, header or member at fault (None: the event as a whole),
    ``rule`` the rule in a few words with its source.
    """

    def __init__(self, message: str, *, attribute: str | None = None, rule: str = "") -> None:
        super().__init__(message)
        self.attribute = attribute
        self.rule = rule


class EventTooLarge(InvalidEvent):
    """Over a size limit."""


def one_line(text: str) -> str:
    """The text with what can't be printed escaped, line ends above all: what is quoted of a user's text must not begin a line."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


class Fault(EventingError):
    """One fault in a manifest: ``FILE: KIND/NAME: FIELD: reason (line N)``, always one line."""

    def __init__(self, reason: str, *, file: str, line: int | None = None, object_: str = "", field: str = "") -> None:
        self.reason, self.file, self.line, self.object, self.field = reason, file, line, object_, field
        where = ": ".join(part for part in (file, object_, field) if part)
        super().__init__(one_line(f"{where}: {reason}" + (f" (line {line})" if line is not None else "")))


class InvalidManifest(EventingError):
    """One or more faults, all that were found."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class InvalidFilter(EventingError):
    """A filter that can't be compiled. ``path`` is the place within the filter, as in ``filters[1].any[0].exact``."""

    def __init__(self, reason: str, *, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path, self.reason = path, reason


class InvalidSetting(EventingError):
    """An option, environment variable or URL that can't be used."""


class ChannelError(EventingError):
    """The channel can't do what was asked."""


class ChannelUnavailable(ChannelError):
    """Nothing is known to be stored; the caller may try again."""


class ChannelFull(ChannelUnavailable):
    """No room: a soft limit, a quota or the disk itself."""


class ChannelBusy(ChannelError):
    """Another process owns the store."""


class ChannelCorrupt(ChannelError):
    """The store is damaged. It is left as it is; the message names the salvage command."""


class ChannelUnsupported(ChannelError):
    """A stored format newer than this program, or something the backend can't do."""


class ChannelClosed(ChannelError):
    """Used before `open` or after `close`."""


class Conflict(ChannelError):
    """A document has another version than the caller expected."""


class Fenced(ChannelError):
    """The lease behind this call is held by someone else, or lapsed."""


class DeliveryFailed(EventingError):
    """No usable HTTP answer. ``reason`` is a short stable word for metrics."""

    reason = "failed"


class NameNotResolved(DeliveryFailed):
    reason = "dns"


class ConnectFailed(DeliveryFailed):
    reason = "connect"


class DeliveryTimeout(DeliveryFailed):
    reason = "timeout"


class AnswerMalformed(DeliveryFailed):
    reason = "malformed"


class AnswerTooLarge(DeliveryFailed):
    """``status`` and ``headers``: the answer's, where its head was complete; 0 and empty otherwise."""

    reason = "too_large"

    def __init__(self, message: str, *, status: int = 0, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers
