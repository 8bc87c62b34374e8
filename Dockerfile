# Marque's serving image: no TensorFlow, no compiler, not root. Build it with `make image`.
FROM python:3.12-slim AS build
WORKDIR /build
COPY requirements-serve.txt .
RUN python3 -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-serve.txt

FROM python:3.12-slim
RUN groupadd --gid 10001 marque && useradd --uid 10001 --gid marque --no-create-home --home-dir /data marque \
 && install -d -o marque -g marque -m 0700 /data
WORKDIR /app
COPY --from=build /venv /venv
COPY wsgi.py gunicorn.conf.py ./
COPY migrations migrations
COPY models models
COPY webapp webapp
RUN /venv/bin/python -m compileall -q webapp wsgi.py
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FLASK_APP=wsgi \
    MARQUE_HOST=0.0.0.0 \
    MARQUE_DATA=/data
USER marque
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD python3 -c "import os, urllib.request as u; u.urlopen('http://127.0.0.1:%s/health/live' % os.environ.get('MARQUE_PORT', 8000), timeout=4)"
CMD ["sh", "-c", "flask prepare && exec flask serve"]
