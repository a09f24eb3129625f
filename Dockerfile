# One image for both services: `serve --only api`, `serve --only web`. Without an
# argument it serves both, on one port each.
#
# Plain Dockerfile language, without BuildKit's extensions: Debian's Docker 20.10
# builds it as it is.

# The builder can be replaced by one of your own registry, for a mirror or a
# patched Go: docker build --build-arg BUILDER=registry.example/golang:1.26 .
ARG BUILDER=golang:1.26-bookworm

FROM ${BUILDER} AS build
WORKDIR /src
# The modules change seldom: a layer of their own, before the source.
COPY go.mod go.sum ./
RUN go mod download
COPY service ./service
COPY migrations ./migrations
COPY monitoring/exporter ./monitoring/exporter
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
# For another processor than the builder's: BuildKit sets it, others leave it empty.
ARG TARGETARCH
# Empty: a release has no tags. --build-arg TAGS=faults makes an image for drills,
# which can be told to fail (service/faults).
ARG TAGS=
# Static, since the final image has no C library; -buildvcs=false, since .git
# does not belong to the build context.
RUN build() { CGO_ENABLED=0 GOARCH=${TARGETARCH} go build -trimpath -buildvcs=false -tags "${TAGS}" \
    -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${REVISION} -X main.built=${CREATED}" "$@"; }; \
    build -o /minitwit ./service && build -o /swarm-exporter ./monitoring/exporter

# Nothing but the program and what it needs to trust a database's certificate: no
# shell for an intruder, nothing to patch but ourselves.
FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="minitwit" \
      org.opencontainers.image.description="MiniTwit: a microblog, UI and simulator API" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /minitwit /minitwit
# For the monitoring stack (stack/monitoring.yml): a program of its own, of the same release.
COPY --from=build /swarm-exporter /swarm-exporter
# A number, because without /etc/passwd there are no names, and because it lets
# the orchestrator see that it is not root.
USER 65532:65532
# UI, API, and the ops port, which is never published.
EXPOSE 5000 5001 9100
# Swarm kills and replaces what is unhealthy, so this asks only whether the process
# itself can serve, never for the database.
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 \
    CMD ["/minitwit", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/minitwit"]
CMD ["serve"]
