"""What holds for every route: closed bodies, bounded sizes, and headers that tell browsers to keep out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from service.api.app import create_app
from service.dashboard import pages
from service.domain.model import Role
from tests.one_app import serve
from tests.unit.api.fakes import FakeServices

APP = create_app(FakeServices())  # type: ignore[arg-type]
pages.install(APP)
DOCUMENT: dict[str, Any] = APP.test_client().get("/openapi.json").json
SCHEMAS = DOCUMENT["components"]["schemas"]

KEPT_BY_THE_SERVICE = {
    "id", "created_at", "updated_at", "deleted_at", "assigned_at", "resolved_at", "sold_at", "created_by", "epoch",
    "held", "password_hash", "failures", "delivered", "away_since",
}  # fmt: skip
"""Members of answers that no body may set. Agents may not even set these through a role of theirs."""

ROUTES = sorted(
    {(method, rule.rule) for rule in APP.url_map.iter_rules() for method in rule.methods or () if method != "OPTIONS"}
)


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, by_method in DOCUMENT["paths"].items():
        for method, operation in by_method.items():
            yield f"{method.upper()} {path}", operation


def json_bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, operation in operations():
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            yield name, content["application/json"]["schema"]


def parts(schema: dict[str, Any], seen: frozenset[str] = frozenset()) -> Iterator[dict[str, Any]]:
    """Walk a schema: itself, and all it is made of."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in seen:
            yield from parts(SCHEMAS[name], seen | {name})
        return
    yield schema
    nested = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    for kind in ("anyOf", "oneOf", "allOf"):
        nested += schema.get(kind, [])
    for each in nested:
        yield from parts(each, seen)


def test_there_are_bodies_to_judge() -> None:
    assert len(list(json_bodies())) > 40


@pytest.mark.parametrize(
    ("name", "schema"), list(json_bodies()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_no_body_takes_more_than_it_names_nor_what_the_service_keeps(name: str, schema: dict[str, Any]) -> None:
    objects = [part for part in parts(schema) if "properties" in part]
    assert all(part["additionalProperties"] is False for part in objects)
    (body,) = objects[:1] or [{"properties": {}}]
    assert body["properties"].keys() & KEPT_BY_THE_SERVICE == set()


@pytest.mark.parametrize(
    ("name", "schema"), list(json_bodies()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_text_and_list_of_a_body_has_an_end(name: str, schema: dict[str, Any]) -> None:
    for part in parts(schema):
        if part.get("type") == "array":
            assert part["maxItems"] <= 1_000, part
        if part.get("type") == "string":
            assert {"maxLength", "enum", "const", "format", "pattern"} & part.keys(), part


def test_no_page_is_longer_than_a_hundred_or_so() -> None:
    limits = [
        parameter["schema"].get("maximum")
        for _, operation in operations()
        for parameter in operation.get("parameters", ())
        if parameter["name"] == "limit"
    ]
    assert len(limits) > 8
    assert all(limit is not None and limit <= 1_000 for limit in limits)


@pytest.fixture
def app(services: FakeServices) -> Any:
    """The API with the page beside it."""
    return serve(APP, services)  # type: ignore[arg-type]


@pytest.mark.parametrize("who", ["nobody", "agent", "admin"])
def test_every_answer_tells_browsers_to_keep_out(who: str, app: Any, sign_in: Any) -> None:
    client = app.test_client() if who == "nobody" else sign_in(Role(who))
    for method, rule in ROUTES:
        path = re.sub(r"<[^>]*id:[^>]+>", "99", re.sub(r"<[^:>]+>|<path:[^>]+>", "x", rule))
        answer = client.open(path, method=method, headers={"Origin": "https://evil.example"})
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff", (method, rule)
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        scripts = headers["Content-Security-Policy"].partition("script-src")[2].partition(";")[0]
        assert "unsafe" not in scripts
        assert not any(name.lower().startswith("access-control-") for name, _ in headers), (method, rule)
        assert "Server" not in headers
        assert "Strict-Transport-Security" not in headers


def test_a_preflight_of_another_site_allows_nothing() -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = APP.test_client().options("/api/tickets", headers=asked)
    assert answer.status_code == 405
    assert not any(name.lower().startswith("access-control-") for name, _ in answer.headers)


def test_who_came_by_https_comes_by_nothing_else() -> None:
    answer = APP.test_client().get("/healthz", base_url="https://fairdeal.example")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
