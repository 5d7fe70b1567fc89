# kap's images. The last stage holds the worker, the starter and the web process, the stage inbox the inbox that stands in for SendGrid.
# They hold programs and certificates and nothing else: no shell, and no zone data, because the programs carry their own and
# two copies could differ.

FROM golang:1.26.8-bookworm AS build
ENV CGO_ENABLED=0 GOTOOLCHAIN=local
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -o /out/ ./worker ./starter ./web

# The stack is a module of its own, and this one program of it needs nothing of Temporal's server.
FROM build AS build-inbox
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -C stack -trimpath -o /out/inbox ./inboxserver && mkdir /out/messages

FROM scratch AS inbox
COPY --from=build-inbox /out/inbox /bin/
# A new volume takes over whom this folder belongs to.
COPY --from=build-inbox --chown=65532:65532 /out/messages /messages
USER 65532:65532
ENTRYPOINT ["/bin/inbox"]

FROM scratch AS kap
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/worker /out/starter /out/web /bin/
USER 65532:65532
CMD ["/bin/worker"]
