"""Which addresses on the internet a URL of a caller's may lead to: public ones, and hosts that the deployer named.

A name is resolved once, every address that it has is looked at, and the one that is then connected to is one of those:
what the name leads to a moment later does not matter. An address is looked at as a number, so that no spelling hides
it; what an IPv6 address leads to behind a translator is looked at too.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from jobruns.errors import InvalidInputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[str]]
"""Gives the addresses of a host for a port; raises ``OSError`` where there are none."""

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\\\[\]%]+)(?::(?P<port>\d{1,5}))?"
    r"(?P<target>(?:[/?][^\s#]*)?)(?:#.*)?",
    re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}
_MAX_URL = 8192
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_VISIBLE = re.compile(r"[!-~]*")
_PLAIN = re.compile(r"(?:[^/:@\[\]]+|\[[^\]/]*\])(?::\d*)?(?:/.*)?", re.DOTALL)

# Special-purpose registries of IANA; written out, since what Python calls private differs from version to version.
_CLOSED_4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own; one cloud has its metadata there
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's own, inside of its machines
        "169.254.0.0/16",  # link-local; the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_OPEN_6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_6 = tuple(
    ipaddress.IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")  # 2001::/23 has Teredo in it
)
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)


class ForbiddenAddressError(InvalidInputError):
    """A URL is none that may be called, or its host has an address that is not public."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a URL leads, decided.

    Parameters
    ----------
    scheme : str
        ``http`` or ``https``.
    host : str
        As a request names it: a name in ASCII, or an address, one of IPv6 without brackets.
    port : int
        Port.
    address : str
        What to connect to, whatever the host's name leads to by then.
    target : str
        Path and query.
    """

    scheme: str
    host: str
    port: int
    address: str
    target: str

    @property
    def authority(self) -> str:
        """The header ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def find_destination(url: str, resolve: Resolver, allowed: Collection[str] = ()) -> Destination:
    """Decide where a URL leads.

    Parameters
    ----------
    url : str
        Of http or https, without a user.
    resolve : callable
        Resolves names; it is not asked about addresses.
    allowed : collection of str
        Hosts that may be called whatever their address is, as ``host`` or ``host:port``.

    Raises
    ------
    ForbiddenAddressError
        The URL is none that may be called, or its host has an address that is not public.
    OSError
        The host has no address.
    """
    scheme, host, port, target = _split(url)
    literal = _read_address(host)
    host = str(literal) if literal is not None else _check_name(host)
    addresses = [literal] if literal is not None else _parse(resolve(host, port))
    if not addresses:
        raise OSError(f"{host} has no address")
    if not is_named(host, port, allowed) and not all(map(is_public, addresses)):
        raise ForbiddenAddressError(f"the host {host} has an address that is not public")
    return Destination(scheme, host, port, str(addresses[0]), target)


def show_url(url: str) -> str:
    """Give what of a URL anybody may see: no user and password, and no query and fragment, which may be a signature."""
    scheme, mark, rest = re.split(r"[?#]", url, maxsplit=1)[0].partition("://")
    if not _PLAIN.fullmatch(rest):
        authority, slash, path = rest.partition("/")
        named = authority.rpartition("@")[2] + slash + path
        # Where there is a slash in a password, what looks like a path is none.
        rest = named if _PLAIN.fullmatch(named) else rest.rpartition("@")[2]
    return scheme + mark + rest


def is_public(address: Address) -> bool:
    """Whether an address is one of the internet at large, and so is what a translator makes of it."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _CLOSED_4)
    if address in _MAPPED or address in _TRANSLATED:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.scope_id is not None or address not in _OPEN_6 or any(address in network for network in _CLOSED_6):
        return False
    if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return True


def is_named(host: str, port: int, allowed: Collection[str]) -> bool:
    """Whether a host is one of those named as ``host`` or ``host:port``."""
    named = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return bool({host, named} & {entry.lower() for entry in allowed})


def _split(url: str) -> tuple[str, str, int, str]:
    match = _URL.fullmatch(url) if len(url) <= _MAX_URL else None
    if match is None or not _VISIBLE.fullmatch(match["target"]):
        raise ForbiddenAddressError("only URLs of http and https, without a user and of visible characters, are called")
    scheme = match["scheme"].lower()
    port = int(match["port"]) if match["port"] else _PORTS[scheme]
    if not 0 < port < 65536:
        raise ForbiddenAddressError(f"there is no port {port}")
    target = match["target"]
    return scheme, match["host"], port, target if target.startswith("/") else f"/{target}"


def _read_address(host: str) -> Address | None:
    """Read a host that is an address in any of its spellings; ``None`` where it is a name."""
    if host.startswith("["):
        try:
            return ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise ForbiddenAddressError(f"{host} is no address") from None
    parts = _fold(host).removesuffix(".").split(".")
    # As browsers have it: a host whose last part is a number is an address or nothing.
    if not _NUMBER.fullmatch(parts[-1]):
        return None
    numbers = [_read_number(part) for part in parts]
    leading, last = numbers[:-1], numbers[-1]
    if len(parts) > 4 or None in numbers or any(part > 255 for part in leading if part is not None):
        raise ForbiddenAddressError(f"{host[:80]} is no address")
    high = sum((part or 0) << 8 * (3 - position) for position, part in enumerate(leading))
    if last is None or last >= 256 ** (4 - len(leading)):
        raise ForbiddenAddressError(f"{host[:80]} is no address")
    return ipaddress.IPv4Address(high + last)


def _read_number(text: str) -> int | None:
    if not _NUMBER.fullmatch(text) or len(text) > 40:
        return None
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    try:
        return int(text, 8) if text.startswith("0") else int(text)
    except ValueError:  # an 8 or a 9 after a zero
        return None


def _check_name(host: str) -> str:
    try:
        name = _fold(host).removesuffix(".").encode("idna").decode().lower()
    except UnicodeError:
        name = ""
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise ForbiddenAddressError(f"{host[:80]!r} is no name of a host")
    return name


def _fold(host: str) -> str:
    """Write a host as it is resolved: wide letters, circled digits and the dots of other scripts are the plain ones."""
    return unicodedata.normalize("NFKC", host).lower().replace("\u3002", ".")


def _parse(addresses: Iterable[str]) -> list[Address]:
    try:
        return [ipaddress.ip_address(address) for address in addresses]
    except ValueError:
        raise ForbiddenAddressError("the host's name leads to something that is no address") from None
