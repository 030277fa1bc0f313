#!/usr/bin/env bash
# Brings what a make target needs, and skips what is there:
#   setup.sh demo   the virtual environment with what musterd itself needs
#   setup.sh lint   the same with the tools of developers
#   setup.sh test   the same with memcached, PostgreSQL, PgBouncer and Chromium
#   setup.sh bench  the same with what draws the pictures, and the peers of benchmarks
#   setup.sh faults the same with faketime and Galera
#   setup.sh nova   the same as test without a browser, RabbitMQ, and Nova 34 in an environment of its own, build/nova
#   setup.sh mysql  the same as test without a browser, and MySQL, which Debian's stable releases lack, in build/mysql
#   setup.sh rules  what tests take but servers, promtool and an Alertmanager
#   setup.sh fuzz   the same as bench, with fuzzers
#   setup.sh docs   what builds the pages as a site, in an environment of its own, build/docs/venv
#   setup.sh install FOLDER [EXTRA…]  musterd as it is now, in a virtual environment for hosts that run it
#   setup.sh image FOLDER [EXTRA…]    the same without what builds it, and of a coordinator only with that extra
# Asks no questions, and leaves no server running that was not running before.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=$PWD/.venv

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# --- what is there -----------------------------------------------------------------------------

on_path() { PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null; }

missing_servers() { # as Debian and Ubuntu call the packages
    on_path memcached || echo memcached
    on_path pgbouncer || echo pgbouncer
    on_path mariadbd || echo mariadb-server
    on_path openssl || echo openssl
    on_path initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || echo postgresql
}

missing_for_faults() {
    missing_servers
    compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null || echo faketime
    compgen -G '/usr/lib*/galera*/libgalera_smm.so' >/dev/null || echo galera-4
}

missing_for_nova() {
    missing_servers
    on_path rabbitmq-server || echo rabbitmq-server
}

missing_for_rules() { # 22 MB to fetch and 330 on disk: too large for all who run tests
    on_path promtool || echo prometheus
    on_path prometheus-alertmanager || echo prometheus-alertmanager
}

missing_for_tests() {
    missing_servers
    on_path chromedriver || echo chromium-driver # which brings the Chromium of its version
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
        if is_new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    fail 'no Python 3.11 or newer found: install one, or name it: make setup PYTHON=/path/to/python3'
}

# --- the system's packages ---------------------------------------------------------------------

as_root() { # needs no password, or asks for it where somebody can answer
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

may_be_root() {
    [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true; }; } 2>/dev/null
}

install_system_packages() {
    on_path apt-get || fail "please install with this system's package manager: $*"
    may_be_root || fail "needs root once; please run as root in $PWD: scripts/apt-install.sh $*"
    say "installing with apt: $*"
    as_root scripts/apt-install.sh "$@" || fail "apt did not install: $*; once that is mended, try again"
}

# --- the virtual environment -------------------------------------------------------------------

ensure_venv_module() {
    local name
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    name=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    case $("$1" -c 'import sys; print(sys.base_prefix)') in
        /usr) install_system_packages "$name" ;;
        *) fail "$1 has no ensurepip module: set PYTHON to another Python 3.11 or newer" ;;
    esac
}

# A virtual environment knows its own path: one that was moved, or whose Python went, is of no use.
venv_is_sound() { "$venv/bin/python" -c '' 2>/dev/null && grep -qF "$venv" "$venv/pyvenv.cfg"; }

fingerprint() {
    { pwd; readlink -f "$venv/bin/python"; cat pyproject.toml constraints.txt scripts/setup.sh; } | sha256sum
}

is_done() { cmp -s "$venv/done-$1" <(fingerprint); }

pip_install() { "$venv/bin/python" -m pip --disable-pip-version-check install -q "$@"; }

# What is not in constraints.txt, or is not the file that it was, pip names, and installs nothing.
pip_install_checked() { pip_install --require-hashes "$@"; }

pin_of() { sed -n "/^$1==/,/[^\\\\]\$/p" constraints.txt; }

needs_of_musterd() { # a list, since pip refuses folders where it checks hashes; with the extras that are named
    "$venv/bin/python" -c 'import sys, tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]
extras = project["optional-dependencies"]
print(*project["dependencies"], *(need for name in sys.argv[1:] for need in extras[name]), sep="\n")' "$@"
}

make_venv() { # with pip as pinned: older ones take no hashes from -c
    local python
    if ! venv_is_sound; then
        python=$(find_python)
        ensure_venv_module "$python"
        say "making $venv with $("$python" --version) ($python)"
        "$python" -m venv --clear "$venv"
    fi
    pip_install_checked -r <(pin_of pip)
}

extras=(coordinator)

install_packages() { # what musterd needs, and groups of pyproject.toml
    say "installing Python packages into $venv, as pinned in constraints.txt"
    pip_install_checked -c constraints.txt --build-constraint constraints.txt \
        -r <(needs_of_musterd ${extras[@]+"${extras[@]}"}) "$@"
}

install_musterd() { pip_install --no-deps --no-build-isolation "$@"; } # with what the group build brought

make_wheel() { # in a virtual environment that goes with it
    venv=$PWD/build/image/venv
    mkdir -p build/image
    make_venv
    pip_install_checked -c constraints.txt --build-constraint constraints.txt --group build
    "$venv/bin/python" -m hatchling build -t wheel -d build/image
}

ensure_venv() { # demo | lint | bench | fuzz, each with all that is in the ones before it
    local kind more="demo lint bench fuzz" groups=()
    for kind in "$1" ${more#*"$1"}; do
        if is_done "$kind"; then return; fi
    done
    if [ "$1" != demo ]; then groups=(--group sbom --group test --group lint); fi
    case $1 in
        bench) groups+=(--group bench) ;;
        fuzz) groups+=(--group bench --group fuzz) ;;
    esac
    make_venv
    install_packages --group build ${groups[@]+"${groups[@]}"}
    install_musterd -e .
    fingerprint >"$venv/done-$1"
}

ensure_packages() { # those that the function of this name prints
    local packages
    mapfile -t packages < <("$1")
    [ ${#packages[@]} = 0 ] || install_system_packages "${packages[@]}"
    [ -z "$("$1")" ] || fail "still not found after the installation: $("$1")"
}

refuse_snap() {
    if ! on_path chromedriver && grep -qsx 'ID=ubuntu' /etc/os-release; then
        fail "no chromedriver on PATH, and Ubuntu has Chromium only as a snap, which tests cannot drive:" \
            "install Google Chrome, and the chromedriver of its version from Chrome for Testing, and try again"
    fi
}

main() {
    exec 9<constraints.txt
    flock 9 # two runs of make take turns
    case ${1-} in
        demo | lint) ensure_venv "$1" ;;
        test)
            ensure_venv lint
            refuse_snap
            ensure_packages missing_for_tests
            ;;
        bench)
            ensure_venv bench
            ensure_packages missing_servers
            ;;
        faults)
            ensure_venv bench
            ensure_packages missing_for_faults
            ;;
        nova)
            ensure_venv lint
            ensure_packages missing_for_nova
            "$venv/bin/python" -m benchmarks.peers.environment
            ;;
        mysql)
            ensure_venv bench
            ensure_packages missing_servers
            scripts/mysql.sh
            ;;
        rules)
            ensure_venv lint
            ensure_packages missing_for_rules
            ;;
        fuzz)
            ensure_venv fuzz
            ensure_packages missing_servers
            ;;
        docs)
            venv=$PWD/build/docs/venv
            if is_done docs; then return; fi
            make_venv
            pip_install_checked -c constraints.txt --group docs
            fingerprint >"$venv/done-docs"
            ;;
        install)
            venv=${2:?a folder}
            extras+=("${@:3}")
            make_venv
            install_packages --group build
            install_musterd .
            "$venv/bin/python" -m musterd.cli.share "$venv/share" # man pages, and completion for shells
            ;;
        image)
            make_wheel
            venv=${2:?a folder}
            extras=("${@:3}")
            make_venv
            install_packages
            pip_install --no-deps build/image/*.whl
            "$venv/bin/python" -m pip uninstall -q -y pip setuptools # what runs in a container is never changed there
            ;;
        *) fail 'usage: scripts/setup.sh demo|lint|test|bench|faults|nova|mysql|rules|fuzz|docs, or install|image FOLDER [EXTRA…]' ;;
    esac
}

main "$@"
