"""The compose file: what test_deployments.py does not hold against the other ways to deploy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("fairdeal:")}
HEADER = TEXT[: TEXT.index("\nname:")]


def test_everything_asked_of_the_env_file_is_documented() -> None:
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))
    assert {variable for variable in asked if not re.search(rf"\b{variable}\b", HEADER)} == set()


def test_what_may_be_left_out_of_the_env_file_is_not_set_or_has_a_default() -> None:
    passed = OURS["web"]["environment"]
    assert {passed[name] for name in ("WEB_WORKERS", "WEB_THREADS", "LOG_LEVEL")} == {
        "${WEB_WORKERS:-}",
        "${WEB_THREADS:-}",
        "${LOG_LEVEL:-}",
    }


def test_redis_is_the_first_process_and_its_password_is_not_shown() -> None:
    script = SERVICES["redis"]["command"][-1]
    config = "/run/redis/redis.conf"
    assert script.endswith(f"&& exec redis-server {config}")
    assert "|" not in script
    assert script.index("umask 077") < script.index(f"> {config}")
    assert [mount.partition(":")[0] for mount in SERVICES["redis"]["tmpfs"]] == ["/run/redis"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_nobody_is_root_and_nothing_is_written_but_to_volumes_and_memory(name: str) -> None:
    service = SERVICES[name]
    user, _, group = service["user"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_of_one_exact_version(name: str) -> None:
    assert re.search(r":\d+\.\d+(\.\d+)?(-[a-z]+[\d.]*)?$|@sha256:[0-9a-f]{64}$", SERVICES[name]["image"])


def test_the_images_ours_is_built_from_are_of_one_exact_version() -> None:
    from_lines = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert from_lines
    assert [line for line in from_lines if not re.search(r":\d+\.\d+\.\d+-", line)] == []


@pytest.mark.parametrize("name", sorted(set(OURS)))
def test_there_may_be_many_of_each(name: str) -> None:
    assert OURS[name].keys() & {"container_name", "ports", "hostname", "network_mode"} == set()


@pytest.mark.parametrize("name", sorted(set(OURS) - {"migrate"}))
def test_all_wait_for_the_migration_and_are_asked_how_they_are(name: str) -> None:
    assert OURS[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert OURS[name]["healthcheck"]["test"][0] == "CMD"


def test_web_is_healthy_when_it_can_serve() -> None:
    assert "http://127.0.0.1:8000/readyz" in OURS["web"]["healthcheck"]["test"][-1]


def test_files_that_are_mounted_are_there() -> None:
    mounted = [mount for service in SERVICES.values() for mount in service.get("volumes", []) if mount[0] == "."]
    assert mounted
    assert [mount for mount in mounted if not (ROOT / mount.partition(":")[0]).is_file()] == []


def test_every_service_waits_for_ones_that_exist() -> None:
    for service in SERVICES.values():
        assert service.get("depends_on", {}).keys() - SERVICES.keys() == set()
