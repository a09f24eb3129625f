# shellcheck shell=bash
# The lab's machines: the root file system they share, and qemu.

RECIPE=$ROOT/stack/lab
LAB_CACHE=${MINITWIT_LAB_CACHE:-${XDG_CACHE_HOME:-/var/cache}/minitwit-lab}
BOOT_SECONDS=300
# Links to what `up` has found or made: the recipe may change while the lab runs.
TREE=$STATE/tree DISK=$STATE/disk

# What was made is found again by the digest of what it was made from.
tree_path() { printf '%s/tree-%s' "$LAB_CACHE" "$(cat "$RECIPE/packages" "$RECIPE/boot-modules" | digest | cut -c 1-12)"; }
disk_path() { printf '%s-%s.ext4' "$(tree_path)" "$(cat "$RECIPE/init.sh" "$RECIPE/daemon.json" | digest | cut -c 1-12)"; }

# tree_up makes the root file system as a folder: the registry, the builder and
# docker's client run out of it too.
tree_up() {
	local made
	made=$(tree_path)
	[[ -d $made ]] || make_tree "$made"
	ln -sfn "$made" "$TREE"
}

# shellcheck disable=SC2016 # $1 of a hook is mmdebstrap's
make_tree() {
	local packages
	step 'making the root file system of the nodes, once (a minute or two)'
	packages=$(grep -v '^#' "$RECIPE/packages" | paste -sd ,)
	mkdir -p "$LAB_CACHE"
	debian "$1" "$STATE/log/tree.log" --variant=minbase --include="$packages" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"' \
		--essential-hook='echo MODULES=list >"$1/etc/initramfs-tools/conf.d/lab"' \
		--essential-hook="upload $RECIPE/boot-modules /usr/share/initramfs-tools/modules.d/lab"
}

# disk_up makes the disk that all nodes start from.
disk_up() {
	local made
	made=$(disk_path)
	[[ -f $made ]] || make_disk "$made"
	ln -sfn "$made" "$DISK"
}

make_disk() {
	local new=$1.new copy=$1.copy
	step 'making the disks of the nodes'
	rm -rf "$copy" "$new"
	cp -al "$(tree_path)" "$copy" # hard links: what is replaced below is removed first
	rm -f "$copy/etc/docker/daemon.json" "$copy/etc/hostname" "$copy/etc/hosts" "$copy/etc/resolv.conf"
	mkdir -p "$copy/etc/docker"
	install -m 755 "$RECIPE/init.sh" "$copy/sbin/lab-init"
	install -m 644 "$RECIPE/daemon.json" "$copy/etc/docker/daemon.json"
	echo '127.0.0.1 localhost' >"$copy/etc/hosts"
	truncate -s 3G "$new"
	mke2fs -q -t ext4 -O ^has_journal -d "$copy" "$new" >"$STATE/log/disk.log" 2>&1 ||
		failed_with "$STATE/log/disk.log" 'mke2fs failed'
	rm -rf "$copy"
	mv "$new" "$1"
}

# data_disk makes a node's own, formatted: the small Debian inside has no mkfs.
data_disk() {
	local disk=$STATE/n$1.raw
	[[ ! -f $disk ]] || return 0
	truncate -s 8G "$disk.new"
	mke2fs -q -t ext4 "$disk.new" >/dev/null 2>&1 || die 'mke2fs failed'
	mv "$disk.new" "$disk"
}

kernel() { printf '%s' "$TREE"/boot/vmlinuz-*; }
initrd() { printf '%s' "$TREE"/boot/initrd.img-*; }

# accelerator prints what qemu shall use. That /dev/kvm is there does not say
# that it can run an ordinary kernel (some sandboxes offer one that can not), so
# the kernel of the nodes is tried, once after each start of this machine.
accelerator() {
	local file
	file=$LAB_CACHE/accel-$(</proc/sys/kernel/random/boot_id)
	if [[ -n ${MINITWIT_LAB_ACCEL:-} ]]; then
		printf '%s' "$MINITWIT_LAB_ACCEL"
		return
	fi
	if [[ ! -s $file ]]; then
		rm -f "$LAB_CACHE"/accel-*
		if [[ -w /dev/kvm ]] && kvm_boots; then echo kvm; else echo tcg; fi >"$file"
	fi
	cat "$file"
}

# It is given no disk, so all it can do is to start and say so.
kvm_boots() {
	timeout -s KILL 10 qemu-system-x86_64 -M q35 -accel kvm -cpu host -m 512 -nodefaults -display none -no-reboot \
		-serial stdio -kernel "$(kernel)" -initrd "$(initrd)" -append 'console=ttyS0 panic=-1' </dev/null 2>/dev/null |
		grep -q -a -m 1 'Run /init'
}

# container_weight is the share of the processor that a node's containers have, beside the 100
# of each thread of its engine. The product alone comes first. Among fifteen more containers
# the engine would starve: it lost its quorum three times in one update.
container_weight() { if running oncall; then echo 100; else echo 1000; fi; }

# vm_command N ACCEL prints qemu's command line, a word a line. The emulated
# processor has SSE and AES, which this one does for it, and no AVX: where programs
# find that they use it, and its emulation is slower than doing without. A kernel that
# panics starts anew, and so does a node that hangs, by its watchdog (init.sh): a manager
# that stays as it is would be the second one lost in any drill that takes another.
vm_command() {
	local n=$1 cpu=host accel=kvm
	[[ $2 == kvm ]] || cpu=Westmere accel=tcg,thread=multi,tb-size=512
	printf '%s\n' qemu-system-x86_64 -name "minitwit-n$n" -M q35 -accel "$accel" -cpu "$cpu" \
		-smp 1 -m "${MINITWIT_LAB_MEMORY:-2000}" -nodefaults -display none \
		-kernel "$(kernel)" -initrd "$(initrd)" \
		-append "console=ttyS0 root=/dev/vda rw init=/sbin/lab-init panic=10 net.ifnames=0 mitigations=off quiet lab.host=n$n lab.ip=$(address "$n") lab.key=$(cut -d ' ' -f 2 "$STATE/ssh.pub") lab.weight=$(container_weight)" \
		-drive "file=$DISK,format=raw,if=virtio,snapshot=on" \
		-drive "file=$STATE/n$n.raw,format=raw,if=virtio,cache=unsafe" \
		-netdev "tap,id=net,ifname=tap$n,script=no,downscript=no" \
		-device "virtio-net-pci,netdev=net,mac=52:54:00:77:00:1$n" \
		-device i6300esb -action watchdog=reset -device virtio-rng-pci -serial "file:$STATE/log/console-n$n.log"
}

# vm_start N. The root disk is new at each start of qemu, as after a repair; the engine's
# data survives, as after a power cut. cache=unsafe leaves the writing to this
# machine, which goes on when qemu is killed.
vm_start() {
	local n=$1 word words=()
	if running "n$n"; then
		note "n$n already runs"
	else
		data_disk "$n"
		while IFS= read -r word; do words+=("$word"); done < <(vm_command "$n" "$(accelerator)")
		detach "$STATE/log/n$n.log" ip netns exec "$NS" env TMPDIR="$STATE" "${words[@]}"
		remember "n$n"
		note "n$n started (pid $DETACHED)"
	fi
	plug "$n" up
}

# remember NAME writes down what detach has started.
remember() {
	printf '%s\n' "pid=$DETACHED" "id=$(identity "$DETACHED")" | write_private "$STATE/run/$1"
}

# vm_kill N pulls the plug: no signal that qemu or the node could answer.
vm_kill() {
	running "n$1" || return 0
	kill -9 "$(field "n$1" pid)"
	while running "n$1"; do sleep 0.05; done
	rm -f "$STATE/run/n$1"
}

# engine N ARGUMENTS… is docker's client on a node. It comes out of the nodes'
# own tree, started by the loader there, since this machine may have another C
# library, another client, or none.
engine() {
	local n=$1
	shift
	DOCKER_HOST=tcp://$(address "$n"):2375 DOCKER_CONFIG=$STATE/docker \
		from_tree docker "$@"
}

from_tree() {
	local program=$TREE/usr/bin/$1
	shift
	in_ns "$TREE/lib64/ld-linux-x86-64.so.2" --library-path "$TREE/lib/x86_64-linux-gnu:$TREE/usr/lib/x86_64-linux-gnu" \
		"$program" "$@"
}

# answers N: does the engine answer, within two seconds? The client itself would
# wait for minutes on a node that is cut off.
answers() {
	plugged "$1" && [[ $(ns_get "$(address "$1")" 2375 /_ping) == *OK ]]
}

# ns_get HOST PORT PATH prints the whole answer, by bash alone.
ns_get() {
	# shellcheck disable=SC2016 # for the inner shell
	in_ns timeout 2 bash -c 'exec 2>/dev/null 3<>"/dev/tcp/$1/$2" || exit 1
		printf "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" "$3" "$1" >&3; cat <&3' _ "$@" 2>/dev/null || true
}

vm_await() {
	local n=$1 deadline=$((SECONDS + BOOT_SECONDS))
	until answers "$n"; do
		running "n$n" || failed_with "$STATE/log/n$n.log" "qemu of n$n ended"
		((SECONDS < deadline)) || failed_with "$STATE/log/console-n$n.log" "n$n did not come up in $BOOT_SECONDS s"
		sleep 0.5
	done
}

keys_up() {
	[[ -f $STATE/ssh ]] || ssh-keygen -q -t ed25519 -N '' -C lab -f "$STATE/ssh"
}

# into N [COMMAND…]: a shell on the node.
into() {
	local n=$1
	shift
	in_ns ssh -q -i "$STATE/ssh" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o ConnectTimeout=10 "root@$(address "$n")" "$@"
}
