# One image for every door; `docker-compose.yml` starts one container of each.
# What it stands on, best by its digest: `name@sha256:...`, as BASE_IMAGE in `.env` (docs/security.md).
ARG BASE_IMAGE=python:3.12-slim
FROM ${BASE_IMAGE} AS build
WORKDIR /src
COPY requirements.txt ./
RUN python3 -m venv /opt/melouvert \
 && /opt/melouvert/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY config ./config
COPY mailserver ./mailserver
COPY smtp_relay ./smtp_relay
COPY pop3_store ./pop3_store
COPY webmail ./webmail
RUN /opt/melouvert/bin/pip install --no-cache-dir --no-deps .

FROM ${BASE_IMAGE}
# 10001: a number of its own, so that the volumes' owner is the same on every host.
# The folders below are where `docker-compose.yml` mounts mail and keys; a new volume gets the owner
# and the mode of the folder that it covers.
RUN useradd --uid 10001 --home-dir /var/lib/melouvert --no-create-home --shell /usr/sbin/nologin melouvert \
 && cd /var/lib \
 && install -d -o melouvert -g melouvert -m 700 melouvert melouvert/mail melouvert/tls melouvert/dkim \
    melouvert/numen melouvert/smarthosts melouvert-demo
COPY --from=build /opt/melouvert /opt/melouvert

ENV PATH=/opt/melouvert/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /var/lib/melouvert
VOLUME /var/lib/melouvert
# Process 1 hears signals from its first instant: they are blocked until the program has handlers.
ENTRYPOINT ["env", "--block-signal=TERM,INT,HUP", "mailserver"]
CMD ["run"]
