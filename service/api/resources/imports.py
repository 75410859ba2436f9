"""Imports in the background."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow
from service.api.openapi import outcomes, resource
from service.api.schemas.imports import ImportJobAnswer, ImportPath, job_json
from service.api.services import services
from service.domain.errors import NotFound
from service.domain.model import Role

imports = resource("imports", "/api/imports", tag="Files")


@imports.get("/<id:import_id>", responses=outcomes(200, ImportJobAnswer, NotFound))
@allow(Role.ADMIN)
def read_import(path: ImportPath) -> Response:
    """Read how far an import has come."""
    return answers.answer(job_json(services().imports.get(path.import_id)))
