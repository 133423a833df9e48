#!/usr/bin/env bash
# Makes the bucket that holds DVC's data, training runs and models.
#
#	PROJECT=my-project deploy/gce/bucket.sh [--dry-run] [--settings FILE]
#
# It comes after project.sh. Training may read and write objects, serving may read them.
. "$(dirname "$0")/lib.sh"
start "$@"
nothing_more

# Objects that were deleted or overwritten can be had back for a week.
have "bucket gs://$BUCKET" storage buckets describe "gs://$BUCKET" --format='value(name)' ||
	change storage buckets create "gs://$BUCKET" "--location=$REGION" --uniform-bucket-level-access --public-access-prevention --soft-delete-duration=7d
bind roles/storage.objectUser "serviceAccount:$(account train)" 'storage buckets' "gs://$BUCKET"
bind roles/storage.objectUser "serviceAccount:$(account ci)" 'storage buckets' "gs://$BUCKET"
bind roles/storage.objectViewer "serviceAccount:$(account serve)" 'storage buckets' "gs://$BUCKET"
say "for DVC: dvc remote modify --local gcs url gs://$BUCKET/dvc && dvc remote default --local gcs"
