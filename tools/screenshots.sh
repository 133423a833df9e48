#!/usr/bin/env bash
# Usage: CIFAR10=folder [PHOTOS="file file"] tools/screenshots.sh
# Makes the pictures of the pages in docs/source, light and dark, of a server of its own that is sent CIFAR-10's test images (a folder with one subfolder
# a class) and then, among them, more and more cats in fog. PHOTOS are what is dropped on the upload page. It takes five minutes, and wants chromium.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${CIFAR10:?usage: CIFAR10=folder of its test images tools/screenshots.sh}"
out=docs/source
port=${PORT:-8473}
url=http://127.0.0.1:$port
read -r -a photos <<<"${PHOTOS:-README.md $(find "$CIFAR10/ship" "$CIFAR10/horse" -type f | sort -r | awk 'NR == 491 || NR == 997' | tr '\n' ' ')}"

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server" && wait "$server"; } || true; rm -rf "$work"' EXIT
go build -o "$work/screenshot" ./tools/screenshot
bin/torchlit serve --addr "127.0.0.1:$port" --monitor --monitor-dir "$work/log" --monitor-pictures 1 --drift-window 200 --drift-interval 2s >"$work/serve.log" 2>&1 &
server=$!
until curl -sf "$url/readyz" >/dev/null; do
	kill -0 "$server" || { cat "$work/serve.log" >&2; exit 1; }
	sleep 0.2
done

# both NAME ARGUMENTS...: a picture of a page as it is by day, and by night.
both() {
	local name=$1
	shift
	"$work/screenshot" -out "$out/$name.png" "$@"
	"$work/screenshot" -dark -out "$out/$name-dark.png" "$@"
}

for image in "$CIFAR10"/*/*00.*; do curl -sf --data-binary "@$image" "$url/v1/classify" >/dev/null; done # so that the times are usual ones
both page -url "$url" "${photos[@]}"
both docs -url "$url/docs" -ready '#operations details' \
	-script 'document.querySelector("#operations details").open = true; document.querySelectorAll("#operations article, #operations section:not(:first-child)").forEach((e, i) => { e.hidden = i > 0; }); 0'

# load FOLDER SECONDS: sends what is in it, thirty a second.
load() { bin/torchlit bench --url "$url" --images "$1" --rate 30 --duration "$2s" --json >/dev/null; }

alone='document.querySelector("#drift").style.display = "none"; 0' # drift has a picture of its own
load "$CIFAR10" 75 &
sending=$!
"$work/screenshot" -url "$url/dashboard" -ready '#tiles div' -wait 64s -script "$alone" -out $out/dashboard.png
"$work/screenshot" -url "$url/dashboard" -ready '#tiles div' -dark -wait 2s -script "$alone" -out $out/dashboard-dark.png
wait "$sending"

n=0
find "$CIFAR10" -type f | sort | awk 'NR % 25 == 0' | while read -r image; do # some whose true class becomes known
	n=$((n + 1))
	curl -sf -H "X-Request-Id: shot-$n" --data-binary "@$image" "$url/v1/classify" >/dev/null
	echo "shot-$n,$(basename "$(dirname "$image")")"
done >"$work/labels.csv"
sed -i '1i request_id,label' "$work/labels.csv"
bin/torchlit data corrupt --data "$CIFAR10/cat" --output "$work/foggy" --kind fog --severity 4
for share in 5 3 2 1; do # one in so many is a cat in fog
	mkdir "$work/mix"
	find "$CIFAR10" -type f | sort | awk 'NR % 10 == 0' | while read -r image; do cp "$image" "$work/mix/$(basename "$(dirname "$image")")-$(basename "$image")"; done
	find "$work/foggy" -type f | sort | awk -v n=$((500 / share)) 'NR <= n' | xargs cp -t "$work/mix"
	load "$work/mix" 14
	rm -r "$work/mix"
done
curl -sf -H 'Content-Type: text/csv' --data-binary "@$work/labels.csv" "$url/v1/models/cifar10-resnet18/feedback" >/dev/null
both drift -url "$url/dashboard" -ready '#tests figure' -wait 4s -scale 1 \
	-script 'document.querySelectorAll("main > :not(#drift)").forEach((e) => { e.hidden = true; }); document.querySelector("#pictures-show").click(); 0'
