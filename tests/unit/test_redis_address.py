"""Redis addresses: one server, Sentinels, a Cluster, and what is wrong with an address."""

from __future__ import annotations

import pytest

from service.redis_servers.address import Kind, parse


@pytest.mark.parametrize("url", ["redis://:x@h:1/2", "rediss://h", "unix:///tmp/redis.sock"])
def test_one_server_is_left_to_the_client(url: str) -> None:
    read = parse(url)
    assert (read.kind, read.url) == (Kind.SERVER, url)


def test_sentinels_and_the_master_they_watch() -> None:
    read = parse("redis+sentinel://user:p%40ss@a:1,[::1]:2,c/main/3?sentinel_password=s%3D")
    assert (read.kind, read.nodes) == (Kind.SENTINEL, (("a", 1), ("::1", 2), ("c", 26_379)))
    assert (read.master, read.db, read.tls) == ("main", 3, False)
    assert (read.username, read.password, read.sentinel_password) == ("user", "p@ss", "s=")


def test_a_cluster() -> None:
    read = parse("rediss+cluster://:secret@a:1,b")
    assert (read.kind, read.nodes, read.tls) == (Kind.CLUSTER, (("a", 1), ("b", 6_379)), True)
    assert (read.username, read.password) == (None, "secret")


def test_passwords_are_not_shown() -> None:
    for url in ("redis://:hush@h", "redis+sentinel://:hush@h/m?sentinel_password=hush", "redis+cluster://:hush@h"):
        assert "hush" not in repr(parse(url))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://h", "must look like redis://"),
        ("h:6379", "must look like redis://"),
        ("redis+sentinel://h", "must name the master"),
        ("redis+sentinel://h/main/x", "must name the master"),
        ("redis+sentinel://h/main/0/1", "must name the master"),
        ("redis+sentinel://a:port,b/main", "must name hosts with commas between"),
        (
            "redis+sentinel://h/main?sentinal_password=x",
            "unknown option sentinal_password; known are",
        ),
        ("redis+cluster://", "must name hosts with commas between"),
        ("redis+cluster://h/1", "has the database 0 alone"),
        ("redis+cluster://h?db=1", "unknown option db"),
    ],
)
def test_a_bad_address_is_told_what_it_should_look_like(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(url)
