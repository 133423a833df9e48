# shellcheck shell=bash disable=SC2034
# What the scripts beside this file make, and where. Each value can be given by a variable of the same name, or in a file of
# such lines that --settings names. Nothing in here is secret, and nothing secret belongs here.

# The project's id, which must exist and have a billing account: gcloud projects create, gcloud billing projects link.
: "${PROJECT:=}"
# Where Artifact Registry, the bucket, the group of servers and Cloud Run are.
: "${REGION:=us-central1}"
# Where the GPU is sold, in the order in which a training VM tries them: gcloud compute accelerator-types list.
: "${ZONES:=us-central1-a,us-central1-b,us-central1-c}"
# What the names of everything begin with: small letters, digits, hyphens; at most 20.
: "${NAME:=torchlit}"

# The GitHub repository, owner/name, whose workflows may act as the account for CI. Empty: none may.
: "${GITHUB_REPOSITORY:=}"

# The bucket of DVC, training runs and models. Names of buckets are shared by the whole world.
: "${BUCKET:=${PROJECT}-${NAME}}"
# The repository in Artifact Registry, and the images in it that are deployed when no other is named.
: "${REPOSITORY:=${NAME}}"
: "${REGISTRY:=${REGION}-docker.pkg.dev/${PROJECT}/${REPOSITORY}}"
: "${CPU_IMAGE:=${REGISTRY}/torchlit:cpu}"
: "${CUDA_IMAGE:=${REGISTRY}/torchlit:cuda}"

# A folder of models in the bucket to serve, such as gs://my-bucket/models/2026-11-28, with <name>/<version>/ in it. Empty: the one in the image. A new
# folder for each release, else there is nothing to roll back to.
: "${MODELS:=}"

# t4: n1-standard-4 with one T4. l4: g2-standard-4, which has one L4. none: n1-standard-4 alone, with the CPU image.
: "${GPU:=t4}"
# 1: Spot VMs, far cheaper, and taken back at any time. The group then replaces them when it can.
: "${SPOT:=0}"
: "${DISK_GB:=50}"
# https://cloud.google.com/container-optimized-os/docs/release-notes
: "${IMAGE_FAMILY:=cos-125-lts}"
# The branch or release of the driver. libtorch for CUDA 13 needs R580 or later.
: "${DRIVER:=R580}"

# How many servers, and what adds some: queue_depth (images that wait for a batch, per server), gpu_use (percent), or request_rate (requests a
# second of a server, refused ones included), which is the best once it is known how many one answers (docs/source/capacity.md).
: "${MIN_SERVERS:=1}"
: "${MAX_SERVERS:=3}"
: "${SCALE_ON:=queue_depth}"
: "${SCALE_TARGET:=16}"
# Seconds until a server that was just started counts: driver, image and model have to be there.
: "${INITIAL_DELAY:=600}"
# Seconds that a rolling update may take before it is rolled back.
: "${UPDATE_TIMEOUT:=1800}"
# Seconds that requests may go on at a server that is taken away. The server's own limit is a minute.
: "${DRAIN_TIMEOUT:=75}"
# A name that points to the load balancer, for a certificate by Google. Empty: plain HTTP, for trying out.
: "${DOMAIN:=}"

# Cloud Run, from the CPU image.
: "${RUN_CPU:=2}"
: "${RUN_MEMORY:=2Gi}"
: "${RUN_MIN:=0}"
: "${RUN_MAX:=4}"
: "${RUN_CONCURRENCY:=16}"
# 1: anybody may ask. 0: only whom roles/run.invoker was granted to.
: "${RUN_PUBLIC:=0}"

# Training: arguments of 'torchlit train', and what 'dvc pull' fetches before. Nothing is pulled when it is empty.
: "${TRAIN_ARGS=trainer=gpu}"
: "${TRAIN_DATA=data/processed/cifar10}"
: "${TRAIN_GPU:=t4}"
: "${TRAIN_SPOT:=1}"
: "${TRAIN_DISK_GB:=100}"
# The VM is deleted after so long, whatever it does. At most 120 days; GPU quota for Spot serves up to 7.
: "${TRAIN_MAX:=12h}"
# How often a run whose VM was taken back is begun again by train.sh --wait, and the seconds between two looks.
: "${TRAIN_RESTARTS:=5}"
: "${TRAIN_POLL:=60}"
# What the VMs fetch beside Torchlit's own image.
: "${TOOLS_IMAGE:=gcr.io/google.com/cloudsdktool/google-cloud-cli:528.0.0-slim}"
: "${PYTHON_IMAGE:=mirror.gcr.io/library/python:3.12-slim-bookworm}"
