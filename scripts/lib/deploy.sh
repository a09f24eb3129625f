# shellcheck shell=bash
# The verbs that change what runs in a place: deploy, rollback, promote, scale, restart and
# maintenance; releases, which lists what was deployed; and config, which makes and checks a
# place's folder. The work is done by the program stack/deploy.

. "$ROOT/scripts/lib/lab.sh" # where the place lab is

PLACES=${MINITWIT_PLACES:-${XDG_CONFIG_HOME:-$HOME/.config}/minitwit}

help_deploy() {
	cat <<'TEXT'
usage: ./scripts/run.sh deploy PLACE [VERSION] [options]

Brings a release to a place and tells the truth about it. VERSION is an image by digest, or
a version or digest that was there before; without it the IMAGE of the place. In turn:

  preflight   the CLI, the Swarm's nodes and managers, the place's settings and secrets
  schema      the image's own `migrate up`, once on each node: each can get the image, run
              it, and reach the database
  rehearsal   one replica of each service beside those that run, on ports of its own
              (10000 higher), asked as users ask and compared with those that run
  rollout     docker stack deploy; each service followed until all of it is new
  soak        the new release asked on each node's ports

What fails before the rollout touches nothing that runs. What fails later is undone, both
services together. PLACE is a folder of ~/.config/minitwit (MINITWIT_PLACES): config -h.
The places `lab` and `lab-staging`, beside it, are there when the lab is up.

  --dry-run        say what would change, as a diff, and change nothing
  --set NAME=VALUE a setting of the place, for this time
  --json           the record of the deploy on standard output

Exit 0: it runs, or ran already. 1: it failed, what ran before runs. 2: misuse. 3: refused,
nothing was begun. 4: somebody else deploys. 5: what runs is not known to be good, look.
130: interrupted by Ctrl-C, SIGTERM or a closed terminal (but not under nohup), what ran
before runs.
TEXT
}

help_rollback() {
	cat <<'TEXT'
usage: ./scripts/run.sh rollback PLACE [VERSION] [options]

Goes back to the release that went well before the one that runs, or to VERSION, which
must be one of ./scripts/run.sh releases PLACE. It ran there before, so it is neither
rehearsed nor asked for its schema. Only the image goes back: settings, secrets and
stack.yml are those of now, so mend the place's folder first where the fault is there.
Options and exit codes: those of deploy.
TEXT
}

help_promote() {
	cat <<'TEXT'
usage: ./scripts/run.sh promote FROM TO [VERSION] [options]

Deploys to the place TO what runs in FROM, by the same digest, if its deploy there went
well: ./scripts/run.sh promote staging production. Where VERSION (or a digest) is named and
FROM runs another by now, it refuses. Options and exit codes: those of deploy.
TEXT
}

help_releases() {
	cat <<'TEXT'
usage: ./scripts/run.sh releases PLACE

Lists the deploys of a place, the newest first: when, what, by whom, how it ended and why.
The Swarm keeps the last twenty, so everybody sees the same.

  --json   all of each record, for programs
TEXT
}

help_scale() {
	cat <<'TEXT'
usage: ./scripts/run.sh scale PLACE SERVICE=N…

Sets how many replicas services have, as api=5 web=3, once the database allows the
connections that they may open. The next deploy keeps it. Exit codes: those of deploy;
--json says on standard output what came of it.
TEXT
}

help_restart() {
	cat <<'TEXT'
usage: ./scripts/run.sh restart PLACE [SERVICE…]

Starts all replicas anew, one after the other, each new one before the old one ends.
Exit codes: those of deploy; --json says on standard output what came of it.
TEXT
}

help_maintenance() {
	cat <<'TEXT'
usage: ./scripts/run.sh maintenance PLACE on|off

Closes a place for its users: a page that says so, 503 with Retry-After from the API.
Replicas are updated one after the other, so it takes as long as a deploy. The next deploy
opens it again. On-call is paged of it: silence that in Alertmanager first
(monitoring/runbooks/README.md, Silences, has the words). Exit codes: those of deploy; --json
says on standard output what came of it.
TEXT
}

help_config() {
	cat <<'TEXT'
usage: ./scripts/run.sh config init|check PLACE

init makes the folder of a place, with keys of its own and settings to fill in. It changes
nothing that is there. check does what a deploy does before it begins, and says what is wrong.
TEXT
}

cmd_deploy() { deploy_program deploy "$@"; }
cmd_rollback() { deploy_program rollback "$@"; }
cmd_promote() { deploy_program promote "$@"; }
cmd_releases() { deploy_program releases "$@"; }
cmd_scale() { deploy_program scale "$@"; }
cmd_maintenance() { deploy_program maintenance "$@"; }
cmd_restart() { deploy_program restart "$@"; }

cmd_config() {
	[[ $# == 2 && (${1:-} == init || ${1:-} == check) ]] || misuse 'config knows init PLACE and check PLACE'
	check_place "$2"
	[[ $1 == check ]] || ! lab_place "$2" || misuse "the place $2 is there when the lab is up"
	if [[ $1 == init ]]; then config_init "$PLACES/$2"; else deploy_program check "$2"; fi
}

check_place() { [[ ${1:-} =~ ^[a-z][a-z0-9-]*$ ]] || misuse 'which place? A name of letters, digits and hyphens'; }

# deploy_program VERB PLACE … runs it where the place can be reached.
deploy_program() {
	local verb=$1 place=${2:-} options=() around=()
	shift
	check_place "$place"
	need_go
	step 'building bin/deploy'
	go_build deploy ./stack/deploy
	if lab_place "$place"; then
		place_lab
		around=(ip netns exec "$NS")
	fi
	[[ -z $BOLD ]] || options+=(-bold)
	trap - ERR
	exec ${around[@]+"${around[@]}"} "$ROOT/bin/deploy" -repo "$ROOT" -places "$PLACES" ${options[@]+"${options[@]}"} "$verb" "$@"
}

lab_place() { [[ $1 == lab || $1 == lab-staging ]]; }

# place_lab writes down where the lab is, and what runs beside it as its staging: a stack,
# a database and keys of its own.
place_lab() {
	((EUID == 0)) || die 'the lab needs root: sudo ./scripts/run.sh …'
	need_lab
	PLACES=$STATE/places
	mkdir -p "$PLACES/lab" "$PLACES/lab-staging"
	write_executable "$STATE/docker-cli" <<TEXT
#!/bin/sh
export DOCKER_CONFIG='$STATE/docker'
exec '$TREE/lib64/ld-linux-x86-64.so.2' --library-path '$TREE/lib/x86_64-linux-gnu:$TREE/usr/lib/x86_64-linux-gnu' '$TREE/usr/bin/docker' "\$@"
TEXT
	{ lab_settings && lab_secrets database.url password.key session.key && echo STAGING=lab-staging; } | write_private "$PLACES/lab/place.env"
	[[ -s $STATE/staging.url ]] || lab_db_staging
	{
		lab_settings && lab_secrets staging.url staging-password.key staging-session.key
		# Less of it, and slower than people's patience: the nodes are emulated.
		printf '%s\n' STACK=staging API_PORT=5101 WEB_PORT=5100 API_REPLICAS=1 WEB_REPLICAS=1 SMOKE=yes SMOKE_RATE=5 SMOKE_ACTIONS=500 SMOKE_PATIENCE=3s \
			"API_URL=http://$(address 1):5101" "WEB_URL=http://$(address 1):5100"
	} | write_private "$PLACES/lab-staging/place.env"
}

# lab_settings: the nodes are slow, so a task may take long to change. The last two are
# those of lab up, so that a deploy changes nothing of them.
lab_settings() {
	cat <<TEXT
MANAGERS=$(for n in $NODES; do printf 'tcp://%s:2375 ' "$(address "$n")"; done)
DOCKER=$STATE/docker-cli
OVERLAYS=stack/lab.yml
IMAGE=$(tail -n 1 "$STATE/image.lab" 2>/dev/null)
STALL_SECONDS=240
ROOM_SECONDS=180
SOAK_SECONDS=30
LAB_CHECK_INTERVAL=${LAB_CHECK_INTERVAL:-20s}
LAB_CHECK_TIMEOUT=${LAB_CHECK_TIMEOUT:-15s}
LAB_DATABASE_TIMEOUT=${LAB_DATABASE_TIMEOUT:-900ms}
TEXT
}

# lab_secrets URL PASSWORD-KEY SESSION-KEY names their files, and makes the keys.
lab_secrets() {
	printf '%s\n' "DATABASE_URL_FILE=$STATE/$1" "PASSWORD_KEY_FILE=$(lab_secret "$2")" "SESSION_KEY_FILE=$(lab_secret "$3")"
}

write_executable() { write_private "$1" && chmod 700 "$1"; }

# config_init DIR makes what a place needs, and says what is left to do.
config_init() {
	local key overlay
	mkdir -p "$1"
	chmod 700 "$1"
	for key in password.key session.key; do
		[[ -s $1/$key ]] || random_hex 32 | write_private "$1/$key"
	done
	[[ -s $1/database.url ]] ||
		write_private "$1/database.url" <<<'postgres://minitwit:PASSWORD@HOST:5432/minitwit?sslmode=verify-full'
	# A place that has no overlay of its own is made like production.
	overlay=stack/${1##*/}.yml
	[[ -r $ROOT/$overlay ]] || overlay=stack/production.yml
	if grep -q SIMULATOR_CREDENTIALS_FILE "$ROOT/$overlay" && [[ ! -s $1/simulator.credentials ]]; then
		printf 'simulator:%s\n' "$(random_hex 16)" | write_private "$1/simulator.credentials"
	fi
	[[ -s $1/place.env ]] || { place_template "$overlay" && asked_for "$ROOT/$overlay"; } | write_private "$1/place.env"
	step "$1"
	note 'place.env              fill in: the managers, and what else it asks for'
	note 'database.url           fill in: the address of the database'
	note 'password.key           keep a copy apart from the database: without it nobody can sign in'
	note 'session.key            signs cookies'
	[[ ! -s $1/simulator.credentials ]] || note 'simulator.credentials  for whoever runs the simulator'
}

# place_template OVERLAY prints what every place may say, and the overlay that it has.
place_template() {
	cat <<TEXT
# NAME=value; what stack.yml asks for and README explains, and:

# the managers, asked in this order: ssh://USER@HOST, tcp://HOST:2375 or unix://…
MANAGERS=ssh://root@HOST
# the image by digest that is deployed where none is named
#IMAGE=registry.example/minitwit@sha256:…
# what stands on top of stack.yml
OVERLAYS=$1
# where the database's certificate is of its provider's own authority, and that in database-ca.pem
#OVERLAYS=$1 stack/database-ca.yml
# where the Swarm is another place's as well: a stack and ports of its own
#STACK=staging
#API_PORT=5101
#WEB_PORT=5100
# how long a release is compared with the one before
#SOAK_SECONDS=60
# where ./scripts/run.sh image pushes to
#REPOSITORY=registry.example/minitwit
# staging: smoke may write here, by the addresses that users have
#SMOKE=yes
#API_URL=https://api.staging.example
#WEB_URL=https://staging.example
# production: the place that a release goes by, and whether somebody is asked in between
#STAGING=staging
#AUTOMATIC=no
TEXT
}

# asked_for FILE prints a line for each setting that an overlay cannot do without. Files and
# what follows from them are there already.
# shellcheck disable=SC2016 # the dollar is the file's
asked_for() {
	{ grep -o '\${[A-Z_]*:?[^}]*}' "$1" || true; } | sed 's/^\${//; s/}$//' | sort -u |
		awk -F ':[?]' '$1 !~ /_(FILE|SHA)$/ { printf "# %s\n%s=\n", $2, $1 }'
}
