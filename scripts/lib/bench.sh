# shellcheck shell=bash
# The verb bench: the figures that README and LESSONS promise.

. "$ROOT/scripts/lib/test.sh"

help_bench() {
	cat <<'TEXT'
usage: ./scripts/run.sh bench [--json] [NAME…]

Measures, on this machine, what README and LESSONS promise, each with servers and
a PostgreSQL of its own, and holds every figure against its aim: CPU a request,
the whole scenario, bursts of registrations, outages of the database, crashes of
the UI, start, memory. Takes about five minutes; names such as Writes, Reads,
Scenario, Burst, Start, Latest, WebCrashes or Outages run only those.

  --json   one JSON object a line on standard output, and nothing else
TEXT
}

cmd_bench() {
	local json='' names='' results
	while (($#)); do
		case $1 in
		--json) json=yes ;;
		-*) misuse "unknown option '$1'; -h lists them" ;;
		*) names+="${names:+|}$1" ;;
		esac
		shift
	done
	need_go
	need_test_programs
	make_state
	results=$STATE/bench.jsonl
	: >"$results"
	step 'measuring; other work on this machine spoils the figures'
	MINITWIT_BENCH=$results go test -tags bench -count=1 -timeout 30m -v \
		-run "^TestBench(${names:-.*})\$" ./service/e2e >"$STATE/log/bench.log" 2>&1 9>&- ||
		note "not every aim was met, or a measurement failed: $STATE/log/bench.log"
	[[ -s $results ]] || die "nothing was measured; the log: $STATE/log/bench.log"
	if [[ $json ]]; then cat "$results"; else bench_table "$results"; fi
	! grep -q '"ok":false' "$results" && ! grep -q '^--- FAIL' "$STATE/log/bench.log"
}

bench_table() {
	sed -E 's/.*"aim":"([^"]*)","case":"([^"]*)","figure":([^,]*),"ok":(true|false).*/\2|\3|\1|\4/' "$1" |
		while IFS='|' read -r name figure aim ok; do
			printf '%-20s %10s   %-70s %s\n' "$name" "$figure" "$aim" "$([[ $ok == true ]] && echo ok || echo MISSED)"
		done
}
