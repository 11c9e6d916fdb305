# The server as an image: `docker build -t sideboard .`, then
# `docker run -p 6566:6566 -v $PWD/my_repo:/repo:ro sideboard` with a feature_store.yaml in my_repo.
# Without :ro, and owned by user 1000, where the online store is SQLite in it: a reader has to write beside its file.

# Everything that building and the examples need; also what deploy/compose.yaml runs its one-shot commands in.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No scripts: the npm package `node` (for machines with an older Node) would fetch a second runtime, buf its compiler.
RUN --mount=type=cache,target=/var/cache/npm npm ci --cache /var/cache/npm --ignore-scripts
COPY tsconfig.json rolldown.config.ts ./
COPY proto proto
COPY gen gen
COPY src src
RUN node node_modules/rolldown/bin/cli.mjs -c
COPY examples examples
COPY deploy deploy

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# The image has its own Node: the copy that npm brings for older machines stays out (100 MB).
RUN --mount=type=cache,target=/var/cache/npm npm ci --cache /var/cache/npm --omit=dev --ignore-scripts \
  && rm -rf node_modules/node node_modules/node-bin-* node_modules/.bin

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
  SIDEBOARD_HOST=0.0.0.0 \
  SIDEBOARD_ADMIN_HOST=0.0.0.0 \
  SIDEBOARD_REGISTRY_COPY=/var/lib/sideboard/registry.db
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY proto proto
# A volume at /var/lib/sideboard keeps the last good registry for containers to come.
RUN mkdir -p /repo /var/lib/sideboard && chown node:node /repo /var/lib/sideboard
USER node
WORKDIR /repo
EXPOSE 6566 6567
# SIGTERM drains: health says NOT_SERVING, clients are sent elsewhere, what had arrived is answered.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:6567/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning", "--max-semi-space-size=4", "--no-allocation-site-pretenuring", "--no-maglev", "--v8-pool-size=1", "/app/dist/main.js"]
CMD ["serve"]
