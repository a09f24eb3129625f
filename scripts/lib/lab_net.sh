# shellcheck shell=bash
# The lab's network: a namespace of its own with a bridge, and a tap for each
# node. Its "outside" (clients, registry, database) is the namespace itself, as
# 10.77.0.1. No packet can leave it: nothing connects it to the machine.

NODES='1 2 3'
OUTSIDE=10.77.0.1
NS=minitwit-lab-$(printf '%s' "$ROOT" | digest | cut -c 1-8)

address() { printf '10.77.0.1%s' "$1"; }
in_ns() { ip netns exec "$NS" "$@"; }
# By the file, since `ip netns list` also lists what is half removed.
net_exists() { [[ -e /run/netns/$NS ]]; }

net_up() {
	local n
	if ! net_exists; then
		step "making the network namespace $NS"
		ip netns add "$NS" || die 'cannot make a network namespace; is this a container without the right to?'
	fi
	ip -n "$NS" link set lo up
	link_exists lab0 || ip -n "$NS" link add lab0 type bridge
	ip -n "$NS" address replace "$OUTSIDE/24" dev lab0
	ip -n "$NS" link set lab0 up
	for n in $NODES; do
		link_exists "tap$n" || ip -n "$NS" tuntap add dev "tap$n" mode tap
		ip -n "$NS" link set "tap$n" master lab0
	done
}

link_exists() { ip -n "$NS" link show dev "$1" >/dev/null 2>&1; }

# net_down ends whatever is left inside first: all of it is ours.
net_down() {
	local pids
	net_exists || return 0
	pids=$(ip netns pids "$NS")
	# shellcheck disable=SC2086 # one word for each
	[[ -z $pids ]] || kill -9 $pids 2>/dev/null || true
	ip netns delete "$NS" || die "cannot remove the network namespace $NS"
	note 'network removed'
}

# plug N up|down: the cable of a node. The machine itself notices nothing.
plug() { ip -n "$NS" link set "tap$1" "$2"; }

plugged() { ip -n "$NS" link show dev "tap$1" up 2>/dev/null | grep -q .; }

# The black hole swallows what nodes and database say to each other, without a
# word to either: the connections stay, and nothing arrives. Clients in the
# namespace itself still reach the database, to look at it.
hole_dig() {
	hole_fill
	in_ns nft -f - <<NFT || die 'nft refused the black hole; has this kernel nf_tables?'
table inet minitwit_lab {
	chain to_database { type filter hook input priority 0; iifname "lab0" tcp dport 5432 drop; }
	chain from_database { type filter hook output priority 0; oifname "lab0" tcp sport 5432 drop; }
}
NFT
}

hole_fill() { in_ns nft delete table inet minitwit_lab 2>/dev/null || true; }
hole_open() { in_ns nft list table inet minitwit_lab >/dev/null 2>&1; }
