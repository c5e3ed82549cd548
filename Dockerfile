# syntax=docker/dockerfile:1
# Two stages: wheels are built where pip and the sources are, and only what runs is carried over.
# This file was written without a Docker daemon at hand and has not been built yet; tests/architecture/test_distribution.py
# builds the same wheel and checks what is in it.

FROM python:3.12-slim AS wheels
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY pyproject.toml LICENSE README.md ./
COPY graph_schema graph_schema
COPY collectors collectors
COPY lineage_service lineage_service
RUN pip wheel --wheel-dir /wheels '.[server,mlflow]'

FROM python:3.12-slim
ENV PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    LINEAGE_DATA_DIR=/var/lib/lineage/data \
    LINEAGE_KEYS_DIR=/var/lib/lineage/keys \
    LINEAGE_STORE=sqlite:////var/lib/lineage/data/lineage.db \
    LINEAGE_LISTEN=0.0.0.0:8765
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels 'lineage-service[server,mlflow]'
# Ledger and keys are two volumes on purpose: a copy of one without the other opens nothing that is sealed.
RUN groupadd --system --gid 10001 lineage \
    && useradd --system --uid 10001 --gid lineage --home-dir /var/lib/lineage --shell /usr/sbin/nologin lineage \
    && install -d -o lineage -g lineage -m 0700 /var/lib/lineage /var/lib/lineage/data /var/lib/lineage/keys
USER lineage
WORKDIR /var/lib/lineage
VOLUME ["/var/lib/lineage/data", "/var/lib/lineage/keys"]
EXPOSE 8765
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=4 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8765/healthz', timeout=4).close()"]
ENTRYPOINT ["lineage"]
CMD ["serve"]
