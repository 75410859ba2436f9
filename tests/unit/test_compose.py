"""The compose file names programs and settings that exist."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.config import Settings

TEXT = (Path(__file__).parents[2] / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("fairdeal:")}
SETTINGS = {name.upper() for name in Settings.model_fields}
HEADER = TEXT[: TEXT.index("\nname:")]


@pytest.mark.parametrize("name", sorted(name for name, service in OURS.items() if "command" in service))
def test_commands_run_modules_that_exist(name: str) -> None:
    python, dash_m, module, *_ = OURS[name]["command"]
    assert (python, dash_m) == ("python", "-m")
    assert find_spec(f"{module}.__main__") is not None


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_environment_says_what_the_settings_know(name: str) -> None:
    assert OURS[name]["environment"].keys() - SETTINGS == set()


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


def test_redis_is_the_first_process_and_not_root() -> None:
    script = SERVICES["redis"]["command"][-1]
    config = "/run/redis/redis.conf"
    assert script.endswith(f"&& exec docker-entrypoint.sh redis-server {config}")
    assert "|" not in script
    assert script.index("umask 077") < script.index(f"> {config}") < script.index(f"chown redis {config}")
    assert [mount.partition(":")[0] for mount in SERVICES["redis"]["tmpfs"]] == ["/run/redis"]


def test_every_service_waits_for_ones_that_exist() -> None:
    for service in SERVICES.values():
        assert service.get("depends_on", {}).keys() - SERVICES.keys() == set()
