# shellcheck shell=bash
# The verbs test, lint and fuzz. CI runs `test` and nothing else, so that what
# it finds can be found on any desk.

. "$ROOT/scripts/lib/db.sh"
. "$ROOT/scripts/lib/build.sh"

# What CI runs. The lab, on which smoke runs, is made for Linux on amd64.
PARTS='lint unit fuzz pages smoke'
[[ $(uname -s)/$(uname -m) == Linux/x86_64 ]] || PARTS=${PARTS% smoke}

help_test() {
	cat <<'TEXT'
usage: ./scripts/run.sh test [lint] [unit] [fuzz] [pages] [smoke]

Runs all that CI runs, or the named parts, in this order:

  lint   formatters and linters for Go, shell and workflows
  unit   all Go tests with the race detector, in random order; they start a
         real PostgreSQL and a real Chromium by themselves
  fuzz   every fuzz target for FUZZ_TIME (default 30s), one after another
  pages  the short form of drill pages: a whole installation on this machine, an outage
         of the API, the death of those who watch, and the pages that come of them, each
         within three times its aim (--slack 3)
  smoke  the lab, what swarm doctor says of it, and the short form of the drills
         (a quarter of an hour, both cores; Linux on amd64, as root or by sudo -n)

What is missing (PostgreSQL, Chromium, Prometheus, Alertmanager, shellcheck, shfmt, a C
compiler for the race detector, on Linux HAProxy) is installed with apt-get; not Chromium on
Ubuntu, which has it only as a snap. The first failure ends the run.
TEXT
}

cmd_test() {
	local part parts times='' began=$SECONDS start
	parts=${*:-$PARTS}
	for part in $parts; do
		[[ " $PARTS " == *" $part "* ]] || misuse "there is no part '$part' here; the parts are: $PARTS"
	done
	need_go
	[[ " $parts " != *' smoke '* ]] || as_root true 2>/dev/null ||
		die "smoke needs root, or sudo without a password; the other parts: ./scripts/run.sh test ${PARTS% smoke}"
	for part in $parts; do
		start=$SECONDS
		"part_$part"
		times+="${times:+, }$part $((SECONDS - start)) s"
	done
	step "all passed in $((SECONDS - began)) s ($times)"
}

# check PART LABEL COMMAND… runs one check and ends the run where it fails.
check() {
	local part=$1 label=$2 start=$SECONDS
	shift 2
	step "$part: $label"
	"$@" || die "$part: $label failed; alone: ./scripts/run.sh test $part"
	note "$label: ok, $((SECONDS - start)) s"
}

help_lint() {
	cat <<'TEXT'
usage: ./scripts/run.sh lint

gofmt, go vet, golangci-lint, shellcheck, shfmt and actionlint: the part `lint`
of `test`. golangci-lint and actionlint are built from tools/, once.
TEXT
}

cmd_lint() {
	[[ $# == 0 ]] || misuse 'lint takes no arguments'
	cmd_test lint
}

part_lint() {
	need shellcheck shellcheck
	need shfmt shfmt
	# golangci-lint formats too, with more rules; this one needs no build.
	check lint gofmt no_output gofmt_all
	check lint 'go vet' go vet ./...
	# `go tool` keeps the built program in Go's cache: minutes once, then
	# a third of a second. No binaries of our own to keep.
	check lint golangci-lint go tool -modfile=tools/go.mod golangci-lint run
	check lint shellcheck on_scripts shellcheck -x
	check lint shfmt on_scripts shfmt -d
	# A module of its own: it builds only with an older yaml than golangci-lint's.
	check lint actionlint go tool -modfile=tools/actionlint/go.mod actionlint
}

# need COMMAND PACKAGE installs the package where the command is missing.
need() { have "$1" || apt_install "$2"; }

# no_output passes if the command says nothing, for tools that list what is wrong
# and still exit 0.
no_output() {
	local out
	out=$("$@") && [[ -z $out ]] && return
	printf '%s\n' "$out" >&2
	return 1
}

# gofmt_all stays out of .local, where clones and caches may lie.
gofmt_all() { find . -name .local -prune -o -name '*.go' -exec gofmt -l {} +; }

# on_scripts hands all shell scripts of the tree to a command.
on_scripts() {
	local file files=()
	while IFS= read -r file; do files+=("$file"); done < <(
		find . \( -path ./.git -o -path ./.local -o -name node_modules \) -prune -o -type f -name '*.sh' -print
		echo .ci/run
	)
	"$@" "${files[@]}"
}

part_unit() {
	need_test_programs
	check unit 'go test' env CGO_ENABLED=1 go test -race -shuffle=on -count=1 -timeout 30m ./...
}

# need_test_programs: the tests find them by themselves, and fail without.
need_test_programs() {
	have gcc || have cc || apt_install gcc libc6-dev # -race is built with cgo
	[[ -n $(pg_programs '') ]] || apt_install_postgresql
	[[ $(uname -s) != Linux || -x /usr/sbin/haproxy ]] || apt_install_daemons haproxy
	need_monitoring
	need_chromium
}

# part_fuzz looks for the targets with grep first: asking go would link the test
# of every package, and few have one.
part_fuzz() {
	local folder target targets found=0
	while IFS= read -r folder; do
		targets=$(go test -list '^Fuzz' "$folder") || die "fuzz: the targets of $folder cannot be listed"
		for target in $targets; do
			[[ $target == Fuzz* ]] || continue # the last line says that all is well
			found=$((found + 1))
			check fuzz "$target in $folder for ${FUZZ_TIME:-30s}" fuzz "$folder" "$target"
		done
	done < <(fuzz_folders)
	((found > 0)) || die 'fuzz: no target was found'
	note "$found fuzz targets"
}

fuzz_folders() {
	find . -name .local -prune -o -name '*_test.go' -exec grep -lE '^func Fuzz' {} + |
		sed 's#/[^/]*$##' | sort -u || true # grep fails where there is none
}

# fuzz FOLDER TARGET. Before 1.27 Go's fuzzer sometimes takes the end of its own
# time for a failure (golang/go#75804). It then has no failing input to write, and
# we try again, once.
fuzz() {
	local log=$STATE/log/fuzz.log
	make_state
	fuzz_once "$@" && return
	! grep -q 'Failing input written' "$log" && grep -q 'context deadline exceeded' "$log" || return 1
	note 'no failing input, only the end of the time: once more'
	fuzz_once "$@"
}

fuzz_once() {
	go test -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZ_TIME:-30s}" "$1" 2>&1 | tee "$STATE/log/fuzz.log"
}

help_fuzz() {
	cat <<'TEXT'
usage: ./scripts/run.sh fuzz [--time 10m]

Every fuzz target for that long (default 10m, also FUZZ_TIME), one after another.
What it finds is written to testdata/fuzz beside the test, to be committed.
TEXT
}

cmd_fuzz() {
	FUZZ_TIME=${FUZZ_TIME:-10m}
	case ${1:-} in
	'') ;;
	--time=?*) FUZZ_TIME=${1#*=} ;;
	--time)
		[[ $# == 2 ]] || misuse '--time needs a duration, as 10m, and nothing else'
		FUZZ_TIME=$2
		;;
	*) misuse "unknown option '$1'; -h lists them" ;;
	esac
	[[ $FUZZ_TIME =~ ^[0-9]+(s|m|h|x)$ ]] || misuse "'$FUZZ_TIME' is no duration: try 30s or 10m"
	cmd_test fuzz
}

# part_pages: two outages that nobody may sleep through. Whether the right page comes, not how
# soon on a slow machine: that drill.yml asks, without slack. A second try, as in smoke.
part_pages() {
	check pages 'drill pages' ./scripts/run.sh drill pages --short --tries 2 --slack 3
}

# part_smoke runs the stack on a real Swarm. A lab that is up already stays up.
part_smoke() {
	if ! as_run lab status >/dev/null 2>&1; then
		trap 'smoke_ended $?' EXIT
	fi
	check smoke 'lab up' as_run lab up
	check smoke 'swarm doctor' as_run swarm doctor --lab
	# Whether an outage, a wrong rollback or a lost write comes of it, not how quick emulated
	# nodes are that start containers meanwhile: on a slow machine an update takes 270 s instead
	# of 125, answers 4 s, a connection 7, and the checks of three edges, at every half second
	# four times as many as these requests, are an outage by themselves. A second try, for
	# whatever else the machine does. drill.yml runs all drills without this.
	check smoke drills as_run drill smoke --rate 8 --sent 1500 --patience 15s --tries 2
}

# smoke_ended STATUS ends the lab that smoke began. Of a failure it shows how all stood, and
# what the nodes said last: their logs go with the lab.
smoke_ended() {
	(($1 == 0)) || {
		as_run lab status || true
		# shellcheck disable=SC2016 # only root may look into the folder
		as_root sh -c 'tail -n 30 "$1"/console-n?.log' sh "$STATE/lab/log" || true
	} >&2
	as_run lab down
}

# as_run VERB… is this program as root, with the Go that we found and a home of its own, for a lab
# whose time limits suit a slow machine.
as_run() {
	local name kept=()
	for name in PATH GOTOOLCHAIN GOPROXY GOPRIVATE GOFLAGS http_proxy https_proxy no_proxy; do
		[[ -z ${!name:-} ]] || kept+=("$name=${!name}") # sudo drops them
	done
	as_root env "${kept[@]}" LAB_CHECK_INTERVAL=60s LAB_DATABASE_TIMEOUT=4s LAB_EDGE_CHECK_INTERVAL=3s "$ROOT/scripts/run.sh" "$@"
}
