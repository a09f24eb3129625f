# shellcheck shell=bash
# The verbs that run MiniTwit on this machine: up, down, status, app, clean.

. "$ROOT/scripts/lib/db.sh"
. "$ROOT/scripts/lib/build.sh"

SURFACES='web api'
READY_SECONDS=30

help_up() {
	cat <<'TEXT'
usage: ./scripts/run.sh up [--demo] [--web-port N] [--api-port N]

Builds the binary, prepares PostgreSQL, migrates, and serves UI and API in the
background, as two processes. Safe to repeat: it starts what does not run and
restarts what changed.

  --demo         fill it with a small community and print a login to try
  --web-port N   port of the UI; also WEB_PORT (default: as last time, or 5000)
  --api-port N   port of the API; also API_PORT (default: as last time, or 5001)

It makes a private cluster in .local/pg, installing PostgreSQL if need be and
possible; with DATABASE_URL or DATABASE_URL_FILE set it takes that database. The
keys of sessions and passwords are made once and kept in .local. Stop it by
'./scripts/run.sh down'.
TEXT
}

cmd_up() {
	local demo=''
	parse_ports "$@"
	lock
	check_ports
	prepare
	ensure web "$WEB_PORT"
	ensure api "$API_PORT"
	await web "$WEB_PORT" /public
	await api "$API_PORT" /latest
	if [[ -n $demo ]]; then
		# shellcheck source=simulate.sh
		. "$ROOT/scripts/lib/simulate.sh"
		play_demo
	fi
	step 'MiniTwit runs'
	printf 'UI:   http://localhost:%s\nAPI:  http://localhost:%s\nstop: ./scripts/run.sh down\n' "$WEB_PORT" "$API_PORT"
	[[ -z $demo ]] || demo_login
}

# parse_ports reads the options of up and app; `demo` is the caller's variable.
parse_ports() {
	local web=${WEB_PORT:-} api=${API_PORT:-}
	while (($# > 0)); do
		case $1 in
		--demo) demo=yes ;;
		--web-port=*) web=${1#*=} ;;
		--api-port=*) api=${1#*=} ;;
		--web-port | --api-port)
			(($# > 1)) || misuse "$1 needs a number"
			if [[ $1 == --web-port ]]; then web=$2; else api=$2; fi
			shift
			;;
		*) misuse "unknown option '$1'; -h lists them" ;;
		esac
		shift
	done
	WEB_PORT=${web:-$(last_port web 5000)}
	API_PORT=${api:-$(last_port api 5001)}
	valid_port "$WEB_PORT"
	valid_port "$API_PORT"
	[[ $WEB_PORT != "$API_PORT" ]] || misuse 'UI and API need two different ports'
}

valid_port() {
	[[ $1 =~ ^[1-9][0-9]{0,4}$ && $1 -lt 65536 ]] || misuse "'$1' is not a port"
}

last_port() {
	if [[ -r $STATE/$1.port ]]; then
		cat "$STATE/$1.port"
	else
		echo "$2"
	fi
}

# check_ports fails before anything is built or started.
check_ports() {
	local name port
	for name in $SURFACES; do
		port=$WEB_PORT
		[[ $name == web ]] || port=$API_PORT
		if running "$name" && [[ $(field "$name" port) == "$port" ]]; then continue; fi
		port_free "$port" ||
			die "port $port is taken by $(port_holder "$port"); choose another with --$name-port N"
	done
}

# prepare gets everything ready that serving needs, and says so to the service
# through the environment.
prepare() {
	build
	database_up
	use_key SESSION_KEY session
	use_key PASSWORD_KEY password
	step 'migrating the database'
	"$BIN" migrate up >&2 || die "the migration failed; './scripts/run.sh logs db' may say more"
}

# use_key makes a key once and passes it as a file. Without PASSWORD_KEY nobody
# can sign in any more, so it lives as long as the database: `clean --data`.
use_key() {
	local name=$1 file=$STATE/$2.key given
	given="${1}_FILE"
	[[ -z ${!name:-}${!given:-} ]] || return 0
	[[ -s $file ]] || random_hex 32 | write_private "$file"
	export "$given=$file"
}

# service_env prints the settings of a surface, one a line. On a laptop nobody
# waits for a drain, and people read the log.
service_env() {
	printf '%s\n' "WEB_ADDR=127.0.0.1:$WEB_PORT" "API_ADDR=127.0.0.1:$API_PORT" \
		"OPS_ADDR=127.0.0.1:$1" "LOG_FORMAT=${LOG_FORMAT:-console}" "DRAIN=${DRAIN:-100ms}"
}

# ensure starts a surface, unless it runs as it would be started now.
ensure() {
	local name=$1 port=$2 ops print
	ops=$(field "$name" ops)
	running "$name" || ops=$(remembered "$name-ops")
	print=$(fingerprint "$name" "$ops")
	if running "$name"; then
		if [[ $(field "$name" print) == "$print" ]]; then
			note "$name already runs (pid $(field "$name" pid)), nothing changed"
			return
		fi
		step "restarting $name: the binary or its settings changed"
		stop "$name"
	elif [[ -e $STATE/run/$name ]]; then
		note "$name had ended by itself (pid $(field "$name" pid)); its last log is .local/log/$name.log.1"
	fi
	start "$name" "$port" "$ops" "$print"
}

# fingerprint tells one way of running from another: binary, settings, secrets.
# Only its digest is kept, since it covers what must not be written down.
fingerprint() {
	{
		digest <"$BIN"
		service_env "$2"
		env | grep -E '^(ALERTMANAGER|BCRYPT|COOKIE|DASHBOARDS|DATABASE|DRAIN|EVENT|LOG|MAINTENANCE|MAX|NODE|PASSWORD|PROMETHEUS|RUNBOOKS|SERVICE|SESSION|SIMULATOR|TASK)(_[A-Z_]*)?=' | sort
		env | sed -nE 's/^(DATABASE|PASSWORD|SESSION|SIMULATOR)_[A-Z_]*FILE=(.+)$/\2/p' | sort | while IFS= read -r file; do cat "$file"; done
	} | digest
}

start() {
	local name=$1 port=$2 ops=$3 print=$4 db=private line settings=()
	step "starting $name on port $port"
	while IFS= read -r line; do settings+=("$line"); done < <(service_env "$ops")
	# Colours would only be in the way of whoever searches the file.
	detach "$STATE/log/$name.log" env NO_COLOR=1 "${settings[@]}" "$BIN" serve --only "$name"
	echo "$port" >"$STATE/$name.port"
	[[ ${DATABASE_URL_FILE:-} == "$STATE/database.url" ]] || db=external
	printf '%s\n' "pid=$DETACHED" "id=$(identity "$DETACHED")" "port=$port" "ops=$ops" \
		"print=$print" "db=$db" | write_private "$STATE/run/$name"
}

# ready says whether a surface answers, both to its health check and to people.
ready() {
	[[ $(http_status "$(field "$1" ops)" /readyz) == 200 && $(http_status "$2" "$3") == 200 ]]
}

await() {
	local deadline=$((SECONDS + READY_SECONDS))
	until ready "$@"; do
		running "$1" || give_up "$1" 'ended while starting'
		((SECONDS < deadline)) || give_up "$1" "did not answer in $READY_SECONDS s"
		sleep 0.1
	done
}

# give_up leaves nothing behind that does not work.
give_up() {
	note "the end of .local/log/$1.log:"
	tail -n 15 "$STATE/log/$1.log" >&2
	stop "$1"
	die "$1 $2"
}

help_down() {
	cat <<'TEXT'
usage: ./scripts/run.sh down

Stops UI, API and the private database of this clone. The data stays.
TEXT
}

cmd_down() {
	[[ $# == 0 ]] || misuse 'down takes no arguments'
	lock
	down
}

down() {
	local name
	step 'stopping what runs'
	for name in $SURFACES; do
		running "$name" || note "$name does not run"
		stop "$name"
	done
	private_db_down
}

help_status() {
	cat <<'TEXT'
usage: ./scripts/run.sh status [--json]

Says what runs, where, and whether it is ready to serve. Exit 0 if all of it
is, 3 if not.
TEXT
}

cmd_status() {
	local name json='' all=yes out=''
	(($# < 2)) || misuse 'status knows only --json'
	case ${1:-} in
	'') ;;
	--json) json=yes ;;
	*) misuse "unknown option '$1'; -h lists them" ;;
	esac
	for name in web api db; do
		OPS=''
		"look_at_$name"
		[[ $STATE_WORD == ready ]] || all=''
		if [[ -n $json ]]; then
			out+="${out:+,}\"$name\":{\"state\":\"$STATE_WORD\",\"pid\":${PID:-null},\"port\":${PORT:-null}}"
		else
			printf '%-4s %-9s %s\n' "$name" "$STATE_WORD" "${PORT:+localhost:$PORT}${PID:+  pid $PID}${OPS:+  http://localhost:$OPS/status}"
		fi
	done
	[[ -z $json ]] || printf '{%s}\n' "$out"
	[[ -n $all ]] || exit 3
}

look_at_web() { look_at web /public; }
look_at_api() { look_at api /latest; }

# look_at sets STATE_WORD, PID, PORT and OPS of a surface.
look_at() {
	PID='' PORT='' STATE_WORD=stopped
	if running "$1"; then
		PID=$(field "$1" pid) PORT=$(field "$1" port) OPS=$(field "$1" ops) STATE_WORD=unready
		! ready "$1" "$PORT" "$2" || STATE_WORD=ready
	elif [[ -e $STATE/run/$1 ]]; then
		STATE_WORD=died # nobody asked it to end; up starts it again
	fi
}

look_at_db() {
	PID='' PORT='' STATE_WORD=stopped
	if private_db_running; then
		PORT=$(<"$STATE/db.port") STATE_WORD=ready
	elif [[ $(field web db) == external ]]; then
		STATE_WORD=ready # not ours; whether it answers shows in web and api
	fi
}

help_app() {
	cat <<'TEXT'
usage: ./scripts/run.sh app [--web-port N] [--api-port N]

Runs UI and API in the foreground, in one process, against the private database.
Ctrl-C ends it; the database goes on until './scripts/run.sh down'.
TEXT
}

cmd_app() {
	local demo='' line
	parse_ports "$@"
	[[ -z $demo ]] || misuse "unknown option '--demo'; -h lists them"
	lock
	if running web || running api; then
		die "UI or API already run in the background: './scripts/run.sh down' first"
	fi
	check_ports
	prepare
	while IFS= read -r line; do export "${line?}"; done < <(service_env "$(free_port)")
	unlock
	step "UI on http://localhost:$WEB_PORT, API on http://localhost:$API_PORT; Ctrl-C ends it"
	exec "$BIN" serve
}

help_clean() {
	cat <<'TEXT'
usage: ./scripts/run.sh clean [--data [--yes]]

Stops what runs and removes bin/ and the logs. Ports, keys and data stay.

  --data   remove the database and the keys too, after asking
  --yes    do not ask
TEXT
}

cmd_clean() {
	local data='' yes=''
	while (($# > 0)); do
		case $1 in
		--data) data=yes ;;
		--yes) yes=yes ;;
		*) misuse "unknown option '$1'; -h lists them" ;;
		esac
		shift
	done
	if [[ -n $data && -z $yes ]]; then
		[[ -t 0 && -t 2 ]] || die 'clean --data removes the database for good; without a terminal to ask on, add --yes'
		confirmed 'Remove the database of this clone and all in it?' || die 'nothing removed'
	fi
	lock
	down
	step 'removing what was built'
	rm -rf "${BIN%/*}" "$STATE/log" "$STATE/run"
	[[ -z $data ]] || remove_data
}

# remove_data takes the keys with the data: passwords without their key are as
# good as lost, and a key without passwords protects nothing.
remove_data() {
	step 'removing the database and the keys'
	[[ ! -L $STATE/pg ]] || rm -rf "$(pg_home_elsewhere)"
	rm -rf "$STATE/pg"
	rm -f "$STATE"/*.key "$STATE"/*.port "$STATE/pg.password" "$STATE/pgpass" "$STATE/database.url"
}
