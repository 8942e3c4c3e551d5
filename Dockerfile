# The image of a training in the cloud, with a GPU or without:
#
#     docker build -t REGION-docker.pkg.dev/PROJECT/scribe/train:1 . && docker push REGION-docker.pkg.dev/PROJECT/scribe/train:1
#     python3 submit_training.py --image REGION-docker.pkg.dev/PROJECT/scribe/train:1 ...
#
# Without CUDA (an image of 2 GB instead of 7): docker build --build-arg EXTRA= ...
FROM python:3.12.8-slim-bookworm

ARG EXTRA=[and-cuda]
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    MPLBACKEND=Agg MPLCONFIGDIR=/tmp/matplotlib
RUN pip install \
        "tensorflow${EXTRA}==2.21.0" \
        "tensorboard==2.21.0" \
        "numpy==2.5.5" \
        "matplotlib==3.11.2" \
        "tqdm==4.70.1" \
        "protobuf==7.36.2" \
        "google-cloud-storage==3.17.1"

RUN useradd --create-home --uid 10001 scribe
COPY *.py /opt/scribe/
USER scribe
WORKDIR /home/scribe
# As a list, so that cloud_run.py itself receives the SIGTERM of a spot machine that is taken away.
ENTRYPOINT ["python3", "/opt/scribe/cloud_run.py"]
