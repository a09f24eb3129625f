# Judges what swarm_probe.sh and swarm_reach.sh have said of the machines: key=value
# lines of one host after another, each host's begun by host=NAME. Prints a line for
# each check: host, check, ok|warn|fail, what was found, the remedy; tabs between.
# For any awk: no arrays of arrays, no gensub, no interval expressions.

{
	at = index($0, "=")
	key = substr($0, 1, at - 1)
	value = substr($0, at + 1)
	if (key == "holds") { split(value, r, "|"); value = r[1]; sub(/\.[a-z0-9]*$/, "", r[2]); task[value] = r[2] }
	if (key == "host") {
		if (!(value in known)) { known[value] = 1; hosts[++count] = value }
		host = value
	} else if (key == "reach") {
		# by number, in the order of hosts=
		split(value, r, "|")
		reach[host, r[1], r[2]] = r[3]
	} else if (key ~ /^(address|node|listens|listen|firewall|zone|task|sends|holds)$/) {
		# of these there may be more than one
		many[host, key] = many[host, key] (many[host, key] == "" ? "" : "\n") value
		has[host, key, value] = 1
	} else f[host, key] = value
}

function say(host, check, state, found, remedy) {
	gsub(/[\t\r\n]/, " ", found); gsub(/[\t\r\n]/, " ", remedy)
	printf "%s\t%s\t%s\t%s\t%s\n", host, check, state, found, (state == "ok" ? "" : remedy)
}

# less compares versions by number: 25.0.0 < 25.0.1 < 26.
function less(a, b,    i, x, y, n) {
	sub(/[-+~].*/, "", a); n = split(b, y, "."); split(a, x, ".")
	for (i = 1; i <= n; i++) if (x[i] + 0 != y[i] + 0) return x[i] + 0 < y[i] + 0
	return 0
}

function active(h) { return f[h, "swarm"] == "active" }
function abs(x) { return x < 0 ? -x : x }
function join(list, more) { return list (list == "" ? "" : ", ") more }
# off is how far a clock is from the operator's, known to within `err` seconds.
function off(h) { return f[h, "now"] - (f[h, "sent"] + f[h, "got"]) / 2 }
function err(h) { return (f[h, "got"] - f[h, "sent"]) / 2 + (f[h, "now"] ~ /\./ ? 0 : 0.5) + (f[h, "sent"] ~ /\./ ? 0 : 1) }

function check_docker(h,    v) {
	if (f[h, "docker"] == "missing") {
		say(h, "engine", "fail", "no docker command", "install Docker Engine 26 or newer")
		return 0
	}
	if (f[h, "docker"] != "answers") {
		say(h, "engine", "fail", "does not answer: " f[h, "dockererror"], "start it (systemctl enable --now docker); the user needs root, sudo without a password, or the group docker")
		return 0
	}
	v = f[h, "engine"]
	if (less(v, "25.0.1")) say(h, "engine", "fail", v, "upgrade Docker Engine: below 25.0.1 a Swarm ignores start_interval, and replacements take longer")
	else say(h, "engine", "ok", v)
	v = f[h, "cli"]
	if (less(v, "26")) say(h, "cli", "warn", v == "" ? "unknown" : v, "deploy from a docker client of 26 or newer: older ones have no stack deploy --detach=false")
	else say(h, "cli", "ok", v)
	v = f[h, "storage"]
	if (v ~ /^(vfs|devicemapper|aufs|overlay)$/) say(h, "storage", "warn", v, "use overlay2: " v " is slow, wasteful or gone in newer engines")
	else say(h, "storage", "ok", v)
	v = f[h, "backend"]
	if (v ~ /nftables/) say(h, "firewall-backend", "fail", v, "set \"firewall-backend\": \"iptables\" in daemon.json and restart Docker: with nftables the engine refuses a Swarm")
	else say(h, "firewall-backend", "ok", v == "" ? "iptables" : v)
	if (f[h, "liverestore"] == "true") say(h, "live-restore", "fail", "on", "remove live-restore from daemon.json and restart Docker: the engine refuses a Swarm with it")
	if (f[h, "security"] ~ /rootless/) say(h, "rootless", "fail", "the engine runs without root", "run it as root: the mesh needs it")
	return 1
}

function check_kernel(h,    i, n, m, one, missing) {
	n = split(f[h, "modules"], m, " ")
	for (i = 1; i <= n; i++) {
		split(m[i], one, ":")
		if (one[2] == "missing") missing = missing (missing == "" ? "" : " ") one[1]
	}
	if (n == 0) say(h, "modules", "fail", "unknown", "the probe did not end; try again")
	else if (missing == "overlay") say(h, "modules", "warn", "no overlay", "install the kernel's modules package for " f[h, "kernel"] ": without overlay, images are copied whole")
	else if (missing != "") say(h, "modules", "fail", "no " missing " in kernel " f[h, "kernel"], "install the kernel's modules package or another kernel" (missing ~ /ip_vs/ ? ": without ip_vs published ports reach nobody" : ": the Swarm's networks need them"))
	else say(h, "modules", "ok", "ip_vs, vxlan, br_netfilter, nf_conntrack, overlay")
	if (f[h, "forward"] == "1") say(h, "forwarding", "ok", "net.ipv4.ip_forward=1")
	else say(h, "forwarding", "fail", "net.ipv4.ip_forward=" f[h, "forward"], "sysctl -w net.ipv4.ip_forward=1, and write it to /etc/sysctl.d: without it containers reach nothing")
}

function check_clock(h,    d, e, found) {
	d = off(h); e = err(h)
	found = sprintf("%+.2f s from here, give or take %.2f", d, e)
	if (abs(d) - e > 5) say(h, "clock", "fail", found, "set it, and run chrony or systemd-timesyncd: certificates, logs and sessions go by it")
	else if (abs(d) - e > 1) say(h, "clock", "warn", found, "run chrony or systemd-timesyncd on it and here: logs and figures will not fit together")
	else say(h, "clock", "ok", found)
}

function check_room(h,    gb, mb) {
	gb = f[h, "disk"] / 1048576
	if (f[h, "disk"] == "") say(h, "disk", "warn", "unknown", "look at it: df " f[h, "root"])
	else if (gb < 1) say(h, "disk", "fail", sprintf("%.1f GB free for %s", gb, f[h, "root"]), "make room, 5 GB or more: docker system prune, or a larger disk")
	else if (gb < 5) say(h, "disk", "warn", sprintf("%.1f GB free for %s", gb, f[h, "root"]), "make room, 5 GB or more: images of two releases and logs need it")
	else say(h, "disk", "ok", sprintf("%.1f GB free for %s", gb, f[h, "root"]))
	# A machine of 1 GB shows somewhat less: the kernel takes its part first.
	mb = int(f[h, "memory"] / 1024)
	if (mb < 450) say(h, "memory", "fail", mb " MB", "give it 1 GB or more")
	else if (mb < 900) say(h, "memory", "warn", mb " MB", "give it 1 GB or more: engine, manager and two replicas need it")
	else say(h, "memory", "ok", mb " MB")
}

function check_address(h,    i, n, list, a, chosen, mine, others) {
	chosen = f[h, "chosen"]
	n = split(many[h, "address"], list, "\n")
	for (i = 1; i <= n; i++) {
		split(list[i], a, "|")
		if (a[1] == chosen) mine = list[i]
		else others = join(others, a[1])
	}
	if (n == 0) { say(h, "address", "warn", chosen " (no ip command to look closer)", "install iproute2"); return }
	if (mine == "") {
		say(h, "address", "fail", chosen " is none of its addresses (" others ")", (active(h) ? "let it leave and join again with --address" : "choose one with --address") ": the others have to reach it there")
		return
	}
	split(mine, a, "|")
	if (a[3] == 1) say(h, "address", "fail", chosen " is a secondary address of " a[2], "advertise the primary one (--address): frames between nodes leave from that one and are dropped")
	else say(h, "address", "ok", chosen " on " a[2] (others == "" ? "" : ", also " others))
	if (a[4] == 1) say(h, "lease", "warn", chosen " is leased by DHCP", "reserve it or make it static: a manager must keep its address")
	if (f[h, "mtu"] == "") say(h, "mtu", "warn", "unknown", "look at it: ip link show " a[2])
	else if (odd_mtu) say(h, "mtu", "fail", f[h, "mtu"] " on " a[2] ", and not the same everywhere: " mtus, "give all the same: small answers would arrive and large ones hang")
	else if (f[h, "mtu"] + 0 < 1500) say(h, "mtu", "warn", f[h, "mtu"] " on " a[2], "deploy with NETWORK_MTU=" (f[h, "mtu"] - 50) ", and before that make the ingress network anew with that MTU: docs/operations.md")
	else say(h, "mtu", "ok", f[h, "mtu"] " on " a[2] ", so NETWORK_MTU=" (f[h, "mtu"] + 0 > 1500 ? 1450 " or up to " (f[h, "mtu"] - 50) : 1450))
}

function check_names(h,    i, same) {
	for (i = 1; i <= count; i++) if (hosts[i] != h && f[hosts[i], "hostname"] == f[h, "hostname"]) same = join(same, hosts[i])
	if (same != "") say(h, "hostname", "fail", f[h, "hostname"] ", as " same, "give each its own (hostnamectl set-hostname NAME), and restart Docker")
	else if (f[h, "hostname"] ~ /^localhost/) say(h, "hostname", "warn", f[h, "hostname"], "give it a name (hostnamectl set-hostname NAME), and restart Docker: docker node ls shows it")
	else say(h, "hostname", "ok", f[h, "hostname"])
}

function check_ports(h,    taken, extra, p, i) {
	gsub(/\n/, " and ", many[h, "firewall"])
	if (many[h, "firewall"] != "") say(h, "firewall", "warn", many[h, "firewall"] " is active", "allow 2377/tcp, 7946/tcp, 7946/udp and 4789/udp from the other nodes, and 5000/tcp and 5001/tcp from the clients")
	if (active(h)) return
	split("2377/tcp 7946/tcp 7946/udp 4789/udp 5000/tcp 5001/tcp", p, " ")
	for (i = 1; i in p; i++) if (has[h, "listens", p[i]]) taken = join(taken, p[i])
	if (taken != "") say(h, "ports", "fail", taken " taken", "free them (ss -lntup says by whom): the Swarm and the product listen there")
	else if (has[h, "listens", "9100/tcp"]) say(h, "ports", "warn", "9100/tcp taken", "fine for a node exporter, which others expect there")
	else say(h, "ports", "ok", "2377, 7946, 4789, 5000, 5001 and 9100 are free")
}

# member says whether a manager we asked counts h among its nodes.
function member(h, m) { return index("\n" many[m, "node"], "\n" f[h, "nodeid"] "|") > 0 }

function check_swarm(h,    word, i, m, other) {
	word = f[h, "swarm"]
	if (word == "inactive") { say(h, "swarm", "ok", "in no Swarm yet"); return }
	if (word == "locked") { say(h, "swarm", "fail", "locked", "on it: docker swarm unlock, with the key that was kept apart"); return }
	if (word != "active") { say(h, "swarm", "fail", word " " f[h, "swarmerror"], "the log of its engine says more; on it: docker swarm leave --force, then join again"); return }
	m = first_manager
	if (m != "" && m != h && many[m, "node"] != "" && !member(h, m)) {
		say(h, "swarm", "fail", "in another Swarm than " m, "on it: docker swarm leave" (f[h, "manager"] == "true" ? " --force (if it is the last manager, that Swarm ends)" : ""))
		return
	}
	if (f[h, "manager"] == "true" && many[h, "node"] == "") { say(h, "swarm", "fail", "a manager without a quorum" (f[h, "swarmerror"] == "" ? "" : ": " f[h, "swarmerror"]), "bring the other managers back; if they are lost for good, on it: docker swarm init --force-new-cluster --advertise-addr " f[h, "nodeaddress"]); return }
	say(h, "swarm", "ok", (f[h, "manager"] == "true" ? "manager" : "worker") " at " f[h, "nodeaddress"])
}

# check_mesh finds addresses to which the mesh of h sends and that no task has, and tasks to
# which it does not send. It can tell only where the tasks of all nodes that are up were seen.
function check_mesh(h,    i, k, n, list, a, stray, idle, known) {
	n = split(many[first_manager, "node"], list, "\n")
	for (i = 1; i <= n; i++) {
		split(list[i], a, "|")
		if (a[3] != "Ready") continue
		known = 0
		for (k = 1; k <= count; k++) if (f[hosts[k], "nodeid"] == a[1]) known = 1
		if (!known) return
	}
	n = split(many[h, "sends"], list, "\n")
	if (n == 0) return
	for (i = 1; i <= n; i++) {
		known = 0
		for (k = 1; k <= count; k++) if (has[hosts[k], "holds", list[i]]) known = 1
		if (!known) stray = join(stray, list[i])
	}
	for (k = 1; k <= count; k++) {
		n = split(many[hosts[k], "holds"], list, "\n")
		for (i = 1; i <= n; i++) if (!has[h, "sends", list[i]]) idle = join(idle, task[list[i]] " on " f[hosts[k], "hostname"])
	}
	if (stray != "") say(h, "mesh", "warn", "sends to " stray ", which no task has: a part of the connections to its ports fails", "look again after an update; if it stays (moby/moby#33790): docker node update --availability drain " f[h, "hostname"] ", systemctl restart docker on it, then --availability active")
	if (idle != "") say(h, "mesh", "warn", "sends nothing to " idle, "look again after a start or an update; if it stays, docker rm -f that container on its node: Swarm starts another")
	if (stray == "" && idle == "") say(h, "mesh", "ok", "sends to all tasks, and only to them")
}

# What a manager knows of all is said once, of the first that answers.
function check_managers(m,    h, i, n, list, a, managers, away, up, lost, idle) {
	n = split(many[m, "node"], list, "\n")
	h = "swarm"
	for (i = 1; i <= n; i++) {
		split(list[i], a, "|")
		if (a[5] != "") { managers++; if (a[5] ~ /Leader|Reachable/) up++; else away = join(away, a[2]) }
		if (a[3] != "Ready") lost = join(lost, a[2] " is " tolower(a[3]))
		else if (a[4] != "Active") idle = join(idle, a[2] " is set to " tolower(a[4]))
	}
	if (away != "") say(h, "managers", up - 1 < int(managers / 2) + 1 ? "fail" : "warn", up " of " managers " reachable, not " away, "bring it back, or replace it (docker node demote, docker node rm, then swarm join)" (up - 1 < int(managers / 2) + 1 ? ": the Swarm does not outlive another" : ""))
	else if (managers == 1) say(h, "managers", "warn", "1", "join two more: if it is lost, nothing is replaced or deployed any more")
	else if (managers % 2 == 0) say(h, "managers", "warn", managers, "join or demote one: an even number outlives no more than one less")
	else if (managers > 7) say(h, "managers", "warn", managers, "3 or 5 are enough; demote some: each has to agree to every change")
	else say(h, "managers", "ok", managers ", all reachable; it outlives " int((managers - 1) / 2))
	if (lost != "") say(h, "nodes", "fail", lost, "bring it back, or, if it is gone for good: docker node rm --force NAME, and of a manager docker node demote NAME before")
	else if (idle != "") say(h, "nodes", "warn", idle, "docker node update --availability active NAME, if it shall work again")
	else say(h, "nodes", "ok", n ", all ready")
	if (f[m, "history"] != "" && f[m, "history"] + 0 < 20) say(h, "history", "warn", f[m, "history"] " tasks kept a slot", "docker swarm update --task-history-limit 20: else a crash loop erases its own beginning")
	else say(h, "history", "ok", f[m, "history"] " tasks kept a slot")
	say(h, "autolock", "ok", f[m, "autolock"] == "true" ? "on: after a restart of its engine each manager has to be unlocked" : "off: whoever has a manager's disk has its secrets")
}

# check_reach tells of host number b who reaches it, by port.
function check_reach(b,    h, i, k, p, port, word, open, closed, shut, silent, unknown, seen, state, long, blind, fine) {
	h = hosts[b]
	split("2377/tcp 7946/tcp 7946/udp 4789/udp", p, " ")
	for (k = 1; k in p; k++) {
		port = p[k]
		open = closed = shut = silent = unknown = ""; seen = 0
		# Only managers listen on 2377.
		if (port == "2377/tcp" && active(h) && f[h, "manager"] != "true") continue
		for (i = 1; i <= count; i++) {
			if (!((hosts[i], b, port) in reach)) {
				if (i != b && reached[hosts[i]] && port ~ /udp/) unknown = join(unknown, hosts[i])
				continue
			}
			seen++
			word = reach[hosts[i], b, port]
			if (word == "open") open = join(open, hosts[i])
			else if (word == "refused" && !has[h, "listen", port] && !has[h, "listens", port]) closed = join(closed, hosts[i])
			else if (word == "silent" && port ~ /udp/ && !has[h, "listen", port]) unknown = join(unknown, hosts[i])
			else if (word == "silent") silent = join(silent, hosts[i])
			else shut = join(shut, hosts[i])
		}
		if (silent != "") say(h, port, "fail", "nothing comes back to " silent, "let it pass, in the firewalls of both, in those between, and in the provider's security group")
		else if (shut != "") say(h, port, "fail", "refused to " shut, "let it pass in its firewall: somebody listens there, so a rule rejects it")
		else if (unknown != "" && overlays(b)) say(h, port, "ok", "the Swarm's own network answers through it")
		else if (unknown != "") say(h, port, "warn", "not known from " unknown, active(h) && first_bare == "" ? "what the check overlay says holds for it too" : "no listener there that would answer: look again once all have joined" (active(h) ? "" : ", or install perl on both"))
		else if (seen) say(h, port, "ok", open != "" ? "open to " open (closed == "" ? "" : ", and nothing filters " closed) : "nobody listens, and nothing filters " closed)
	}
	long = blind = fine = ""
	for (i = 1; i <= count; i++) if (i != b && reached[hosts[i]]) {
		word = reach[hosts[i], b, "path"]
		if (word == "toolong") long = join(long, hosts[i])
		else if (word == "open") fine = join(fine, hosts[i])
		else blind = join(blind, hosts[i])
	}
	if (long != "") say(h, "path", "fail", "small packets arrive from " long ", full ones of " f[h, "mtu"] " bytes do not", "find what carries less between them (tunnel, VPN), and lower the MTU of all nodes to that")
	else if (blind != "") say(h, "path", "warn", "not checked from " blind, "no answer to look at (ICMP is filtered, or there is neither perl nor ping): try one large answer by hand")
	else if (fine != "") say(h, "path", "ok", "full packets arrive from " fine)
	long = blind = fine = ""
	if (!active(h)) return
	for (i = 1; i <= count; i++) if (i != b && ((hosts[i], b, "overlay") in reach)) {
		word = reach[hosts[i], b, "overlay"]
		if (word == "open") fine = join(fine, hosts[i])
		else if (word == "toolong") long = join(long, hosts[i])
		else blind = join(blind, hosts[i])
	}
	if (blind != "") say(h, "overlay", "fail", "the mesh of " blind " does not reach it", "let 4789/udp and 7946/udp pass between them; if they do, restart the engine of one")
	else if (long != "") say(h, "overlay", "fail", "of the mesh of " long " small packets arrive, large ones do not", "the MTU of the ingress network is too high for what is between them: make it anew with a lower one, docs/operations.md")
	else if (fine != "") say(h, "overlay", "ok", "reached through the mesh from " fine)
}

# overlays says whether every other host gets through the mesh to number b.
function overlays(b,    i, some) {
	for (i = 1; i <= count; i++) if (i != b && reached[hosts[i]]) {
		if (!((hosts[i], b, "overlay") in reach) || reach[hosts[i], b, "overlay"] != "open") return 0
		some = 1
	}
	return some
}

# check_status tells of each node, as manager h sees it, and of what runs there.
function check_status(h,    i, k, n, list, a, t, task, zones, z, zone, leader, tasks, running, names, state) {
	n = split(many[h, "zone"], zones, "\n")
	for (i = 1; i <= n; i++) { split(zones[i], z, "|"); zone[z[1]] = z[2] }
	t = split(many[h, "task"], task, "\n")
	for (i = 1; i <= t; i++) {
		split(task[i], a, "|")
		tasks[a[1]]++
		if (a[3] ~ /^Running/) running[a[1]]++
		sub(/\.[^.]*$/, "", a[2])
		if (("\n" names[a[1]] ",") !~ ("[\n ]" a[2] ",")) names[a[1]] = join(names[a[1]], a[2])
	}
	n = split(many[h, "node"], list, "\n")
	for (i = 1; i <= n; i++) {
		split(list[i], a, "|")
		if (a[5] == "Leader") leader = a[2]
	}
	if (leader != "") say("swarm", "leader", "ok", leader)
	else say("swarm", "leader", "fail", "none", "wait for an election; if none comes, managers are missing")
	for (i = 1; i <= n; i++) {
		split(list[i], a, "|")
		state = a[3] != "Ready" || a[5] == "Unreachable" ? "fail" : a[4] != "Active" ? "warn" : "ok"
		say(a[2], "node", state, tolower(a[3] ", " a[4] ", " (a[5] == "" ? "worker" : a[5] == "Leader" ? "leader" : "manager " a[5])) ", engine " a[6] (zone[a[1]] == "" ? "" : ", zone " zone[a[1]]) ", " running[a[2]] + 0 " of " tasks[a[2]] + 0 " tasks run" (names[a[2]] == "" ? "" : " (" names[a[2]] ")"), state == "fail" ? "look at it: swarm doctor HOST" : "docker node update --availability active " a[2] ", if it shall work again")
	}
}

END {
	for (i = 1; i <= count; i++) {
		h = hosts[i]
		m = f[h, "mtu"]
		if (m != "") {
			mtus = join(mtus, h " " m)
			if (first_mtu == "") first_mtu = m
			if (m != first_mtu) odd_mtu = 1
		}
		if (first_manager == "" && f[h, "manager"] == "true" && many[h, "node"] != "") first_manager = h
		if (first_bare == "" && !active(h)) first_bare = h
		reached[h] = f[h, "reached"]
	}
	if (status) {
		if (first_manager == "") say("swarm", "quorum", "fail", f[hosts[1], "swarmerror"] == "" ? "the managers do not answer as one" : f[hosts[1], "swarmerror"], "bring managers back; look at them: swarm doctor HOST")
		else { check_managers(first_manager); check_status(first_manager) }
		exit
	}
	for (i = 1; i <= count; i++) {
		h = hosts[i]
		if (f[h, "hello"] == "") {
			say(h, "ssh", "fail", f[h, "ssherror"] == "" ? "no answer" : f[h, "ssherror"], "'ssh " f[h, "target"] "' has to work without a question: a key that it knows, its own key accepted once, options in --ssh or MINITWIT_SSH")
			continue
		}
		say(h, "ssh", "ok", f[h, "user"])
		check_clock(h)
		docker = check_docker(h)
		check_kernel(h)
		check_room(h)
		check_address(h)
		check_names(h)
		check_ports(h)
		if (docker) check_swarm(h)
		if (docker && active(h) && first_manager != "") check_mesh(h)
		if (docker && h == first_manager) check_managers(h)
		check_reach(i)
	}
	# Two clocks may both be near ours and yet further from each other.
	for (i = 1; i <= count; i++) for (k = i + 1; k <= count; k++) {
		a = hosts[i]; b = hosts[k]
		if (f[a, "hello"] == "" || f[b, "hello"] == "") continue
		d = off(a) - off(b)
		if (abs(d) - err(a) - err(b) > 1 && abs(off(a)) - err(a) <= 1 && abs(off(b)) - err(b) <= 1)
			say(a, "clock", "warn", sprintf("%+.2f s from %s", d, b), "run chrony or systemd-timesyncd on both")
		if (f[a, "engine"] != "" && f[b, "engine"] != "" && f[a, "engine"] != f[b, "engine"] && i == 1)
			say(b, "versions", "warn", f[b, "engine"] ", but " f[a, "engine"] " on " a, "bring all engines to one version, one node after another")
	}
}
