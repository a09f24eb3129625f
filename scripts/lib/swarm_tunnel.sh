# shellcheck shell=bash
# `swarm tunnel`: to what watches the Swarm, which no port is published for. A
# container of an overlay also has an address on docker_gwbridge, and its own machine
# reaches that: so does whoever may use ssh there, and nobody else.

# What is looked for, and its port, there and here.
TUNNELS='prometheus:9090 alertmanager:9093 loki:3100'

swarm_tunnel() {
	local host name address forward=()
	for host in "${HOSTS[@]}"; do
		while read -r name address; do
			tunnel_known "$name" "$address" || continue
			forward+=(-L "127.0.0.1:$(tunnel_port "$name"):$address:$(tunnel_port "$name")")
			note "$name of $host: http://127.0.0.1:$(tunnel_port "$name")"
		done < <(tunnel_containers "$host")
		((${#forward[@]} == 0)) || break
		note "$host runs nothing of stack/monitoring.yml that can be asked"
	done
	((${#forward[@]} > 0)) || die 'nothing to lead to: name the machine that a monitoring=true node is'
	note 'until you end it (Ctrl-C)'
	rm -rf "$WORK"
	trap - ERR EXIT
	exec "${SSH[@]}" -N -o ExitOnForwardFailure=yes "${forward[@]}" "$(target "$host")"
}

# What a machine says is held against a pattern before it becomes an argument.
tunnel_known() { [[ -n $(tunnel_port "$1") && $2 =~ ^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$ ]]; }

tunnel_port() { tr ' ' '\n' <<<"$TUNNELS" | sed -n "s/^$1://p"; }

# tunnel_containers HOST prints "prometheus 172.18.0.5" for each service's container there.
# shellcheck disable=SC2016 # for the other side
tunnel_containers() {
	act "$1" <<'TEXT' || note "$1 does not answer: $(complaint)"
$root timeout 20 docker network inspect -f '{{range $id, $c := .Containers}}{{$id}} {{$c.IPv4Address}}{{"\n"}}{{end}}' docker_gwbridge |
	while read -r id address; do
		[ -n "$address" ] || continue
		name=$($root timeout 20 docker inspect -f '{{index .Config.Labels "com.docker.swarm.service.name"}}' "$id" 2>/dev/null) || continue
		echo "${name##*_} ${address%/*}"
	done
TEXT
}
