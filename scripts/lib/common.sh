# shellcheck shell=bash
# What every verb needs: how it speaks, how it fails, the folder it may write
# to, and the lock that keeps two of them apart.

# STATE holds what the verbs make, but for bin/, the folders of places (config init), and what root
# keeps in /var/lib and /var/cache: `clean --data` and `lab down --cache` remove that.
STATE=$ROOT/.local
# shellcheck disable=SC2034 # read by the family files
BIN=$ROOT/bin/minitwit

BOLD='' RED='' PLAIN=''
if [[ -t 2 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
	BOLD=$'\e[1m' RED=$'\e[31m' PLAIN=$'\e[0m'
fi

# Progress goes to standard error; standard output carries only results.
step() { printf '%s==> %s%s\n' "$BOLD" "$*" "$PLAIN" >&2; }
note() { printf '    %s\n' "$*" >&2; }

# die ends with one clear line. In `x=$(…)` it ends the whole verb too, because
# of `set -e`; `local x=$(…)` would swallow it and is never written here.
die() {
	printf '%srun.sh: %s%s\n' "$RED" "$*" "$PLAIN" >&2
	((BASH_SUBSHELL == 0)) || exit "$TOLD"
	exit 1
}

# A command that fails unexpectedly ends the verb by `set -e`; the trap makes
# sure that this is never silent. TOLD is the status of a subshell whose die has
# already said why.
TOLD=71
on_error() {
	(($1 == TOLD)) || printf '%srun.sh: unexpected failure at %s:%s%s\n' "$RED" "$2" "$3" "$PLAIN" >&2
	((BASH_SUBSHELL == 0)) || exit "$TOLD"
	exit 1
}
set -E
trap 'on_error "$?" "${BASH_SOURCE[0]#"$ROOT"/}" "$LINENO"' ERR

# failed_with LOG TEXT is die, behind the end of what was said.
failed_with() {
	tail -n 5 "$1" >&2
	die "$2; its log: $1"
}

# misuse is die for a wrong command line: exit 2, as with the shell's own tools.
misuse() {
	printf '%srun.sh: %s%s\n' "$RED" "$*" "$PLAIN" >&2
	exit 2
}

# confirmed QUESTION asks somebody, if somebody is there.
confirmed() {
	local answer
	[[ -t 0 && -t 2 ]] || return 1
	read -r -p "$1 [y/N] " answer
	[[ $answer == [yY]* ]]
}

have() { command -v "$1" >/dev/null 2>&1; }

# make_state makes the folder. Others may pass through it, because the database
# below it may belong to user postgres; what lies in it is closed file by file.
make_state() {
	{ mkdir -p "$STATE/log" "$STATE/run" && chmod 711 "$STATE" && chmod 700 "$STATE/log" "$STATE/run"; } 2>/dev/null ||
		die "cannot write to $STATE: it is another user's (of a verb with sudo?), or the disk is full"
	yours "$ROOT/.local"
}

# yours FOLDER gives to whoever made the clone what root has made in it. --reference is GNU's.
yours() { [[ -O $ROOT ]] || ((EUID != 0)) || chown --reference="$ROOT" "$1" 2>/dev/null || true; }

# write_private FILE writes standard input to a file that only we can read. The
# rename makes it whole or absent, also when we are killed in between.
write_private() {
	(umask 077 && cat >"$1.new") && mv -f "$1.new" "$1"
}

random_hex() { head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

# digest prints a fingerprint of standard input.
digest() {
	if have sha256sum; then
		sha256sum
	else
		shasum -a 256
	fi | cut -c 1-64
}

# lock lets one verb at a time change what runs in this clone. The descriptor is
# 9; whatever is started to outlive us must close it (9>&-), or the lock would
# be held for as long as the service runs.
lock() {
	make_state
	if ! have flock; then
		lock_by_folder
		return
	fi
	exec 9>"$STATE/lock"
	take_lock 9 'another run.sh in this clone'
}

# take_lock FD WHO [SECONDS] waits for whoever may hold the lock of that descriptor, and says so.
take_lock() {
	local most=${3:-600}
	flock -n "$1" && return
	note "waiting for $2 to finish"
	flock -w "$most" "$1" || die "$2 has been busy for $((most / 60)) minutes"
}

unlock() {
	if have flock; then
		exec 9>&-
	else
		rm -rf "$STATE/lock.d"
	fi
}

# lock_by_folder is for macOS, which has no flock: making a folder is atomic.
lock_by_folder() {
	local owner
	until mkdir "$STATE/lock.d" 2>/dev/null; do
		owner=$(cat "$STATE/lock.d/pid" 2>/dev/null || true)
		if [[ -n $owner ]] && ! kill -0 "$owner" 2>/dev/null; then
			rm -rf "$STATE/lock.d"
			continue
		fi
		sleep 0.2
	done
	echo $$ >"$STATE/lock.d/pid"
	trap 'rm -rf "$STATE/lock.d"' EXIT
}
