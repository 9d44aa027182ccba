#!/bin/bash
# slurm.sh - a throw-away Slurm cluster on one machine.  $SLURM_DIR is the folder of this instance, at most 60 letters.
#
#   slurm.sh start [NODES]               4 nodes with 4 cores, 2 pretended GPUs and 4000 MB each; returns when all are idle
#   eval "$(slurm.sh env)"               then sbatch, srun, squeue, scontrol ... are those of the cluster
#   slurm.sh wait JOB [SECONDS]          prints how it ended, e.g. COMPLETED
#   slurm.sh until JOB STATE [SECONDS]   | limit JOB SECONDS: it meets its time limit then, up to 30 s late
#   slurm.sh crash NODE | revive NODE | stop
#
# Namespaces (root, where they work): each node is a host of its own, see processes.sh.  Otherwise, and with SLURM_PLAIN=1,
# plain: all daemons on 127.0.0.1 with ports of their own; "nodes" then share host name, /tmp and /dev/shm, and Open MPI
# must use TCP.
# Jobs are killed for memory where cgroups of version 1 can be written: `env` says SLURM_TEST_MEMORY=1.  Jobs in the
# partition urgent preempt others.
#
# Needs the Debian packages slurm-wlm and munge, with their daemons not started, and iproute2.
DIR=${SLURM_DIR:?}
. "$(dirname "$0")/processes.sh"
net=10.231.0 cores=4 gpus=2 memory=4000

# ---- files -------------------------------------------------------------------------------------------------------------

choose_mode() {
    mode=plain port= group=none
    if [[ -z ${SLURM_PLAIN:-} ]] && can_have_namespaces; then
        mode=namespaces
        ! test -w /sys/fs/cgroup/memory/cgroup.procs -a -w /sys/fs/cgroup/freezer/cgroup.procs || group=slurm$$
    fi
    [[ $mode == namespaces ]] || choose_port
}
choose_port() {
    local try
    for ((try = 0; try < 200; try++)); do
        port=$((20000 + (RANDOM % 120) * 100))
        ss -Hltn | awk '{print $4}' | grep -qE ":${port%00}[0-9][0-9]$" || return
    done
    die "no free ports"
}

make_folders() {
    local i
    mkdir -p "$DIR"/{munge,state,spool,log,run,tmp,dev,bin,cgroup}
    chmod 700 "$DIR/munge"
    for ((i = 1; i <= nodes; i++)); do mkdir -p -m 1777 "$DIR/tmp/node$i"; done
    (umask 077 && head -c 128 /dev/urandom > "$DIR/munge/key")
    { echo '127.0.0.1 localhost'; echo "$net.254 login"; } > "$DIR/hosts"
    for ((i = 1; i <= nodes; i++)); do echo "$net.$i node$i" >> "$DIR/hosts"; done
    : > "$DIR/plugstack.conf"
    # what a task prints before it starts becomes its environment
    {
        echo '#!/bin/sh'
        echo "echo export TMPDIR=$DIR/tmp/\$SLURMD_NODENAME"
        [[ $mode == namespaces ]] || echo 'echo export OMPI_MCA_btl=tcp,self'
    } > "$DIR/prolog"
    chmod 755 "$DIR/prolog"
}

# Slurm wants a character device for each GPU, each another one.
pretend_gpus() {
    local i plain=(null zero full random urandom) device
    echo AutoDetect=off > "$DIR/gres.conf"
    for ((i = 0; i < gpus; i++)); do
        device=$DIR/dev/gpu$i
        mknod "$device" c 1 3 2> /dev/null || device=/dev/${plain[i]}
        echo "NodeName=node[1-$nodes] Name=gpu Type=fake File=$device" >> "$DIR/gres.conf"
    done
}

# Slurm 22.05 always makes /slurm_NODE below the mount point: it gets a "mount point" of its own.
make_cgroups() {
    local kind
    for kind in memory freezer cpuacct cpuset cpu devices; do
        [[ -d /sys/fs/cgroup/$kind ]] || continue
        mkdir -p "/sys/fs/cgroup/$kind/$group"
        ln -sfn "/sys/fs/cgroup/$kind/$group" "$DIR/cgroup/$kind"
    done
    printf '%s\n' CgroupPlugin=cgroup/v1 CgroupAutomount=no "CgroupMountpoint=$DIR/cgroup" ConstrainRAMSpace=yes \
        AllowedRAMSpace=100 MinRAMSpace=8 ConstrainCores=no > "$DIR/cgroup.conf"
}
remove_cgroups() {
    local try cgroup
    for ((try = 0; try < 100; try++)); do
        for cgroup in /sys/fs/cgroup/*/"$group"; do
            find "$cgroup" -depth -type d -exec rmdir {} + 2> /dev/null
        done
        compgen -G "/sys/fs/cgroup/*/$group" > /dev/null || return
        sleep 0.1
    done
}

write_conf() {
    local host="login($net.254)" address="NodeAddr=$net.[1-$nodes] Port=6818" controller=6817
    local track=proctrack/pgid task=task/none account=jobacct_gather/none
    if [[ $mode == plain ]]; then
        host="$(hostname -s)(127.0.0.1)" controller=$port
        address="NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + nodes))]"
    fi
    if [[ $group != none ]]; then
        track=proctrack/cgroup task=task/cgroup account=jobacct_gather/cgroup
        make_cgroups
    fi
    # cred_expire, 5 at least: a requeued job waits one second longer (121 s by default).  TmpFS: nodes on one machine
    # would fight for one folder of srun --mpi=pmix.  SchedulerParameters: batch jobs start at once.
    cat > "$DIR/slurm.conf" << END
ClusterName=test
SlurmctldHost=$host
SlurmctldPort=$controller
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$DIR/run/munge.sock,cred_expire=5
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool/%n
TmpFS=$DIR/tmp/%n
SlurmctldPidFile=$DIR/run/slurmctld.pid
SlurmdPidFile=$DIR/run/slurmd.%n.pid
SlurmctldLogFile=$DIR/log/slurmctld.log
SlurmdLogFile=$DIR/log/slurmd.%n.log
PlugStackConfig=$DIR/plugstack.conf
TaskProlog=$DIR/prolog
ProctrackType=$track
TaskPlugin=$task
JobAcctGatherType=$account
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
KillWait=5
MinJobAge=86400
SlurmctldTimeout=10
SlurmdTimeout=10
InactiveLimit=0
GresTypes=gpu
NodeName=node[1-$nodes] $address CPUs=$cores CoresPerSocket=$cores RealMemory=$memory Gres=gpu:fake:$gpus State=UNKNOWN
PartitionName=DEFAULT Nodes=ALL MaxTime=INFINITE DefaultTime=10 DefMemPerCPU=$((memory / cores)) State=UP
PartitionName=test Default=YES PriorityTier=1
PartitionName=urgent PriorityTier=2
END
}

save() { printf "%s\n" "nodes=$nodes mode=$mode port=$port group=$group" > "$DIR/instance"; }
load() {
    [[ -e $DIR/instance ]] || die "nothing runs in $DIR"
    . "$DIR/instance"
}

# ---- daemons ---------------------------------------------------------------------------------------------------------

start_munged() { # --force: it would refuse a folder below one that only we may read
    munged --force --key-file="$DIR/munge/key" --socket="$DIR/run/munge.sock" --pid-file="$DIR/run/munged.pid" \
        --log-file="$DIR/log/munged.log" --seed-file="$DIR/munge/seed" --num-threads=2
}
start_plain() {
    local i daemon
    : > "$DIR/pids"
    start_munged && slurmctld -f "$DIR/slurm.conf" || return 1
    for ((i = 1; i <= nodes; i++)); do slurmd -f "$DIR/slurm.conf" -N "node$i" || return 1; done
    for daemon in munged slurmctld $(seq -f 'slurmd.node%g' 1 "$nodes"); do
        within 5 test -s "$DIR/run/$daemon.pid" && remember "$daemon" "$(< "$DIR/run/$daemon.pid")"
    done
}
# Jobs first: they outlive their slurmd.  Then what only its environment tells to be ours.
stop_plain() {
    local name pid
    client timeout 5 scancel --full --signal=KILL --state=RUNNING 2> /dev/null
    client timeout 5 scancel --user "$(id -un)" 2> /dev/null
    within 3 no_jobs
    for name in $(awk '{print $1}' "$DIR/pids"); do kill_now "$name"; done
    for pid in $(grep -lazxF "SLURM_CONF=$DIR/slurm.conf" /proc/[0-9]*/environ 2> /dev/null | cut -d / -f 3); do
        ! grep -qaz '^SLURM_JOB_ID=' "/proc/$pid/environ" 2> /dev/null || kill -9 "$pid"
    done
}
no_jobs() { [[ -z $(client timeout 2 squeue -h 2> /dev/null) ]]; }

client() {
    if [[ $mode == namespaces ]]; then
        SLURM_CONF=$DIR/slurm.conf nsenter -t "$(pid_of login)" -n -u -- "$@"
    else
        SLURM_CONF=$DIR/slurm.conf "$@"
    fi
}
# Commands that enter the login host; in a job, which is elsewhere already, they are the real ones.
make_clients() {
    local name
    for name in sbatch srun salloc squeue scancel scontrol sinfo; do
        cat > "$DIR/bin/$name" << END
#!/bin/sh
[ "\$(readlink /proc/self/ns/net)" = '$(readlink /proc/self/ns/net)' ] || exec /usr/bin/$name "\$@"
exec nsenter -t $(pid_of login) -n -u -- \\
    unshare --mount sh -c 'mount --bind $DIR/hosts /etc/hosts && exec /usr/bin/$name "\$@"' $name "\$@"
END
        chmod 755 "$DIR/bin/$name"
    done
}
all_idle() { [[ $(client timeout 2 sinfo -h -o '%T %D' 2> /dev/null) == "idle $nodes" ]]; }

state_of() { client scontrol -o show job "$1" 2> /dev/null | grep -oE 'JobState=[A-Z_]+' | head -n 1 | cut -d = -f 2; }
has_state() { [[ $(state_of "$1") == "$2" ]]; }
is_over() {
    case $(state_of "$1") in
        PENDING | RUNNING | COMPLETING | CONFIGURING | REQUEUED | SUSPENDED | STOPPED | SIGNALING | STAGE_OUT) return 1 ;;
    esac
}

# ---- commands --------------------------------------------------------------------------------------------------------

case ${1:-} in
start)
    nodes=${2:-4}
    for program in slurmctld slurmd munged ip; do
        command -v $program > /dev/null || die "$program is missing: the packages are slurm-wlm, munge and iproute2"
    done
    ((${#DIR} <= 60)) || die "$DIR is too long for sockets"
    choose_mode
    make_folders
    pretend_gpus
    write_conf
    save
    start=start_plain
    [[ $mode == plain ]] || start=start_anchor
    $start && { [[ $mode == plain ]] || make_clients; } && within 30 all_idle && exit
    { cat "$DIR"/*.log; grep -hE 'error|fatal' "$DIR"/log/*.log | tail -n 20; } >&2 2> /dev/null
    "$0" stop
    die "start failed"
    ;;
__anchor) become_anchor ;;
__login)
    load
    open_login $net.254
    start_munged && slurmctld -f "$DIR/slurm.conf" || exit 1
    for ((i = 1; i <= nodes; i++)); do add_host "node$i"; done
    : > "$DIR/up"
    be_idle
    ;;
__host) # ends with its slurmd
    open_host "$3" "$net.${3#node}"
    slurmd -D -f "$DIR/slurm.conf" -N "$3" > /dev/null 2>&1 &
    be_idle $!
    ;;
__add) add_host "$3" ;;
env)
    load
    echo "export SLURM_CONF='$DIR/slurm.conf' PATH='$DIR/bin':\"\$PATH\" SLURM_TEST_MODE=$mode"
    echo "export SLURM_TEST_MEMORY=$([[ $group == none ]] && echo 0 || echo 1)"
    # the nodes share the machine's cores and each believes it has them all
    echo "export OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_pml=ob1"
    [[ $mode == namespaces ]] ||
        echo "export OMPI_MCA_btl=tcp,self OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo"
    ;;
wait)
    load
    within "${3:-60}" is_over "$2"
    state_of "$2"
    ;;
until)
    load
    within "${4:-30}" has_state "$2" "$3"
    ;;
limit)
    load
    client scontrol update JobId="$2" EndTime="$(date -d "+$3 sec" +%FT%T)"
    ;;
crash)
    load
    kill_now "$([[ $mode == plain ]] && echo slurmd.)$2"
    ;;
revive)
    load
    if [[ $mode == plain ]]; then
        slurmd -f "$DIR/slurm.conf" -N "$2"
        remember "slurmd.$2" "$(< "$DIR/run/slurmd.$2.pid")"
    else
        nsenter -t "$(pid_of login)" -n -u -i -m -p -- "$0" __add "$DIR" "$2"
    fi
    ;;
on) on_host "${@:2}" ;;
stop)
    [[ -e $DIR/instance ]] || exit 0
    load
    if [[ $mode == plain ]]; then stop_plain; else stop_anchor; fi
    [[ $group == none ]] || remove_cgroups
    rm -rf "$DIR"
    ;;
*)
    sed -n '/^# /s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
