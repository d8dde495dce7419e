# One image for every door; `docker-compose.yml` starts one container of each.
FROM python:3.12-slim AS build
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

FROM python:3.12-slim
# 10001: a number of its own, so that the volume's owner is the same on every host.
# A new volume is empty, as what `mailserver restore` fills must be.
RUN useradd --uid 10001 --home-dir /var/lib/melouvert --no-create-home --shell /usr/sbin/nologin melouvert \
 && install -d -o melouvert -g melouvert -m 700 /var/lib/melouvert /var/lib/melouvert-demo
COPY --from=build /opt/melouvert /opt/melouvert

ENV PATH=/opt/melouvert/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /var/lib/melouvert
VOLUME /var/lib/melouvert
# Process 1 hears signals from its first instant: they are blocked until the program has handlers.
ENTRYPOINT ["env", "--block-signal=TERM,INT,HUP", "mailserver"]
CMD ["run"]
