#!/bin/sh
# Builds the product's image from the real Dockerfile and pushes it to the lab's
# registry. Runs as root inside the lab's root file system (see lab_world.sh),
# with the clone on /clone, its Go toolchain on /go-root, its modules on
# /go-modules and its build cache on /go-cache: there is no network to fetch
# anything from, and nothing is fetched.
#
# usage: build-image.sh IMAGE TIMESTAMP [build arguments]
set -eu
image=$1 timestamp=$2
shift 2

# The builder that the Dockerfile starts from. It is nearly empty, since Go itself
# is mounted: a shell for RUN, and a C library in case the toolchain wants one.
builder() {
	root=/run/builder
	mkdir -p "$root/bin" "$root/lib64" "$root/lib/x86_64-linux-gnu" "$root/etc/ssl/certs" "$root/tmp"
	cp /bin/dash "$root/bin/sh"
	cp /lib64/ld-linux-x86-64.so.2 "$root/lib64/"
	cp /lib/x86_64-linux-gnu/libc.so.6 /lib/x86_64-linux-gnu/libresolv.so.2 "$root/lib/x86_64-linux-gnu/"
	cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
	container=$(buildah from scratch)
	buildah copy -q "$container" "$root" / >/dev/null
	buildah config \
		--env PATH=/usr/local/go/bin:/bin --env GOTOOLCHAIN=local --env GOFLAGS= \
		--env GOPROXY=off --env GOSUMDB=off --env GOMODCACHE=/go/pkg/mod --env GOCACHE=/go/cache \
		"$container"
	buildah commit -q "$container" localhost/minitwit-builder:lab >/dev/null
}

# limit NAME prints the hard one of this process.
limit() { sed -n "s/^Max $1 *[^ ]* *\([^ ]*\).*/\1/p" /proc/self/limits | sed 's/unlimited/-1/'; }

builder
# Docker's own format of image: the other has no HEALTHCHECK. The limits are the
# ones that we have: buildah's own may be more than we may set.
buildah build --format docker --isolation chroot --timestamp "$timestamp" \
	--ulimit "nofile=$(limit 'open files')" --ulimit "nproc=$(limit processes)" \
	--volume /go-root:/usr/local/go:ro --volume /go-modules:/go/pkg/mod --volume /go-cache:/go/cache \
	--build-arg BUILDER=localhost/minitwit-builder:lab "$@" -t "$image" /clone >&2
buildah push -q --tls-verify=false --digestfile /run/digest "$image" >&2
printf '%s@%s\n' "${image%:*}" "$(cat /run/digest)"
