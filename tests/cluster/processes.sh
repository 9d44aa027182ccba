# shellcheck shell=bash
# processes.sh - for slurm.sh and hosts.sh: processes and namespaces that are known by number and start time, never by
# name, and listed in $DIR/pids.
#
# A cluster is one process, the anchor, in namespaces of its own with a bridge; every host is a child of it in further
# namespaces, joined by a cable.  Nothing is visible on the machine's own network, instances do not collide, and with the
# anchor the kernel kills all that runs in it.

set -u
export PATH=$PATH:/usr/sbin:/sbin
new_namespaces=(unshare --net --uts --pid --ipc --mount --fork --kill-child --mount-proc)

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# start_time PID: in clock ticks since boot; nothing for a zombie
start_time() {
    local stat
    stat=$(cat "/proc/$1/stat" 2> /dev/null) || return 1
    set -- ${stat##*) }
    [[ $1 != Z ]] && echo "${20}"
}
remember() { echo "$1 $2 $(start_time "$2")" >> "$DIR/pids"; } # NAME PID
pid_of() { awk -v name="$1" '$1 == name {pid = $2} END {print pid}' "$DIR/pids" 2> /dev/null; }
is_alive() { # NAME
    local pid time
    read -r pid time < <(awk -v name="$1" '$1 == name {found = $2 " " $3} END {print found}' "$DIR/pids" 2> /dev/null)
    [[ -n ${pid:-} && $(start_time "$pid") == "$time" ]]
}
kill_now() { ! is_alive "$1" || kill -9 "$(pid_of "$1")"; }
children_of() { cat /proc/"$1"/task/*/children 2> /dev/null; }

# within SECONDS command...: tries it again every 20 ms
within() {
    local tries=$(($1 * 50))
    shift
    while ((tries-- > 0)); do
        "$@" && return
        sleep 0.02
    done
    return 1
}

can_have_namespaces() {
    ((EUID == 0)) && "${new_namespaces[@]}" sh -c 'ip link add br0 type bridge && ip link add v0 type veth peer name v1' \
        > /dev/null 2>&1
}

# ---- the anchor, from outside
start_anchor() {
    : > "$DIR/pids"
    setsid "$0" __anchor "$DIR" < /dev/null >> "$DIR/anchor.log" 2>&1 9>&- &
    within 20 test -e "$DIR/up" || return 1
    local pid host
    remember login "$(children_of "$(pid_of anchor)" | cut -d ' ' -f 1)"
    for pid in $(children_of "$(pid_of login)"); do
        for pid in $(children_of "$pid"); do
            host=$({ tr '\0' ' ' < "/proc/$pid/cmdline"; } 2> /dev/null | sed -n "s|.* __host $DIR \([a-z0-9]*\) \$|\1|p")
            [[ -z $host ]] || remember "$host" "$pid"
        done
    done
}
stop_anchor() {
    kill_now login
    kill_now anchor
    within 10 is_dead login && within 10 is_dead anchor
}
is_dead() { ! is_alive "$1"; }

# ---- the anchor, from inside
become_anchor() {
    remember anchor $$
    exec "${new_namespaces[@]}" "$0" __login "$DIR"
}
# open_login ADDRESS: this process is the first of the parent namespaces
open_login() {
    hostname login
    ip link set lo up
    ip link add br0 type bridge
    ip addr add "$1/24" dev br0
    ip link set br0 up
    mount --bind "$DIR/hosts" /etc/hosts
}
# add_host NAME: another set of namespaces inside, and a cable to it
add_host() {
    setsid "${new_namespaces[@]}" "$0" __host "$DIR" "$1" < /dev/null >> "$DIR/$1.log" 2>&1 &
    local outer=$! inner
    within 5 has_children $outer
    inner=$(children_of $outer)
    ip link del "to-$1" 2> /dev/null
    ip link add "to-$1" type veth peer name eth0 netns "${inner%% *}" && ip link set "to-$1" master br0 up
}
has_children() { [[ -n $(children_of "$1") ]]; }
# open_host NAME ADDRESS: this process is the first of a host
open_host() {
    hostname "$1"
    ip link set lo up
    mount --bind "$DIR/hosts" /etc/hosts
    mount -t tmpfs tmpfs /dev/shm
    within 5 ip link show eth0 > /dev/null 2>&1
    ip addr add "$2/24" dev eth0
    ip link set eth0 up
}
# As process 1 bash buries orphans.  be_idle [PID]: until PID ends
be_idle() {
    trap : CHLD
    while [[ -z ${1:-} ]] || kill -0 "$1" 2> /dev/null; do
        if [[ -n ${1:-} ]]; then wait "$1"; else sleep 86400 & wait $!; fi
    done
}
# in_login command...: on the login host, with files as they are here
in_login() {
    exec nsenter -t "$(pid_of login)" -n -u -- \
        unshare --mount sh -c 'mount --bind "$0/hosts" /etc/hosts && exec "$@"' "$DIR" "$@"
}
# on_host HOST command...: environment and folder are kept
on_host() {
    is_alive "$1" || { echo "$1: no such host, or it is down" >&2; exit 255; }
    exec nsenter -t "$(pid_of "$1")" -n -u -i -m -p "-w$PWD" -- "${@:2}"
}
