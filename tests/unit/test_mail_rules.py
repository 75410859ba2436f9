"""How settings spell a mail server, a sender and an address."""

from __future__ import annotations

import pytest

from service.domain.mail_rules import parse_address, parse_public_url, parse_sender, parse_smtp_url


@pytest.mark.parametrize(
    ("url", "port", "is_tls", "starttls", "verify"),
    [
        ("smtp://mail.example", 587, False, True, True),
        ("smtp://mail.example:2525/?starttls=no", 2525, False, False, True),
        ("smtp://mail.example?starttls=required&verify=no", 587, False, True, False),
        ("smtps://mail.example", 465, True, False, True),
        ("smtps://mail.example:4650?verify=no", 4650, True, False, False),
    ],
)
def test_a_url_names_a_server(url: str, port: int, is_tls: bool, starttls: bool, verify: bool) -> None:
    server = parse_smtp_url(url)
    assert (server.host, server.port, server.user) == ("mail.example", port, "")
    assert (server.is_tls, server.starttls, server.verify) == (is_tls, starttls, verify)


def test_user_and_password_may_hold_any_letter_and_do_not_show() -> None:
    server = parse_smtp_url("smtp://me%40example.com:p%3Aa%2Fs%40s@mail.example")
    assert (server.user, server.password) == ("me@example.com", "p:a/s@s")
    assert "p:a/s@s" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "mail.example:587",
        "http://mail.example",
        "smtp://",
        "smtp://:587",
        "smtp://mail.example:port",
        "smtp://mail.example:70000",
        "smtp://secret-user@mail.example",
        "smtp://mail.example/inbox",
        "smtp://mail.example#a",
        "smtp://mail.example?starttls=maybe",
        "smtp://mail.example?tls=yes",
        "smtp://[::1",
    ],
)
def test_other_urls_are_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|may) ") as caught:
        parse_smtp_url(url)
    assert "secret" not in str(caught.value)


def test_a_sender_is_an_address_with_or_without_a_name() -> None:
    assert str(parse_sender("desk@example.com")) == "desk@example.com"
    named = parse_sender("The Desk <desk@example.com>")
    assert (named.display_name, named.addr_spec) == ("The Desk", "desk@example.com")


@pytest.mark.parametrize(
    "text",
    ["", "nobody", "a b@example.com", "x@", "@example.com", "a@b\nBcc: c@d", "a@b.example, c@d.example\r\n", "<>"],
)
def test_what_is_no_sender_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_sender(text)


@pytest.mark.parametrize(
    "text", ["a@b\r\nRCPT TO:<c@d>", "a@b c", "a", "a@", "@b", "a@b@", "ä@example.com", "a@b\0", "a>@b"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an email address"):
        parse_address(text)


def test_a_domain_beyond_ascii_is_written_as_the_network_knows_it() -> None:
    assert parse_address("ann@bücher.example").addr_spec == "ann@xn--bcher-kva.example"


@pytest.mark.parametrize("text", ["https://desk.example.com/", "http://127.0.0.1:8000", "https://example.com/fairdeal"])
def test_where_people_find_the_service(text: str) -> None:
    assert parse_public_url(text) == text.rstrip("/")


@pytest.mark.parametrize(
    "text", ["desk.example.com", "ftp://x", "https://", "https://x?y=1", "https://u@x", "https://x y", "https://x:0"]
)
def test_what_is_no_public_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must look like https"):
        parse_public_url(text)
