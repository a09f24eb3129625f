# shellcheck shell=bash
# The verb swarm: makes a Swarm of machines that have ssh and Docker Engine, and
# looks whether they are fit for one.

. "$ROOT/scripts/lib/lab_net.sh"
. "$ROOT/scripts/lib/swarm_hosts.sh"
. "$ROOT/scripts/lib/swarm_tunnel.sh"

JOIN_SECONDS=180

help_swarm() {
	cat <<'TEXT'
usage: ./scripts/run.sh swarm <what> [HOST…] [options]

Makes a Swarm of machines with ssh and Docker Engine. HOST is what ssh takes:
a name of ~/.ssh/config, or user@host. The user has to be root, of the group
docker, or have sudo without a password. All of it is safe to repeat.

  init HOST        the first manager, after the checks of doctor
  join HOST…       further managers; --worker: workers
  status [HOST]    managers, leader, nodes, tasks on each node; exit 1 if something fails
  doctor [HOST…]   what of a machine, or between several, would spoil a Swarm, before or
                   after it is formed; without HOST of the managers that are known;
                   exit 1 if something fails
  tunnel [HOST]    to Prometheus, Alertmanager and Loki, as far as they run on that machine,
                   by ssh: http://127.0.0.1:9090, :9093 and :3100 here, until you end it

  --address IP     the address to advertise (init; join of one host); default: the
                   one the machine itself would send from
  --zone ZONE      label the node with its zone; stack.yml spreads replicas over them
  --pool CIDR      where the Swarm's networks get their addresses from (init); needed where
                   machines are at 10.0.…, since Docker's own default begins there
  --pool-mask N    the size of each of them (init; with --pool; default 24)
  --manager HOST   the manager to join or to ask, if it was not formed from here;
                   .local/swarm remembers those that init and join have made
  --force          go on although a check failed
  --json           one object a line: host, check, ok, state, found, remedy
  --user USER      whom to log in as
  --ssh "OPTIONS"  further options for ssh, as "-p 2222 -i KEY"; also MINITWIT_SSH
  --lab            the machines n1, n2, n3 of './scripts/run.sh lab'

    ./scripts/run.sh swarm doctor root@a root@b root@c
    ./scripts/run.sh swarm init root@a && ./scripts/run.sh swarm join root@b root@c

A join token travels inside ssh and is never an argument here; on the joining
machine docker itself has to get it as one, for as long as the join takes.
TEXT
}

cmd_swarm() {
	local what=${1:-}
	[[ -n $what ]] || misuse 'swarm needs to know what to do; -h lists it'
	shift
	case $what in
	init) swarm_options init 'address zone pool pool-mask force' "$@" ;;
	join) swarm_options join 'address zone worker manager force' "$@" ;;
	status) swarm_options status 'manager json' "$@" ;;
	doctor) swarm_options doctor 'address json' "$@" ;;
	tunnel) swarm_options tunnel '' "$@" ;;
	*) misuse "swarm knows no '$what'; -h lists what it knows" ;;
	esac
	"swarm_need_$what"
	ssh_setup
	"swarm_$what"
}

# swarm_options WHAT KNOWN ARGUMENTS… sets HOSTS, a word each, and the options.
swarm_options() {
	local what=$1 known=" $2 user ssh lab " name value
	shift 2
	HOSTS=() ADDRESS='' ZONE='' POOL='' POOL_MASK='' MANAGER='' WORKER='' FORCE='' JSON='' LAB='' SSH_USER='' SSH_OPTIONS=''
	while (($#)); do
		name=${1#--} value=''
		case $1 in
		--?*=*) name=${name%%=*} value=${1#*=} ;;
		--?*) ;;
		-*) misuse "unknown option '$1'; -h lists them" ;;
		*)
			swarm_host "$1"
			HOSTS+=("$1")
			shift
			continue
			;;
		esac
		[[ $known == *" $name "* ]] || misuse "swarm $what knows no option --$name; -h lists them"
		case $name in
		worker | force | json | lab) [[ $1 == "--$name" ]] || misuse "--$name takes no value" ;;
		*)
			if [[ $1 != --*=* ]]; then
				(($# > 1)) || misuse "--$name needs a value"
				value=$2
				shift
			fi
			[[ -n $value ]] || misuse "--$name needs a value"
			;;
		esac
		swarm_option "$name" "$value"
		shift
	done
}

# Whatever goes into a script for a machine is held against a pattern here.
swarm_option() {
	local ip='[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}'
	case $1 in
	worker) WORKER=yes ;;
	force) FORCE=yes ;;
	json) JSON=yes ;;
	lab) LAB=yes ;;
	address)
		[[ $2 =~ ^$ip$ ]] || misuse "'$2' is no IPv4 address"
		ADDRESS=$2
		;;
	pool)
		[[ $2 =~ ^$ip/[0-9]{1,2}$ ]] || misuse "'$2' is no range of addresses; try 10.20.0.0/16"
		POOL=$2
		;;
	pool-mask)
		[[ $2 =~ ^[0-9]{1,2}$ ]] || misuse "--pool-mask is a number of bits; try 24"
		POOL_MASK=$2
		;;
	zone)
		[[ $2 =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || misuse "'$2' is no zone: letters, digits, dots and dashes"
		ZONE=$2
		;;
	manager)
		swarm_host "$2"
		MANAGER=$2
		;;
	user)
		[[ $2 =~ ^[A-Za-z0-9_][A-Za-z0-9._-]*$ ]] || misuse "'$2' is no user"
		SSH_USER=$2
		;;
	ssh) SSH_OPTIONS=$2 ;;
	esac
}

swarm_host() { [[ $1 =~ ^[A-Za-z0-9_][A-Za-z0-9._@-]*$ ]] || misuse "'$1' is no host; give user@host or a name of ~/.ssh/config"; }

# Each ends with misuse before any machine is asked.
swarm_need_init() {
	((${#HOSTS[@]} == 1)) || misuse 'swarm init needs one host; the others follow by swarm join'
	[[ -z $POOL_MASK || -n $POOL ]] || misuse '--pool-mask goes with --pool'
}

swarm_need_join() {
	((${#HOSTS[@]} > 0)) || misuse 'swarm join needs a host'
	((${#HOSTS[@]} == 1)) || [[ -z $ADDRESS ]] || misuse '--address is that of one host; join the others by themselves'
	[[ -z $(printf '%s\n' "${HOSTS[@]}" | sort | uniq -d) ]] || misuse 'swarm join got a host twice'
}

swarm_need_status() {
	((${#HOSTS[@]} <= 1)) || misuse 'swarm status asks one manager'
	((${#HOSTS[@]} == 0)) || MANAGER=${HOSTS[0]}
}

swarm_need_doctor() {
	swarm_known_hosts doctor
	((${#HOSTS[@]} == 1)) || [[ -z $ADDRESS ]] || misuse '--address is that of one host'
	[[ -z $(printf '%s\n' "${HOSTS[@]}" | sort | uniq -d) ]] || misuse 'swarm doctor got a host twice'
}

swarm_need_tunnel() {
	((${#HOSTS[@]} <= 1)) || misuse 'swarm tunnel leads to one machine'
	swarm_known_hosts tunnel
}

# swarm_known_hosts WHAT: where none is named, the managers that are known.
swarm_known_hosts() {
	local host
	if ((${#HOSTS[@]} == 0)) && [[ $LAB ]]; then
		for host in $NODES; do HOSTS+=("n$host"); done
	elif ((${#HOSTS[@]} == 0)) && [[ -s $SWARM_FILE ]]; then
		while IFS= read -r host; do HOSTS+=("$host"); done <"$SWARM_FILE"
	fi
	((${#HOSTS[@]} > 0)) || misuse "swarm $1 needs a host: no Swarm was formed from here"
}

swarm_doctor() {
	WANT_OF=${HOSTS[0]}
	step "examining ${HOSTS[*]}"
	examine "${HOSTS[@]}"
	verdicts ${#HOSTS[@]}
	tell "${JSON:+json}"
	! failed || exit 1
}

# swarm_fit refuses what failed a check, unless forced.
swarm_fit() {
	verdicts "$1"
	tell bad >&2
	failed || return 0
	[[ $FORCE ]] || die "a check failed: do what is said above, or go on with --force"
	note 'a check failed; going on by --force'
}

swarm_init() {
	local host=${HOSTS[0]} address cluster options node=''
	WANT_OF=$host
	step "examining $host"
	examine "$host"
	if [[ $(fact 1 swarm) == active ]]; then
		[[ $(fact 1 manager) == true ]] ||
			die "$host is a worker of a Swarm; to form another, on it first: docker swarm leave"
		note "$host is already a manager of its Swarm"
	else
		swarm_fit 1
		address=$(fact 1 chosen)
		[[ -n $address ]] || die "$host did not say which address to advertise; give --address"
		# Docker takes networks of /24 from the bottom of 10.0.0.0/8 and looks at no machine's own:
		# what has an address in them, such as the database, is not reached any more (moby/moby#27399).
		[[ $POOL || $FORCE || $address != 10.0.* ]] ||
			die "$host is at $address, where a Swarm's own networks begin (10.0.0.0/24 and on): give it a range that nothing here uses, as --pool 10.213.0.0/16"
		options="--advertise-addr $address --task-history-limit 20${POOL:+ --default-addr-pool $POOL --default-addr-pool-mask-length ${POOL_MASK:-24}}"
		step "forming a Swarm on $host at $address"
		# What docker prints has a token in it.
		act "$host" <<<"\$root docker swarm init $options >/dev/null" || die "$host formed no Swarm: $(complaint)"
		[[ $LAB ]] || rm -f "$SWARM_FILE" # of another Swarm
	fi
	cluster=$(act "$host" <<<"\$root docker info -f '{{.Swarm.Cluster.ID}} at {{.Swarm.NodeAddr}}'" || true)
	[[ $cluster == ?*' at '?* ]] || die "$host does not answer as a manager: $(complaint)"
	[[ -z $ZONE ]] || node=$(act "$host" <<<"\$root docker info -f '{{.Swarm.NodeID}}'") || die "$host does not answer as a manager: $(complaint)"
	swarm_zone "$host" "$node"
	remember "$host"
	printf '%s manages the Swarm %s\n' "$host" "$cluster"
}

# swarm_zone MANAGER NODE labels a node, if --zone was given.
swarm_zone() {
	[[ $ZONE ]] || return 0
	act "$1" <<<"\$root docker node update --label-add zone=$ZONE $2 >/dev/null" || die "the zone was not set: $(complaint)"
	note "its zone is $ZONE"
}

# swarm_manager sets MANAGER to the first that answers as one, and leaves in
# $WORK/1 what it said.
swarm_manager() {
	local host known=()
	if [[ -n $MANAGER ]]; then
		known=("$MANAGER")
	elif [[ $LAB ]]; then
		for host in $NODES; do known+=("n$host"); done
	elif [[ -s $SWARM_FILE ]]; then
		while IFS= read -r host; do known+=("$host"); done <"$SWARM_FILE"
	else
		die "no Swarm was formed from here: give --manager HOST, or form one with './scripts/run.sh swarm init HOST'"
	fi
	for host in "${known[@]}"; do
		rm -f "$WORK"/1*
		MANAGER=$host
		examine "$host"
		if [[ -n $(fact 1 node) ]]; then return; fi
		note "$host does not answer as a manager$(swarm_why)"
	done
	return 1
}

swarm_why() {
	local why
	why=$(fact 1 ssherror)
	[[ -n $(fact 1 hello) ]] || { printf ': %s' "${why:-no answer}" && return; }
	[[ $(fact 1 swarm) == active ]] || { printf ': it is in no Swarm' && return; }
	[[ $(fact 1 manager) == true ]] || { printf ': it is a worker' && return; }
	printf ': it has no quorum'
}

swarm_join() {
	local host i role=manager
	[[ -z $WORKER ]] || role=worker
	step 'asking the manager'
	swarm_manager || die 'no manager answers; give one with --manager HOST'
	mv "$WORK/1" "$WORK/manager"
	rm -f "$WORK"/1.*
	TOWARD=$(fact manager nodeaddress)
	[[ -n $TOWARD ]] || die "$MANAGER does not know its own address"
	WANT_OF=${HOSTS[0]}
	step "examining ${HOSTS[*]}, with $MANAGER"
	swarm_others
	examine "${OTHERS[@]}"
	swarm_fit_to_join ${#OTHERS[@]}
	for ((i = 1; i <= ${#HOSTS[@]}; i++)); do
		host=${HOSTS[i - 1]}
		if [[ $(fact $i swarm) == active ]]; then
			note "$host is already a $role of this Swarm"
			swarm_zone "$MANAGER" "$(fact $i nodeid)"
		else
			swarm_join_one "$host" "$role" "$(fact $i chosen)"
		fi
		[[ $role == worker ]] || remember "$host"
		printf '%s is a %s of the Swarm\n' "$host" "$role"
	done
}

# swarm_others sets OTHERS: who joins, and the manager, if it is not one of them.
swarm_others() {
	local host
	OTHERS=("${HOSTS[@]}")
	for host in "${HOSTS[@]}"; do [[ $(target "$host") != "$(target "$MANAGER")" ]] || return 0; done
	OTHERS+=("$MANAGER")
}

# swarm_fit_to_join COUNT refuses first who is elsewhere already: --force would not help.
swarm_fit_to_join() {
	local i host role
	for ((i = 1; i <= ${#HOSTS[@]}; i++)); do
		host=${HOSTS[i - 1]}
		[[ $(fact $i swarm) == active ]] || continue
		grep -q "^node=$(fact $i nodeid)|" "$WORK/manager" ||
			die "$host belongs to another Swarm; if it shall leave it, on it: docker swarm leave$([[ $(fact $i manager) != true ]] || echo ' --force (if it is the last manager, that Swarm ends)')"
		role=worker
		[[ $(fact $i manager) != true ]] || role=manager
		[[ $role == worker || -z $WORKER ]] || die "$host is already a manager of this Swarm; to make it a worker: docker node demote $(fact $i hostname)"
		[[ $role == manager || -n $WORKER ]] || die "$host is already a worker of this Swarm; to make it a manager: docker node promote $(fact $i hostname)"
	done
	swarm_fit "$1"
}

# swarm_join_one HOST ROLE ADDRESS. The token is in a variable, and in what ssh
# reads: printf is the shell's own, so that no list of processes here shows it.
swarm_join_one() {
	local host=$1 role=$2 address=$3 token node
	step "$host joins as a $role at $address"
	[[ -n $address ]] || die "$host did not say which address to advertise; give --address"
	token=$(act "$MANAGER" <<<"\$root docker swarm join-token -q $role") || die "$MANAGER gave no token: $(complaint)"
	printf '%s\n' "\$root docker swarm join --advertise-addr $address --token $token $TOWARD:2377 >/dev/null" |
		act "$host" || die "$host could not join: $(complaint)"
	node=$(act "$host" <<<"\$root docker info -f '{{.Swarm.NodeID}}'") || die "$host does not answer any more: $(complaint)"
	[[ $node =~ ^[a-z0-9]+$ ]] || die "$host joined and has no number yet; look again: ./scripts/run.sh swarm status"
	swarm_await "$node" "$role" || die "$host joined and did not become ready in $JOIN_SECONDS s; look at it: ./scripts/run.sh swarm doctor $host $MANAGER"
	swarm_zone "$MANAGER" "$node"
}

# swarm_await NODE ROLE waits there until the manager counts on the node.
swarm_await() {
	local want='ready '
	[[ $2 == worker ]] || want='ready reachable'
	act "$MANAGER" <<TEXT
tries=0
until [ "\$(\$root docker node inspect $1 -f '{{.Status.State}} {{with .ManagerStatus}}{{.Reachability}}{{end}}' 2>/dev/null)" = '$want' ]; do
	tries=\$((tries + 1))
	[ \$tries -lt $JOIN_SECONDS ] || exit 1
	sleep 1
done
TEXT
}

# shellcheck disable=SC2016 # for the other side
swarm_status() {
	swarm_manager || {
		[[ -n $(fact 1 hello) && $(fact 1 manager) == true ]] || die 'no manager answers; name one: ./scripts/run.sh swarm status HOST'
	}
	act "$MANAGER" >>"$WORK/1" <<'TEXT' || true
nodes=$($root docker node ls -q 2>/dev/null) || exit 0
$root docker node inspect -f 'zone={{.ID}}|{{range $name, $zone := .Spec.Labels}}{{if eq $name "zone"}}{{$zone}}{{end}}{{end}}' $nodes
$root docker node ps --filter desired-state=running --format 'task={{.Node}}|{{.Name}}|{{.CurrentState}}' $nodes
TEXT
	judge -v status=1 "$WORK/1" >"$WORK/verdicts"
	tell "${JSON:+json}"
	! failed || exit 1
}
