"""Whom tickets are sold to."""

from __future__ import annotations

from flask import Response

from service.api import answers
from service.api.access import allow
from service.api.openapi import outcomes, resource
from service.api.schemas.customers import (
    CustomerAnswer,
    CustomerInput,
    CustomerPage,
    CustomerPatch,
    CustomerPath,
    CustomerQuery,
    ErasureAnswer,
    ErasureInput,
    customer_json,
    erasure_json,
)
from service.api.services import services
from service.domain.errors import AlreadyExists, Conflict, NotFound
from service.domain.model import Role

customers = resource("customers", "/api/customers", tag="Customers", about="Whom tickets are sold to")


@customers.get("", responses=outcomes(200, CustomerPage))
@allow(Role.ADMIN)
def list_customers(query: CustomerQuery) -> Response:
    """List customers. Sort keys: id, name, email, created_at."""
    return answers.page(services().customers.page(query.wanted(), query.request()), customer_json)


@customers.post("", responses=outcomes(201, CustomerAnswer, AlreadyExists))
@allow(Role.ADMIN)
def create_customer(body: CustomerInput) -> Response:
    """Create a customer; the email identifies them, whatever its case."""
    customer = services().customers.create(body.draft())
    return answers.created(customer_json(customer), f"/api/customers/{customer.id}")


@customers.get("/<id:customer_id>", responses=outcomes(200, CustomerAnswer, NotFound))
@allow(Role.ADMIN)
def read_customer(path: CustomerPath) -> Response:
    """Read a customer."""
    return answers.answer(customer_json(services().customers.get(path.customer_id)))


@customers.put("/<id:customer_id>", responses=outcomes(200, CustomerAnswer, NotFound, AlreadyExists))
@allow(Role.ADMIN)
def replace_customer(path: CustomerPath, body: CustomerInput) -> Response:
    """Replace a customer's name and email."""
    return answers.answer(customer_json(services().customers.update(path.customer_id, body.replacement())))


@customers.patch("/<id:customer_id>", responses=outcomes(200, CustomerAnswer, NotFound, AlreadyExists))
@allow(Role.ADMIN)
def change_customer(path: CustomerPath, body: CustomerPatch) -> Response:
    """Change a customer's name or email."""
    return answers.answer(customer_json(services().customers.update(path.customer_id, body.changes())))


@customers.delete("/<id:customer_id>", responses=outcomes(204, None, NotFound, Conflict))
@allow(Role.ADMIN)
def delete_customer(path: CustomerPath) -> Response:
    """Delete a customer whom no ticket refers to."""
    services().customers.delete(path.customer_id)
    return answers.nothing()


@customers.post("/<id:customer_id>/erase", responses=outcomes(200, ErasureAnswer, NotFound))
@allow(Role.ADMIN)
def erase_customer(path: CustomerPath, body: ErasureInput) -> Response:
    """Erase a customer's name and email, for ever; their tickets stay sold, their history stays.

    With `texts`, the subjects and descriptions of these tickets go too. `kept_texts` counts texts and notes that name
    their address and stay.
    """
    erasure = services().erasures.erase(path.customer_id, texts=body.texts, dry_run=body.dry_run)
    return answers.answer(erasure_json(erasure))
