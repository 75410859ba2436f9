"""The composition root: settings in, wired parts out. Nothing connects until it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from service import config, observability
from service.job_queue import RqJobQueue
from service.store import migrate
from service.store.agents import PostgresAgents
from service.store.assignments import PostgresAssignments
from service.store.customers import PostgresCustomers
from service.store.engine import make_engine
from service.store.invariants import PostgresInvariants
from service.store.leases import PostgresLeases
from service.store.open_tickets import PostgresOpenTickets
from service.store.reconciliations import PostgresReconciliations
from service.store.sessions import PostgresSessions
from service.store.tickets import PostgresTickets
from service.store.users import PostgresUsers
from service.ticket_queue.audit import RedisQueueAudit
from service.ticket_queue.client import make_client
from service.ticket_queue.keys import Keys
from service.ticket_queue.queue import RedisTicketQueue
from service.usecases.agents import Agents
from service.usecases.assignments import Assignments
from service.usecases.customers import Customers
from service.usecases.lifecycle import Lifecycle
from service.usecases.passwords import Passwords
from service.usecases.sessions import Sessions
from service.usecases.tickets import Tickets
from service.usecases.users import Users

if TYPE_CHECKING:
    from flask import Flask
