#!/bin/sh
# Runs on a machine, sent there through ssh: says what the machine is like, a line
# key=value each, and changes nothing. Nothing is judged here. `want` is the address
# that it shall advertise, `toward` one that it has to reach; both may be empty.
: "${want=}" "${toward=}"
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH

has() { command -v "$1" >/dev/null 2>&1; }
root=
[ "$(id -u)" = 0 ] || ! sudo -n true 2>/dev/null || root='sudo -n'
# An engine that hangs must not hang us.
limited=
! has timeout || limited='timeout 20'
# shellcheck disable=SC2086 # words
dockers() { $limited $root docker "$@" </dev/null; }

echo "user=$(id -un 2>/dev/null)${root:+, with sudo}"
echo "hostname=$(uname -n)"
echo "kernel=$(uname -r)"

# The engine, in one question: on a small machine each takes a second.
info=
told() { printf '%s\n' "$info" | sed -n "s/^$1=//p"; }
if ! has docker; then
	echo docker=missing
# Older clients know no field FirewallBackend and would refuse a template with it;
# so there is all of it once more as JSON.
elif info=$(dockers info -f 'engine={{.ServerVersion}}
storage={{.Driver}}
root={{.DockerRootDir}}
liverestore={{.LiveRestoreEnabled}}
security={{range .SecurityOptions}}{{.}} {{end}}
swarm={{.Swarm.LocalNodeState}}
swarmerror={{.Swarm.Error}}
nodeid={{.Swarm.NodeID}}
nodeaddress={{.Swarm.NodeAddr}}
manager={{.Swarm.ControlAvailable}}
{{with .Swarm.Cluster}}cluster={{.ID}}
history={{.Spec.Orchestration.TaskHistoryRetentionLimit}}
autolock={{.Spec.EncryptionConfig.AutoLockManagers}}{{end}}
json={{json .}}' 2>&1) && [ -n "$(told engine)" ]; then
	echo docker=answers
	printf '%s\n' "$info" | grep -v '^json='
	echo "cli=$(docker --version 2>/dev/null | sed -n 's/^Docker version \([^ ,]*\).*/\1/p')"
	echo "backend=$(told json | sed -n 's/.*"FirewallBackend":{[^}]*"Driver":"\([^"]*\)".*/\1/p')"
	[ "$(told manager)" != true ] ||
		dockers node ls --format 'node={{.ID}}|{{.Hostname}}|{{.Status}}|{{.Availability}}|{{.ManagerStatus}}|{{.EngineVersion}}' 2>/dev/null
	if [ "$(told swarm)" = active ]; then
		# The addresses of the ingress network on this machine: the mesh's own, its tasks'.
		# shellcheck disable=SC2016 # docker's own variables
		dockers network inspect ingress \
			-f '{{range $name, $end := .Containers}}{{if eq $name "ingress-sbox"}}ingress={{$end.IPv4Address}}{{else}}holds={{$end.IPv4Address}}|{{$end.Name}}{{end}}
{{end}}' 2>/dev/null | sed -n 's#/[0-9]*##p'
		# And where its mesh sends to, but for what is about to stop (weight 0): lines as
		# "-> 0A4E0025:0000 Masq 1 0 0".
		$root nsenter --net=/run/docker/netns/ingress_sbox cat /proc/net/ip_vs 2>/dev/null |
			sed -n 's/^ *-> \(..\)\(..\)\(..\)\(..\):.* Masq  *[1-9].*/0x\1 0x\2 0x\3 0x\4/p' |
			while read -r a b c d; do printf 'sends=%d.%d.%d.%d\n' "$a" "$b" "$c" "$d"; done
	fi
else
	echo docker=silent
	why=$(printf '%s' "$info" | grep -o -i -e 'permission denied[^"]*' -e 'cannot connect[^"?]*' | head -n 1)
	echo "dockererror=${why:-$(printf '%s' "$info" | grep -v '^json=' | tail -n 1 | cut -c 1-120)}"
fi

# A module counts if it is loaded, built in, or there to be loaded.
modules=
for module in ip_vs vxlan br_netfilter nf_conntrack overlay; do
	how=missing
	if [ -d "/sys/module/$module" ]; then
		how=loaded
	elif modprobe -n -q "$module" 2>/dev/null ||
		grep -q "/$module\.ko" "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null; then
		how=loadable
	fi
	modules="$modules $module:$how"
done
echo "modules=${modules# }"
echo "forward=$(cat /proc/sys/net/ipv4/ip_forward 2>/dev/null)"
echo "memory=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
data=$(told root)
[ -d "$data" ] || data=/var/lib/docker
[ -d "$data" ] || data=/var/lib
echo "disk=$(df -Pk "$data" 2>/dev/null | awk 'END { print $4 }')"

# The addresses, but for those that Docker made.
addresses=$(ip -4 -o address show scope global 2>/dev/null | awk '$2 !~ /^(docker|br-|veth)/')
printf '%s\n' "$addresses" | awk 'NF { split($4, at, "/")
	print "address=" at[1] "|" $2 "|" ($0 ~ / secondary /) "|" ($0 ~ / dynamic /) }'
source_of() { ip -4 route get "$1" 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p'; }
chosen=$want
[ -n "$chosen" ] || chosen=$(told nodeaddress)
[ -n "$chosen" ] || [ -z "$toward" ] || chosen=$(source_of "$toward")
[ -n "$chosen" ] || chosen=$(source_of 192.0.2.1)
[ -n "$chosen" ] || chosen=$(printf '%s\n' "$addresses" | awk 'NR == 1 { split($4, at, "/"); print at[1] }')
echo "chosen=$chosen"
interface=$(printf '%s\n' "$addresses" | awk -v a="$chosen" 'index($4, a "/") == 1 { print $2; exit }')
echo "interface=$interface"
[ -z "$interface" ] || echo "mtu=$(cat "/sys/class/net/$interface/mtu" 2>/dev/null)"

# Who listens, out of the kernel's own tables: state 0A is LISTEN, 07 any UDP socket.
awk '($4 == "0A" || FILENAME ~ /udp/ && $4 == "07") { sub(/.*:/, "", $2); print $2 (FILENAME ~ /udp/ ? "u" : "t") }' \
	/proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 2>/dev/null | sort -u |
	while read -r port; do
		case $port in
		0949t) echo listens=2377/tcp ;;
		1F0At) echo listens=7946/tcp ;;
		1F0Au) echo listens=7946/udp ;;
		12B5u) echo listens=4789/udp ;;
		1388t) echo listens=5000/tcp ;;
		1389t) echo listens=5001/tcp ;;
		238Ct) echo listens=9100/tcp ;;
		esac
	done

if has ufw && grep -q '^ENABLED=yes' /etc/ufw/ufw.conf 2>/dev/null; then echo firewall=ufw; fi
if has firewall-cmd && $root firewall-cmd --state >/dev/null 2>&1; then echo firewall=firewalld; fi
echo end=1
