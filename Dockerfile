# The production image: the service and what it imports. PostgreSQL is elsewhere; DATABASE_URL says where.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0
WORKDIR /app

# USER below gives the number, so that an orchestrator can see that it is not root. A new volume on the home folder
# belongs to the user, so RESTORE_GUARD can be written there.
RUN groupadd --gid 10001 zapauth \
    && useradd --uid 10001 --gid 10001 --create-home --home-dir /var/lib/zapauth --shell /usr/sbin/nologin zapauth

# What pyproject.toml lists as dependencies, without its groups. pip refuses files with other hashes.
# Everything is a wheel: no compiler is needed, so there is no second stage.
COPY locks/image.txt ./
RUN pip install --no-cache-dir --only-binary :all: --require-hashes -r image.txt

# The code belongs to root, so the service can't change it. COPY keeps modes: a checkout made under a strict umask
# would be unreadable for the user.
COPY manage.py ./
COPY users/ users/
COPY sessions/ sessions/
COPY zapauth/ zapauth/
RUN chmod -R go=rX .

USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "zapauth.healthcheck"]
CMD ["python", "-m", "zapauth.serve"]
