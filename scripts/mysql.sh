#!/usr/bin/env bash
# Brings a MySQL server of version 8 or newer to build/mysql/bin/mysqld, where none is on PATH. Debian's
# stable releases have none: so its packages of the unstable one are fetched from the mirror that this
# system's apt has, checked by apt, and unpacked here with the libraries that they need. Nothing is
# installed, and apt's own lists stay as they are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
there=$PWD/build/mysql
apt=$there/apt
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
package=mysql-server-core

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

is_mysql_8() { # and neither MariaDB, which is called so too, nor an older one
    local version
    version=$("$1" --no-defaults --version 2>/dev/null) || return 1
    [[ $version != *MariaDB* && $version =~ Ver\ ([0-9]+)\. && ${BASH_REMATCH[1]} -ge 8 ]]
}

is_there() {
    is_mysql_8 "$there/bin/mysqld" || is_mysql_8 "$(PATH="$PATH:/usr/sbin" command -v mysqld)"
}

mirror() { # where this system gets Debian itself from, and not its security updates
    apt-get indextargets --format '$(SITE) $(ORIGIN) $(COMPONENT) $(SUITE)' 'Created-By: Packages' |
        awk '$2 == "Debian" && $3 == "main" && $4 !~ /security|updates|backports/ { print $1; exit }'
}

own_apt() { # with lists, cache and no installed packages of its own
    apt-get -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=- \
        -o Dir::Etc::Preferences=- -o Dir::Etc::PreferencesParts=- \
        -o Dir::State::Lists="$apt/lists" -o Dir::State::Status="$apt/status" -o Dir::Cache="$apt/cache" \
        -o APT::Default-Release= -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 "$@" >>"$apt/log" 2>&1 ||
        fail "apt could not fetch MySQL: $(grep -m 1 '^E:' "$apt/log" || tail -n 1 "$apt/log")." \
            "It needs the mirror that this system's apt has; or put a mysqld of MySQL 8.0 or newer on PATH"
}

fetch() {
    local site
    site=$(mirror)
    [ -n "$site" ] || fail "apt has no lists of Debian here: run apt-get update as root; or, where this is no" \
        "Debian, put a mysqld of MySQL 8.0 or newer on PATH"
    [ -r "$keyring" ] || fail "$keyring is missing: apt-get install debian-archive-keyring"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    : >"$apt/status"
    : >"$apt/log"
    printf 'deb [signed-by=%s] %s sid main\n' "$keyring" "$site" >"$apt/sources.list"
    own_apt update -o APT::Update::Error-Mode=any
    own_apt install --no-install-recommends --download-only -y "$package"
}

unpack() {
    local deb root=$there/root
    for deb in "$apt"/cache/archives/*.deb; do
        dpkg-deb -x "$deb" "$root"
    done
    write_starter "$root" >"$there/bin/mysqld"
    chmod +x "$there/bin/mysqld"
}

write_starter() { # its C library is newer than the system's, so it comes with the loader of that
    local libraries loader
    loader=$(find "$1" -name 'ld-linux-*.so.*' -print -quit)
    libraries=$(find "$1" -name 'libc.so.6' -printf '%h' -quit)
    cat <<EOF
#!/bin/sh
exec '$loader' --library-path '$libraries' '$1/usr/sbin/mysqld' "\$@"
EOF
}

if is_there; then exit 0; fi
command -v dpkg-deb >/dev/null || fail 'this is no Debian: put a mysqld of MySQL 8.0 or newer on PATH'
rm -rf "$there"
mkdir -p "$there/bin"
say "fetching MySQL from Debian's unstable release into $there, 50 MB"
fetch
unpack
is_mysql_8 "$there/bin/mysqld" || fail "$there/bin/mysqld does not start: $("$there/bin/mysqld" --version 2>&1 | tail -n 1)"
rm -rf "$apt"
