#!/bin/sh
# Process 1 of a node of the lab: what systemd would do, and no more. The kernel
# command line says who we are: lab.host, lab.ip, lab.key, who may log in, and lab.weight.

word() { tr ' ' '\n' </proc/cmdline | sed -n "s/^lab\.$1=//p"; }
mounted() { grep -q " $1 " /proc/mounts; }

# The initial RAM disk has mounted some of these already.
[ -e /proc/mounts ] || mount -t proc proc /proc
mounted /sys || mount -t sysfs sys /sys
mounted /dev || mount -t devtmpfs dev /dev
mounted /run || mount -t tmpfs run /run
mkdir -p /dev/pts /dev/shm /run/sshd
mount -t devpts -o gid=5,mode=620 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for controller in cpu cpuset io memory pids; do
	echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
done

# Containers come before the engine that starts others beside them: with the one
# slow processor of an emulated node they would wait for it by the second. Not where
# what watches runs, too (container_weight).
mkdir /sys/fs/cgroup/docker
word weight >/sys/fs/cgroup/docker/cpu.weight

hostname "$(word host)"
for n in 1 2 3; do echo "10.77.0.1$n n$n"; done >>/etc/hosts

# One by one, since modprobe -a gives up at a name that this kernel has built in.
for module in virtio_net virtio_rng overlay bridge br_netfilter veth vxlan dummy ip_vs ip_vs_rr xt_ipvs nf_conntrack \
	nf_nat nf_tables nft_compat nft_chain_nat xt_MASQUERADE xt_addrtype xt_conntrack xt_mark \
	xt_nat xt_REDIRECT xt_tcpudp; do
	modprobe -q "$module"
done
sysctl -q net.ipv4.ip_forward=1

ip link set lo up
ip address add "$(word ip)/24" dev eth0
ip link set eth0 up
# It leads nowhere: the lab has no way out. Docker wants one to choose addresses.
ip route add default via 10.77.0.1

# As systemd does: stack/monitoring.yml looks at the machine's file systems.
mount --make-rshared /
mkdir -p /var/lib/node_exporter

# A node without this disk would work, and forget everything at the next start.
mkdir -p /var/lib/docker
mount /dev/vdb /var/lib/docker || echo o >/proc/sysrq-trigger

# The machine resets a node that has said nothing for a minute, as a cloud or a server's
# own management does.
modprobe -q i6300esb heartbeat=60
while :; do
	printf .
	sleep 10
done >/dev/watchdog &

mkdir -p /root/.ssh
chmod 700 /root/.ssh
echo "ssh-ed25519 $(word key) lab" >/root/.ssh/authorized_keys
/usr/sbin/sshd

# An engine that ends is started again, as under systemd.
while :; do
	dockerd >/dev/console 2>&1
	sleep 1
done
