#!/usr/bin/env bash
# The one door: ./scripts/run.sh <verb>. This file only finds the verb in the
# table and calls it; the work is done by the family files in scripts/lib.
#
# Written for the bash 3.2 that macOS still ships: no associative arrays, no
# mapfile, and an empty array is never expanded under `set -u`.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$ROOT"
# shellcheck source=lib/common.sh
. "$ROOT/scripts/lib/common.sh"

# verb | other name | family file | what the help says
VERBS='up|setup_local_app|local|build, prepare a private database, serve UI and API in the background
down||local|stop what up started; the data stays
status||local|say what runs, where, and whether it is ready
app||local|run UI and API in the foreground, in one process
logs||logs|find lines of log: of the local service, or of all replicas in Loki
logs-test||logs|prove that no line of log is lost on its way to Loki: a real one, a real agent
clean||local|stop everything and remove what was built; --data: the database too
db||db|the private PostgreSQL: up, down, psql, url, status
build||build|build bin/minitwit
test||test|everything CI runs: lint, unit, fuzz, pages, smoke
lint|eslint|test|formatters and linters for Go, shell and workflows
fuzz||test|every fuzz target, for longer
simulate||simulate|play a simulator scenario against the local API
lab||lab|a real three-node Swarm in virtual machines: up, down, status, push, kill, cut, load …
drill||drill|make faults on the lab under load, and say what clients saw: NAME, all, smoke
deploy||deploy|bring a release to a place, and tell the truth about it
rollback||deploy|go back to a release that ran before
promote||deploy|deploy to one place what went well in another
release||release|take the commit to a place: test, image, staging, smoke, stop, production
image||release|build the image of a commit and push it, with what it holds written down
smoke||release|do in a place what its users do, while its replicas are started anew
releases||deploy|what was deployed to a place, when, by whom, and how it ended
scale||deploy|how many replicas a service has
restart||deploy|start all replicas anew, one after the other
maintenance||deploy|on, off: close a place for its users
config||deploy|init, check: the folder of a place
swarm||swarm|make a Swarm of machines with ssh and Docker: init, join, status, doctor; tunnel to what watches it
doctor||oncall|what is broken, since when, what changed last, which runbook: what on-call runs first
page-test||oncall|send a test page through the whole way, and say where it arrived
bench||bench|measure what README and LESSONS promise, against its aims'

# help prints the table, so that it cannot list what is not dispatched.
help() {
	local verb other family text
	printf 'usage: ./scripts/run.sh <verb> [options]     (<verb> -h says more)\n\n'
	while IFS='|' read -r verb other family text; do
		printf '  %-11s %s%s\n' "$verb" "$text" "${other:+ (also: $other)}"
	done <<<"$VERBS"
	printf '  %-11s %s\n' help 'print this table'
}

# lookup prints "verb family" of a verb or its other name.
lookup() {
	local verb other family text
	while IFS='|' read -r verb other family text; do
		if [[ -n $1 && ($1 == "$verb" || $1 == "$other") ]]; then
			printf '%s %s' "$verb" "$family"
			return
		fi
	done <<<"$VERBS"
}

# asks_help says whether -h stands among the options. What follows `--`, or one of lab's words for
# a program elsewhere, belongs to that program.
asks_help() {
	local arg
	for arg in "$@"; do
		case $arg in
		-- | ssh | outside | docker) return 1 ;;
		-h | --help) return 0 ;;
		esac
	done
	return 1
}

main() {
	local found verb
	case ${1-help} in
	help | -h | --help)
		help
		return
		;;
	esac
	found=$(lookup "$1")
	[[ -n $found ]] || misuse "unknown verb '$1'; './scripts/run.sh help' lists them"
	shift
	# shellcheck source=/dev/null # one of the family files, each checked by itself
	. "$ROOT/scripts/lib/${found#* }.sh"
	verb=${found% *}
	if asks_help "$@"; then
		"help_${verb//-/_}"
	else
		"cmd_${verb//-/_}" "$@"
	fi
}

main "$@"
