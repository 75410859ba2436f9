"""PostgreSQL, the system of record: the only home of SQLAlchemy."""
