# shellcheck shell=bash
# The product's stack on the lab's Swarm, deployed as an operator would: by
# `docker stack deploy`, with nothing but the documented variables set.

CONVERGE_SECONDS=600
STACK=minitwit

# lab_secret NAME makes a key once and prints its file.
lab_secret() {
	[[ -s $STATE/$1 ]] || random_hex 24 | write_private "$STATE/$1"
	printf '%s' "$STATE/$1"
}

# stack_variables sets what stack.yml asks for. What is set already stays: a drill
# deploys with other keys.
stack_variables() {
	local name
	export DATABASE_URL_FILE=${DATABASE_URL_FILE:-$STATE/database.url}
	export PASSWORD_KEY_FILE=${PASSWORD_KEY_FILE:-$(lab_secret password.key)}
	export SESSION_KEY_FILE=${SESSION_KEY_FILE:-$(lab_secret session.key)}
	export SESSION_KEY_PREVIOUS_FILE=${SESSION_KEY_PREVIOUS_FILE:-$SESSION_KEY_FILE}
	for name in DATABASE_URL PASSWORD_KEY SESSION_KEY SESSION_KEY_PREVIOUS; do
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

# services_words prints "api 2/3 updating, web 3/3".
services_words() {
	local n
	n=$(first_answering)
	[[ -n $n ]] || return 0
	engine "$n" service ls --filter "label=com.docker.stack.namespace=$STACK" --format '{{.ID}} {{.Name}} {{.Replicas}}' 2>/dev/null | sort -k 2 |
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
