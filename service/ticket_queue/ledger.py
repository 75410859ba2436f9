"""The claim ledger's entries, as claim.lua writes them."""

from __future__ import annotations

from uuid import UUID

from service.ticket_queue.keys import parse_id, unpack
from service.usecases.ports.queue import OpenClaim


def read_claim(member: str, *, age_s: float) -> OpenClaim | None:
    """Read an entry of the ledger; None when it is none of ours."""
    claim_id, _, rest = member.partition("|")
    agent, separator, packed = rest.partition("|")
    agent_id = parse_id(agent)  # beyond 64 bits, PostgreSQL could not even be asked
    try:
        return (
            None
            if agent_id is None or not separator
            else OpenClaim(
                claim_id=UUID(claim_id),
                agent_id=agent_id,
                tickets=unpack(packed),
                age_s=age_s,
                token=member,
            )
        )
    except ValueError:
        return None
