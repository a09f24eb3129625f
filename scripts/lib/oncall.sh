# shellcheck shell=bash
# The verbs of somebody on call: doctor says what is broken, page-test whether a page
# gets through.

. "$ROOT/scripts/lib/proc.sh"
. "$ROOT/scripts/lib/build.sh"
. "$ROOT/scripts/lib/lab_net.sh"

ONCALL=$ROOT/bin/oncall

help_doctor() {
	cat <<'TEXT'
usage: ./scripts/run.sh doctor [options]

What on-call runs first. Asks Prometheus, a manager of the Swarm, the database and
given addresses, all at once, and says on one screen what is broken, since when, what
changed last, which runbook helps, and what to do first. It changes nothing. Whoever
does not answer in time is said to be not known, never well.

  --prometheus URL  repeatable, or a list with commas: both, if there are two; also
                    PROMETHEUS_URL
  --docker HOST     a manager, as ssh://USER@HOST or tcp://HOST:2375; several: the first that
                    answers; also DOCKER_HOST; default: the engine of this machine
  --stack NAME      a stack that is looked at (default minitwit,monitoring)
  --ask [NAME=]URL  an address that has to answer 200, repeatable
  --timeout D       how long each is waited for (default 3s)
  --json            one JSON object a line: case, ok, aim, state, found, since, runbook;
                    the last one is all of it
  --lab             the lab's managers, database and published ports

The database is that of DATABASE_URL or DATABASE_URL_FILE. Where 'up' has started UI
and API, these and their database are asked.

Exit 0: nothing is broken, 1: something is or is not known, 2: nobody answers.
TEXT
}

cmd_doctor() {
	local arg lab='' rest=()
	for arg in "$@"; do
		if [[ $arg == --lab ]]; then lab=yes; else rest+=("$arg"); fi
	done
	set -- ${rest[@]+"${rest[@]}"}
	if [[ $lab ]]; then
		doctor_of_lab "$@"
	else
		doctor_of_here "$@"
	fi
}

# doctor_of_here also asks what `up` has started. Its database only then: one of last
# week that nobody runs is no finding.
doctor_of_here() {
	local name ops
	for name in web api; do
		ops=$(field "$name" ops)
		[[ -n $ops ]] || continue
		set -- --ask "$name=http://127.0.0.1:$ops/readyz" "$@"
		if [[ $(field "$name" db) == private && -z ${DATABASE_URL:-}${DATABASE_URL_FILE:-} ]]; then
			export DATABASE_URL_FILE=$STATE/database.url
		fi
	done
	oncall_build
	trap - ERR
	exec "$ONCALL" doctor "$@"
}

doctor_of_lab() {
	local n managers=''
	((EUID == 0)) || die 'the lab needs root: sudo ./scripts/run.sh doctor --lab'
	net_exists || die "the lab is not up: './scripts/run.sh lab up'"
	for n in $NODES; do
		managers+=${managers:+,}tcp://$(address "$n"):2375
		set -- --ask "n$n:api=http://$(address "$n"):5001/latest" --ask "n$n:web=http://$(address "$n"):5000/public" "$@"
	done
	oncall_build
	unset DATABASE_URL
	export DATABASE_URL_FILE=$ROOT/.local/lab/database.url
	if [[ -e $ROOT/.local/lab/run/oncall ]]; then # `lab monitoring up` was here
		"$ROOT/scripts/run.sh" swarm tunnel --lab >/dev/null 2>&1 &
		# shellcheck disable=SC2064 # now
		trap "kill $! 2>/dev/null" EXIT
		tunnel_await $! && set -- --prometheus http://127.0.0.1:9090 "$@"
	fi
	trap - ERR
	ip netns exec "$NS" "$ONCALL" doctor --docker "$managers" "$@"
}

# tunnel_await PID waits until Prometheus answers through it, as long as it lives.
tunnel_await() {
	local deadline=$((SECONDS + 60))
	until ip netns exec "$NS" bash -c 'exec 3<>/dev/tcp/127.0.0.1/9090' 2>/dev/null; do
		if ! kill -0 "$1" 2>/dev/null || ((SECONDS >= deadline)); then
			note 'Prometheus cannot be reached'
			return 1
		fi
		sleep 0.5
	done
}

# oncall_build: at night, what was built before is better than nothing.
oncall_build() {
	[[ -x $ONCALL ]] || step 'building bin/oncall'
	if (need_go && go_build oncall ./monitoring/oncall); then return; fi
	[[ -x $ONCALL ]] || exit 1 # it has been said why
	note 'going on with the bin/oncall of before'
}

help_page_test() {
	cat <<'TEXT'
usage: ./scripts/run.sh page-test --alertmanager URL [options]

Sends a page that says it is a test, and by whom, through the whole way: to
Alertmanager, which routes it as any page. Waits until it has arrived by each channel
of its receiver, says how long each took or what failed, and takes the page back.
Somebody may be woken.

  --alertmanager URL  repeatable, or a list with commas: both, if there are two; also
                      ALERTMANAGER_URL
  --deadman URL       the dead man's switch, if pages go there: says whether it has got
                      the page, and what became of it behind; also DEADMAN_URL
  --place NAME        the place it is for; default: that of Alertmanager's heartbeat
  --timeout D         how long it may take (default 60s)
  --json              one JSON object a line: case, ok, aim, found, after_s; the last one
                      is all of it

That a channel took the page is read from Alertmanager's counters. Where a channel is
also the heartbeat's they are counted together, and only the switch can tell.

Exit 0: it arrived everywhere, 1: it did not, 2: wrong options.
TEXT
}

cmd_page_test() {
	oncall_build
	trap - ERR
	exec "$ONCALL" page-test "$@"
}
