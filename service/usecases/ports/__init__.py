"""What the use cases need from the outside, as protocols; `store` and `ticket_queue` provide it."""
