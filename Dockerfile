# The production image: the service and its dependencies. It has no PostgreSQL: set DATABASE_URL.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0
WORKDIR /app

# USER below has the number of the user, so that an orchestrator can see that it is not root. A new volume on the home
# folder belongs to the user, so the service can write RESTORE_GUARD there.
RUN groupadd --gid 10001 zapauth \
    && useradd --uid 10001 --gid 10001 --create-home --home-dir /var/lib/zapauth --shell /usr/sbin/nologin zapauth

# The dependencies in pyproject.toml, without its groups. pip refuses files with other hashes.
# All packages are wheels: no compiler is needed, so there is no second stage.
COPY locks/image.txt ./
RUN pip install --no-cache-dir --only-binary :all: --require-hashes -r image.txt

# The code belongs to root, so the service can't change it. COPY keeps modes, and the user could not read a checkout that
# was made under a strict umask. So chmod.
COPY manage.py ./
COPY users/ users/
COPY sessions/ sessions/
COPY zapauth/ zapauth/
RUN chmod -R go=rX .

USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "zapauth.healthcheck"]
CMD ["python", "-m", "zapauth.serve"]
