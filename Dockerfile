# One image for web, worker, clock and migrations; what it runs is the command.
FROM python:3.13.9-slim-trixie AS build
COPY requirements.txt .
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

FROM python:3.13.9-slim-trixie
RUN useradd --system --uid 10001 --home-dir /app fairdeal \
    && install -d -o fairdeal -g fairdeal /app /var/lib/fairdeal
COPY --from=build /venv /venv
WORKDIR /app
COPY service service
COPY workers workers
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 PORT=8000 VAR_DIR=/var/lib/fairdeal
USER fairdeal
EXPOSE 8000
CMD ["python", "-m", "gunicorn", "-c", "service/gunicorn_conf.py", "service.bootstrap:create_wsgi_app()"]
