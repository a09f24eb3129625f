# shellcheck shell=bash
# Loki, of which Debian has no package and a clone has no image: built from its module.

LOKI_CACHE=${MINITWIT_LAB_CACHE:-${XDG_CACHE_HOME:-/var/cache}/minitwit-lab}

# loki_program prints the name of the program in the cache, which is built where it is
# missing: the version that monitoring/loki/go.mod names.
loki_program() {
	local name
	name=loki-$({ go version && cat monitoring/loki/go.mod monitoring/loki/go.sum; } | digest | cut -c 1-12)
	mkdir -p "$LOKI_CACHE"
	exec 8>"$LOKI_CACHE/lock" # other clones make the same
	take_lock 8 'another clone that builds Loki' 1800
	[[ -x $LOKI_CACHE/$name ]] || make_loki "$LOKI_CACHE/$name"
	exec 8>&-
	printf '%s' "$name"
}

make_loki() {
	local began=$SECONDS version
	version=$(cd monitoring/loki && go list -m -f '{{.Version}}' github.com/grafana/loki/v3)
	step "building Loki $version from its module, once (a quarter of an hour)"
	(cd monitoring/loki && CGO_ENABLED=0 nice -n 19 go build -tags netgo -o "$1.new" \
		-ldflags "-s -w -X github.com/grafana/loki/v3/pkg/util/build.Version=${version#v}" \
		github.com/grafana/loki/v3/cmd/loki) || die 'Loki could not be built'
	mv "$1.new" "$1"
	note "built in $((SECONDS - began)) s: $1"
}
