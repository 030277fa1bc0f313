#!/usr/bin/env bash
# Builds the images musterd-agent and musterd, of a coordinator, with podman or buildah:
#   images.sh [OPTION…]   each option as podman build takes it, e.g. --build-arg BASE=debian-with-python
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if command -v podman >/dev/null; then
    build=(podman build)
elif command -v buildah >/dev/null; then
    build=(buildah bud)
else
    echo "images: neither podman nor buildah is here: install one, e.g. apt-get install podman" >&2
    exit 1
fi

for image in agent:musterd-agent coordinator:musterd; do
    "${build[@]}" "$@" --target "${image%%:*}" -t "${image#*:}" -f deploy/containers/Containerfile .
done
"${build[0]}" images | grep -E '^(REPOSITORY|localhost/musterd)'
