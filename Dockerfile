# One image for every Kinbridge process of docker-compose.yml: Airflow's, the SFTP server's and the one-shot steps.
# The declarations (include/) and the compiled suites (great_expectations/) are part of it: what runs is what was approved.

FROM python:3.13-slim AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.txt /opt/kinbridge/
# The lock names everything, so that pip resolves nothing by itself; `pip check` proves that the lock is whole.
RUN /opt/venv/bin/pip install --no-deps --only-binary :all: -r /opt/kinbridge/requirements.txt
COPY pyproject.toml requirements.in README.md LICENSE /opt/kinbridge/
COPY plugins /opt/kinbridge/plugins
# Editable: Airflow finds the same files through its plugins folder, and include/ is found from where the package lies.
RUN /opt/venv/bin/pip install --no-deps --editable /opt/kinbridge \
    && /opt/venv/bin/pip check

FROM python:3.13-slim
# GnuPG opens partners' messages that Sequoia's bindings do not know (kinbridge/openpgp/gnupg.py).
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gnupg \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 kinbridge \
    && useradd --uid 10001 --gid 10001 --home-dir /opt/airflow --create-home --shell /usr/sbin/nologin kinbridge \
    # Volumes take over the owner of the folder that they are mounted on.
    && install -d -m 0700 -o kinbridge -g kinbridge \
        /opt/airflow/logs /var/lib/kinbridge /var/lib/kinbridge/landing /var/lib/kinbridge/secrets \
        /var/lib/kinbridge/certificates /var/lib/kinbridge/probes /var/lib/kinbridge/backup_keys \
        /var/lib/kinbridge/sftp /run/kinbridge /run/kinbridge/airflow \
        /opt/kinbridge/great_expectations/uncommitted
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /opt/kinbridge /opt/kinbridge
COPY dags /opt/kinbridge/dags
COPY include /opt/kinbridge/include
COPY great_expectations/great_expectations.yml /opt/kinbridge/great_expectations/
COPY great_expectations/expectations /opt/kinbridge/great_expectations/expectations
COPY deploy /opt/kinbridge/deploy
COPY deploy/airflow_local_settings.py /opt/airflow/config/
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/opt/airflow \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/kinbridge/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/kinbridge/plugins \
    KINBRIDGE_STATE=/var/lib/kinbridge \
    GX_ANALYTICS_ENABLED=false \
    LC_ALL=C.UTF-8 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/airflow
USER kinbridge
# Fails the build when a declaration does not hold.
RUN kinbridge check
CMD ["kinbridge", "--help"]
