# shellcheck shell=bash
# The private PostgreSQL cluster of this clone, and the verb `db`.
#
# It listens on 127.0.0.1 only, on a port of its own, and wants a password. The
# service gets an ordinary role that owns its database, as it would on a managed
# server: what only a superuser may do shall fail here, not in production.

. "$ROOT/scripts/lib/proc.sh"
. "$ROOT/scripts/lib/apt.sh"

PG_USER=postgres # whom the server runs as when we are root, which it refuses

# pg_paths follows the link that pg_home may have made: user postgres may not be
# able to. An existing cluster is left to whom it belongs.
pg_paths() {
	PG_HOME=$STATE/pg
	[[ ! -d $PG_HOME ]] || PG_USER=$(find "$PG_HOME/" -prune -exec ls -ld {} + | awk '{ print $3 }')
	[[ ! -d $PG_HOME ]] || PG_HOME=$(cd -P "$PG_HOME" 2>/dev/null && pwd) ||
		die 'the database in .local/pg belongs to another user, probably root'
	PG_DATA=$PG_HOME/data
}
pg_paths

help_db() {
	cat <<'TEXT'
usage: ./scripts/run.sh db [up|down|psql|url|status] [-- psql arguments]

The private PostgreSQL of this clone, kept in .local/pg.

  up       start it; makes it at the first time (the default)
  down     stop it; the data stays
  psql     open psql on it, or on DATABASE_URL if that is set
  url      print its address, the password masked; the whole
           address is in .local/database.url
  status   say whether it runs, exit 3 if not
TEXT
}

cmd_db() {
	local what=${1:-up}
	shift || true
	[[ ${1:-} != -- ]] || shift
	[[ $# == 0 || $what == psql ]] || misuse "db $what takes no arguments"
	case $what in
	up) lock && private_db_up ;;
	down) lock && private_db_down ;;
	psql) db_psql "$@" ;;
	url) db_url ;;
	status) db_status ;;
	*) misuse "db knows up, down, psql, url and status, not '$what'" ;;
	esac
}

db_psql() {
	local bin
	external_db || (lock && private_db_up)
	bin=$(pg_bin)
	if ! external_db; then
		export PGPASSFILE=$STATE/pgpass
		exec "$bin/psql" -h 127.0.0.1 -p "$(<"$STATE/db.port")" -U minitwit -d minitwit "$@"
	fi
	[[ -n ${DATABASE_URL:-} ]] || DATABASE_URL=$(<"$DATABASE_URL_FILE")
	psql_of_url "$DATABASE_URL" "${bin:+$bin/}psql" "$@"
}

# psql_of_url URL PSQL… moves the password from the address to the environment:
# an argument can be read by everybody on the machine.
psql_of_url() {
	local url=$1 psql=$2 auth password
	shift 2
	auth=${url#*://} auth=${auth%%@*}
	if [[ $url == *://*:*@* ]]; then
		password=${auth#*:}
		url="${url%%://*}://${auth%%:*}@${url#*@}"
		printf -v PGPASSWORD '%b' "${password//%/\\x}"
		export PGPASSWORD
	fi
	unset DATABASE_URL
	exec "$psql" -d "$url" "$@"
}

db_url() {
	[[ -r $STATE/database.url ]] || die "there is no private database yet: './scripts/run.sh db up' makes it"
	sed 's#\(//[^:]*:\)[^@]*@#\1****@#' "$STATE/database.url"
}

db_status() {
	if private_db_running; then
		note "PostgreSQL runs on 127.0.0.1:$(<"$STATE/db.port")"
		return
	fi
	note 'the private PostgreSQL does not run'
	exit 3
}

# external_db says whether the caller brings a database of his own.
external_db() { [[ -n ${DATABASE_URL:-}${DATABASE_URL_FILE:-} ]]; }

# database_up makes sure that there is a database, and tells the service by
# DATABASE_URL_FILE, which keeps the password out of `ps`.
database_up() {
	if external_db; then
		note 'using the database of DATABASE_URL'
		return
	fi
	private_db_up
	export DATABASE_URL_FILE=$STATE/database.url
}

private_db_up() {
	local bin
	bin=$(pg_bin)
	if [[ -z $bin ]]; then
		apt_install_postgresql
		bin=$(pg_bin)
		[[ -n $bin ]] || die 'PostgreSQL 14 or newer is needed, and apt-get offered only an older one'
	fi
	private_db_settle
	if private_db_running; then
		note "PostgreSQL already runs on 127.0.0.1:$(<"$STATE/db.port")"
	else
		pg_home
		pg_paths
		as_pg test -d "$PG_DATA" || pg_init "$bin"
		pg_start "$bin"
	fi
	# Also where it ran already: an earlier run may have ended before this.
	pg_create_database "$bin"
}

private_db_down() {
	if ! private_db_alive; then
		note 'PostgreSQL does not run'
		return
	fi
	as_pg "$(pg_bin)/pg_ctl" stop -D "$PG_DATA" -m fast -w -t 60 >/dev/null ||
		die "PostgreSQL did not stop; its log: $STATE/log/db.log"
	note 'PostgreSQL stopped; its data stays in .local/pg'
}

# private_db_pid prints the number that the server left in its folder.
private_db_pid() {
	[[ ! -e $PG_HOME ]] || as_pg head -n 1 "$PG_DATA/postmaster.pid" 2>/dev/null || true
}

# private_db_alive looks at the process itself: `pg_ctl status` takes a killed
# server that nobody has reaped yet for a running one.
private_db_alive() {
	local pid
	pid=$(private_db_pid)
	[[ -n $pid && -n $(identity "$pid") ]] && private_db_is "$pid"
}

# private_db_is tells whether a process is this cluster's server: after a power cut its number may
# be another's by now.
private_db_is() { [[ ! -d /proc/self || $(as_pg readlink "/proc/$1/cwd" 2>/dev/null) == "$PG_DATA" ]]; }

private_db_running() {
	private_db_alive && "$(pg_bin)/pg_isready" -q -h 127.0.0.1 -p "$(<"$STATE/db.port")"
}

# private_db_settle gives a server that is on its way up or down time to arrive,
# and a killed one time to be reaped: PostgreSQL would not start beside it.
private_db_settle() {
	local pid tries=0
	while ((tries++ < 300)); do
		pid=$(private_db_pid)
		[[ -n $pid ]] && kill -0 "$pid" 2>/dev/null || return 0
		[[ -z $(identity "$pid") ]] || private_db_is "$pid" || { as_pg rm -f "$PG_DATA/postmaster.pid" && return 0; }
		! private_db_running || return 0
		sleep 0.1
	done
}

# as_pg COMMAND… runs it as whom the cluster belongs to. From /, because user
# postgres may not be allowed into the folder we stand in.
as_pg() {
	if ((EUID == 0)); then
		(cd / && runuser -u "$PG_USER" -- "$@")
	else
		"$@"
	fi
}

# as_pg_write FILE appends standard input to a file of the cluster's owner.
as_pg_write() {
	# shellcheck disable=SC2016 # $1 is for the inner shell
	as_pg sh -c 'umask 077; cat >>"$1"' sh "$1"
}

# pg_bin prints the folder of the server programs that fit this clone's cluster,
# whose files are of one major version; the newest if there is none yet.
pg_bin() {
	local wanted best
	wanted=$(as_pg cat "$PG_DATA/PG_VERSION" 2>/dev/null || true)
	best=$(pg_programs "$wanted")
	[[ -n $best || -z $wanted ]] ||
		die "the database in .local/pg is of PostgreSQL $wanted, which is not installed any more ('clean --data' would begin afresh)"
	printf '%s' "$best"
}

# pg_programs MAJOR prints the folder with that version's programs, or with the
# newest from 14 on if MAJOR is empty; nothing if there are none.
pg_programs() {
	local dir dirs major best='' best_major=13
	IFS=: read -ra dirs <<<"$PATH"
	for dir in "${dirs[@]}" /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
		/opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin; do
		[[ -x $dir/initdb && -x $dir/pg_ctl && -x $dir/postgres && -x $dir/psql ]] || continue
		major=$("$dir/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
		[[ -z $1 || $major == "$1" ]] || continue
		((major <= best_major)) || best=$dir best_major=$major
	done
	printf '%s' "$best"
}

# pg_home makes the folder that holds the cluster. As root it belongs to user
# postgres; where he cannot reach the clone (one below /root, say) it lies in
# /var/lib with a link to it. Not in /var/tmp: systemd empties that by age.
pg_home() {
	make_state
	[[ ! -e $STATE/pg ]] || return 0
	rm -f "$STATE/pg" # a link whose folder is gone
	if ((EUID != 0)); then
		mkdir -m 700 "$STATE/pg"
		return
	fi
	id "$PG_USER" >/dev/null 2>&1 || die "PostgreSQL refuses to run as root, and there is no user $PG_USER: create one, or run this as another user"
	if as_pg test -x "$STATE"; then
		install -d -m 700 -o "$PG_USER" "$STATE/pg"
	else
		install -d -m 700 -o "$PG_USER" "$(pg_home_elsewhere)"
		ln -s "$(pg_home_elsewhere)" "$STATE/pg"
		note "user $PG_USER cannot reach this folder: the data is in $(pg_home_elsewhere)"
	fi
}

pg_home_elsewhere() { printf '/var/lib/minitwit-%s' "$(printf '%s' "$ROOT" | digest | cut -c 1-12)"; }

# pg_init makes the cluster beside its place and moves it there when it is
# whole: a run that was interrupted leaves nothing that looks like a cluster.
pg_init() {
	local bin=$1 new=$PG_DATA.new locale=C.UTF-8
	step 'making a private PostgreSQL cluster in .local/pg'
	locale -a 2>/dev/null | grep -qix 'c.utf-*8' || locale=C # macOS before 15
	random_hex 24 | write_private "$STATE/pg.password"
	as_pg rm -rf "$new" "$PG_HOME/password"
	as_pg_write "$PG_HOME/password" <"$STATE/pg.password"
	as_pg "$bin/initdb" -D "$new" -U postgres -A scram-sha-256 --pwfile="$PG_HOME/password" \
		-E UTF8 --locale="$locale" --data-checksums >"$STATE/log/initdb.log" 2>&1 ||
		die "initdb failed: $(tail -n 1 "$STATE/log/initdb.log")"
	as_pg rm -f "$PG_HOME/password"
	pg_settings | as_pg_write "$new/postgresql.conf"
	as_pg mv "$new" "$PG_DATA"
}

# pg_settings: fsync and synchronous_commit stay on, so that what is measured
# and tried here behaves as a real server does.
pg_settings() {
	cat <<'CONF'

# --- set by scripts/run.sh ---
listen_addresses = '127.0.0.1'
unix_socket_directories = ''     # the path may be too long for a socket
password_encryption = 'scram-sha-256'
max_connections = 100
shared_buffers = '128MB'
log_line_prefix = '%m [%p] %u '
log_timezone = 'UTC'
timezone = 'UTC'
log_min_duration_statement = '250ms'   # the simulator gives up after 300 ms
CONF
}

pg_start() {
	local port log=$STATE/log/db.log
	port=$(remembered db)
	step "starting PostgreSQL on 127.0.0.1:$port"
	(umask 077 && touch "$log")
	# First, so that a start that is cut short can be gone on with.
	printf 'postgres://minitwit:%s@127.0.0.1:%s/minitwit?sslmode=disable\n' \
		"$(pg_password)" "$port" | write_private "$STATE/database.url"
	printf '127.0.0.1:%s:*:*:%s\n' "$port" "$(pg_password)" | write_private "$STATE/pgpass"
	# The log is opened here and inherited: user postgres could not reach it.
	as_pg "$1/pg_ctl" start -D "$PG_DATA" -w -t 60 -o "-p $port" </dev/null >>"$log" 2>&1 9>&- || {
		tail -n 5 "$log" >&2
		die "PostgreSQL did not start; its log: $log"
	}
}

pg_password() {
	[[ -r $STATE/pg.password ]] || die "the database's password is gone from .local/pg.password: 'clean --data' begins afresh"
	cat "$STATE/pg.password"
}

# pg_create_database makes the role and its database where they are missing. Its
# SQL goes through standard input, since it holds the password.
pg_create_database() {
	PGPASSFILE=$STATE/pgpass "$1/psql" -X -q -h 127.0.0.1 -p "$(<"$STATE/db.port")" \
		-U postgres -d postgres -v ON_ERROR_STOP=1 >/dev/null <<SQL || die 'could not create the database'
SELECT 'CREATE ROLE minitwit LOGIN' WHERE NOT EXISTS
  (SELECT FROM pg_roles WHERE rolname = 'minitwit') \gexec
ALTER ROLE minitwit PASSWORD '$(pg_password)';
SELECT 'CREATE DATABASE minitwit OWNER minitwit' WHERE NOT EXISTS
  (SELECT FROM pg_database WHERE datname = 'minitwit') \gexec
SQL
}
