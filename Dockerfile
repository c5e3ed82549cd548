# Three images of one tree; BuildKit (Docker 23 or newer) builds each from its target, the last being the default.
#
#   docker build -t lineage-service:0.1.0 .                            `lineage serve` and every other verb
#   docker build -t lineage-collector:0.1.0 --target collector .       the verbs with the program git, for `lineage collect`
#   docker build -t lineage-mlflow:0.1.0 --target mlflow .             an MLflow server with our plugin around it
#
# Ran without Docker, by `python -m tests.journeys.image_check`: the copies, the two `pip wheel` and two `pip install`
# commands below, read from this file, and `lineage init` and `serve` from the result, as a user without rights, on a
# root file system that cannot be written. Never run: a Docker build of this file. No daemon was at hand.
#
# A tag names what its owner last pushed there. To build on exactly what you looked at, give the digest as well
# (`docker buildx imagetools inspect python:3.12.14-slim-bookworm` prints it):
#   docker build --build-arg PYTHON_IMAGE=python:3.12.14-slim-bookworm@sha256:… .
# What pip fetches is held by the ranges of pyproject.toml, and what stands in `mlflow`; the image that was built and
# looked at is the thing to keep, by its own digest.
ARG PYTHON_IMAGE=python:3.12.14-slim-bookworm

# Wheels are made where pip and the sources are; what runs gets them and nothing else.
FROM ${PYTHON_IMAGE} AS wheels
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY pyproject.toml LICENSE README.md ./
COPY graph_schema graph_schema
COPY collectors collectors
COPY lineage_service lineage_service
RUN pip wheel --wheel-dir /wheels '.[server,neo4j]'

FROM wheels AS mlflow-wheels
RUN pip wheel --wheel-dir /wheels-mlflow . 'mlflow[auth]==3.17.2' psycopg2-binary==2.9.13 boto3==1.44.8

FROM ${PYTHON_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
# A fresh volume takes owner and mode of the folder it is put on, so each folder that a volume may lie on is here.
RUN groupadd --system --gid 10001 lineage \
    && useradd --system --uid 10001 --gid lineage --home-dir /var/lib/lineage --shell /usr/sbin/nologin lineage \
    && install -d -o lineage -g lineage -m 0700 \
        /var/lib/lineage /var/lib/lineage/data /var/lib/lineage/keys /var/lib/lineage/spool
# Some programs take a secret from their environment only. This turns NAME_FILE into NAME for the process that follows,
# so that no secret stands in a compose file, in `docker inspect`, or in a list of processes.
COPY --chmod=0755 <<'SCRIPT' /usr/local/bin/with-secrets
#!/bin/sh
set -eu
for name in AWS_SECRET_ACCESS_KEY MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY MLFLOW_TRACKING_PASSWORD PGPASSWORD
do
    eval "file=\${${name}_FILE:-}"
    [ -n "$file" ] || continue
    value=$(cat "$file")
    if [ "${#value}" -lt 16 ]; then
        echo "with-secrets: $file holds less than 16 characters; nothing was started. Put a drawn secret there." >&2
        exit 78
    fi
    export "$name=$value"
    unset "${name}_FILE"
done
exec "$@"
SCRIPT
USER 10001:10001
WORKDIR /var/lib/lineage

FROM base AS mlflow
USER root
RUN --mount=type=bind,from=mlflow-wheels,source=/wheels-mlflow,target=/wheels-mlflow \
    pip install --no-cache-dir --no-index --find-links /wheels-mlflow \
        lineage-service 'mlflow[auth]' psycopg2-binary boto3
# MLflow's accounts, in the database of the rest. The address is libpq's: PGHOST, PGUSER, PGPASSWORD.
COPY --chmod=0444 <<'SETTINGS' /etc/mlflow/basic_auth.ini
[mlflow]
default_permission = READ
database_uri = postgresql+psycopg2:///mlflow
admin_username = admin
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
SETTINGS
# (`docker build --check` takes the first of these for a secret, for its name; it is a path.)
ENV MLFLOW_AUTH_CONFIG_PATH=/etc/mlflow/basic_auth.ini \
    MLFLOW_DISABLE_TELEMETRY=true \
    LINEAGE_SPOOL=/var/lib/lineage/spool
USER 10001:10001
VOLUME ["/var/lib/lineage/spool"]
EXPOSE 5000
ENTRYPOINT ["with-secrets"]
CMD ["mlflow", "server", "--app-name", "lineage", "--host", "0.0.0.0", "--port", "5000", "--workers", "2", \
     "--backend-store-uri", "postgresql+psycopg2:///mlflow", "--artifacts-destination", "s3://mlflow/artifacts"]

# No LINEAGE_STORE here: without one the ledger is the SQLite file of the data folder.
FROM base AS installed
USER root
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels 'lineage-service[server,neo4j]'
ENV LINEAGE_DATA_DIR=/var/lib/lineage/data \
    LINEAGE_KEYS_DIR=/var/lib/lineage/keys
USER 10001:10001
ENTRYPOINT ["lineage"]

FROM installed AS collector
USER root
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
USER 10001:10001
VOLUME ["/var/lib/lineage/data"]

FROM installed AS service
ENV LINEAGE_LISTEN=0.0.0.0:8765
# Ledger and keys are two volumes on purpose: a copy of one without the other opens nothing that is sealed.
VOLUME ["/var/lib/lineage/data", "/var/lib/lineage/keys"]
EXPOSE 8765
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=4 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8765/healthz', timeout=4).close()"]
CMD ["serve"]
