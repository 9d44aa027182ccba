#!/bin/bash
# hosts.sh - several hosts on one machine, for mpirun (needs root).  $HOSTS_DIR is the folder of this instance.
#
#   hosts.sh start N SLOTS       hosts host1...hostN on a network of their own
#   eval "$(hosts.sh env)"       HOSTFILE and the way for mpirun to reach them
#   hosts.sh login mpirun --hostfile "$HOSTFILE" ...
#   hosts.sh on host2 command... | crash host2 | stop
#
# The hosts share the machine's cores and each believes it has them all: so ranks yield and are not bound, or a barrier
# of 6 ranks on 2 cores takes 28 ms instead of 0.2.
DIR=${HOSTS_DIR:?}
. "$(dirname "$0")/processes.sh"
net=10.232.0

case ${1:-} in
start)
    can_have_namespaces || die "needs root and namespaces"
    mkdir -p "$DIR/tmp"
    { echo '127.0.0.1 localhost'; echo "$net.254 login"; } > "$DIR/hosts"
    for ((i = 1; i <= $2; i++)); do
        echo "$net.$i host$i" >> "$DIR/hosts"
        echo "host$i slots=$3" >> "$DIR/hostfile"
    done
    # as ssh would: a clean environment
    cat > "$DIR/agent" <<END
#!/bin/sh
while [ "\${1#-}" != "\$1" ]; do shift; done
host=\$1; shift
exec env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$HOME" HOSTS_DIR="$DIR" "$(readlink -f "$0")" on "\$host" sh -c "\$*"
END
    chmod 755 "$DIR/agent"
    start_anchor || { cat "$DIR"/*.log >&2; "$0" stop; die "start failed"; }
    ;;
__anchor) become_anchor ;;
__login)
    open_login $net.254
    for host in $(awk '{print $1}' "$DIR/hostfile"); do
        add_host "$host"
        within 5 test -e "$DIR/$host.up"
    done
    : > "$DIR/up"
    be_idle
    ;;
__host)
    open_host "$3" "$net.${3#host}"
    : > "$DIR/$3.up"
    be_idle
    ;;
env)
    is_alive anchor || die "not running"
    echo "export HOSTFILE='$DIR/hostfile' OMPI_MCA_plm_rsh_agent='$DIR/agent' OMPI_MCA_orte_tmpdir_base='$DIR/tmp'"
    # a host that dies here says nothing: mpirun looks after it every second
    for option in time=1 intvl=1 probes=2; do echo "export OMPI_MCA_oob_tcp_keepalive_$option"; done
    echo "export OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_pml=ob1"
    ;;
login) in_login "${@:2}" ;;
on) on_host "${@:2}" ;;
crash) kill_now "$2" ;;
stop)
    [[ ! -d $DIR ]] || stop_anchor
    rm -rf "$DIR"
    ;;
*)
    sed -n '/^# /s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
