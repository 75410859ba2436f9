"""What each way to deploy says of each process: its command, its settings, its image."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
OPS = ROOT / "docs" / "ops"
SYSTEMD = OPS / "systemd"
KUBERNETES = OPS / "kubernetes"
MIGRATE = "migrate"
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


@dataclass(frozen=True)
class Process:
    """A process as it is started."""

    command: tuple[str, ...]
    """After `python -m`."""
    settings: frozenset[str] = frozenset()
    image: str | None = None


def after_python(command: list[str]) -> tuple[str, ...]:
    """Cut `python -m` off, wherever that python is."""
    assert Path(command[0]).name == "python"
    assert command[1] == "-m"
    return tuple(command[2:])


def procfile() -> dict[str, Process]:
    """Read the Procfile; what it calls release is the migration."""
    lines = (line.partition(": ") for line in (ROOT / "Procfile").read_text().splitlines())
    return {MIGRATE if name == "release" else name: Process(after_python(shlex.split(does))) for name, _, does in lines}


def compose_file() -> dict[str, Any]:
    """Read docker-compose.yml."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return found


def compose() -> dict[str, Process]:
    """Read the services of docker-compose.yml that are ours."""
    return {
        name: Process(after_python(service["command"]), frozenset(service["environment"]), service["image"])
        for name, service in compose_file()["services"].items()
        if service["image"].startswith("fairdeal:")
    }


def units() -> dict[str, configparser.RawConfigParser]:
    """Read the systemd services, by their process's name."""
    return {re.sub(r"fairdeal-|@", "", path.stem): _unit(path) for path in sorted(SYSTEMD.glob("*.service"))}


def _unit(path: Path) -> configparser.RawConfigParser:
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(path)
    return unit


def systemd() -> dict[str, Process]:
    """Read the systemd units and the file of settings that they share."""
    shared = set(re.findall(r"^(\w+)=", (SYSTEMD / "fairdeal.env.example").read_text(), re.MULTILINE))
    return {
        name: Process(after_python(shlex.split(unit["Service"]["ExecStart"])), frozenset(shared | _set_in(name)))
        for name, unit in units().items()
    }


def _set_in(process: str) -> set[str]:
    (path,) = [*SYSTEMD.glob(f"fairdeal-{process}.service"), *SYSTEMD.glob(f"fairdeal-{process}@.service")]
    lines = re.findall(r"^Environment=(.*)$", path.read_text(), re.MULTILINE)
    names = {word.partition("=")[0] for line in lines for word in shlex.split(line)}
    return {name for name in names if not name.startswith("PYTHON")}


def objects() -> list[dict[str, Any]]:
    """Read all of docs/ops/kubernetes."""
    return [each for path in sorted(KUBERNETES.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text()) if each]


def workloads() -> dict[str, dict[str, Any]]:
    """Read the Deployments and the Job, by their process's name."""
    found = (each for each in objects() if each["kind"] in {"Deployment", "Job"})
    return {each["metadata"]["labels"]["app.kubernetes.io/component"]: each for each in found}


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    """Take the pod out of a workload."""
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def containers(workload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """List all containers of a workload, those that come first too."""
    yield from pod(workload).get("initContainers", [])
    yield from pod(workload)["containers"]


def kubernetes() -> dict[str, Process]:
    """Read the manifests."""
    keys = {
        (each["kind"], each["metadata"]["name"]): set(each.get("data") or each.get("stringData"))
        for each in objects()
        if each["kind"] in {"ConfigMap", "Secret"}
    }
    found = {}
    for name, workload in workloads().items():
        (container,) = pod(workload)["containers"]
        settings = set().union(*(_keys_of(source, keys) for source in container["envFrom"]))
        found[name] = Process(after_python(container["command"]), frozenset(settings), container["image"])
    return found


def _keys_of(source: dict[str, Any], keys: dict[tuple[str, str], set[str]]) -> set[str]:
    if "configMapRef" in source:
        return keys["ConfigMap", source["configMapRef"]["name"]]
    return keys["Secret", source["secretRef"]["name"]]


def schema(name: str) -> dict[str, Any]:
    """Read a schema of tests/schemas."""
    found: dict[str, Any] = json.loads((ROOT / "tests" / "schemas" / f"{name}.json").read_text())
    return found
