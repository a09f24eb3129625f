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
		as_root apt-get -o Acquire::Retries=3 update >>"$log" 2>&1 || apt_failed update
		APT_UPDATED=yes
	fi
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -o Acquire::Retries=3 install -y --no-install-recommends "$@" >>"$log" 2>&1 || apt_failed "install $*"
}

# debian TREE LOG ARGUMENTS… makes a tree of Debian 13's packages, unless another clone
# has just made the same. Mirrors stumble, so it tries three times.
debian() {
	local tree=$1 log=$2 began=$SECONDS try
	mkdir -p "${tree%/*}"
	exec 7>"$tree.lock"
	flock 7
	[[ ! -d $tree ]] || { exec 7>&- && return; }
	for try in 1 2 3; do
		rm -rf "$tree.new"
		if mmdebstrap --quiet --aptopt='Acquire::Retries "3"' "${@:3}" trixie "$tree.new" >"$log" 2>&1; then
			mv "$tree.new" "$tree"
			exec 7>&-
			note "made in $((SECONDS - began)) s: $tree"
			return
		fi
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
	local guard=/etc/postgresql-common/createcluster.d/minitwit.conf
	can_apt || die 'PostgreSQL 14 or newer is needed: install it (Debian: postgresql, macOS: brew install postgresql), or set DATABASE_URL'
	as_root mkdir -p "${guard%/*}"
	echo 'create_main_cluster = false' | as_root tee "$guard" >/dev/null
	# In a subshell, so that the guard is taken away after a failure as well.
	local failed=''
	(apt_install postgresql) || failed=yes
	as_root rm -f "$guard"
	[[ -z $failed ]] || exit 1
}

# apt_install_daemons installs them without starting any: each would take its own
# port, and ours run on others.
apt_install_daemons() {
	local guard=/usr/sbin/policy-rc.d failed=''
	if [[ -e $guard ]]; then
		apt_install "$@"
		return
	fi
	can_apt && printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null && as_root chmod 755 "$guard"
	(apt_install "$@") || failed=yes
	as_root rm -f "$guard"
	[[ -z $failed ]] || exit 1
}

need_chromium() {
	have chromium || have chromium-browser || have google-chrome ||
		[[ -d '/Applications/Google Chrome.app' ]] || apt_install chromium
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
