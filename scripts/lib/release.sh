# shellcheck shell=bash
# From a commit to production: image, smoke, and release, which does one after the other
# what each verb does by itself.

. "$ROOT/scripts/lib/deploy.sh"

help_image() {
	cat <<'TEXT'
usage: ./scripts/run.sh image PLACE

Builds the commit's image, pushes it to the REPOSITORY of the place and prints it by
digest. Which commit it is stands in its labels, and the modules of minitwit are written to
.local/releases/VERSION.cdx.json (CycloneDX); docker buildx attests all that the image holds.
Needs a builder of buildx that can (docker buildx create --use), and a clone without changes:
the image has to be the commit's.
TEXT
}

help_smoke() {
	cat <<'TEXT'
usage: ./scripts/run.sh smoke PLACE

Does in a place that runs what its users do: the simulator's contract, a person's way in a
browser, then a scenario, while all replicas are started anew, one after the other. Nothing
may fail or be lost. What it writes stays there, so it refuses a place without SMOKE=yes,
and nobody else may use the API meanwhile. Settings of the place:

  API_URL, WEB_URL  the addresses that users have
  SMOKE_RATE        requests a second of the scenario (default 200)
  SMOKE_ACTIONS     how many of it (default all)
  SMOKE_PATIENCE    how long one may take (default 300ms, the simulator's own)
TEXT
}

help_release() {
	cat <<'TEXT'
usage: ./scripts/run.sh release PLACE [--tested] [--yes]

Takes the commit that is checked out to PLACE, by way of the place that its setting STAGING
names (default staging):

  test        ./scripts/run.sh test     (--tested: CI has done it)
  image       ./scripts/run.sh image
  staging     ./scripts/run.sh deploy STAGING
  smoke       ./scripts/run.sh smoke STAGING
  stop        somebody says yes. Not where the place has AUTOMATIC=yes, or with --yes
  production  ./scripts/run.sh promote STAGING PLACE

Without a terminal it ends at the stop, with 0: `promote` is what is left to do. Each part
can be done by itself. What fails ends it, with that verb's exit code.
TEXT
}

RELEASES=$ROOT/.local/releases

# setting PLACE NAME [DEFAULT] reads one of place.env.
setting() {
	local value
	value=$(sed -n "s/^$2=//p" "$PLACES/$1/place.env" | tail -n 1)
	value=${value#[\"\']}
	printf '%s' "${value:-${3:-}}" | sed "s/[\"']\$//"
}

# in_place PLACE finds the folder of a place.
in_place() {
	check_place "${1:-}"
	if lab_place "$1"; then place_lab; fi
	[[ -r $PLACES/$1/place.env ]] || die "there is no place '$1'; make one: ./scripts/run.sh config init $1"
}

# where_users_are PLACE COMMAND… runs it where the place's addresses lead somewhere.
where_users_are() {
	if lab_place "$1"; then in_ns "${@:2}"; else "${@:2}"; fi
}

cmd_image() {
	local changes
	[[ $# == 1 ]] || misuse 'image takes a place'
	in_place "$1"
	changes=$(git -C "$ROOT" status --porcelain) || die 'git does not answer in this clone'
	[[ -z $changes ]] || die 'there are changes that are in no commit: an image has to be a commit'
	build
	mkdir -p "$RELEASES"
	yours "$RELEASES"
	step 'writing down its modules'
	go tool -modfile="$ROOT/tools/sbom/go.mod" cyclonedx-gomod bin -json -std -version "$(version)" \
		-output "$RELEASES/$(version).cdx.json" "$BIN" >&2 || die 'its modules could not be written down'
	note "$(grep -c '"purl"' "$RELEASES/$(version).cdx.json") modules: ${RELEASES#"$ROOT"/}/$(version).cdx.json"
	if lab_place "$1"; then
		push_image release
	else
		buildx "$(setting "$1" REPOSITORY)"
	fi
}

# buildx REPOSITORY builds and pushes, and prints the image by digest.
buildx() {
	local meta digest
	meta=$RELEASES/$(version).build.json
	[[ -n $1 ]] || die 'the place has no REPOSITORY, as registry.example/minitwit'
	docker buildx version >/dev/null 2>&1 || die 'docker buildx is needed: https://docs.docker.com/go/buildx/'
	step "building $1:$(version) and pushing it"
	docker buildx build --push --provenance=mode=max --sbom=true --metadata-file "$meta" --tag "$1:$(version)" \
		--build-arg "VERSION=$(version)" --build-arg "REVISION=$(git -C "$ROOT" rev-parse HEAD)" \
		--build-arg "CREATED=$(git -C "$ROOT" log -1 --format=%cI)" "$ROOT" >&2 || die 'docker buildx build failed'
	digest=$(sed -n 's/.*"containerimage.digest": *"\(sha256:[0-9a-f]\{64\}\)".*/\1/p' "$meta")
	[[ -n $digest ]] || die "no digest in $meta"
	printf '%s@%s\n' "$1" "$digest"
}

cmd_smoke() {
	local place=${1:-} restart status=0
	[[ $# == 1 ]] || misuse 'smoke takes a place'
	in_place "$place"
	[[ $(setting "$place" SMOKE) == yes ]] || die "$place has no SMOKE=yes in its place.env: what smoke writes stays there"
	need_go
	lab_place "$place" || STATE=$ROOT/.local # the lab's is root's
	make_state
	need_chromium
	build
	# As for deploy: a path that is not absolute begins in the place's folder.
	SIMULATOR_CREDENTIALS_FILE=$(setting "$place" SIMULATOR_CREDENTIALS_FILE simulator.credentials)
	[[ $SIMULATOR_CREDENTIALS_FILE == /* ]] || SIMULATOR_CREDENTIALS_FILE=$PLACES/$place/$SIMULATOR_CREDENTIALS_FILE
	[[ -r $SIMULATOR_CREDENTIALS_FILE ]] || SIMULATOR_CREDENTIALS_FILE=''
	export SIMULATOR_CREDENTIALS_FILE
	PLACE_API=$(setting "$place" API_URL) PLACE_WEB=$(setting "$place" WEB_URL)
	[[ -n $PLACE_API && -n $PLACE_WEB ]] || die "$place needs API_URL and WEB_URL, the addresses that users have"
	export PLACE_API PLACE_WEB
	step "the simulator's contract, and a person's way in a browser"
	where_users_are "$place" go test -count=1 -tags place -run 'ThePlace' ./service/e2e >&2 || die "$place does not do what its users want"
	step 'a scenario, while all replicas are started anew'
	"$ROOT/scripts/run.sh" restart "$place" 2>"$STATE/log/restart.log" &
	restart=$!
	# Whoever ends us ends it, too: it knows how to leave a place.
	trap 'kill "$restart" 2>/dev/null && wait "$restart" || true' EXIT
	where_users_are "$place" "$BIN" simulate --url "$PLACE_API" --workers 16 --rate "$(setting "$place" SMOKE_RATE 200)" \
		--limit "$(setting "$place" SMOKE_ACTIONS 0)" --timeout "$(setting "$place" SMOKE_PATIENCE 300ms)" >&2 || status=$?
	trap - EXIT
	wait "$restart" || failed_with "$STATE/log/restart.log" 'the replicas could not be started anew'
	((status == 0)) || die "$place failed its users while its replicas were started anew"
	step "$place does what its users want"
}

cmd_release() {
	local place=${1:-} tested='' yes='' staging image began version
	shift || true
	while (($# > 0)); do
		case $1 in
		--tested) tested=yes ;;
		--yes) yes=yes ;;
		*) misuse "release does not know '$1'" ;;
		esac
		shift
	done
	in_place "$place"
	staging=$(setting "$place" STAGING staging)
	in_place "$staging"
	[[ $(setting "$place" AUTOMATIC) != yes ]] || yes=yes
	# What smoke needs, before staging is changed.
	lab_place "$staging" || STATE=$ROOT/.local
	make_state
	need_chromium
	version=$(version)
	step "releasing $version to $place"
	began=$SECONDS TIMES=''
	[[ $tested ]] || timed test "$ROOT/scripts/run.sh" test
	timed image image_of "$staging"
	image=$(<"$RELEASES/$version.image")
	timed staging "$ROOT/scripts/run.sh" deploy "$staging" "$image"
	timed smoke "$ROOT/scripts/run.sh" smoke "$staging"
	if [[ -z $yes ]] && ! confirmed "$version runs in $staging, and does what its users want. To $place?"; then
		step "$version waits in $staging. What is left: ./scripts/run.sh promote $staging $place $version"
		return
	fi
	timed production "$ROOT/scripts/run.sh" promote "$staging" "$place" "$image"
	step "$version runs in $place, $((SECONDS - began)) s after its commit was taken up:$TIMES"
}

image_of() {
	mkdir -p "$RELEASES"
	yours "$RELEASES"
	"$ROOT/scripts/run.sh" image "$1" >"$RELEASES/$(version).image"
}

# timed PART COMMAND… ends the release with the command's exit code where it fails.
timed() {
	local began=$SECONDS status=0
	step "release: $1"
	"${@:2}" || status=$?
	((status == 0)) || {
		printf '%srun.sh: the release ended in its part %s: exit %d%s\n' "$RED" "$1" "$status" "$PLAIN" >&2
		exit "$status"
	}
	TIMES+=" $1 $((SECONDS - began)) s"
}
