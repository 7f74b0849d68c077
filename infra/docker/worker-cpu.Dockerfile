# The image of a worker that computes on the CPU. Build from the root of the repository:
#   docker build -f infra/docker/worker-cpu.Dockerfile -t localhost/layermill/worker-cpu:0.1.0 .
# Tags are exact. `npm run images` pins contents as well, by the digests in bases.json; by hand: --build-arg NODE_IMAGE=node:...@sha256:...
ARG NODE_IMAGE=node:24.21.0-bookworm-slim
# npm and its tools stay in the build stage.
ARG RUN_IMAGE=debian:12.12-slim

FROM ${NODE_IMAGE} AS build
# Symbols for debuggers are an eighth of the program.
RUN apt-get update && apt-get install -y --no-install-recommends binutils && strip /usr/local/bin/node
WORKDIR /app
ENV npm_config_cache=/var/cache/npm NX_NO_CLOUD=true
COPY package.json package-lock.json .npmrc tsconfig.base.json LICENSE ./
COPY test/package.json test/package.json
COPY infra/docker/prune.mjs infra/docker/inventory.mjs infra/docker/
COPY libs libs
COPY apps apps
# Not npm ci: the lock file lacks native packages of some platforms (docs/decisions/0001-workspace.md).
RUN --mount=type=cache,target=/var/cache/npm npm install --no-save
# The embedded queue's database is made once, here, where its folder may be written.
RUN npx tsc -b apps/cli && node apps/dashboard/scripts/build.mjs && node libs/queue/scripts/prepare-embedded.mjs
# What runs needs neither the tools nor the sources, nor libraries for other machines than the image's. What is left is listed in /app/about:
# a software bill of materials and all licences.
ARG TARGETARCH
RUN --mount=type=cache,target=/var/cache/npm rm -rf node_modules \
  && npm install --no-save --omit=dev --workspace=layermill --include-workspace-root=false \
  && node infra/docker/prune.mjs /app && node infra/docker/inventory.mjs /app /app/about && rm -rf infra

FROM ${RUN_IMAGE} AS run
COPY --from=build /usr/local/bin/node /usr/local/bin/node
RUN groupadd -g 1000 layermill && useradd -u 1000 -g 1000 -M -d /var/lib/layermill layermill \
  && install -d -o 1000 -g 1000 /var/lib/layermill && ln -s /app/apps/cli/bin/layermill.js /usr/local/bin/layermill
COPY --from=build /app /app
# The queue is where LAYERMILL_QUEUE says, never on the command line, which everybody sees.
ENV NODE_ENV=production HOME=/var/lib/layermill LAYERMILL_HOME=/var/lib/layermill LAYERMILL_QUEUE=redis://redis:6379 ORT_DISABLE_TELEMETRY=1 MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=1048576 MALLOC_TRIM_THRESHOLD_=16777216
# Weights fetched once are kept here; a volume makes them outlive the container.
VOLUME /var/lib/layermill
WORKDIR /var/lib/layermill
# A number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "/app/apps/cli/bin/healthcheck.js"]
# Exec form: the process gets SIGTERM itself and drains.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/apps/cli/bin/layermill.js"]
CMD ["worker", "--device", "cpu", "--host", "0.0.0.0", "--health-port", "8080"]
