# The image of a worker that computes on NVIDIA GPUs with ONNX Runtime (CUDA 12, cuDNN 9; linux/amd64). Build from the root of the repository:
#   docker build -f infra/docker/worker-cuda.Dockerfile -t layermill/worker-cuda:0.1.0 .
# Tags are exact; to pin contents as well, give the base with its digest: --build-arg NODE_IMAGE=node:20.20.2-bookworm-slim@sha256:...
ARG NODE_IMAGE=node:20.20.2-bookworm-slim
ARG CUDA_IMAGE=nvidia/cuda:12.9.1-cudnn-runtime-ubuntu24.04

FROM ${NODE_IMAGE} AS build
WORKDIR /app
ENV npm_config_cache=/var/cache/npm NX_NO_CLOUD=true
COPY package.json package-lock.json .npmrc tsconfig.base.json ./
COPY test/package.json test/package.json
COPY libs libs
COPY apps apps
# Not npm ci: the lock file lacks native packages of some platforms (docs/decisions/0001-workspace.md).
RUN --mount=type=cache,target=/var/cache/npm npm install --no-save
RUN npx tsc -b apps/cli && node apps/dashboard/scripts/build.mjs
# What runs needs neither the tools nor the sources, nor the runtime's libraries for other systems.
RUN --mount=type=cache,target=/var/cache/npm rm -rf node_modules \
  && npm install --no-save --omit=dev --workspace=layermill --include-workspace-root=false \
  && rm -rf test node_modules/onnxruntime-node/bin/napi-v6/darwin node_modules/onnxruntime-node/bin/napi-v6/win32 \
  && find apps libs -type d -name src -prune -exec rm -rf {} +
# The CUDA provider is not in the npm package: ONNX Runtime's own script fetches it. TensorRT is not used.
RUN ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js \
  && rm -f node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_tensorrt.so \
  && test -f node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so

FROM ${NODE_IMAGE} AS node

FROM ${CUDA_IMAGE} AS run
COPY --from=node /usr/local/bin/node /usr/local/bin/node
RUN install -d -o 1000 -g 1000 /var/lib/layermill
COPY --from=build /app /app
ENV NODE_ENV=production LAYERMILL_HOME=/var/lib/layermill ORT_DISABLE_TELEMETRY=1
# Weights fetched once are kept here; a volume makes them outlive the container.
VOLUME /var/lib/layermill
WORKDIR /var/lib/layermill
# A number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Exec form: the process gets SIGTERM itself and drains.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/apps/cli/bin/layermill.js"]
CMD ["worker", "--queue", "redis://redis:6379", "--device", "cuda", "--host", "0.0.0.0", "--health-port", "8080"]
