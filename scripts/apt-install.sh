#!/usr/bin/env bash
# Installs system packages (run as root) without starting, enabling or configuring what is in them:
# Debian's packages would start memcached and PgBouncer, and make and start a PostgreSQL cluster.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
PATH=$PATH:/usr/sbin:/sbin # which `su` may leave out, and dpkg needs

policy=/usr/sbin/policy-rc.d
no_cluster=/etc/postgresql-common/createcluster.d/musterd-setup.conf
log=$(mktemp)
made=("$log")

clean_up() {
    rm -f "${made[@]}"
    rmdir --ignore-fail-on-non-empty "${no_cluster%/*}" 2>/dev/null || true
}

forbid_starting() { # what we install, and nothing else; a policy that is there stays
    [ ! -e $policy ] || return 0
    made+=($policy)
    cat >$policy <<'POLICY'
#!/bin/sh
# Made by musterd's scripts/apt-install.sh, which removes it when it is done.
case "$1" in memcached* | pgbouncer* | postgresql* | mariadb* | mysql* | rabbitmq* | epmd* | prometheus*) exit 101 ;; esac
POLICY
    chmod 755 $policy
}

forbid_cluster() {
    made+=($no_cluster)
    mkdir -p "${no_cluster%/*}"
    echo 'create_main_cluster = false' >$no_cluster
}

install_packages() {
    apt-get -q update || echo 'could not refresh the lists of packages; trying with those there are'
    apt-get -q install -y --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 \
        -o Dpkg::Options::=--force-confold "$@"
}

disable_at_boot() {
    local package
    for package in "$@"; do
        [ ! -e "/etc/init.d/$package" ] || update-rc.d "$package" disable
    done
}

main() {
    trap clean_up EXIT
    trap 'exit 130' HUP INT TERM
    forbid_starting
    forbid_cluster
    if ! { install_packages "$@" && disable_at_boot "$@"; } </dev/null >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        exit 1
    fi
}

main "$@"
