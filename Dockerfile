# The server, and nothing that only its tests need. `docker build -t flow-sessions .`
FROM python:3.11-slim-bookworm AS build
RUN python -m venv /venv
WORKDIR /app
COPY requirements-server.txt ./
# EXTRA adds packages, for example "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http".
ARG EXTRA=""
RUN /venv/bin/pip install --no-cache-dir -r requirements-server.txt $EXTRA
COPY manage.py ./
COPY project project
COPY sessions_app sessions_app
COPY flows flows
RUN DEBUG=false SECRET_KEY=only-to-collect-files /venv/bin/python manage.py collectstatic --no-input

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin sessions
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DEBUG=false
USER 10001
EXPOSE 8000
# The server drains when it is told to stop, within thirty seconds: `docker stop --time 40`.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz/live', timeout=3)"]
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--port", "8000"]
