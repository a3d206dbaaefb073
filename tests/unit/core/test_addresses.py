"""Which addresses a URL of a caller's may lead to."""

import ipaddress
import socket
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.addresses import Destination, ForbiddenAddressError, find_destination, is_public, show_url

PUBLIC = "93.184.216.34"


def resolve_to(*addresses: str) -> "Resolver":
    return Resolver(addresses)


class Resolver:
    """Gives the same addresses for every name, and remembers what it was asked."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = addresses
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.addresses


def test_a_name_is_resolved_once_and_its_address_is_kept() -> None:
    resolver = resolve_to(PUBLIC, "93.184.216.35")
    found = find_destination("https://Example.com/a/b.csv?x=1#part", resolver)
    assert found == Destination("https", "example.com", 443, PUBLIC, "/a/b.csv?x=1")
    assert found.authority == "example.com"
    assert resolver.asked == [("example.com", 443)]


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("http://example.com", "example.com", "/"),
        ("http://example.com:8080?q", "example.com:8080", "/?q"),
        ("HTTP://example.com.:80/", "example.com", "/"),
        ("http://[2606:4700::1111]:81/x", "[2606:4700::1111]:81", "/x"),
        ("https://bücher.example/", "xn--bcher-kva.example", "/"),
        ("http://a_b.example/%20", "a_b.example", "/%20"),
    ],
)
def test_urls_are_taken_apart(url: str, authority: str, target: str) -> None:
    found = find_destination(url, resolve_to(PUBLIC))
    assert (found.authority, found.target) == (authority, target)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/@2x.csv", "https://a.example/@2x.csv"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("https://a.example/x?X-Amz-Signature=s3cret", "https://a.example/x"),
        ("https://a.example?s3cret@x", "https://a.example"),
        ("https://a.example/x#s3cret", "https://a.example/x"),
        ("https://me:s3cret@a.example/@2x.csv", "https://a.example/@2x.csv"),
        ("https://s3cret@[::1]:80/x", "https://[::1]:80/x"),
        ("https://me:s3/s3cret@a.example:80/x", "https://a.example:80/x"),
        ("https://me:s3@cret@a.example/x", "https://a.example/x"),
        ("ftp://me:s3cret@a.example/x", "ftp://a.example/x"),
    ],
)
def test_nothing_that_may_be_secret_is_shown_of_a_url(url: str, shown: str) -> None:
    assert show_url(url) == shown
    assert show_url(shown) == shown


@given(st.text("abc:.%-[@", max_size=6), st.text("abc/:.%-", max_size=6), st.sampled_from("?#"))
def test_no_url_shows_a_password_or_a_query(user: str, path: str, mark: str) -> None:
    assert "SECRET" not in show_url(f"https://{user}:SECRET@a.example/{path}{mark}SECRET")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/x",
        "file:///etc/passwd",
        "gopher://example.com/",
        "http:example.com",
        "http://",
        "http:///x",
        "http://user@example.com/",
        "http://user:pass@example.com/",
        "http://example.com\\@10.0.0.1/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://example.com:x/",
        "http://exa mple.com/",
        "http://example.com/a b",
        "http://example.com/é",
        "http://example.com/\r\nHost: x",
        "http://ex%61mple.com/",
        "http://[fe80::1%25eth0]/",
        "http://[::1",
        "http://[nope]/",
        "http://a..b/",
        "http://-a.example/",
        "http://example.com\uff0fx/",
        "http://\u2100.example/",
        "http://" + "a" * 64 + ".example/",
        "http://example.com/" + "x" * 9000,
        "http://1.2.3.4.5/",
        "http://256.1.1.1/",
        "http://1.2.3.08/",
        "http://0x1ffffffff/",
        "http://a.b.7/",
        "",
        "nope",
    ],
)
def test_urls_that_are_none_to_call(url: str) -> None:
    resolver = resolve_to(PUBLIC)
    with pytest.raises(ForbiddenAddressError):
        find_destination(url, resolver)
    assert resolver.asked == []


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
        *("169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "168.63.129.16", "198.18.0.1"),
        *("192.0.0.192", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.1.1.1"),
        *("240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254"),
        *("::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "fe80::1", "febf::1"),
        *("fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "2001:db8::1", "3fff::1"),
        *("2002:7f00:1::1", "2002:5db8:d822::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "5f00::1"),
        *("2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a9fe:a9fe", "100::1", "4000::1"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(ForbiddenAddressError, match="not public"):
        find_destination("http://rebound.example/", resolve_to(address))
    with pytest.raises(ForbiddenAddressError, match="not public"):
        find_destination("http://rebound.example/", resolve_to(PUBLIC, address))


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "223.255.255.255"),
        *("2606:4700::1111", "2a00:1450:4001:81b::200e", "::ffff:8.8.8.8", "64:ff9b::808:808"),
        "2606:4700::5efe:808:808",
    ],
)
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        *("2130706433", "0x7f000001", "0x7F.1", "017700000001", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0.0.0x1"),
        *(
            "127.0.0.1.",
            "127.000.000.001",
            "0",
            "0x",
            "2852039166",
            "0xa9fea9fe",
            "169.254.43518",
            "0251.0376.0251.0376",
        ),
        *("[::1]", "[::ffff:7f00:1]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:a9fe:a9fe]", "[64:ff9b::7f00:1]"),
        *("１２７.0.0.1", "①②⑦.⓪.⓪.①", "127。0。0。1", "127．0．0．1", "１６９.２５４.１６９.２５４"),  # noqa: RUF001 - that is the point
    ],
)
def test_no_spelling_hides_an_address(host: str) -> None:
    resolver = resolve_to(PUBLIC)
    with pytest.raises(ForbiddenAddressError, match="not public"):
        find_destination(f"http://{host}/", resolver)
    assert resolver.asked == []


def test_numbers_are_addresses_as_browsers_read_them() -> None:
    assert find_destination("http://134744072/", resolve_to()).address == "8.8.8.8"
    assert find_destination("http://0x08.8.2056/", resolve_to()).address == "8.8.8.8"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://localhost:8000/", "localhost"),
        ("http://LOCALHOST:8000/", "localhost:8000"),
        ("http://127.0.0.1:8000/", "127.0.0.1:8000"),
        ("http://2130706433:8000/", "127.0.0.1"),
        ("http://[::1]:8000/", "::1"),
        ("http://[::1]:8000/", "[::1]:8000"),
    ],
)
def test_hosts_that_the_deployer_named_may_be_called(url: str, allowed: str) -> None:
    found = find_destination(url, resolve_to("127.0.0.1"), {allowed})
    assert ipaddress.ip_address(found.address).is_loopback


@pytest.mark.parametrize("allowed", ["localhost:8001", "ocalhost", "host", "", "*", "127.0.0.1"])
def test_hosts_that_are_not_named_may_not(allowed: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        find_destination("http://localhost:8000/", resolve_to("127.0.0.1"), {allowed})


def test_a_name_without_an_address_is_an_error_of_the_network() -> None:
    with pytest.raises(OSError, match="no address"):
        find_destination("http://example.com/", resolve_to())
    with pytest.raises(ForbiddenAddressError):
        find_destination("http://example.com/", resolve_to("nope"))


@given(st.ip_addresses(v=4))
def test_an_address_is_as_public_in_ipv6_as_in_ipv4(address: ipaddress.IPv4Address) -> None:
    for prefix in ("::ffff:", "64:ff9b::"):
        assert is_public(ipaddress.ip_address(f"{prefix}{address}")) == is_public(address)


@given(st.ip_addresses())
def test_what_python_knows_as_private_is_never_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    private = address.is_private or address.is_multicast or address.is_reserved or address.is_link_local
    mapped = getattr(address, "ipv4_mapped", None)
    assert not (private and mapped is None and is_public(address)) or str(address).startswith("64:ff9b::")


_pieces = st.sampled_from(
    [
        "http://",
        "https://",
        "127",
        "0x7f",
        "1",
        ".",
        "0",
        "localhost",
        "[",
        "]",
        "::1",
        "@",
        ":",
        "80",
        "/",
        "?",
        "#",
        "\\",
    ]
)


@given(st.lists(_pieces, max_size=9).map("".join) | st.text(max_size=30))
def test_any_url_leads_to_a_public_address_or_is_refused(url: str) -> None:
    try:
        address = find_destination(url, resolve_to("127.0.0.1", PUBLIC)).address
    except ForbiddenAddressError:
        return
    assert is_public(ipaddress.ip_address(address))


@given(st.integers(0, 2**32 - 1), st.sampled_from(["{}", "0x{:x}", "0{:o}"]))
def test_numbers_are_read_as_the_system_reads_them(number: int, form: str) -> None:
    host = form.format(number)
    expected = socket.inet_ntoa(socket.inet_aton(host))
    found = find_destination(f"http://{host}/", resolve_to(), {expected})
    assert found.address == expected
