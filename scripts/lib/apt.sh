# shellcheck shell=bash
# Installing what is missing from Debian's or Ubuntu's packages.

APT_UPDATED=''

# as_root COMMAND… runs it as root, without ever asking for a password: in CI
# nobody is there to type one.
as_root() {
	if ((EUID == 0)); then
		"$@"
	else
		sudo -n "$@"
	fi
}

can_apt() {
	have apt-get && { ((EUID == 0)) || { have sudo && sudo -n true 2>/dev/null; }; }
}

# apt_install PACKAGE… installs them, or says in one line what is needed.
apt_install() {
	local log=$STATE/log/apt.log
	can_apt || die "please install $* first (no apt-get here, or no right to use it)"
	step "installing $* with apt-get"
	make_state
	if [[ -z $APT_UPDATED ]]; then
		# One source of several may be away; whether that matters, the installation shows.
		apt_get update || note 'apt-get update has not reached every source; going on'
		APT_UPDATED=yes
	fi
	apt_get install -y --no-install-recommends "$@" || apt_failed "install $*"
}

# apt_get ARGUMENTS… waits while another apt works, as on a new machine that updates itself: for ten
# minutes at most. The lock of the lists has no option for that.
apt_get() {
	local log=$STATE/log/apt.log end=$((SECONDS + 600))
	until as_root env LC_ALL=C DEBIAN_FRONTEND=noninteractive \
		apt-get -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" >>"$log" 2>&1; do
		tail -n 5 "$log" | grep -q 'Could not get lock' && ((SECONDS < end)) || return 1
		note 'waiting for another apt on this machine to finish'
		sleep 10
	done
}

# missing_keys adds to the caller's missing what mmdebstrap checks Debian's packages by, which
# Ubuntu has not.
missing_keys() {
	[[ -s /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=(debian-archive-keyring)
	have gpg || missing+=(gpg)
}

# debian TREE LOG ARGUMENTS… makes a tree of Debian 13's packages, unless another clone
# has just made the same. Mirrors stumble, so it tries three times.
debian() {
	local tree=$1 log=$2 began=$SECONDS try
	mkdir -p "${tree%/*}"
	exec 7>"$tree.lock"
	take_lock 7 'another clone that makes the same tree'
	[[ ! -d $tree ]] || { exec 7>&- && return; }
	for try in 1 2 3; do
		rm -rf "$tree.new"
		# Its hooks name descriptors to dash, which knows those of one digit: ours are in their way.
		if mmdebstrap --aptopt='Acquire::Retries "3"' "${@:3}" trixie "$tree.new" >"$log" 2>&1 7>&- 8>&- 9>&-; then
			mv "$tree.new" "$tree"
			exec 7>&-
			note "made in $((SECONDS - began)) s: $tree"
			return
		fi
		((try == 3)) || sleep $((try * 15))
	done
	failed_with "$log" "mmdebstrap failed $try times"
}

apt_failed() {
	tail -n 10 "$STATE/log/apt.log" >&2
	die "apt-get $1 failed; its log: $STATE/log/apt.log"
}

# apt_install_postgresql keeps Debian from making and starting its own cluster
# on port 5432 beside our private one: nobody asked for it, and on a machine
# that has something on that port it would fail the installation.
apt_install_postgresql() {
	can_apt || die 'PostgreSQL 14 or newer is needed: install it (Debian: postgresql, macOS: brew install postgresql), or set DATABASE_URL'
	guarded /etc/postgresql-common/createcluster.d/minitwit.conf 644 'create_main_cluster = false' postgresql || exit 1
}

# apt_install_daemons installs them without starting any, now or with the machine: each would
# take its own port, and ours run on others.
apt_install_daemons() {
	local guard=/usr/sbin/policy-rc.d
	if [[ -e $guard ]] || ! can_apt; then
		apt_install "$@"
	else
		guarded "$guard" 755 $'#!/bin/sh\nexit 101' "$@" || exit 1
	fi
	! have systemctl || as_root systemctl disable "$@" >/dev/null 2>&1 || true # the units have the packages' names
}

# guarded FILE MODE TEXT PACKAGE… installs packages while a file holds them back. In a subshell,
# whose trap takes the file away after a failure and after Ctrl-C, too.
guarded() (
	guard=$1
	trap 'as_root rm -f "$guard"' EXIT
	# Each is asked, since set -e does not hold in what stands before ||.
	{ as_root mkdir -p "${guard%/*}" && printf '%s\n' "$3" | as_root tee "$guard" >/dev/null &&
		as_root chmod "$2" "$guard"; } || die "cannot write $guard"
	apt_install "${@:4}"
)

need_chromium() {
	if have chromium || have chromium-browser || have google-chrome; then return; fi
	! grep -qs '^ID=ubuntu' /etc/os-release || die "please install a Chromium first: 'snap install chromium', or Google's google-chrome-stable"
	apt_install chromium
}

# need_monitoring installs what watches: for the tests of its configuration, and for
# drill pages.
need_monitoring() {
	local name missing=()
	for name in prometheus prometheus-alertmanager prometheus-blackbox-exporter prometheus-node-exporter prometheus-postgres-exporter; do
		have "$name" || missing+=("$name")
	done
	((${#missing[@]} == 0)) || apt_install_daemons "${missing[@]}"
}
