# The controller and the CLI on a base without shell or package manager.
#   docker build -t tiphys-controller .
FROM docker.io/library/rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends libssl-dev pkg-config && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p tiphys-controller -p tiphys-cli

# libgit2 speaks TLS through OpenSSL, which this base brings (libssl3), with the certificates of the usual authorities.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/tiphys-controller /src/target/release/tiphys /usr/local/bin/
COPY --from=build /usr/lib/x86_64-linux-gnu/libssl.so.3 /usr/lib/x86_64-linux-gnu/libcrypto.so.3 /usr/lib/x86_64-linux-gnu/
COPY --from=build /usr/lib/x86_64-linux-gnu/libz.so.1 /usr/lib/x86_64-linux-gnu/
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/tiphys-controller"]
CMD ["run"]
