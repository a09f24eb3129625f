#!/bin/sh
# Builds an image of HAProxy, as the edge tier needs it, and pushes it to the
# lab's registry: Debian's own, with the libraries it names, and bash for the
# health check. Runs as root inside the lab's root file system, as build-image.sh.
#
# usage: build-edge.sh IMAGE TIMESTAMP
set -eu
image=$1 timestamp=$2

root=/run/edge
mkdir -p "$root/usr/sbin" "$root/bin" "$root/tmp"
cp /usr/sbin/haproxy "$root/usr/sbin/"
cp /bin/bash "$root/bin/"
# A library a line: "NAME => FILE (ADDRESS)", and the loader as "FILE (ADDRESS)".
for program in /usr/sbin/haproxy /bin/bash; do
	ldd "$program" | grep -o '/[^ ]*'
done | sort -u | while read -r file; do
	mkdir -p "$root${file%/*}"
	cp "$file" "$root$file"
done

container=$(buildah from scratch)
buildah copy -q "$container" "$root" / >/dev/null
buildah config --env PATH=/usr/sbin:/bin --user 65532:65532 --entrypoint '["haproxy"]' "$container"
buildah commit -q --format docker --timestamp "$timestamp" "$container" "$image" >&2
buildah push -q --tls-verify=false --digestfile /run/digest "$image" >&2
printf '%s@%s\n' "${image%:*}" "$(cat /run/digest)"
