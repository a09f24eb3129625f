# shellcheck shell=bash
# The logs of the lab: the stack of stack/logging.yml beside the product and what watches it.

. "$ROOT/scripts/lib/loki.sh"

# lab_logging up|down. It joins the network of the monitoring stack, or one of its own where
# that is not up.
lab_logging() {
	local leader n alone=logs_monitoring deadline
	lock
	leader=$(first_answering)
	if [[ $1 == down ]]; then
		engine "$leader" stack rm logging >&2
		deadline=$((SECONDS + 120))
		until ! has_network "$leader" "$alone" || engine "$leader" network rm "$alone" >/dev/null 2>&1; do
			((SECONDS < deadline)) || die "the network $alone is not given up"
			sleep 1
		done
		return
	fi
	if ! has_network "$leader" monitoring_monitoring; then
		has_network "$leader" "$alone" || engine "$leader" network create --driver overlay "$alone" >/dev/null
		export MONITORING_STACK=${alone%_monitoring}
	fi
	watchers_up
	LOKI_IMAGE=$(push_loki)
	SYSLOG_NG_IMAGE=$(watcher_image syslog-ng)
	LOKI_YML_SHA=$(digest <monitoring/loki/loki.yml | cut -c 1-12)
	SYSLOG_NG_CONF_SHA=$(digest <monitoring/syslog-ng/syslog-ng.conf | cut -c 1-12)
	export LOKI_IMAGE SYSLOG_NG_IMAGE LOKI_YML_SHA SYSLOG_NG_CONF_SHA
	# Not a node of what watches: those have enough to do here.
	engine "$leader" node update --label-add logging=true n3 >/dev/null
	for n in $NODES; do into "$n" 'mkdir -p /var/lib/node_exporter'; done
	step 'deploying the logs'
	engine "$leader" stack deploy --detach=true --resolve-image=never -c stack/logging.yml -c stack/lab/logging.yml logging \
		>"$STATE/log/logging.log" 2>&1 || failed_with "$STATE/log/logging.log" 'docker stack deploy failed'
	STACK=logging stack_await
}

# has_network NODE NAME
has_network() { [[ -n $(engine "$1" network ls -q --filter "name=^$2\$") ]]; }

# push_loki prints the image by its digest.
push_loki() {
	local program inputs file=$STATE/image.loki
	need_go
	program=$(loki_program)
	inputs=$({ echo "$program" && cat "$RECIPE/build-loki.sh"; } | digest)
	if [[ ! -r $file || $(head -n 1 "$file") != "$inputs" ]]; then
		step "building Loki's image and pushing it"
		{ echo "$inputs" && EXTRA_TREE=$LOKI_CACHE/ in_tree build-loki.sh "$REGISTRY/loki:lab" 0 "$program"; } \
			>"$file.new" 2>"$STATE/log/loki.log" || failed_with "$STATE/log/loki.log" "Loki's image could not be built"
		mv "$file.new" "$file"
	fi
	tail -n 1 "$file"
}
