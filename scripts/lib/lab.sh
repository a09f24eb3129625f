# shellcheck shell=bash
# The verb lab: a real three-node Swarm, with its routing mesh, in virtual
# machines on this one. stack/lab/README.md says what is in it.

# A state of its own, with a lock of its own: `up` and `clean` are not its business.
STATE=$ROOT/.local/lab
. "$ROOT/scripts/lib/db.sh"
. "$ROOT/scripts/lib/build.sh"
. "$ROOT/scripts/lib/lab_net.sh"
. "$ROOT/scripts/lib/lab_vm.sh"
. "$ROOT/scripts/lib/lab_world.sh"
. "$ROOT/scripts/lib/lab_stack.sh"
. "$ROOT/scripts/lib/lab_monitoring.sh"
. "$ROOT/scripts/lib/lab_logging.sh"

help_lab() {
	cat <<'TEXT'
usage: ./scripts/run.sh lab <what> [arguments]

Three Swarm managers n1, n2, n3 (10.77.0.11 to .13) in virtual machines, and outside
of them, as 10.77.0.1, a registry, a PostgreSQL and the client. All of it in a
network namespace of its own. Needs root, on Debian or Ubuntu on amd64.

  up                   from nothing to a Swarm that runs the product's stack
  down [--cache]       end it and remove it; --cache: also what only takes time to make
  status [--json]      nodes, tasks, registry, database
  push [TAG] [-- ARGS] build the image from Dockerfile and push it; prints it by digest
  deploy [--detach] [IMAGE] [OVERLAY…]
                       docker stack deploy of stack.yml, stack/lab.yml and more, and
                       wait until it has converged (default: the image of push)
  mesh                 which replicas answer on each node's published ports
  edge up · edge down  the edge tier beside the stack (stack/edge.yml), or without it
  monitoring up · down stack/monitoring.yml beside the stack, without Grafana; outside of
                       the Swarm the dead man's switch, what takes on-call's pages, and a site
                       whose certificate is watched
  logging up · down    stack/logging.yml beside that, or alone: Loki, and an agent on each node
  pages                what on-call was told so far, a line of JSON each
  oncall refuse · accept
                       close the first of two ways to on-call, or open it again
  certificate DAYS     let the certificate of that site last so long (at first 90)
  push-edge            make an image of HAProxy, push it; prints it by digest
  docker [N] ARGS…     docker's client on node N (default: the first that answers)
  ssh N [COMMAND…]     a shell on a node
  outside COMMAND…     run a command where the clients are
  load [ARGS…]         the simulator against port 5001 of all nodes in turn
  kill N · start N     pull a node's plug, put it back
  cut N · mend N       unplug a node's network, plug it in again
  recover N            make a Swarm of the one manager that is left, and let the
                       others join it as new machines
  registry stop · start
  db stop · start      end the database, start it
  db blackhole         let what nodes and database say to each other vanish
  db full · stuck      take nearly all connections, or lock the table latest
  db errors · slow     refuse four messages of ten, or take 3 s for each (a replica gives up
                       after LAB_DATABASE_TIMEOUT; drills with --pages set 4s)
  db mend              end any of these
  db psql [ARGS…]      psql as the superuser
  db rotate · rotated  prepare another login with a new password, end the old one's
TEXT
}

cmd_lab() {
	local what=${1:-}
	[[ -n $what ]] || misuse 'lab needs to know what to do; -h lists it'
	shift
	case $what in
	up | status | down | push | push-edge | deploy | mesh | docker | ssh | outside | load | registry | db | edge | monitoring | logging | pages | oncall | certificate) "check_${what//-/_}" "$@" ;;
	kill | start | cut | mend | recover) check_node "$what" "$@" ;;
	*) misuse "lab knows no '$what'; -h lists what it knows" ;;
	esac
	((EUID == 0)) || die 'the lab needs root, to make a network of its own: sudo ./scripts/run.sh lab …'
	case $what in
	up | down | status) ;;
	*) need_lab ;;
	esac
	"lab_${what//-/_}" "$@"
}

# Each check ends with misuse before anything is touched.
check_up() { [[ $# == 0 ]] || misuse 'lab up takes no arguments'; }
check_down() { [[ $# == 0 || "$*" == --cache ]] || misuse 'lab down knows only --cache'; }
check_status() { [[ $# == 0 || "$*" == --json ]] || misuse 'lab status knows only --json'; }
check_docker() { [[ $# -gt 0 ]] || misuse 'lab docker needs a command for docker'; }
check_ssh() { check_node ssh "${1:-}"; }
check_outside() { [[ $# -gt 0 ]] || misuse 'lab outside needs a command'; }
check_load() { :; }
check_mesh() { [[ $# == 0 ]] || misuse 'lab mesh takes no arguments'; }
check_deploy() { [[ ${1:-} != -* || $1 == --detach ]] || misuse 'lab deploy knows only --detach, then an image and overlays'; }

check_push() {
	[[ $# == 0 || $1 == -- || ($1 =~ ^[a-z0-9][a-z0-9.-]*$ && ($# == 1 || $2 == --)) ]] ||
		misuse 'lab push takes a tag, and after -- arguments for the build'
}

check_push_edge() { [[ $# == 0 ]] || misuse 'lab push-edge takes no arguments'; }

check_db() {
	[[ ${1:-} == psql || ($# == 1 && " stop start blackhole full stuck errors slow mend rotate rotated " == *" $1 "*) ]] ||
		misuse 'lab db knows stop, start, blackhole, full, stuck, errors, slow, mend, psql, rotate and rotated'
}

check_edge() { [[ $# == 1 && " up down " == *" $1 "* ]] || misuse 'lab edge knows up and down'; }

check_monitoring() { [[ $# == 1 && " up down " == *" $1 "* ]] || misuse 'lab monitoring knows up and down'; }
check_logging() { [[ $# == 1 && " up down " == *" $1 "* ]] || misuse 'lab logging knows up and down'; }
check_oncall() { [[ $# == 1 && " refuse accept " == *" $1 "* ]] || misuse 'lab oncall knows refuse and accept'; }
check_certificate() { [[ $# == 1 && $1 =~ ^[1-9][0-9]{0,3}$ ]] || misuse 'lab certificate takes a number of days'; }
check_pages() { [[ $# == 0 ]] || misuse 'lab pages takes no arguments'; }

check_registry() {
	[[ $# == 1 && " stop start " == *" $1 "* ]] || misuse 'lab registry knows stop and start'
}

check_node() { [[ $# == 2 && " $NODES " == *" ${2#n} "* ]] || misuse "lab $1 needs a node: 1, 2 or 3"; }

need_lab() {
	[[ -d $TREE && -f $DISK ]] && net_exists && return
	die "the lab is not up: './scripts/run.sh lab up'"
}

lab_up() {
	local n began=$SECONDS
	lab_programs
	lock
	mkdir -p "$LAB_CACHE"
	exec 8>"$LAB_CACHE/lock" # other clones make the same
	take_lock 8 "another clone that makes the nodes' files"
	tree_up
	disk_up
	exec 8>&-
	keys_up
	net_up
	step "starting the nodes ($(accelerator))"
	for n in $NODES; do vm_start "$n"; done
	step 'starting the registry and the database outside'
	registry_up
	lab_db_up
	hole_fill
	build
	push_image lab >/dev/null
	step 'waiting for the engines'
	for n in $NODES; do vm_await "$n"; done
	note "all three answer, $((SECONDS - began)) s after the beginning"
	swarm_up
	# shellcheck disable=SC2119 # up takes no arguments to pass on
	[[ $(services_words) == *'api '*'web '* ]] || lab_deploy
	stack_await
	step "the lab is up, in $((SECONDS - began)) s: UI at http://$(address 1):5000, API at http://$(address 1):5001, from inside: ./scripts/run.sh lab outside curl …"
}

# lab_programs installs what this machine lacks. The database's programs come
# later, where they are used.
lab_programs() {
	local pair missing=()
	[[ $(uname -s)/$(uname -m) == Linux/x86_64 ]] || die 'the lab needs Linux on amd64'
	for pair in mmdebstrap:mmdebstrap qemu-system-x86_64:qemu-system-x86 mke2fs:e2fsprogs ip:iproute2 nft:nftables ssh:openssh-client; do
		have "${pair%:*}" || missing+=("${pair#*:}")
	done
	missing_keys
	make_state
	((${#missing[@]} == 0)) || apt_install "${missing[@]}"
}

# swarm_up makes all three managers: two of them are the least that outlives one.
swarm_up() {
	local n
	if [[ $(swarm_state 1) != active ]]; then
		step 'forming the Swarm'
		engine 1 swarm init --advertise-addr "$(address 1)" --task-history-limit 20 \
			--default-addr-pool 10.78.0.0/16 --default-addr-pool-mask-length 24 >/dev/null || die 'swarm init failed'
	fi
	for n in 2 3; do
		[[ $(swarm_state "$n") == active ]] || join_swarm "$n" 1
	done
	for n in $NODES; do swarm_await "$n"; done
}

# join_swarm N M lets a node join the Swarm of another as a manager.
join_swarm() {
	local token
	token=$(engine "$2" swarm join-token -q manager)
	engine "$1" swarm join --advertise-addr "$(address "$1")" --token "$token" "$(address "$2"):2377" >/dev/null ||
		die "n$1 could not join"
}

swarm_state() { engine "$1" info -f '{{.Swarm.LocalNodeState}}' 2>/dev/null || true; }

lab_down() {
	local n
	lock
	for n in $NODES; do
		! running "n$n" || note "n$n ended (pid $(field "n$n" pid))"
		vm_kill "$n"
	done
	if net_exists; then
		lab_db_stop
		stop hold
		stop oncall
		stop deadman
		stop site
		stop registry
		net_down
	fi
	rm -rf "$LAB_PG"
	# All but the lock that we hold.
	find "$STATE" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +
	yours "$STATE"
	if [[ ${1:-} == --cache ]]; then
		! compgen -G '/run/netns/minitwit-lab-*' >/dev/null || die "the lab of another clone runs out of $LAB_CACHE, which stays"
		rm -rf "$LAB_CACHE"
	fi
	note 'the lab is gone'
}

lab_status() {
	local n json=${1:-} leader
	net_exists || {
		note 'the lab is not up'
		exit 3
	}
	leader=$(first_answering)
	for n in $NODES; do status_line "$json" "n$n" "$(node_words "$n" "$leader")"; done
	status_line "$json" registry "$(registry_answers && echo up || echo down)"
	status_line "$json" db "$(db_word)"
	[[ -n $leader ]] || return 0
	tasks "$leader" "$json"
}

# status_line JSON NAME STATE
status_line() {
	if [[ -n $1 ]]; then
		printf '{"what":"%s","state":"%s"}\n' "$2" "$3"
	else
		printf '%-10s %s\n' "$2" "$3"
	fi
}

node_words() {
	running "n$1" || {
		echo off
		return
	}
	plugged "$1" || {
		echo 'runs, cut off'
		return
	}
	[[ -n $2 ]] || {
		echo 'runs, engine does not answer'
		return
	}
	engine "$2" node ls --format '{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}' 2>/dev/null |
		sed -n "s/^n$1 //p" | tr '[:upper:]' '[:lower:]' | grep . || echo 'runs, but the Swarm does not say'
}

db_word() {
	if ! lab_db_alive; then
		echo down
	elif hole_open; then
		echo 'up, in a black hole'
	else
		echo up
	fi
}

tasks() {
	local service name node state
	for service in $(engine "$1" service ls --format '{{.Name}}' 2>/dev/null); do
		engine "$1" service ps --filter desired-state=running \
			--format '{{.Name}}|{{.Node}}|{{.CurrentState}}' "$service" | sort |
			while IFS='|' read -r name node state; do
				status_line "$2" "$name" "$node, $state"
			done
	done
}

# first_answering prints the first node whose engine answers, if any.
first_answering() {
	local n
	for n in $NODES; do
		if running "n$n" && answers "$n"; then
			printf '%s' "$n"
			return
		fi
	done
}

lab_push() {
	local tag=lab
	if [[ $# -gt 0 && $1 != -- ]]; then
		tag=$1
		shift
	fi
	[[ ${1:-} != -- ]] || shift
	lock
	push_image "$tag" "$@"
}

lab_push_edge() {
	lock
	push_edge
}

# Those that hand over to a program end as it does; it has said what was wrong.
lab_docker() {
	local n
	trap - ERR
	if [[ " $NODES " == *" ${1#n} "* ]]; then
		n=${1#n}
		shift
	else
		n=$(first_answering)
		[[ -n $n ]] || die 'no engine answers'
	fi
	engine "$n" "$@"
}

lab_ssh() {
	trap - ERR
	into "${1#n}" "${@:2}"
}

lab_outside() {
	[[ ${1:-} != -- ]] || shift
	trap - ERR
	in_ns "$@"
}

lab_load() {
	[[ ${1:-} != -- ]] || shift
	[[ -x $BIN ]] || build
	trap - ERR
	play "$@"
}

lab_kill() {
	lock
	vm_kill "${1#n}"
	note "n${1#n} is off"
}

lab_start() {
	local began=$SECONDS
	lock
	vm_start "${1#n}"
	vm_await "${1#n}"
	note "n${1#n} answers, after $((SECONDS - began)) s"
	[[ $(swarm_state "${1#n}") != inactive ]] || return 0
	swarm_await "${1#n}"
	note "the Swarm counts on it again, after $((SECONDS - began)) s"
}

# swarm_await N [AVAILABILITY] waits until the others take a node for a manager that
# is there: before, the Swarm would not survive the loss of another one.
swarm_await() {
	local deadline=$((SECONDS + BOOT_SECONDS))
	until [[ $(node_words "$1" "$1") =~ ^ready\ ${2:-}.*(leader|reachable) ]]; do
		((SECONDS < deadline)) || die "n$1 did not return to the Swarm in $BOOT_SECONDS s"
		sleep 0.5
	done
}

lab_cut() {
	plug "${1#n}" down
	note "n${1#n} is cut off"
}

lab_mend() {
	local began=$SECONDS
	plug "${1#n}" up
	note "n${1#n} is plugged in"
	vm_await "${1#n}"
	swarm_await "${1#n}"
	note "the Swarm counts on it again, after $((SECONDS - began)) s"
}

lab_registry() {
	lock
	case $1 in
	start) registry_up ;;
	stop) stop registry ;;
	esac
}

# lab_recover N is what to do when most managers are gone for good: the one that is
# left becomes a Swarm of its own, with all services; machines that are empty join it.
lab_recover() {
	local n left=${1#n}
	lock
	engine "$left" swarm init --force-new-cluster --advertise-addr "$(address "$left")" \
		--task-history-limit 20 >/dev/null || die 'swarm init --force-new-cluster failed'
	note "n$left is a Swarm of its own"
	for n in $NODES; do
		((n != left)) || continue
		vm_kill "$n"
		rm -f "$STATE/n$n.raw"
		vm_start "$n"
	done
	for n in $NODES; do
		((n != left)) || continue
		vm_await "$n"
		engine "$left" node rm --force "n$n" >/dev/null || die "the Swarm does not forget the old n$n"
		join_swarm "$n" "$left"
		swarm_await "$n"
	done
	renew_mesh "$left"
}

# renew_mesh N starts an engine again whose mesh still leads to the nodes of before:
# its ports would reach only what runs on N itself. First the replicas leave it.
renew_mesh() {
	insist engine "$1" node update --availability drain "n$1" >/dev/null || die "n$1 cannot be drained"
	stack_await
	note "starting the engine of n$1 again"
	into "$1" 'pkill -x dockerd; while pidof dockerd >/dev/null; do sleep 0.2; done' || true
	vm_await "$1"
	swarm_await "$1" drain
	insist engine "$1" node update --availability active "n$1" >/dev/null || die "n$1 stays drained"
}

# insist COMMAND… tries for two minutes: an emulated manager that has work to do may be too late
# with its answer.
insist() {
	local deadline=$((SECONDS + 120))
	until "$@"; do
		((SECONDS < deadline)) || return 1
		sleep 2
	done
}

lab_db() {
	case $1 in
	start) lab_db_up ;;
	stop) lab_db_stop && note 'PostgreSQL stopped' ;;
	blackhole) hole_dig && note 'the database is in a black hole' ;;
	full) lab_db_full ;;
	stuck) lab_db_hold 1 'BEGIN;' 'LOCK TABLE latest IN SHARE MODE;' && note 'the table latest is locked against writers' ;;
	errors) lab_db_fault "IF random() < 0.4 THEN RAISE 'refused by the lab'; END IF;" && note 'four of ten messages are refused' ;;
	slow) lab_db_fault 'PERFORM pg_sleep(3);' && note 'a message takes 3 s' ;;
	mend) hole_fill && stop hold && lab_db_fault && note 'the database is reachable' ;;
	psql) lab_psql "${@:2}" ;;
	rotate) lab_db_rotate ;;
	rotated) lab_db_rotated ;;
	esac
}
