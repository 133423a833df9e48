#!/usr/bin/env bash
# Puts a load balancer before the group of servers: global, by HTTP, with connection draining.
#
#	PROJECT=my-project DOMAIN=photos.example.com deploy/gce/balancer.sh [--dry-run] [--settings FILE]
#
# It comes after group.sh. With DOMAIN it speaks HTTPS with a certificate that Google makes once the name points to the
# address that is printed at the end. Without, plain HTTP: for trying out, as keys and photos go over the wire as they are.
. "$(dirname "$0")/lib.sh"
start "$@"
nothing_more

have "address $NAME" compute addresses describe "$NAME" --global --format='value(address)' ||
	change compute addresses create "$NAME" --global
# A request may take as long as the server lets it; what is under way at a server that goes is finished.
if exists compute backend-services describe "$NAME" --global --format='value(connectionDraining.drainingTimeoutSec)'; then
	if [ "$ANSWER" = "$DRAIN_TIMEOUT" ]; then
		say "backend service $NAME exists, and is left as it is"
	else
		change compute backend-services update "$NAME" --global "--connection-draining-timeout=$DRAIN_TIMEOUT"
	fi
else
	change compute backend-services create "$NAME" --global --load-balancing-scheme=EXTERNAL_MANAGED --protocol=HTTP --port-name=http \
		"--health-checks=$NAME-ready" --timeout=65s "--connection-draining-timeout=$DRAIN_TIMEOUT" --enable-logging --logging-sample-rate=0.01
fi
exists compute backend-services describe "$NAME" --global --format='value(backends[].group)' || true
if [[ $ANSWER == *"/instanceGroups/$NAME-serve"* ]]; then
	say "the group is behind the load balancer"
else
	change compute backend-services add-backend "$NAME" --global "--instance-group=$NAME-serve" "--instance-group-region=$REGION" \
		--balancing-mode=UTILIZATION --max-utilization=0.8
fi
have "URL map $NAME" compute url-maps describe "$NAME" --global --format='value(name)' ||
	change compute url-maps create "$NAME" --global "--default-service=$NAME"

rule=(--global --load-balancing-scheme=EXTERNAL_MANAGED "--address=$NAME")
if [ -n "$DOMAIN" ]; then
	have "certificate $NAME" compute ssl-certificates describe "$NAME" --global --format='value(name)' ||
		change compute ssl-certificates create "$NAME" --global "--domains=$DOMAIN"
	have "proxy $NAME" compute target-https-proxies describe "$NAME" --global --format='value(name)' ||
		change compute target-https-proxies create "$NAME" --global "--url-map=$NAME" "--ssl-certificates=$NAME"
	have "forwarding rule $NAME" compute forwarding-rules describe "$NAME" --global --format='value(name)' ||
		change compute forwarding-rules create "$NAME" "${rule[@]}" --ports=443 "--target-https-proxy=$NAME"
else
	have "proxy $NAME" compute target-http-proxies describe "$NAME" --global --format='value(name)' ||
		change compute target-http-proxies create "$NAME" --global "--url-map=$NAME"
	have "forwarding rule $NAME" compute forwarding-rules describe "$NAME" --global --format='value(name)' ||
		change compute forwarding-rules create "$NAME" "${rule[@]}" --ports=80 "--target-http-proxy=$NAME"
fi
if exists compute addresses describe "$NAME" --global --format='value(address)'; then say "the address is $ANSWER${DOMAIN:+; point $DOMAIN to it}"; fi
