from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.errors import EgressRefused
from secondbasket.policy.destinations import (
    Destination,
    DestinationRules,
    address_class,
    checked_url,
    destination_of,
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("8.8.8.8", "public"),
        ("2606:4700:4700::1111", "public"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("198.18.0.1", "private"),
        ("fd12::1", "private"),
        ("fec0::1", "private"),
        ("2001:db8::1", "private"),
        ("2001::1", "private"),
        ("64:ff9b:1::1", "private"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%2", "link-local"),
        ("fd00:ec2::254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("100.100.100.200", "metadata"),
        ("192.0.0.192", "metadata"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "reserved"),
        ("0.1.2.3", "reserved"),
        ("255.255.255.255", "reserved"),
        ("250.1.1.1", "reserved"),
        ("192.0.0.8", "reserved"),
        ("4000::1", "reserved"),
        ("::ffff:a9fe:a9fe", "link-local"),
        ("::ffff:7f00:1", "loopback"),
        ("::ffff:10.0.0.1", "private"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("64:ff9b::808:808", "public"),
        ("2002:7f00:1::", "loopback"),
        ("2002:a00:1::1", "private"),
    ],
)
def test_address_classes(text: str, kind: str) -> None:
    assert address_class(ip_address(text)) == kind


@pytest.mark.parametrize("text", ["::", "::7f00:1", "::a9fe:a9fe"])
def test_ipv4_compatible_addresses_are_never_public(text: str) -> None:
    assert address_class(ip_address(text)) != "public"


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_is_public_outside_global_unicast_and_nat64(address: object) -> None:
    known = ip_address(str(address))
    if address_class(known) == "public":
        assert known.packed[0] & 0xE0 == 0x20 or str(known.exploded).startswith(
            ("0064:ff9b:0000:0000:0000:0000:", "0000:0000:0000:0000:0000:ffff:")
        )


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("https://api.example.org/v1", "api.example.org", 443),
        ("http://Example.ORG:8080/", "example.org", 8080),
        ("http://127.0.0.1:9000", "127.0.0.1", 9000),
        ("http://[::1]:9000/v1", "::1", 9000),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443),
        ("http://vllm_1.internal:8000/v1?x=a@b", "vllm_1.internal", 8000),
        ("http://4chan.example/", "4chan.example", 80),
    ],
)
def test_plain_urls_are_read(text: str, host: str, port: int) -> None:
    assert destination_of(checked_url(text)) == Destination(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "http://good.example\\@169.254.169.254/",
        "http://169.254.169.254\\.good.example/",
        "http://good.example\t.evil.example/",
        "http://good.example\n/",
        " http://good.example/",
        "http://user@good.example/",
        "http://user:secret@good.example/",
        "http://good.example:80@169.254.169.254/",
        "http://@good.example/",
        "http://a@b@c.example/",
        "http://169.254.169.254%2f.good.example/",
        "http://%31%32%37.0.0.1/",
        "http://bücher.example/",
        "http://127。0。0。1/",
        "http://①②⑦.0.0.1/",
        "http://0177.0.0.1/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://127.0.0.01/",
        "http://1.1.1.1.1/",
        "http://good.example..evil/",
        "http:///path",
        "http:good.example/",
        "//good.example/",
        "good.example",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/",
        "unix:///run/x.sock",
        "http://good.example:0/",
        "http://good.example:99999/",
        "http://good.example:8o/",
        "http://[::1/",
        "http://[::1]evil.example/",
        "http://[fe80::1%25eth0]/",
        "",
    ],
)
def test_urls_that_two_parsers_read_differently_are_refused(text: str) -> None:
    with pytest.raises(EgressRefused) as refused:
        checked_url(text)
    assert refused.value.hint


@given(st.text(max_size=40))
def test_any_authority_is_read_plainly_or_refused(authority: str) -> None:
    try:
        destination = destination_of(checked_url(f"http://{authority}/"))
    except EgressRefused:
        return
    written = authority.lower().partition("/")[0].partition("?")[0].partition("#")[0]
    assert written.removesuffix(":").removesuffix(":80") in (
        str(destination),
        destination.host,
        f"[{destination.host}]",
        f"{destination}".removesuffix(":80"),
    )


def test_only_the_operators_configuration_opens_the_inside() -> None:
    rules = DestinationRules(
        [
            Destination("10.0.0.5", 8000),
            Destination("vllm.internal", 8000),
            Destination("169.254.10.1", 80),
        ]
    )

    def allowed(host: str, port: int, address: str) -> bool:
        return rules.judge(Destination(host, port), ip_address(address)).allowed

    assert allowed("10.0.0.5", 8000, "10.0.0.5")
    assert not allowed("10.0.0.5", 8001, "10.0.0.5")
    assert not allowed("10.0.0.6", 8000, "10.0.0.6")
    assert allowed("vllm.internal", 8000, "10.9.9.9")
    assert allowed("vllm.internal", 8000, "93.184.216.34")
    assert not allowed("vllm.internal", 8000, "169.254.169.254")
    assert not allowed("vllm.internal", 8000, "fd00:ec2::254")
    assert not allowed("vllm.internal", 8000, "0.0.0.0")
    assert allowed("169.254.10.1", 80, "169.254.10.1")
    assert not allowed("evil.example", 8000, "10.0.0.5")


def test_a_proxy_is_passed_by_for_places_known_to_be_inside() -> None:
    public, private = Destination("api.example", 443), Destination("10.0.0.5", 8000)
    local, own = Destination("localhost", 11434), Destination("vllm.internal", 8000)
    rules = DestinationRules([own], named=[public, private, local])
    assert rules.is_inside(own)
    assert rules.is_inside(private)
    assert rules.is_inside(local)
    assert not rules.is_inside(public)
    assert not rules.is_inside(Destination("10.0.0.6", 8000))
    assert rules.judge(public, ip_address("10.1.1.1")).allowed
