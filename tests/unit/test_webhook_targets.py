"""Where webhooks may lead: each class of address, and each way to write one."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from service.domain.webhook_targets import Target, is_public, parse_allowed, parse_target

PUBLIC = [
    "93.184.216.34", "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
    "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1", "2a00:1450:4001::8a", "2001:200::1",
    "64:ff9b::1.1.1.1", "::ffff:1.1.1.1",
]  # fmt: skip
NOT_PUBLIC = {
    "this network": ["0.0.0.0", "0.255.255.255"],
    "private": ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1"],
    "shared by customers": ["100.64.0.1", "100.127.255.255", "100.100.100.200"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "link-local": ["169.254.0.1", "169.254.169.254", "fe80::1", "febf::1"],
    "site-local": ["fec0::1"],
    "protocols": ["192.0.0.1", "192.0.0.170", "2001::1", "2001:1ff:ffff::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "relays": ["192.88.99.1", "2002::1", "2002:7f00:1::"],
    "benchmarks": ["198.18.0.1", "198.19.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "::", "::2", "4000::1", "8000::1", "100::1", "5f00::1"],
    "unique local": ["fc00::1", "fd00:ec2::254"],
    "a cloud's own host": ["168.63.129.16"],
    "IPv4 in IPv6": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1"],
    "IPv4 behind a NAT64": ["64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1.1.1.1"],
}  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(("kind", "addresses"), NOT_PUBLIC.items())
def test_others_are_not(kind: str, addresses: list[str]) -> None:
    assert [address for address in addresses if is_public(ip_address(address))] == []


class TestAllowed:
    def test_a_network_allows_its_addresses_alone(self) -> None:
        allowed = parse_allowed("10.1.0.0/16, 127.0.0.1, [fd00::]/8")
        for address in ("10.1.2.3", "127.0.0.1", "fd12::1", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "1.1.1.1"):
            assert allowed.admits("any.example", ip_address(address)), address
        for address in ("10.2.0.1", "127.0.0.2", "fc00::1", "::ffff:10.2.0.1", "169.254.169.254"):
            assert not allowed.admits("any.example", ip_address(address)), address

    def test_a_name_is_allowed_wherever_it_leads(self) -> None:
        allowed = parse_allowed("hooks.internal, ")
        assert allowed.admits("hooks.internal", ip_address("10.0.0.1"))
        assert not allowed.admits("evil.hooks.internal", ip_address("10.0.0.1"))

    def test_nothing_is_allowed_by_itself(self) -> None:
        assert not parse_allowed("").admits("localhost", ip_address("127.0.0.1"))

    @pytest.mark.parametrize("text", ["10.1.0.1/16", "true", "*", "10.0.0.0/33", "two words", "1.2.3", "https://x"])
    def test_what_is_neither_is_named(self, text: str) -> None:
        if text == "true":  # a name like any other
            assert parse_allowed(text).names == {"true"}
        else:
            with pytest.raises(ValueError, match="neither a network"):
                parse_allowed(text)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", Target("https", "example.com", 443, "/")),
        ("HTTP://Example.COM:8080/a/b?c=d%20e", Target("http", "example.com", 8080, "/a/b?c=d%20e")),
        ("https://example.com.?x", Target("https", "example.com", 443, "/?x")),
        ("https://xn--bcher-kva.example/", Target("https", "xn--bcher-kva.example", 443, "/")),
        ("http://1.2.3.4/x", Target("http", "1.2.3.4", 80, "/x")),
        ("http://[2606:4700::1]:8/x", Target("http", "2606:4700::1", 8, "/x")),
        ("https://a_b.example/", Target("https", "a_b.example", 443, "/")),
        ("https://4you.example/", Target("https", "4you.example", 443, "/")),
    ],
)
def test_urls_are_taken_apart(url: str, target: Target) -> None:
    assert parse_target(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "//example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
        "javascript:alert(1)", "https:example.com", "https:/example.com", "https://", "https:///x",
        "https://user@example.com/", "https://user:password@example.com/", "https://@example.com/",
        "https://example.com@127.0.0.1/", "https://example.com\\@127.0.0.1/", "https://exa mple.com/",
        "https://example.com/\r\nX-Evil: 1", "https://example.com/\t", " https://example.com/", "https://bücher.example/",
        "https://１２７.0.0.1/", "https://example.com/#x", "https://example.com:0/", "https://example.com:65536/",
        "https://example.com:x/", "https://-example.com/", "https://ex..ample/", "https://[::1", "https://[fe80::1%25lo]/",
        "https://[fe80::1%lo]/", "https://[example.com]/", "https://" + "a" * 64 + ".example/",
        "https://e.example/" + "x" * 2000,
    ],
)  # fmt: skip
def test_what_two_parsers_might_read_differently_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|is not)"):
        parse_target(url)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433", "017700000001", "0x7f000001", "0x7f.1", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1",
        "127.0.0.01",
        "1.2.3.4.5", "256.0.0.1", "127.0.0.1.", "0", "0x", "1.1.1.0x1", "3232235521",
    ],
)  # fmt: skip
def test_addresses_in_odd_spellings_are_refused(host: str) -> None:
    with pytest.raises(ValueError, match="four decimal numbers"):
        parse_target(f"http://{host}/")
