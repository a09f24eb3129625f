# shellcheck shell=bash
# The verb drill: faults on the lab's Swarm under load, and what clients saw.

. "$ROOT/scripts/lib/lab.sh"

DRILL_HISTORY=$ROOT/.local/drills.jsonl

help_drill() {
	cat <<'TEXT'
usage: ./scripts/run.sh drill NAME…|all|smoke|releases|outcomes [options]
       ./scripts/run.sh drill pages [FAULT…] [--short] [--tries N] [--slack N] [--list] [--json]

Each drill puts a constant load on the published ports of the lab's nodes (half of
it new connections, half kept alive, reads, writes and page views), makes a fault,
waits until the Swarm has healed, reads back all that was acknowledged, and prints
one line: failed of sent, the longest stretch with failures, when it was detected,
when all was at full strength, and how many acknowledged writes were lost. Brings
the lab up first if it is not. Needs root, and a machine that does nothing else.

  all           every drill; those done at this commit are not made again
  smoke         rolling-update, bad-image, kill-node through the edge; all with --retry 1
  releases      bad releases of all kinds, deployed by the verb deploy: what catches each, and
                what users see of it
  outcomes      each way in which the verb deploy can end, provoked, with its exit code
  --list        the drills
  --table       the newest result of each, as a table; makes nothing
  --compare COMMIT   the newest results beside those of another commit; makes nothing
  --json        one JSON object a line on standard output, and nothing else
  --fresh       `all` begins anew
  --pages       with the monitoring stack beside it (lab monitoring up): which page on-call
                got, whether it was the right one, and when the all-clear came. Held against
                that alone; `all --pages` makes those that this is asked of
  --edge        through the edge tier's ports instead of the mesh's
  --retry N     clients try again so often
  --rate N      requests a second (default 20, with --pages 2; the nodes are emulated)
  --patience D  how long a client waits (default 2s)
  --tries N     a drill that missed its aim is made again, up to N times in all, and every
                try is shown; for machines that do other work too. Never after a lost write
  --sent N      requests a drill sends at least, instead of what its aim asks for

`drill pages` needs no lab. It runs the product, its database, two Prometheus, two
Alertmanagers, the exporters and the dead man's switch on this machine under a
constant load, makes one fault after another (--short: those that CI makes), and
prints which page arrived where on-call's telephone would be, how soon, whether it was
the right and the only one, and when the all-clear came. `ordinary-hour`, by its name only, is an hour
without a fault, with two rolling updates: nobody may be called. For slow machines --slack N makes
each aim and each limit N times as long (default 1). Seconds are shown as measured, and "held
against the aim" names the slack: such a run does not tell how soon a page comes elsewhere.

Results of the others are kept in .local/drills.jsonl, with the commit that they belong to.
Exits 1 if an aim was missed.
TEXT
}

cmd_drill() {
	[[ $# -gt 0 ]] || misuse 'drill needs a name, or all, or smoke, or pages; -h says more'
	if [[ $1 == pages ]]; then
		. "$ROOT/scripts/lib/pages.sh"
		drill_pages "${@:2}"
	fi
	need_go
	step 'building bin/drill'
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$ROOT/bin/drill" ./stack/drill || die 'go build failed'
	case " $* " in
	*' --list '* | *' --table '* | *' --compare '*)
		trap - ERR
		exec "$ROOT/bin/drill" -history "$DRILL_HISTORY" -commit "$(product_commit)" "$@"
		;;
	esac
	[[ " $* " != *' --pages '* ]] || export LAB_CHECK_INTERVAL=60s LAB_CHECK_TIMEOUT=60s LAB_DATABASE_TIMEOUT=4s
	((EUID == 0)) || die 'drills need root, as the lab does: sudo ./scripts/run.sh drill …'
	make_state
	lab_stands || lab_up
	lock
	drill_images
	# The drills bring up what watches from within the lab's network, which leads nowhere else.
	[[ " $* " != *' --pages '* ]] || watchers_fetch
	unlock # the drills take the lock themselves, by the lab's verbs
	trap - ERR
	in_ns "$ROOT/bin/drill" -script "$ROOT/scripts/run.sh" -state "$STATE" \
		-history "$DRILL_HISTORY" -commit "$(product_commit)" \
		-image "$(image lab)" -image-next "$(image next)" -image-faults "$(image faults)" -image-foreign "$(image foreign)" "$@"
}

# lab_stands says whether there is a lab with the stack on it.
lab_stands() {
	[[ -d $TREE ]] && net_exists && [[ -n $(first_answering) ]] && [[ $(services_words) == *'api '*'web '* ]]
}

# drill_images makes what the drills deploy: another release, one that fails when it
# is told to, and one for another processor. What is there already is kept.
drill_images() {
	push_image lab >/dev/null
	push_image next --build-arg VERSION=next >/dev/null
	push_image faults --build-arg TAGS=faults >/dev/null
	push_image foreign --build-arg TARGETARCH=arm64 >/dev/null
}

# image TAG prints it by digest.
image() { tail -n 1 "$STATE/image.$1"; }

# product_commit names the last commit that changed what the drills are made on:
# the program and the stack, not its documents.
product_commit() {
	local inputs=(Dockerfile go.mod service migrations monitoring/exporter stack.yml stack/lab.yml stack/lab ':!*.md' ':!*_test.go')
	git -C "$ROOT" log -1 --format=%h -- "${inputs[@]}" 2>/dev/null | tr -d '\n'
	git -C "$ROOT" diff --quiet HEAD -- "${inputs[@]}" 2>/dev/null || printf -- '-dirty'
}
