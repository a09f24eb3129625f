#!/bin/sh
# Builds images of the programs that watch, as their makers' official ones are: one
# layer of Debian's programs, and an entrypoint for each. Runs as root inside the lab's
# root file system, as build-image.sh, with the programs' own tree at /watchers.
#
# usage: build-watchers.sh REGISTRY/PREFIX TIMESTAMP
set -eu
prefix=$1 timestamp=$2

layer=/run/layer
mkdir -p "$layer/usr/bin" "$layer/usr/sbin" "$layer/usr/lib" "$layer/usr/share" "$layer/etc" "$layer/tmp" "$layer/state" "$layer/figures"
for name in bin sbin lib lib64; do ln -s "usr/$name" "$layer/$name"; done
cp -a /watchers/usr/lib/x86_64-linux-gnu "$layer/usr/lib/"
cp -a /watchers/usr/lib64 "$layer/usr/"
if [ -d /watchers/usr/lib/syslog-ng ]; then cp -a /watchers/usr/lib/syslog-ng "$layer/usr/lib/"; fi
# Alertmanager's own templates are a file of Debian's.
cp -a /watchers/usr/share/syslog-ng /watchers/usr/share/prometheus "$layer/usr/share/"
cp -a /watchers/usr/sbin/syslog-ng /watchers/usr/sbin/syslog-ng-ctl "$layer/usr/sbin/"
for program in prometheus prometheus-alertmanager prometheus-blackbox-exporter prometheus-node-exporter prometheus-postgres-exporter busybox; do
	cp -a "/watchers/usr/bin/$program" "$layer/usr/bin/"
done
for name in sh wget hostname cut mv cat; do ln -s busybox "$layer/usr/bin/$name"; done
ln -s prometheus-alertmanager "$layer/usr/bin/alertmanager"
echo 'hosts: files dns' >"$layer/etc/nsswitch.conf"
chmod 1777 "$layer/tmp"

base=$(buildah from scratch)
buildah copy -q "$base" "$layer" / >/dev/null
# A new volume gets its owner from the folder that it covers.
mkdir /run/empty
for folder in prometheus alertmanager; do buildah copy -q --chown 65534:65534 "$base" /run/empty "/$folder" >/dev/null; done
buildah config --env PATH=/usr/sbin:/usr/bin "$base"
buildah commit -q --format docker --timestamp "$timestamp" "$base" watchers-base >&2

# image NAME ENTRYPOINT
image() {
	container=$(buildah from watchers-base)
	buildah config --entrypoint "[\"$2\"]" "$container"
	buildah commit -q --format docker --timestamp "$timestamp" "$container" "$prefix-$1:lab" >&2
	buildah push -q --tls-verify=false --digestfile /run/digest "$prefix-$1:lab" >&2
	printf '%s %s-%s@%s\n' "$1" "$prefix" "$1" "$(cat /run/digest)"
}
image prometheus prometheus
image alertmanager alertmanager
image blackbox prometheus-blackbox-exporter
image node-exporter prometheus-node-exporter
image postgres-exporter prometheus-postgres-exporter
image syslog-ng syslog-ng
