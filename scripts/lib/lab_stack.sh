# shellcheck shell=bash
# The product's stack on the lab's Swarm, deployed as an operator would: by
# `docker stack deploy`, with nothing but the documented variables set.

CONVERGE_SECONDS=600
STACK=minitwit

# lab_secret NAME makes a key once and prints its file.
lab_secret() {
	# shellcheck disable=SC2153 # common.sh sets it
	[[ -s $STATE/$1 ]] || random_hex 24 | write_private "$STATE/$1"
	printf '%s' "$STATE/$1"
}

# stack_variables sets what stack.yml asks for. What is set already stays: a drill
# deploys with other keys.
stack_variables() {
	local name
	export DATABASE_URL_FILE=${DATABASE_URL_FILE:-$STATE/database.url}
	export PASSWORD_KEY_FILE=${PASSWORD_KEY_FILE:-$(lab_secret password.key)}
	export PASSWORD_KEY_PREVIOUS_FILE=${PASSWORD_KEY_PREVIOUS_FILE:-$PASSWORD_KEY_FILE}
	export SESSION_KEY_FILE=${SESSION_KEY_FILE:-$(lab_secret session.key)}
	export SESSION_KEY_PREVIOUS_FILE=${SESSION_KEY_PREVIOUS_FILE:-$SESSION_KEY_FILE}
	for name in DATABASE_URL PASSWORD_KEY PASSWORD_KEY_PREVIOUS SESSION_KEY SESSION_KEY_PREVIOUS; do
		export "${name}_SHA=$(file_sha "${name}_FILE")"
	done
}

# file_sha NAME prints what ends the name of the secret whose file $NAME names.
file_sha() { digest <"${!1}" | cut -c 1-12; }

# lab_deploy [--detach] [IMAGE] [OVERLAY…] brings the schema up to date, then the
# stack, and waits until every replica runs.
lab_deploy() {
	local file detach='' files=()
	if [[ ${1:-} == --detach ]]; then
		detach=yes
		shift
	fi
	IMAGE=${1:-$(tail -n 1 "$STATE/image.lab" 2>/dev/null)}
	export IMAGE
	[[ $IMAGE == *@sha256:* ]] || die "'$IMAGE' is no image by digest; push one: ./scripts/run.sh lab push"
	stack_variables
	[[ -x $BIN ]] || build
	in_ns "$BIN" migrate up >&2 || die 'the schema could not be brought up to date'
	for file in stack.yml stack/lab.yml "${@:2}"; do files+=(-c "$file"); done
	step "deploying ${IMAGE##*@}"
	engine "$(first_answering)" stack deploy --detach=true --resolve-image=never "${files[@]}" "$STACK" >"$STATE/log/deploy.log" 2>&1 ||
		failed_with "$STATE/log/deploy.log" 'docker stack deploy failed'
	[[ -n $detach ]] || stack_await
}

# stack_await shows how far the services are until all of them are there.
stack_await() {
	local began=$SECONDS now last=''
	while :; do
		now=$(services_words)
		[[ $now == "$last" ]] || note "$now, after $((SECONDS - began)) s"
		last=$now
		! converged "$now" || return 0
		((SECONDS - began < CONVERGE_SECONDS)) || die "the stack did not converge in $CONVERGE_SECONDS s; look: ./scripts/run.sh lab status"
		sleep 1
	done
}

# services_words prints "api 2/3 updating, web 3/3", or nothing while no manager
# leads.
services_words() {
	local n
	n=$(first_answering)
	[[ -n $n ]] || return 0
	{ engine "$n" service ls --filter "label=com.docker.stack.namespace=$STACK" --format '{{.ID}} {{.Name}} {{.Replicas}}' 2>/dev/null || true; } | sort -k 2 |
		while read -r id name replicas _; do
			state=$(engine "$n" service inspect -f '{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}' "$id" 2>/dev/null) || state=unknown
			[[ $state != completed ]] || state=''
			printf '%s %s%s\n' "${name#"$STACK"_}" "$replicas" "${state:+ $state}"
		done | paste -sd , | sed 's/,/, /g'
}

# converged WORDS: does each service have all replicas, and no update under way?
converged() {
	[[ $1 =~ [0-9] && ! $1 =~ [a-z]ing ]] || return 1
	! tr ',' '\n' <<<"$1" | awk '{ split($2, r, "/"); if (r[1] != r[2]) bad = 1 } END { exit !bad }'
}

MESH_REQUESTS=9

# lab_mesh asks each published port of each node some times over, and finds in the
# logs which replicas have answered.
lab_mesh() {
	local n port path id i failed=''
	id=mesh$(random_hex 4)
	step "asking each node $MESH_REQUESTS times on each port"
	for n in $NODES; do
		for port in api:5001:/latest web:5000:/public; do
			IFS=: read -r _ port path <<<"$port"
			for ((i = 0; i < MESH_REQUESTS; i++)); do
				[[ $(ns_get "$(address "$n")" "$port" "$path?no=$id-n$n-$port-") == *' 200 '* ]] || failed+=" n$n:$port"
			done
		done
	done
	mesh_table "$id"
	[[ -z $failed ]] || die "no answer from$failed"
}

# mesh_table ID prints a line for each node and port; it ends the verb if a replica
# was left out.
mesh_table() {
	local n service port lines answered few=''
	for service in api:5001 web:5000; do
		IFS=: read -r service port <<<"$service"
		lines=$(replica_logs "$service" | grep -F "$1" || true)
		for n in $NODES; do
			answered=$(awk -v mark="$1-n$n-$port-" 'index($0, mark) { times[$1]++ }
				END { for (r in times) printf "%s %s %d times", (seen++ ? "," : ""), r, times[r]; print " " seen + 0 }' <<<"$lines")
			printf 'n%s:%s answered by%s\n' "$n" "$port" "${answered% *}"
			[[ $answered == *' 3' ]] || few+=" n$n:$port"
		done
	done
	[[ -z $few ]] || die "not by three replicas:$few"
}

# replica_logs SERVICE prints the newest lines of its replicas' logs, each behind the
# replica's name. From node to node: `docker service logs` gives up at the first
# node that is slow.
replica_logs() {
	local n id name
	for n in $NODES; do
		engine "$n" ps --no-trunc --filter "label=com.docker.swarm.service.name=${STACK}_$1" --format '{{.ID}} {{.Names}}' |
			while read -r id name; do
				name=${name#"$STACK"_}
				engine "$n" logs --since 5m "$id" 2>&1 | sed "s/^/${name%.*} /"
			done
	done
}

# lab_edge brings the edge tier up beside the stack as it is, or takes it away.
lab_edge() {
	local current
	if [[ $1 == down ]]; then
		[[ $(services_words) != *edge* ]] || engine "$(first_answering)" service rm "${STACK}_edge" >/dev/null
		return
	fi
	[[ $(services_words) != *'edge 3/3'* ]] || return 0
	EDGE_IMAGE=$(lab_push_edge)
	HAPROXY_CFG_SHA=$(digest <stack/edge/haproxy.cfg | cut -c 1-12)
	export EDGE_IMAGE HAPROXY_CFG_SHA
	current=$(engine "$(first_answering)" service inspect -f '{{.Spec.TaskTemplate.ContainerSpec.Image}}' "${STACK}_api")
	lab_deploy "$current" stack/edge.yml stack/lab/edge.yml
}
