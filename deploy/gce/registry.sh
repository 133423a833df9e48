#!/usr/bin/env bash
# Makes the repository of images in Artifact Registry.
#
#	PROJECT=my-project deploy/gce/registry.sh [--dry-run] [--settings FILE]
#
# It comes after project.sh. CI may write images, serving and training may read them.
. "$(dirname "$0")/lib.sh"
start "$@"
nothing_more

have "repository $REPOSITORY" artifacts repositories describe "$REPOSITORY" "--location=$REGION" --format='value(name)' ||
	change artifacts repositories create "$REPOSITORY" "--location=$REGION" --repository-format=docker
bind roles/artifactregistry.writer "serviceAccount:$(account ci)" 'artifacts repositories' "$REPOSITORY" "--location=$REGION"
for part in serve train; do
	bind roles/artifactregistry.reader "serviceAccount:$(account $part)" 'artifacts repositories' "$REPOSITORY" "--location=$REGION"
done
say "to push by hand: gcloud auth configure-docker $REGION-docker.pkg.dev && docker push $CPU_IMAGE"
