# shellcheck shell=bash
# The verb `build`.

help_build() {
	cat <<'TEXT'
usage: ./scripts/run.sh build

Builds bin/minitwit: static, without paths of this machine, stamped with the
version of git. The same commit gives the same bytes.
TEXT
}

cmd_build() {
	[[ $# == 0 ]] || misuse 'build takes no arguments'
	lock
	build
}

# build replaces the binary by a rename, so that one that runs is not disturbed
# and an interrupted build leaves the old one.
build() {
	need_go
	step "building bin/minitwit ($(version))"
	mkdir -p "$ROOT/bin"
	yours "$ROOT/bin"
	find "$ROOT/bin" -name 'minitwit.new.*' -mmin +60 -delete # of builds that were interrupted
	# -buildvcs=false: the version is stamped below, and git refuses to answer
	# go in a clone that belongs to another user.
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$(stamps)" -o "$BIN.new.$$" ./service ||
		die 'go build failed'
	mv -f "$BIN.new.$$" "$BIN"
}

# need_go asks for the version that go.mod names. Where the toolchain may switch
# by itself, go env gives the one that it switched to.
need_go() {
	local wanted found
	have go || PATH=$PATH:/usr/local/go/bin
	wanted=$(sed -n 's/^go //p' "$ROOT/go.mod")
	have go || die "Go $wanted or newer is needed: https://go.dev/dl/"
	found=$(go env GOVERSION 2>/dev/null) || found=$(go version | cut -d ' ' -f 3)
	at_least "${found#go}" "$wanted" ||
		die "Go $wanted or newer is needed, this is $found: https://go.dev/dl/"
}

# at_least HAVE WANT compares versions of up to three numbers.
at_least() {
	local h w i
	IFS=. read -ra h <<<"${1%%[!0-9.]*}"
	IFS=. read -ra w <<<"$2"
	for i in 0 1 2; do
		((${h[i]:-0} == ${w[i]:-0})) || break
	done
	((${h[i]:-0} >= ${w[i]:-0}))
}

version() { git -C "$ROOT" describe --tags --always --dirty 2>/dev/null || echo unknown; }

# stamps: the time is the commit's, not the clock's, so that building again
# changes nothing and `up` restarts nothing.
stamps() {
	local commit built
	commit=$(git -C "$ROOT" rev-parse HEAD 2>/dev/null || echo unknown)
	built=$(git -C "$ROOT" log -1 --format=%cI 2>/dev/null || echo unknown)
	printf -- '-s -w -X main.version=%s -X main.commit=%s -X main.built=%s' "$(version)" "$commit" "$built"
}

# go_build NAME ARGUMENTS… builds bin/NAME.
go_build() { CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$ROOT/bin/$1" "${@:2}" || die 'go build failed'; }
