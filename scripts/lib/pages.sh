# shellcheck shell=bash
# `drill pages`: faults on a whole installation on this machine, and which page
# on-call got.

. "$ROOT/scripts/lib/db.sh"
. "$ROOT/scripts/lib/build.sh"

drill_pages() {
	need_go
	need_monitoring
	[[ -n $(pg_programs '') ]] || apt_install_postgresql
	step 'building'
	build
	go_build faults -tags faults ./service
	go_build swarm-exporter ./monitoring/exporter
	go_build pages ./monitoring/pages
	trap - ERR
	exec "$ROOT/bin/pages" -repo "$ROOT" -bin "$ROOT/bin" "$@"
}
