# Sourced by the scripts of board/: where things are, what must be installed, and how to say so.
# Everything that is fetched or built goes to the cache folder outside the repository.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${FIELDGW_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fieldgw}

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 69; }

# program_version: as `fieldgw --version` says it.
program_version() { sed -n 's/.*static let text = "\(.*\)".*/\1/p' "$top/Sources/fieldgw/Version.swift"; }

# need_swift: a toolchain of 6.0 or later.
need_swift() {
    command -v swift >/dev/null 2>&1 \
        || die "no swift on the PATH: install Debian 13's package swiftlang or a toolchain from swift.org"
}

# How the programs are built that are installed and measured: Swift's libraries inside, and those functions side by side
# that a gateway runs when it has settled. The kernel maps sixteen pages at a time, so that is 4 MB less of memory.
program_flags=(-c release --static-swift-stdlib -Xswiftc -use-ld=lld -Xswiftc -Xfrontend -Xswiftc -function-sections
    -Xlinker --symbol-ordering-file=board/functions.order -Xlinker --no-warn-symbol-ordering)

# How board/test and board/demo build: with the same flags in the same folder, so that whichever comes second finds
# the programs there.
test_flags=(-c release -Xswiftc -warnings-as-errors)

# forget_older FOLDER: programs there that were linked before the list of functions changed: SwiftPM does not see that.
forget_older() {
    local program
    for program in fieldgw fieldsim; do
        [ "$1/$program" -nt "$top/board/functions.order" ] || rm -f "$1/$program"
    done
}

# apt_get ARGUMENT…: apt-get that waits for another one (unattended-upgrades after a boot, say) for up to ten minutes.
# apt's own option waits for dpkg's locks only, so those of the package lists are tried again here. What it says
# goes to standard error if it fails for another reason.
apt_get() {
    local log=${TMPDIR:-/tmp}/fieldgw-apt.$$ tries=0
    # RUNLEVEL=1: what a test needs does not become a service of this machine.
    until "${as_root[@]}" env LC_ALL=C DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get -o DPkg::Lock::Timeout=600 -o APT::Update::Error-Mode=any -qq "$@" >"$log" 2>&1; do
        if ! grep -q -E 'Could not get lock|Unable to lock|dpkg frontend lock|is another process using it' "$log" \
            || [ $tries -ge 120 ]; then
            tail -5 "$log" >&2
            rm -f "$log"
            return 1
        fi
        [ $tries -gt 0 ] || say "another apt-get is at work; waiting for it ..."
        tries=$((tries + 1))
        sleep 5
    done
    rm -f "$log"
}

# need_packages PACKAGE…: Debian packages, installed if we may.
need_packages() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || die "packages are missing and sudo asks for a password: apt-get install ${missing[*]}"
        as_root=(sudo -n)
    fi
    say "installing: ${missing[*]}"
    # Without a network the lists that are there, and packages in apt's cache, may still do.
    apt_get update || say "apt-get update failed (see above); trying with the package lists that are there"
    apt_get install -y --no-install-recommends "${missing[@]}" || die "apt-get install failed: ${missing[*]}"
}

# python_peers: a virtual environment with the Modbus and MQTT peers of the tests; prints its python.
python_peers() {
    local venv wanted="pymodbus==3.9.2 pyserial==3.5 pika==1.3.2 paho-mqtt==2.1.0 google-api-python-client==2.97.0 pyjwt[crypto]==2.9.0 tlslite-ng==0.8.2 jsonschema==4.23.0 json5==0.9.25"
    # One for each list: checkouts that want different things do not take it from each other.
    venv=$cache/peers-$(printf %s "$wanted" | cksum | cut -d ' ' -f 1)
    if [ "$(cat "$venv/.wanted" 2>/dev/null)" != "$wanted" ]; then
        rm -rf "$venv"
        mkdir -p "$cache"
        say "installing Python peers: $wanted"
        python3 -m venv "$venv" >&2 || die "python3 -m venv failed: apt-get install python3-venv"
        # shellcheck disable=SC2086
        "$venv/bin/pip" install --quiet --disable-pip-version-check $wanted >&2 \
            || die "pip could not install: $wanted"
        printf '%s' "$wanted" >"$venv/.wanted"
    fi
    printf '%s' "$venv/bin/python"
}
