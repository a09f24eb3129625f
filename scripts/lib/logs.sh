# shellcheck shell=bash
# The verbs of the log: logs finds lines, logs-test proves that none is lost on its way.

. "$ROOT/scripts/lib/db.sh"
. "$ROOT/scripts/lib/build.sh"
. "$ROOT/scripts/lib/loki.sh"

help_logs() {
	cat <<'TEXT'
usage: ./scripts/run.sh logs [web|api|db] [--follow] [--lines N]
       ./scripts/run.sh logs [SERVICE…] [--loki URL] [--request ID] [--errors] [--since 1h] …

Without further options: the end of the local logs, of all three if none is named. Those
of the run before are kept beside them in .local/log/*.log.1. With them: lines from the
local files, or from Loki if its address is given.

  --loki URL     where all replicas' lines are; also LOKI_URL. A token that it takes is
                 read from the file LOKI_TOKEN_FILE
  --request ID   the lines of one request, whichever replica wrote them; an answer has
                 its id in X-Request-ID, an error page shows it
  --errors       only errors and worse
  --since TIME   not older than this: 90s, 15m, 2h (default 1h, of a request 24h)
  --lines N      the newest N (default 50, with Loki or a filter 1000; of Loki 5000 at most)
  --follow       then show what is added; also -f
  --json         the lines as they were written
TEXT
}

cmd_logs() {
	local follow='' lines='' since='' filters=() names=() loki=${LOKI_URL:-}
	while (($# > 0)); do
		case $1 in
		-f | --follow) follow=yes ;;
		--errors | --json) filters+=("$1") ;;
		-n | --lines | --since | --request | --loki)
			logs_option "$1" "${2:-}"
			shift
			;;
		-* | '') misuse "unknown option '$1'; -h lists them" ;;
		*) names+=("$1") ;;
		esac
		shift
	done
	logs_names
	if [[ -n $loki ]]; then
		((${lines:-0} <= 5000)) || misuse 'Loki gives 5000 lines at most: ask for less, or for a shorter --since'
		export LOKI_URL=$loki
		logs_find
	elif ((${#filters[@]} > 0)) || [[ -n $since ]]; then
		logs_find -local "$STATE/log"
	else
		logs_tail
	fi
}

# logs_option NAME VALUE sets the caller's variables.
logs_option() {
	case $1 in
	-n | --lines)
		[[ $2 =~ ^[1-9][0-9]{0,5}$ ]] || misuse "$1 needs a number"
		lines=$2
		;;
	--since)
		[[ $2 =~ ^[0-9]+(s|m|h)$ ]] || misuse '--since needs a time, as 90s, 15m or 2h'
		since=$2
		;;
	--request)
		[[ $2 =~ ^[A-Za-z0-9_-]{1,64}$ ]] || misuse '--request needs the id of a request'
		filters+=(--request "$2")
		[[ -n $since ]] || since=24h
		;;
	--loki)
		[[ $2 =~ ^https?:// ]] || misuse '--loki needs an address, as http://127.0.0.1:3100'
		loki=$2
		;;
	esac
}

# logs_names: in Loki are services of any name, here are three.
logs_names() {
	local name
	((${#names[@]} > 0)) || return 0
	for name in "${names[@]}"; do
		[[ $name =~ ^[A-Za-z0-9_.-]+$ ]] || misuse "'$name' is no name of a service"
		[[ -n $loki || " web api db " == *" $name "* ]] || misuse "the local logs are web, api and db; '$name' may be in Loki: --loki URL"
	done
}

# logs_find [ARGUMENTS…] hands over to the program that reads lines.
logs_find() {
	local args=("$@")
	[[ -z $follow ]] || args+=(-follow)
	[[ -z $lines ]] || args+=(-lines "$lines")
	[[ -z $since ]] || args+=(-since "$since")
	((${#filters[@]} == 0)) || args+=("${filters[@]}")
	((${#names[@]} == 0)) || args+=("${names[@]}")
	need_go
	go_build logs ./monitoring/logs
	trap - ERR
	exec "$ROOT/bin/logs" ${args[@]+"${args[@]}"}
}

# logs_tail is for a machine that has nothing but tail.
logs_tail() {
	local name found=()
	((${#names[@]} > 0)) || names=(web api db)
	for name in "${names[@]}"; do
		[[ ! -e $STATE/log/$name.log ]] || found+=("$STATE/log/$name.log")
	done
	((${#found[@]} > 0)) || die "there is no log yet: './scripts/run.sh up' starts what writes one"
	exec tail -n "${lines:-50}" ${follow:+-F} "${found[@]}"
}

AGENT_PACKAGES=syslog-ng-core,syslog-ng-mod-http

help_logs_test() {
	cat <<'TEXT'
usage: ./scripts/run.sh logs-test

Runs the product, a real Loki and Debian 13's syslog-ng on this machine, with the very
configuration of stack/logging.yml, and demands every line: while Loki is away for a
minute (LOGS_DOWN), while the agent is killed, while files are rotated. Prints what it saw.

Needs root (the agent runs in a file system of its own), on Debian or Ubuntu. Loki is
built from its module once, a quarter of an hour, and kept in the lab's cache.
TEXT
}

cmd_logs_test() {
	local loki tree missing=()
	STATE=$ROOT/.local/logs-test
	[[ $# == 0 ]] || misuse 'logs-test takes no arguments'
	((EUID == 0)) || die 'logs-test needs root, for the file system of the agent: sudo ./scripts/run.sh logs-test'
	need_go
	have mmdebstrap || missing+=(mmdebstrap)
	missing_keys
	((${#missing[@]} == 0)) || apt_install "${missing[@]}"
	have prometheus-node-exporter || apt_install_daemons prometheus-node-exporter
	[[ -n $(pg_programs '') ]] || apt_install_postgresql
	make_state
	loki=$LOKI_CACHE/$(loki_program)
	tree=$LOKI_CACHE/syslog-ng-$(printf '%s trixie' "$AGENT_PACKAGES" | digest | cut -c 1-12)
	[[ -d $tree ]] || make_agent_tree "$tree"
	build
	step 'writing lines, and killing what carries them (some five minutes)'
	LOKI_BINARY=$loki SYSLOG_NG_TREE=$tree MINITWIT_BINARY=$BIN \
		go test -tags logs -count=1 -timeout 30m -run 'TestNoLineIsLost' ./monitoring/logs -v || die 'lines were lost, or not told of as they should be'
}

# make_agent_tree FOLDER makes a Debian with nothing but the agent.
# shellcheck disable=SC2016 # $1 of a hook is mmdebstrap's
make_agent_tree() {
	step "making a Debian 13 with syslog-ng, once (a minute or two)"
	debian "$1" "$STATE/log/agent-tree.log" --variant=minbase --include="$AGENT_PACKAGES" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--customize-hook='mkdir -p "$1/state" "$1/figures" "$1/var/lib/docker/containers"'
}
