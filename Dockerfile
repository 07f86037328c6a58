# The production image: the service and what it imports. PostgreSQL is elsewhere; DATABASE_URL says where.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0
WORKDIR /app

# By number in USER below, so that an orchestrator can see that it is not root. A new volume on the home folder
# belongs to the user, as the folder does: RESTORE_GUARD can be written there.
RUN groupadd --gid 10001 zapauth \
    && useradd --uid 10001 --gid 10001 --create-home --home-dir /var/lib/zapauth --shell /usr/sbin/nologin zapauth

# The requirements without the embedded PostgreSQL and the test suite; files with other hashes are refused.
# All comes as wheels: there is no compiler to get rid of, hence no second stage.
COPY locks/image.txt ./
RUN pip install --no-cache-dir --only-binary :all: --require-hashes -r image.txt

# They belong to root: the service can't change its own code. COPY keeps modes, and a checkout under a
# strict umask lets nobody else read.
COPY manage.py ./
COPY users/ users/
COPY sessions/ sessions/
COPY zapauth/ zapauth/
RUN chmod -R go=rX .

USER 10001:10001
EXPOSE 8000
# With a host name that the settings allow, for 127.0.0.1 need not be one. ".example.org" allows example.org itself.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "\
from http.client import HTTPConnection; \
from zapauth.settings import ALLOWED_HOSTS, PORT; \
name = next(iter(ALLOWED_HOSTS), '').lstrip('.') or '127.0.0.1'; \
server = HTTPConnection('127.0.0.1', PORT, timeout=5); \
server.request('GET', '/service/ping', headers={'Host': name}); \
raise SystemExit(server.getresponse().status != 200)"]
CMD ["python", "-m", "zapauth.serve"]
