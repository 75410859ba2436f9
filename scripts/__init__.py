"""What `./scripts/run` and `./scripts/test` need: a venv, real servers, a supervisor."""
