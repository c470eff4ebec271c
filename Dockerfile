# memtool in a slim Debian, as a user without rights, with stores in /data. Sources/Engram/Documentation.docc/Containers.md says how to use it.
#   docker build --build-arg ENGRAM_COMMIT=$(git rev-parse --short=12 HEAD) -t engram .

FROM swift:6.3-bookworm AS build
WORKDIR /engram
COPY . .
# What `memtool --version` names: the sources come without their Git repository.
ARG ENGRAM_COMMIT=""
ARG ENGRAM_MAINTAINER="Engram <engram@localhost>"
RUN ENGRAM_COMMIT="$ENGRAM_COMMIT" ENGRAM_MAINTAINER="$ENGRAM_MAINTAINER" Tools/package --output /packages

FROM debian:bookworm-slim
COPY --from=build /packages/*.deb /packages/
RUN apt-get update \
  && apt-get install --yes --no-install-recommends /packages/*.deb libopenblas0-pthread libcurl4 ca-certificates \
  && rm -r /packages /var/lib/apt/lists/* \
  && useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin engram \
  && install --directory --owner engram --group engram --mode 0700 /data
USER 10001:10001
WORKDIR /data
VOLUME /data
ENTRYPOINT ["memtool"]
CMD ["--help"]
