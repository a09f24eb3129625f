# shellcheck shell=bash
# What stands outside the lab's nodes: the registry, the external PostgreSQL, the
# product's image, and the client.

REGISTRY=$OUTSIDE:5050
LAB_PG=/var/lib/$NS # user postgres may not reach into the clone

registry_up() {
	if running registry; then
		note 'the registry already runs'
		return
	fi
	mkdir -p "$STATE/registry"
	# The same as from_tree, which cannot outlive us.
	detach "$STATE/log/registry.log" ip netns exec "$NS" \
		env REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY="$STATE/registry" OTEL_TRACES_EXPORTER=none \
		"$TREE/lib64/ld-linux-x86-64.so.2" --library-path "$TREE/lib/x86_64-linux-gnu" \
		"$TREE/usr/bin/docker-registry" serve "$RECIPE/registry.yml"
	remember registry
	until registry_answers; do
		running registry || failed_with "$STATE/log/registry.log" 'the registry ended'
		sleep 0.1
	done
	note "registry at $REGISTRY"
}

registry_answers() { [[ $(ns_get "$OUTSIDE" 5050 /v2/) == *' 200 '* ]]; }

lab_pg() { (cd / && in_ns runuser -u "$PG_USER" -- "$@"); }

lab_db_alive() { [[ -d $LAB_PG/data ]] && lab_pg "$(pg_bin)/pg_ctl" status -D "$LAB_PG/data" >/dev/null 2>&1; }

lab_db_up() {
	local bin
	[[ -n $(pg_bin) ]] || apt_install_postgresql
	bin=$(pg_bin)
	[[ -d $LAB_PG/data ]] || lab_db_init "$bin"
	lab_db_alive ||
		lab_pg "$bin/pg_ctl" start -D "$LAB_PG/data" -w -t 60 </dev/null >>"$STATE/log/db.log" 2>&1 9>&- ||
		failed_with "$STATE/log/db.log" 'PostgreSQL did not start'
	[[ -s $STATE/database.url ]] || lab_db_role
	note "PostgreSQL at $OUTSIDE:5432; its address: .local/lab/database.url"
}

lab_db_init() {
	local bin=$1
	rm -rf "$LAB_PG"
	install -d -m 700 -o "$PG_USER" "$LAB_PG"
	[[ -s $STATE/db.password ]] || random_hex 24 | write_private "$STATE/db.password"
	lab_pg "$bin/initdb" -D "$LAB_PG/new" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --data-checksums \
		>"$STATE/log/initdb.log" 2>&1 || failed_with "$STATE/log/initdb.log" 'initdb failed'
	lab_pg_file postgresql.conf <<CONF
listen_addresses = '$OUTSIDE,127.0.0.1'
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 100
shared_buffers = '128MB'
log_timezone = 'UTC'
timezone = 'UTC'
CONF
	# Trust from inside the namespace alone, where we look at what was stored.
	lab_pg_file pg_hba.conf <<'CONF'
host all all 10.77.0.0/24 scram-sha-256
CONF
	mv "$LAB_PG/new" "$LAB_PG/data"
}

# shellcheck disable=SC2016 # $1 is for the inner shell
lab_pg_file() { lab_pg sh -c 'cat >>"$1"' sh "$LAB_PG/new/$1"; }

lab_db_role() {
	lab_psql -q -v ON_ERROR_STOP=1 >/dev/null <<SQL || die 'could not create the database'
SELECT 'CREATE ROLE minitwit LOGIN' WHERE NOT EXISTS
  (SELECT FROM pg_roles WHERE rolname = 'minitwit') \gexec
ALTER ROLE minitwit PASSWORD '$(<"$STATE/db.password")';
SELECT 'CREATE DATABASE minitwit OWNER minitwit' WHERE NOT EXISTS
  (SELECT FROM pg_database WHERE datname = 'minitwit') \gexec
SQL
	database_url minitwit "$(<"$STATE/db.password")" | write_private "$STATE/database.url"
}

# lab_db_staging makes the database of the place lab-staging.
lab_db_staging() {
	lab_psql -q -v ON_ERROR_STOP=1 >/dev/null <<<'CREATE DATABASE minitwit_staging OWNER minitwit' || die 'could not create the database of staging'
	sed 's,/minitwit?,/minitwit_staging?,' "$STATE/database.url" | write_private "$STATE/staging.url"
}

# database_url LOGIN PASSWORD
database_url() { printf 'postgres://%s:%s@%s:5432/minitwit?sslmode=disable\n' "$1" "$2" "$OUTSIDE"; }

# A login has one password, so that a change of it would cut off who still has the
# old one. There are two logins with the same rights; the one that is not in use
# gets a new password, and once all have gone over to it the other is closed.
lab_db_rotate() {
	local next password
	next=$(other_login)
	password=$(random_hex 24)
	lab_psql -q -v ON_ERROR_STOP=1 >/dev/null <<SQL || die 'the other login could not be made'
SELECT 'CREATE ROLE minitwit_2 IN ROLE minitwit' WHERE NOT EXISTS
  (SELECT FROM pg_roles WHERE rolname = 'minitwit_2') \gexec
ALTER ROLE minitwit_2 SET role TO minitwit;
ALTER ROLE $next LOGIN PASSWORD '$password';
SQL
	database_url "$next" "$password" | write_private "$STATE/database.url.next"
	note "the login $next has a new password: .local/lab/database.url.next"
}

lab_db_rotated() {
	local old
	[[ -s $STATE/database.url.next ]] || die "there is no new login: './scripts/run.sh lab db rotate' first"
	old=$(login_of "$STATE/database.url")
	lab_psql -q -v ON_ERROR_STOP=1 -c "ALTER ROLE $old NOLOGIN" >/dev/null || die "the login $old could not be closed"
	mv "$STATE/database.url.next" "$STATE/database.url"
	note "the login $old is closed"
}

login_of() { sed 's#postgres://\([^:]*\):.*#\1#' "$1"; }
other_login() { [[ $(login_of "$STATE/database.url") == minitwit ]] && echo minitwit_2 || echo minitwit; }

lab_psql() { in_ns "$(pg_bin)/psql" -X -h 127.0.0.1 -U postgres -d postgres "$@"; }

# lab_db_hold N SQL… keeps so many connections, each with a begun script, until `lab db mend`.
# pgbench sleeps, not the server: their end is noticed at once. It counts microseconds in 32 bits.
lab_db_hold() {
	local n=$1
	printf '%s\n' "${@:2}" '\sleep 2000 s' >"$STATE/hold.sql"
	stop hold
	detach "$STATE/log/hold.log" ip netns exec "$NS" "$(pg_bin)/pgbench" -h 127.0.0.1 -U postgres -n -c "$n" -f "$STATE/hold.sql" minitwit
	remember hold
	until [[ $(lab_psql -At -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'") == "$n" ]]; do
		running hold || failed_with "$STATE/log/hold.log" 'the connections could not be held'
		sleep 0.1
	done
}

# lab_db_full leaves four, three of which only a superuser may have.
lab_db_full() {
	lab_db_hold "$(lab_psql -At -c "SELECT current_setting('max_connections')::int - 4 - count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")"
	note 'the connections of the database are used up'
}

# lab_db_fault [PL/pgSQL] is what each new message of people meets, or no longer meets. Not the
# canary's, of which there is one a minute: the second that fails in a row would page as well.
lab_db_fault() {
	lab_db_alive || return 0
	{
		echo 'SET client_min_messages = warning; DROP FUNCTION IF EXISTS lab_fault CASCADE;'
		[[ $# == 0 ]] || cat <<SQL
CREATE FUNCTION lab_fault() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN ${1//\'/\'\'} RETURN NEW; END';
CREATE TRIGGER lab_fault BEFORE INSERT ON messages FOR EACH ROW WHEN (NEW.author_id > 0) EXECUTE FUNCTION lab_fault();
SQL
	} | lab_psql -q -d minitwit -v ON_ERROR_STOP=1 || die 'the database did not take it'
}

lab_db_stop() {
	lab_db_alive || return 0
	lab_pg "$(pg_bin)/pg_ctl" stop -D "$LAB_PG/data" -m fast -w -t 60 >/dev/null || die 'PostgreSQL did not stop'
}

# image_inputs is a fingerprint of all that the image is made of.
image_inputs() {
	{
		go version
		printf '%s\n' "$@"
		find Dockerfile go.mod go.sum service migrations monitoring/exporter stack/lab/build-image.sh -type f -print | LC_ALL=C sort |
			while IFS= read -r file; do printf '%s ' "$file" && digest <"$file"; done
	} | digest
}

# push_image TAG [BUILD ARGUMENTS…] prints the image by its digest. What was
# pushed before from the same files is only looked up.
push_image() {
	local tag=$1 inputs file=$STATE/image.$1
	shift
	need_go
	inputs=$(image_inputs "$@")
	if [[ -r $file && $(head -n 1 "$file") == "$inputs" ]]; then
		note "the image $tag is already there"
	else
		step "building the image $tag and pushing it"
		go mod download || die 'go mod download failed'
		{ echo "$inputs" && build_image "$REGISTRY/minitwit:$tag" "$@"; } >"$file.new" ||
			failed_with "$STATE/log/image.log" 'the image could not be built'
		mv "$file.new" "$file"
	fi
	tail -n 1 "$file"
}

# build_image runs buildah on the real Dockerfile.
build_image() {
	in_tree build-image.sh "$1" "$(git -C "$ROOT" log -1 --format=%ct 2>/dev/null || echo 0)" \
		--build-arg "VERSION=$(version)" --build-arg "REVISION=$(git -C "$ROOT" rev-parse HEAD 2>/dev/null || echo unknown)" \
		--build-arg "CREATED=$(git -C "$ROOT" log -1 --format=%cI 2>/dev/null || echo unknown)" \
		"${@:2}" 2>"$STATE/log/image.log"
}

# in_tree SCRIPT ARGUMENTS… runs a script of stack/lab in the nodes' tree with
# mounts that only it sees, so that nothing has to be taken down afterwards, however
# it ends. Its overlay keeps the tree as it was, and the machine's own modules too.
in_tree() {
	mkdir -p "$STATE/build" "$(go env GOCACHE)"
	# shellcheck disable=SC2016 # for the inner shell
	in_ns unshare --mount --propagation private bash -euc '
		tree=$1 work=$2 clone=$3 goroot=$4 modules=$5 cache=$6 script=$7; shift 7
		mount -t tmpfs tmpfs "$work"
		mkdir -p "$work"/{upper,work,mods,modwork,root}
		mount -t overlay -o "lowerdir=$tree,upperdir=$work/upper,workdir=$work/work" overlay "$work/root"
		cd "$work/root"
		mkdir -p clone go-root go-modules go-cache
		mount --rbind /dev dev; mount -t proc proc proc; mount --rbind /sys sys; mount -t tmpfs tmpfs run
		mkdir -p var/lib/containers; mount -t tmpfs tmpfs var/lib/containers
		mount --bind "$clone" clone; mount --bind "$goroot" go-root; mount --bind "$cache" go-cache
		mount -t overlay -o "lowerdir=$modules,upperdir=$work/mods,workdir=$work/modwork" overlay go-modules
		[[ -z ${EXTRA_TREE:-} ]] || { mkdir watchers && mount --bind "$EXTRA_TREE" watchers; }
		exec chroot . "/clone/stack/lab/$script" "$@"
	' _ "$TREE" "$STATE/build" "$ROOT" "$(go env GOROOT)" "$(go env GOMODCACHE)" "$(go env GOCACHE)" "$@"
}

# push_edge prints the image of the edge tier by its digest. It is made of the
# nodes' tree alone, whose path follows what is in it.
push_edge() {
	local inputs file=$STATE/image.edge
	need_go
	inputs=$({ readlink "$TREE" && cat "$RECIPE/build-edge.sh"; } | digest)
	if [[ -r $file && $(head -n 1 "$file") == "$inputs" ]]; then
		note "the edge's image is already there"
	else
		step "building the edge's image and pushing it"
		{ echo "$inputs" && in_tree build-edge.sh "$REGISTRY/minitwit-edge:lab" 0; } \
			>"$file.new" 2>"$STATE/log/edge.log" || failed_with "$STATE/log/edge.log" "the edge's image could not be built"
		mv "$file.new" "$file"
	fi
	tail -n 1 "$file"
}

# play ARGUMENTS… is the simulator outside, against every node in turn.
play() {
	local n urls=()
	for n in $NODES; do urls+=(--url "http://$(address "$n"):5001"); done
	in_ns "$BIN" simulate "${urls[@]}" "$@"
}
