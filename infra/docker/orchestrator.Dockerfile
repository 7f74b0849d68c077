# The image of the orchestrator (`layermill serve`). Build from the root of the repository:
#   docker build -f infra/docker/orchestrator.Dockerfile -t localhost/layermill/orchestrator:0.1.0 .
# Tags are exact; to pin contents as well, give the base with its digest: --build-arg NODE_IMAGE=node:24.21.0-bookworm-slim@sha256:...
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
ENV npm_config_cache=/var/cache/npm NX_NO_CLOUD=true
COPY package.json package-lock.json .npmrc tsconfig.base.json LICENSE ./
COPY test/package.json test/package.json
COPY infra/docker/prune.mjs infra/docker/prune.mjs
COPY libs libs
COPY apps apps
# Not npm ci: the lock file lacks native packages of some platforms (docs/decisions/0001-workspace.md).
RUN --mount=type=cache,target=/var/cache/npm npm install --no-save
# The embedded queue's database is made once, here, where its folder may be written.
RUN npx tsc -b apps/cli && node apps/dashboard/scripts/build.mjs && node libs/queue/scripts/prepare-embedded.mjs
# What runs needs neither the tools nor the sources, nor libraries for other machines than the image's.
ARG TARGETARCH
RUN --mount=type=cache,target=/var/cache/npm rm -rf node_modules \
  && npm install --no-save --omit=dev --workspace=layermill --include-workspace-root=false \
  && node infra/docker/prune.mjs /app && rm -rf infra

FROM ${NODE_IMAGE} AS run
RUN install -d -o 1000 -g 1000 /var/lib/layermill && ln -s /app/apps/cli/bin/layermill.js /usr/local/bin/layermill
COPY --from=build /app /app
# The queue is where LAYERMILL_QUEUE says, never on the command line, which everybody sees.
ENV NODE_ENV=production LAYERMILL_HOME=/var/lib/layermill LAYERMILL_QUEUE=redis://redis:6379 ORT_DISABLE_TELEMETRY=1
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
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
