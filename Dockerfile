# The image of a training in the cloud, with a GPU or without; by Google's own machines, or with Docker here:
#
#     gcloud builds submit --timeout 3600 --tag REGION-docker.pkg.dev/PROJECT/scribe/train:1 .
#     docker build -t REGION-docker.pkg.dev/PROJECT/scribe/train:1 . && docker push REGION-docker.pkg.dev/PROJECT/scribe/train:1
#     python3 submit_training.py --image REGION-docker.pkg.dev/PROJECT/scribe/train:1 ...
#
# Without CUDA (an image of 2 GB instead of 7): docker build --build-arg EXTRA= ...
#
# And, as a target of its own, the server of docs/SERVE.md; its port is open to this machine alone here:
#
#     docker build --target serve -t scribe-serve . && docker run --rm -p 127.0.0.1:8000:8000 scribe-serve
FROM python:3.12.13-slim-bookworm AS serve

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 MPLBACKEND=Agg MPLCONFIGDIR=/tmp/matplotlib
COPY requirements.txt /tmp/
COPY requirements-web.txt /tmp/
RUN pip install -r /tmp/requirements-web.txt

RUN useradd --create-home --uid 10001 scribe
COPY *.py /opt/scribe/
COPY scribe/ /opt/scribe/scribe/
COPY data/ /opt/scribe/data/
COPY saved/ /opt/scribe/saved/
USER scribe
WORKDIR /opt/scribe
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["python3", "serve.py", "--host", "0.0.0.0", "--port", "8000"]

FROM python:3.12.13-slim-bookworm AS train

# The driver is the machine's own, mounted below /usr/local/nvidia; TensorFlow finds it by these variables alone.
ENV PATH=/usr/local/nvidia/bin:${PATH} LD_LIBRARY_PATH=/usr/local/nvidia/lib:/usr/local/nvidia/lib64 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 MPLBACKEND=Agg MPLCONFIGDIR=/tmp/matplotlib

# Packages first: a change of the suite leaves the gigabytes of this layer as they are.
ARG EXTRA=[and-cuda]
COPY requirements-image.txt /tmp/
RUN sed -i "s/\[and-cuda\]/${EXTRA}/" /tmp/requirements-image.txt && pip install -r /tmp/requirements-image.txt

RUN useradd --create-home --uid 10001 scribe
COPY *.py /opt/scribe/
COPY scribe/ /opt/scribe/scribe/
USER scribe
WORKDIR /home/scribe
# Where python3 -m finds the command.
ENV PYTHONPATH=/opt/scribe
# As a list, so that the command itself receives SIGTERM when a spot machine is taken away.
ENTRYPOINT ["python3", "-m", "scribe.cloud.container"]
