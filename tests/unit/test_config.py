"""What the environment may say, and how everything bad about it is told at once."""

from __future__ import annotations

import secrets

import pytest

from service.config import ConfigurationError, Settings, load

GOOD = {
    "DATABASE_URL": "postgresql://db.example/fairdeal",
    "REDIS_URL": "redis://cache.example",
    "JWT_SECRET_KEY": "a key that is good enough for tests",
}


def problems(**environ: str) -> dict[str, str]:
    """Load GOOD with changes and return what is said against each variable."""
    with pytest.raises(ConfigurationError) as caught:
        load(GOOD | environ)
    return dict(problem.split(": ", 1) for problem in caught.value.problems)


def test_good_values_are_taken() -> None:
    settings = load(GOOD | {"ADMIN_USERNAME": "chief@desk", "ADMIN_PASSWORD": "Let-them-in-1", "PORT": ""})
    assert settings.admin_username == "chief@desk"
    assert settings.admin_password is not None
    assert settings.admin_password.get_secret_value() == "Let-them-in-1"
    assert settings.port == 8000


def test_a_lease_too_short_for_the_statements_is_told_next_to_other_bad_values() -> None:
    found = problems(CLAIM_LEASE_S="3", STATEMENT_TIMEOUT_MS="2001", PORT="0")
    assert list(found) == ["PORT", "CLAIM_LEASE_S"]
    assert found["CLAIM_LEASE_S"].startswith("3 s is shorter than twice STATEMENT_TIMEOUT_MS (2001 ms); use at least 5")


def test_the_default_lease_is_compared_too() -> None:
    assert "use at least 120" in problems(STATEMENT_TIMEOUT_MS="60000")["CLAIM_LEASE_S"]


def test_a_lease_is_not_compared_with_a_timeout_that_is_bad_itself() -> None:
    assert list(problems(CLAIM_LEASE_S="1", STATEMENT_TIMEOUT_MS="soon")) == ["STATEMENT_TIMEOUT_MS"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WEB_THREADS", "0", "must be a whole number from 1 to 256"),
        ("WEB_THREADS", "257", "must be a whole number from 1 to 256"),
        ("PORT", "http", "must be a whole number from 1 to 65535"),
        ("WEB_WORKERS", "1.5", "must be a whole number from 1 to 64"),
        ("RECONCILE_FAST_S", "nan", "must be a number from 0.5 to 3600"),
        ("LOG_FORMAT", "xml", "must be json or text"),
        ("LOG_LEVEL", "loud", "must be debug, info, warning or error"),
        ("JWT_SECRET_KEY", "not-for-showing", "must have at least 32 characters"),
        ("DATABASE_URL", "mysql://x", "must look like postgresql://user:password@host:5432/name"),
        ("HOST", "\udcff", "must be plain text"),
        ("ASSIGN_MINUTES", "30", "must name minutes for each priority, as in high=30,medium=240,low=1440, each from 1"),
        ("RESOLVE_MINUTES", "high=1,medium=2", "must name minutes for each priority, as in high=30,medium=240"),
        ("SMTP_URL", "mail.example:587", "must look like smtp://user:password@mail.example:587 or smtps://"),
        ("SMTP_URL", "smtp://mail.example?starttls=maybe", "may end in ?starttls=required or no, and verify=yes or no"),
        ("MAIL_FROM", "nobody", "must look like fairdeal@example.com or Fairdeal <fairdeal@example.com>"),
        ("PUBLIC_URL", "fairdeal.example.com", "must look like https://fairdeal.example.com"),
        ("ADMIN_USERNAME", "no spaces", "must be 3 to 64 letters (a-z, A-Z), digits or any of . _ - @ +"),
        ("ADMIN_PASSWORD", "weak", "must have at least 8 characters; must contain an upper-case letter; must contain"),
    ],
)
def test_a_bad_value_is_told_with_what_would_be_right(name: str, value: str, words: str) -> None:
    found = problems(**{name: value})
    assert list(found) == [name]
    assert found[name].startswith(words)
    assert found[name].endswith(f"({Settings.model_fields[name.lower()].description})")


@pytest.mark.parametrize("name", ["JWT_SECRET_KEY", "ADMIN_PASSWORD", "DATABASE_URL", "REDIS_URL", "SMTP_URL"])
def test_a_bad_secret_is_never_repeated(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(GOOD | {name: "zq-zq-zq"})
    assert "zq" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_what_is_missing_is_told_with_its_meaning() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({})
    assert [line.split(" (")[0] for line in caught.value.problems] == [f"{name}: is not set" for name in GOOD]


def test_what_webhooks_may_lead_to_is_checked_at_the_start() -> None:
    said = problems(WEBHOOK_ALLOW="10.0.0.0/8,10.0.0.1/8")["WEBHOOK_ALLOW"]
    assert said.startswith("'10.0.0.1/8' is neither a network")
    assert load(GOOD | {"WEBHOOK_ALLOW": "hooks.internal"}).webhook_allowed.names == {"hooks.internal"}


@pytest.mark.parametrize(("limit_s", "warning_s"), [("0", 1), ("2", 1), ("600", 300), ("604800", 3_600)])
def test_the_warning_comes_half_way_to_the_hold_limit_and_an_hour_before_it_at_the_earliest(
    limit_s: str, warning_s: int
) -> None:
    assert load(GOOD | {"HOLD_LIMIT_S": limit_s}).hold_limit.warning_s == warning_s


def test_a_warning_must_come_before_the_hold_limit_where_there_is_one() -> None:
    found = problems(HOLD_LIMIT_S="600", HOLD_WARNING_S="600")
    assert found["HOLD_WARNING_S"].startswith("600 s is not before HOLD_LIMIT_S (600 s); use at most 599")
    assert load(GOOD | {"HOLD_WARNING_S": "600"}).hold_limit_s == 0
    assert list(problems(HOLD_LIMIT_S="soon", HOLD_WARNING_S="600")) == ["HOLD_LIMIT_S"]


def test_tickets_are_archived_after_what_refers_to_them_and_removed_after_that() -> None:
    assert problems(ARCHIVE_AFTER_DAYS="7")["ARCHIVE_AFTER_DAYS"].startswith("7 is too few")
    found = problems(ARCHIVE_AFTER_DAYS="30", ARCHIVE_KEEP_DAYS="30")
    assert found["ARCHIVE_KEEP_DAYS"].startswith("30 is not more than ARCHIVE_AFTER_DAYS (30); use at least 31")
    assert load(GOOD | {"ARCHIVE_AFTER_DAYS": "0"}).archive_after_days == 0
    assert load(GOOD | {"ARCHIVE_AFTER_DAYS": "8", "ARCHIVE_KEEP_DAYS": "9"}).archive_keep_days == 9


GUESSED = {
    "JWT_SECRET_KEY": [
        ("a" * 40, "has fewer than 12 different characters"),
        ("change-me-change-me-change-me-change-me", "looks like an example"),
        ("your_secret_key_goes_here_1234567890", "looks like an example"),
        ("fairdeal-fairdeal-fairdeal-fairdeal-0", "looks like an example"),
    ],
    "DATABASE_URL": [
        ("postgresql://postgres:postgres@db.example/fairdeal", "its password is a default or the name of its user"),
        ("postgresql://ann-the-user:ann-the-user@db.example/x", "the name of its user"),
        ("postgresql://u:s3cr%40t@db.example/fairdeal", "its password is shorter than 8 characters"),
        ("postgres://u:Pass-Word@db.example/fairdeal", "its password is a default"),
        ("postgresql://u:postgres@one.example:5432,two.example:5432/x", "its password is a default"),
    ],
    "REDIS_URL": [
        ("redis://:foobared@cache.example/0", "its password is a default"),
        ("rediss://u:short@cache.example/0", "its password is shorter than 8 characters"),
    ],
    "ADMIN_PASSWORD": [("Let-me-in-1", "stands in manuals"), ("Passw0rd!1", "stands in manuals")],
}


@pytest.mark.parametrize(
    ("name", "value", "words"), [(name, *case) for name, cases in GUESSED.items() for case in cases]
)
def test_secrets_that_anybody_could_guess_are_for_trying_things_out_alone(name: str, value: str, words: str) -> None:
    found = problems(**{name: value})
    assert list(found) == [name]
    assert words in found[name]
    assert value not in found[name]
    load(GOOD | {name: value, "WEAK_SECRETS": "allowed"})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db.example/fairdeal",
        "postgresql:///fairdeal?host=/run/postgresql",
    ],
)
def test_servers_that_ask_for_no_password_are_taken(url: str) -> None:
    assert load(GOOD | {"DATABASE_URL": url}).database_url.endswith(url.removeprefix("postgresql"))


def test_generated_secrets_are_good_enough() -> None:
    for _ in range(200):
        key = secrets.token_urlsafe(32)
        assert load(GOOD | {"JWT_SECRET_KEY": key, "DATABASE_URL": f"postgresql://fairdeal:{key}@db.example/x"})


def test_a_cluster_needs_another_server_for_jobs() -> None:
    cluster = "redis+cluster://a:1,b:2"
    assert "must be given beside a Redis Cluster" in problems(REDIS_URL=cluster)["JOBS_REDIS_URL"]
    assert "RQ cannot work in a Redis Cluster" in problems(JOBS_REDIS_URL=cluster)["JOBS_REDIS_URL"]
    assert load(GOOD | {"REDIS_URL": cluster, "JOBS_REDIS_URL": "redis://jobs"}).jobs_url == "redis://jobs"


def test_jobs_are_where_the_queue_is_unless_told() -> None:
    assert load(GOOD).jobs_url == GOOD["REDIS_URL"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("postgres://u:p@h/db", "postgresql+psycopg2://u:p@h/db"),
        (
            "postgresql://u:p@a:1,b:2/db",
            "postgresql+psycopg2://u:p@/db?host=a:1&host=b:2&target_session_attrs=read-write",
        ),
        (
            "postgresql://u:p@a,b/db?sslmode=require&target_session_attrs=primary",
            "postgresql+psycopg2://u:p@/db?host=a&host=b&sslmode=require&target_session_attrs=primary",
        ),
    ],
)
def test_of_several_databases_the_one_that_takes_writes_is_meant(given: str, meant: str) -> None:
    assert load(GOOD | {"DATABASE_URL": given, "WEAK_SECRETS": "allowed"}).database_url == meant


def test_of_several_replicas_any_will_do() -> None:
    several = load(GOOD | {"REPLICA_DATABASE_URL": "postgresql://u:kX93hf-Qm72l@a:5432,b:5432/x"}).replica_database_url
    assert several is not None
    assert several.endswith("?host=a:5432&host=b:5432&target_session_attrs=standby")
    assert load(GOOD).replica_database_url is None
