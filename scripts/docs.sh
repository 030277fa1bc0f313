#!/usr/bin/env bash
# Builds the pages as a site in build/site: docs/site/zensical.toml. A warning, as of a link that leads nowhere, ends it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
place=build/docs
rm -rf "$place/pages" build/site
mkdir -p "$place/pages"
cp -R README.md CONTRIBUTING.md CHANGELOG.md LICENSE docs deploy "$place/pages/"
rm -f "$place/pages/docs/site/zensical.toml"
cp docs/site/zensical.toml build/
"$place/venv/bin/zensical" build --clean --strict -f build/zensical.toml
if grep -rnoE 'src="?https?://[^" ]+' build/site --include='*.html'; then
    echo 'docs: the site would fetch these from elsewhere' >&2
    exit 1
fi
echo "docs: open build/site/index.html"
