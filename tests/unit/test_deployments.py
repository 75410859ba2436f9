"""Procfile, Compose, systemd and Kubernetes start the same processes, and what they say is valid.

No container engine, systemd or cluster takes part: schemas say what is valid, and `systemd-analyze verify` where there
is one; the rules of our own beside them are written out here.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scripts.service_parts import COMMANDS
from service.config import Settings
from service.job_queue import Lane
from tests.unit import deployments as seen
from tests.unit.deployments import MIGRATE, Process
from workers import __main__ as background
from workers.worker import NAMES

WAYS: dict[str, Callable[[], dict[str, Process]]] = {
    "compose": seen.compose,
    "systemd": seen.systemd,
    "kubernetes": seen.kubernetes,
}
PROCESSES = sorted(seen.procfile())
SETTINGS = {name.upper() for name in Settings.model_fields}
NEEDED = {"DATABASE_URL", "REDIS_URL", "JWT_SECRET_KEY"}
VERSION = tomllib.loads((seen.ROOT / "pyproject.toml").read_text())["project"]["version"]
UNPRIVILEGED = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
CONFINED = {
    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
}  # fmt: skip
HARDENED = {
    "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
    "PrivateDevices": "yes", "CapabilityBoundingSet": "", "SystemCallFilter": "@system-service",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX", "User": "fairdeal", "UMask": "0077",
}  # fmt: skip
GUNICORN = (seen.ROOT / "service" / "gunicorn_conf.py").read_text()
BACKGROUND = sorted(set(PROCESSES) - {"web", MIGRATE})


def _problems(schema: dict[str, Any], document: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(document)]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_starts_every_process_by_the_command_of_the_procfile(way: str) -> None:
    assert {name: process.command for name, process in WAYS[way]().items()} == {
        name: process.command for name, process in seen.procfile().items()
    }


def test_the_procfile_starts_what_run_supervises() -> None:
    started = {name: process.command for name, process in seen.procfile().items() if name != MIGRATE}
    assert started == {name: tuple(command) for name, command in COMMANDS.items()}


def test_the_procfile_starts_every_background_process_there_is() -> None:
    assert sorted(background.main.commands) == BACKGROUND


@pytest.mark.parametrize("way", WAYS)
def test_every_setting_named_is_one_and_none_that_is_needed_is_missing(way: str) -> None:
    for name, process in WAYS[way]().items():
        assert process.settings - SETTINGS == set(), name
        assert NEEDED - process.settings == set(), name


@pytest.mark.parametrize("way", WAYS)
def test_the_first_admins_password_is_shown_to_the_migration_alone(way: str) -> None:
    shown = {name for name, process in WAYS[way]().items() if "ADMIN_PASSWORD" in process.settings}
    assert shown <= {MIGRATE}


@pytest.mark.parametrize("way", ["compose", "kubernetes"])
def test_all_run_the_image_of_this_version(way: str) -> None:
    assert {process.image for process in WAYS[way]().values()} == {f"fairdeal:{VERSION}"}


def test_the_compose_file_is_valid() -> None:
    assert _problems(seen.schema("compose-spec"), seen.compose_file()) == []


def test_the_schema_of_compose_files_refuses_what_is_wrong() -> None:
    assert _problems(seen.schema("compose-spec"), {"services": {"web": {"image": "x", "healthchek": {}}}}) != []


@pytest.mark.parametrize("each", seen.objects(), ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_the_manifests_are_valid(each: dict[str, Any]) -> None:
    assert _problems(_schema_of(each["kind"]), each) == []


def test_the_schema_of_manifests_refuses_what_is_wrong() -> None:
    wrong = json.loads(json.dumps(seen.workloads()["web"]))
    seen.pod(wrong)["containers"][0]["readynessProbe"] = {}
    assert _problems(_schema_of("Deployment"), wrong) != []


def _schema_of(kind: str) -> dict[str, Any]:
    schemas = seen.schema("kubernetes-1.37")
    return {**schemas["kinds"][kind], "$defs": schemas["$defs"]}


@pytest.mark.parametrize("name", PROCESSES)
def test_pods_may_do_nothing_they_need_not(name: str) -> None:
    workload = seen.workloads()[name]
    pod = seen.pod(workload)
    assert pod["securityContext"].items() >= UNPRIVILEGED.items()
    assert pod["automountServiceAccountToken"] is False
    for container in seen.containers(workload):
        assert container["securityContext"].items() >= CONFINED.items()
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        assert {mount["name"] for mount in container["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("name", sorted(set(PROCESSES) - {MIGRATE}))
def test_pods_wait_for_the_schema_and_are_replaced_one_by_one(name: str) -> None:
    workload = seen.workloads()[name]
    (waiting,) = seen.pod(workload)["initContainers"]
    assert waiting["command"] == ["python", "-m", "service", "db", "current"]
    assert workload["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_web_pods_are_asked_whether_they_are_ready_and_are_not_ended_for_what_others_do() -> None:
    (web,) = seen.pod(seen.workloads()["web"])["containers"]
    assert web["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert web["livenessProbe"]["httpGet"]["path"] == "/healthz"  # without PostgreSQL it is alive
    assert web["ports"] == [{"name": "http", "containerPort": int(_settings_map()["PORT"])}]


def _settings_map() -> dict[str, str]:
    (found,) = [each["data"] for each in seen.objects() if each["kind"] == "ConfigMap"]
    return dict(found)


def test_traffic_and_budgets_go_to_web_pods() -> None:
    labels = seen.workloads()["web"]["spec"]["template"]["metadata"]["labels"]
    by_kind = {each["kind"]: each["spec"] for each in seen.objects() if "spec" in each}
    assert by_kind["Service"]["selector"] == labels
    budget = by_kind["PodDisruptionBudget"]
    assert budget["selector"]["matchLabels"] == labels
    assert budget["minAvailable"] < seen.workloads()["web"]["spec"]["replicas"]


@pytest.mark.parametrize("name", BACKGROUND)
def test_background_processes_are_asked_for_their_pulse(name: str) -> None:
    asked = ["python", "-m", "workers.pulse", name]
    (container,) = seen.pod(seen.workloads()[name])["containers"]
    assert container["livenessProbe"]["exec"]["command"] == asked
    assert seen.compose_file()["services"][name]["healthcheck"]["test"] == ["CMD", *asked]
    assert name in {*NAMES.values(), "clock"}
    assert set(NAMES) == set(Lane)


def test_everybody_is_given_the_time_to_end_what_they_have_begun() -> None:
    graceful_s = int(re.findall(r"^graceful_timeout = (\d+)$", GUNICORN, re.MULTILINE)[0])
    assert seen.compose_file()["services"]["web"]["stop_grace_period"] == "35s"
    assert graceful_s < 35
    for name in ("web", *BACKGROUND):
        assert seen.pod(seen.workloads()[name])["terminationGracePeriodSeconds"] >= graceful_s + 5
        assert seen.units()[name]["Service"]["TimeoutStopSec"] == "35s"


@pytest.mark.parametrize("name", PROCESSES)
def test_units_may_do_nothing_they_need_not(name: str) -> None:
    service = seen.units()[name]["Service"]
    assert service.items() >= HARDENED.items()
    assert service["StateDirectory"] == f"fairdeal/{name}" + ("-%i" if name == "web" else "")


@pytest.mark.parametrize("name", sorted(set(PROCESSES) - {MIGRATE}))
def test_units_wait_for_the_schema_and_belong_to_the_target(name: str) -> None:
    unit = seen.units()[name]
    assert unit["Service"]["ExecStartPre"].endswith("/python -m service db current")
    assert unit["Service"]["Restart"] == "always"
    assert "fairdeal-migrate.service" in unit["Unit"]["After"].split()
    assert "Requires" not in unit["Unit"]  # a migration that is run again would end everybody
    assert f"fairdeal-{name}" in (seen.SYSTEMD / "fairdeal.target").read_text()


def test_what_a_unit_sets_itself_is_not_in_the_file_of_settings_which_would_win() -> None:
    shared = (seen.SYSTEMD / "fairdeal.env.example").read_text()
    assert re.findall(r"^(?:PORT|VAR_DIR)=", shared, re.MULTILINE) == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    """In a copy that starts this python, for systemd looks whether the program is there."""
    for path in [*seen.SYSTEMD.glob("*.service"), seen.SYSTEMD / "fairdeal.target"]:
        text = path.read_text().replace("/opt/fairdeal/.venv/bin/python", sys.executable)
        (tmp_path / path.name).write_text(text)
    found = subprocess.run(
        ["systemd-analyze", "verify", *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False
    )
    ours = [line for line in found.stderr.splitlines() if "fairdeal" in line]
    assert (found.returncode, ours) == (0, [])


def test_the_balancer_is_valid_and_asks_for_readiness() -> None:
    config = seen.OPS / "balancer.cfg"
    assert "option httpchk GET /readyz" in config.read_text()
    if haproxy := shutil.which("haproxy"):
        found = subprocess.run([haproxy, "-c", "-f", config], capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr
