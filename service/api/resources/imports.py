"""Imports in the background."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow
from service.api.openapi import outcomes, resource
from service.api.schemas.imports import ImportJobAnswer, ImportPage, ImportPath, ImportsQuery, job_json
from service.api.services import services
from service.domain.errors import NotFound
from service.domain.model import Role

imports = resource("imports", "/api/imports", tag="Files")


@imports.get("", responses=outcomes(200, ImportPage))
@allow(Role.ADMIN)
def list_imports(query: ImportsQuery) -> Response:
    """List imports, the newest first; those that were over a month ago are forgotten.

    Listed is what was imported in the background, or under an Idempotency-Key.
    """
    return answers.page(services().imports.page(query.request(), statuses=tuple(query.status)), job_json)


@imports.get("/<id:import_id>", responses=outcomes(200, ImportJobAnswer, NotFound))
@allow(Role.ADMIN)
def read_import(path: ImportPath) -> Response:
    """Read how far an import has come."""
    return answers.answer(job_json(services().imports.get(path.import_id)))
