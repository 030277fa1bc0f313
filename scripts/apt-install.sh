#!/usr/bin/env bash
# Installs system packages (run as root) without starting, enabling or configuring what is in them:
# Debian's packages would start memcached and PgBouncer, and make and start a PostgreSQL cluster.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # which `su` may leave out, and dpkg needs

policy=/usr/sbin/policy-rc.d
no_cluster=/etc/postgresql-common/createcluster.d/musterd-setup.conf
made=()

clean_up() {
    rm -f ${made[@]+"${made[@]}"}
    rmdir --ignore-fail-on-non-empty "$(dirname $no_cluster)" 2>/dev/null || true
}

forbid_starting() { # what we install, and nothing else
    [ -e $policy ] && return
    made+=($policy)
    cat >$policy <<'POLICY'
#!/bin/sh
# Made by musterd's scripts/apt-install.sh, which removes it when it is done.
case "$1" in memcached* | pgbouncer* | postgresql*) exit 101 ;; esac
POLICY
    chmod 755 $policy
}

forbid_cluster() {
    made+=($no_cluster)
    mkdir -p "$(dirname $no_cluster)"
    echo 'create_main_cluster = false' >$no_cluster
}

disable_at_boot() {
    local package
    command -v systemctl >/dev/null || return 0
    for package in "$@"; do
        case $package in memcached | pgbouncer | postgresql) systemctl -q disable "$package" 2>/dev/null || true ;; esac
    done
}

main() {
    trap clean_up EXIT
    trap 'exit 130' INT TERM HUP
    forbid_starting
    forbid_cluster
    apt-get -qq update || echo 'setup: apt could not refresh its lists; trying with those there are' >&2
    apt-get -qq install -y --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 \
        -o Dpkg::Options::=--force-confold "$@" >/dev/null
    disable_at_boot "$@"
}

main "$@"
