# Two images: `fairlead`, the control plane and its command line, and `workload`, an app's container
# with an Envoy and the interception rules in it. Plain builder features only: it builds with any
# Docker.
FROM envoyproxy/envoy:v1.40.0 AS envoy

FROM node:22-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund --loglevel=error
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY protos ./protos
COPY src ./src
RUN npm run build && npm prune --omit=dev --no-audit --no-fund --loglevel=error

FROM node:22-bookworm-slim AS tools
RUN apt-get update \
  && apt-get install --yes --no-install-recommends iproute2 iptables \
  && rm -rf /var/lib/apt/lists/*

FROM node:22-bookworm-slim AS fairlead
WORKDIR /app
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules ./node_modules
COPY --from=build /src/dist ./dist
COPY envoy ./envoy
# For the demo's volumes, which are made with this owner.
RUN mkdir -p /state /mesh/certificate && chown node:node /state /mesh/certificate
USER node
EXPOSE 15010 15014
ENTRYPOINT ["node", "dist/cli/main.js"]

FROM tools AS workload
WORKDIR /fairlead
COPY --from=envoy /usr/local/bin/envoy /usr/local/bin/envoy
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules ./node_modules
COPY --from=build /src/dist ./dist
COPY envoy ./envoy
ENTRYPOINT ["node", "/fairlead/envoy/workload.mjs"]
