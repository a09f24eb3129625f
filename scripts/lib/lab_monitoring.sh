# shellcheck shell=bash
# What watches the product, on the lab: the stack of stack/monitoring.yml, and outside of
# the Swarm the dead man's switch, what takes on-call's pages, and a site with a certificate.

WATCHERS=$STATE/watchers
ONCALL=$OUTSIDE:9097
DEADMAN=$OUTSIDE:9095
SITE=$OUTSIDE:9443

# lab_monitoring up|down. The product goes on as it is.
lab_monitoring() {
	local deadline
	lock
	if [[ $1 == down ]]; then
		has_network "$(first_answering)" logs_monitoring || [[ -z $(engine "$(first_answering)" service ls -q --filter label=com.docker.stack.namespace=logging) ]] ||
			die "the logs are on its network: './scripts/run.sh lab logging down' first"
		engine "$(first_answering)" stack rm monitoring >&2
		engine "$(first_answering)" swarm update --dispatcher-heartbeat 5s >/dev/null
		# A network that is still being removed cannot be had by the next `up`.
		deadline=$((SECONDS + 300))
		until [[ -z $(engine "$(first_answering)" network ls -q --filter label=com.docker.stack.namespace=monitoring) ]]; do
			((SECONDS < deadline)) || die 'the networks of what watched are not given up'
			sleep 1
		done
		stop deadman
		stop oncall
		stop site
		weigh_containers
		return
	fi
	watchers_fetch
	oncall_up
	site_up
	weigh_containers
	watchers_up
	monitoring_role
	monitoring_files
	monitoring_deploy
}

# oncall_up starts what stands outside.
oncall_up() {
	[[ -x $BIN ]] || build
	if ! running oncall; then
		detach "$STATE/log/oncall.log" ip netns exec "$NS" "$ROOT/bin/pages" --sink "$ONCALL" --to "$STATE/pages.jsonl" --gate "$STATE/oncall.refuses"
		remember oncall
	fi
	if ! running deadman; then
		detach "$STATE/log/deadman.log" ip netns exec "$NS" "$BIN" deadman --place lab --addr "$DEADMAN" --page-url "http://$ONCALL/deadman"
		remember deadman
	fi
	note "on-call is $ONCALL, the dead man's switch $DEADMAN"
}

# lab_oncall: by the first of the two ways that lead there.
lab_oncall() {
	case $1 in
	refuse) touch "$STATE/oncall.refuses" ;;
	accept) rm -f "$STATE/oncall.refuses" ;;
	esac
}

# site_up serves what has a certificate, as the public name of a place. Whoever watches trusts an
# authority that is the lab's own.
site_up() {
	mkdir -p "$STATE/monitoring"
	[[ -s $STATE/monitoring/ca.pem ]] ||
		certificate "$STATE/ca.key" "$STATE/monitoring/ca.pem" 3650
	running site || lab_certificate 90
}

# certificate KEY FILE DAYS [ARGUMENTS…] makes both.
certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=lab -keyout "$1" -out "$2" -days "${@:3}" \
		>"$STATE/log/site.log" 2>&1 || failed_with "$STATE/log/site.log" 'no certificate could be made'
}

# lab_certificate DAYS serves one that lasts so long.
lab_certificate() {
	[[ -s $STATE/monitoring/ca.pem ]] || die "nothing is watched: './scripts/run.sh lab monitoring up' first"
	certificate "$STATE/site.key" "$STATE/site.pem" "$1" -CA "$STATE/monitoring/ca.pem" -CAkey "$STATE/ca.key" -addext "subjectAltName=IP:$OUTSIDE"
	stop site
	detach "$STATE/log/site.log" ip netns exec "$NS" openssl s_server -www -quiet -accept "$SITE" -cert "$STATE/site.pem" -key "$STATE/site.key"
	remember site
	note "the certificate of https://$SITE lasts $1 days"
}

# weigh_containers sets on the nodes that run what vm_command gives those that start.
weigh_containers() {
	local n
	for n in $NODES; do into "$n" "echo $(container_weight) >/sys/fs/cgroup/docker/cpu.weight"; done
}

# watchers_fetch has from the Internet whatever watches and its receiver are made of.
watchers_fetch() {
	local made
	need_go
	have openssl || apt_install openssl
	go_build pages ./monitoring/pages
	made=$LAB_CACHE/watchers-$(digest <"$RECIPE/watchers" | cut -c 1-12)
	[[ -d $made ]] || make_watchers "$made"
	ln -sfn "$made" "$WATCHERS"
}

# watchers_up makes the images of Debian's programs.
watchers_up() {
	local file=$STATE/image.watchers inputs
	push_edge >/dev/null
	inputs=$(cat "$RECIPE/watchers" "$RECIPE/build-watchers.sh" | digest)
	if [[ -r $file && $(head -n 1 "$file") == "$inputs" ]]; then
		note 'the images of what watches are already there'
		return
	fi
	step 'building the images of what watches and pushing them'
	{ echo "$inputs" && EXTRA_TREE=$WATCHERS/ in_tree build-watchers.sh "$REGISTRY/watchers" 0; } >"$file.new" 2>"$STATE/log/watchers.log" ||
		failed_with "$STATE/log/watchers.log" 'the images could not be built'
	mv "$file.new" "$file"
}

# make_watchers FOLDER: unpacked, not installed.
make_watchers() {
	step 'fetching what watches, once (a minute)'
	debian "$1" "$STATE/log/watchers.log" --variant=extract --include="$(grep -v '^#' "$RECIPE/watchers" | paste -sd ,)"
}

watcher_image() { sed -n "s/^$1 //p" "$STATE/image.watchers"; }

# monitoring_role makes the login of the postgres exporter.
monitoring_role() {
	local password
	password=$(<"$(lab_secret monitor.password)")
	lab_psql -q -v ON_ERROR_STOP=1 >/dev/null <<SQL || die 'the role that may only look could not be made'
SELECT 'CREATE ROLE minitwit_monitor LOGIN IN ROLE pg_monitor' WHERE NOT EXISTS
  (SELECT FROM pg_roles WHERE rolname = 'minitwit_monitor') \gexec
ALTER ROLE minitwit_monitor PASSWORD '$password';
SQL
}

# monitoring_files writes what every place has of its own.
monitoring_files() {
	local n rules
	mkdir -p "$STATE/monitoring"
	for n in $NODES; do
		printf -- '- {targets: ["http://%s:5001/latest"], labels: {surface: api, probe: latest, node: n%s}}\n' "$(address "$n")" "$n"
		printf -- '- {targets: ["http://%s:5000/public"], labels: {surface: web, probe: public, node: n%s}}\n' "$(address "$n")" "$n"
		printf -- '- {targets: ["http://%s:5001/openapi.yaml"], labels: {surface: api, probe: page, node: n%s}}\n' "$(address "$n")" "$n"
	done >"$STATE/monitoring/probe.yml"
	printf -- '- {targets: ["https://%s/"], labels: {surface: web, probe: certificate, node: public}}\n' "$SITE" >>"$STATE/monitoring/probe.yml"
	for n in $NODES; do
		printf -- '- {targets: ["%s:9110"], labels: {node: n%s}}\n' "$(address "$n")" "$n"
	done >"$STATE/monitoring/node.yml"
	monitoring/alertmanager/assemble.sh lab >"$STATE/monitoring/alertmanager.yml"
	sed 's/^\(  scrape_interval:\) 5s/\1 15s/; s/^\(  evaluation_interval:\) 5s/\1 15s/; s/^\(  scrape_timeout:\) 4s/\1 12s/; s/refresh_interval: 5s/refresh_interval: 30s/' \
		monitoring/prometheus/prometheus.yml >"$STATE/monitoring/prometheus.yml"
	# Nor do 300 ms mean anything there, where an answer may take 2.5 s and a page 5, and in 20 s
	# there is one look.
	for rules in requests slo; do
		sed 's/le="0\.3"/le="2.5"/; s/le=~"1|1\.0"/le=~"5|5.0"/; s/\[20s\]/[45s]/' "monitoring/prometheus/rules/$rules.yml" >"$STATE/monitoring/$rules.yml"
	done
	printf 'simulator:super_safe!' | write_private "$STATE/simulator.credentials"
}

# monitoring_variables sets what stack/monitoring.yml asks for.
monitoring_variables() {
	local name leader=$1
	IMAGE=$(engine "$leader" service inspect -f '{{.Spec.TaskTemplate.ContainerSpec.Image}}' minitwit_api)
	PROMETHEUS_IMAGE=$(watcher_image prometheus)
	ALERTMANAGER_IMAGE=$(watcher_image alertmanager)
	BLACKBOX_IMAGE=$(watcher_image blackbox)
	NODE_EXPORTER_IMAGE=$(watcher_image node-exporter)
	POSTGRES_EXPORTER_IMAGE=$(watcher_image postgres-exporter)
	HAPROXY_IMAGE=$(tail -n 1 "$STATE/image.edge")
	GRAFANA_IMAGE=$PROMETHEUS_IMAGE # none of it is started
	# Where containers start an emulated Prometheus stalls for half a minute.
	ALERT_RESEND=15s
	PLACE=lab RUNBOOKS_URL=https://runbooks.example DASHBOARDS_URL=https://dashboards.example
	PROBE_TARGETS_FILE=$STATE/monitoring/probe.yml NODE_TARGETS_FILE=$STATE/monitoring/node.yml
	ALERTMANAGER_YML_FILE=$STATE/monitoring/alertmanager.yml
	MONITORING_SHA=$(find monitoring "$STATE/monitoring" -type f ! -name '*.go' ! -name '*.md' -print0 | LC_ALL=C sort -z | xargs -0 cat | digest | cut -c 1-12)
	DOCKER_GID=$(into "$leader" stat -c %g /run/docker.sock)
	CANARY_API=http://$(address 1):5001 CANARY_WEB=http://$(address 1):5000
	POSTGRES_EXPORTER_URI="$OUTSIDE:5432/minitwit?sslmode=disable"
	SIMULATOR_CREDENTIALS_FILE=$STATE/simulator.credentials
	POSTGRES_EXPORTER_PASSWORD_FILE=$(lab_secret monitor.password)
	GRAFANA_ADMIN_PASSWORD_FILE=$(lab_secret grafana.password)
	GRAFANA_SECRET_KEY_FILE=$(lab_secret grafana.key)
	for name in SIMULATOR_CREDENTIALS POSTGRES_EXPORTER_PASSWORD GRAFANA_ADMIN_PASSWORD GRAFANA_SECRET_KEY; do
		declare -gx "${name}_SHA=$(file_sha "${name}_FILE")"
	done
	LAB_PROMETHEUS_YML=$STATE/monitoring/prometheus.yml LAB_REQUESTS_YML=$STATE/monitoring/requests.yml LAB_SLO_YML=$STATE/monitoring/slo.yml
	LAB_CA=$STATE/monitoring/ca.pem
	export LAB_PROMETHEUS_YML LAB_REQUESTS_YML LAB_SLO_YML LAB_CA IMAGE PROMETHEUS_IMAGE ALERTMANAGER_IMAGE BLACKBOX_IMAGE NODE_EXPORTER_IMAGE POSTGRES_EXPORTER_IMAGE \
		HAPROXY_IMAGE GRAFANA_IMAGE ALERT_RESEND PLACE RUNBOOKS_URL DASHBOARDS_URL PROBE_TARGETS_FILE NODE_TARGETS_FILE \
		ALERTMANAGER_YML_FILE MONITORING_SHA DOCKER_GID CANARY_API CANARY_WEB POSTGRES_EXPORTER_URI \
		SIMULATOR_CREDENTIALS_FILE POSTGRES_EXPORTER_PASSWORD_FILE GRAFANA_ADMIN_PASSWORD_FILE GRAFANA_SECRET_KEY_FILE
}

# monitoring_deploy deploys it on two managers, as an operator would.
monitoring_deploy() {
	local n leader
	# shellcheck disable=SC2034 # stack_await's
	local STACK=monitoring
	leader=$(first_answering)
	for n in 1 2; do insist engine "$leader" node update --label-add monitoring=true "n$n" >/dev/null; done
	monitoring_variables "$leader"
	# What a backup's own job leaves behind.
	into 1 "echo minitwit_backup_last_success_timestamp_seconds $(date +%s) >/var/lib/node_exporter/backup.prom"
	step 'deploying what watches'
	# Fifteen containers more leave an emulated node little time to tell the managers that it
	# lives; at the usual 5 s they would take its replicas away, and that would be the load.
	insist engine "$leader" swarm update --dispatcher-heartbeat 15s >/dev/null
	STACK=minitwit engine "$leader" stack deploy --detach=true --resolve-image=never -c stack/monitoring.yml -c stack/lab/monitoring.yml monitoring \
		>"$STATE/log/monitoring.log" 2>&1 || failed_with "$STATE/log/monitoring.log" 'docker stack deploy failed'
	stack_await
}

# lab_pages shows what on-call was told: when, how, and what.
lab_pages() {
	[[ -s $STATE/pages.jsonl ]] || die "nobody was told anything yet"
	cat "$STATE/pages.jsonl"
}
