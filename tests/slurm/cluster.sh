#!/usr/bin/env bash
# A whole Slurm cluster on one machine, for the tests: controller, accounting on MariaDB, and three nodes of four GPUs each.
#
#   tests/slurm/cluster.sh up               start what does not run yet
#   tests/slurm/cluster.sh down             stop what it started, by its own process ids, and delete the run folder
#   tests/slurm/cluster.sh status           nodes as the controller sees them; fails when there is no cluster
#   tests/slurm/cluster.sh node-down NODE   one node dies with all that runs on it
#   tests/slurm/cluster.sh node-up NODE     and comes back
#
# Needs root and the Debian packages slurm-wlm, slurmdbd, munge and mariadb-server (.ci/run installs them). All of it lies in
# the run folder but a link at /etc/slurm/slurm.conf: the Slurm executor takes SLURM_CONF out of a job's environment, so a
# job finds the cluster by that file alone. Each node is a slurmd of its own (slurmd -N) with four GPUs, character devices
# made by mknod, which can be granted and counted but not computed on.
set -euo pipefail

RUN=$(realpath -m "${SLURM_TEST_DIR:-${TMPDIR:-/tmp}/stepladder-slurm}")
PORT=${SLURM_TEST_PORT:-26817}            # this one and the next five
CLUSTER=stepladder
NODES=(node1 node2 node3)
CPUS=8
MEMORY=20000                              # MB a node
LINK=/etc/slurm/slurm.conf
export SLURM_CONF=$RUN/slurm.conf
export PATH=$PATH:/usr/sbin:/usr/local/sbin

runs() { # NAME: does the process that its pid file names live, and is it still that program?
    local pid program state
    pid=$(cat "$RUN/pid/$1" 2>/dev/null) && read -r _ program state _ 2>/dev/null <"/proc/$pid/stat" || return 1
    [ "$program" = "(${1%%.*})" ] && [ "$state" != Z ]
}

start() { # NAME COMMAND...: a daemon in the foreground of its own session, with its pid in a file
    local name=$1
    shift
    runs "$name" && return
    setsid "$@" </dev/null >>"$RUN/log/$name.log" 2>&1 &
    echo $! >"$RUN/pid/$name"
}

stop() { # NAME: asks, waits ten seconds, then insists
    runs "$1" || return 0
    local pid
    pid=$(cat "$RUN/pid/$1")
    kill "$pid"
    for _ in $(seq 100); do runs "$1" || return 0; sleep 0.1; done
    kill -KILL "$pid"
}

wait_for() { # WHAT COMMAND...: until the command succeeds, for half a minute
    local what=$1
    shift
    local until=$((SECONDS + 30))
    while [ "$SECONDS" -lt "$until" ]; do "$@" >>"$RUN/log/wait.log" 2>&1 && return; sleep 0.2; done
    tail -v -n 20 "$RUN"/log/*.log >&2
    echo "cluster.sh: $what did not come up in 30 s; the ends of its logs stand above" >&2
    return 1
}

ours() { # does this machine's slurm.conf lead to the cluster of this run folder?
    [ "$(readlink "$LINK")" = "$SLURM_CONF" ]
}

configure() {
    if [ -e "$LINK" ] && ! ours; then
        echo "cluster.sh: $LINK belongs to another cluster; nothing was started" >&2
        exit 1
    fi
    ln -sfn "$SLURM_CONF" "$LINK"
    mkdir -p "$RUN"/{pid,log,state,spool,gpu,mysql}
    chmod 755 "$RUN"
    [ -s "$RUN/munge.key" ] || (umask 077 && head -c 1024 /dev/urandom >"$RUN/munge.key")
    [ -s "$RUN/password" ] || (umask 077 && head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$RUN/password")

    # A daemon listens on its host name's own address when told so, else on all of them (munge keeps strangers out).
    local loopback=
    case $(getent ahostsv4 "$(hostname)") in 127.*) loopback=CommunicationParameters=NoCtldInAddrAny,NoInAddrAny ;; esac

    local node at=0 number
    : >"$RUN/gres.conf"
    cat >"$SLURM_CONF" <<CONF
ClusterName=$CLUSTER
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$PORT
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A job put back into the queue waits until its first credential has expired.
AuthInfo=socket=$RUN/munge.socket,cred_expire=5
StateSaveLocation=$RUN/state
SlurmctldPidFile=$RUN/pid/slurmctld.own
SlurmdPidFile=$RUN/pid/slurmd.%n.own
SlurmdSpoolDir=$RUN/spool/%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
$loopback
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
# Processes over their memory are killed, as cgroups would do it elsewhere.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((PORT + 1))
AccountingStoragePass=$RUN/munge.socket
AccountingStorageTRES=gres/gpu,gres/gpu:a100
AccountingStorageEnforce=associations
AccountingStoreFlags=job_comment
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=5
OverTimeLimit=0
InactiveLimit=0
MinJobAge=600
SlurmdTimeout=20
BatchStartTimeout=30
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_min_interval=200000,defer_batch
CONF
    for node in "${NODES[@]}"; do
        at=$((at + 1))
        mkdir -p "$RUN/spool/$node"
        for number in 0 1 2 3; do
            [ -c "$RUN/gpu/$node.$number" ] || mknod "$RUN/gpu/$node.$number" c 1 3
        done
        echo "NodeName=$node Name=gpu Type=a100 File=$RUN/gpu/$node.[0-3]" >>"$RUN/gres.conf"
        echo "NodeName=$node NodeHostname=localhost NodeAddr=127.0.0.1 Port=$((PORT + 2 + at)) CPUs=$CPUS" \
            "RealMemory=$MEMORY Gres=gpu:a100:4 Feature=$node Weight=$(((at + 1) % 3 + 1)) State=UNKNOWN" >>"$SLURM_CONF"
    done
    cat >>"$SLURM_CONF" <<CONF
PartitionName=gpu Nodes=ALL Default=YES MaxTime=1-00:00:00 PriorityTier=2 PreemptMode=off
PartitionName=cpu Nodes=ALL MaxTime=1-00:00:00 PriorityTier=2 PreemptMode=off
PartitionName=idle Nodes=ALL MaxTime=1-00:00:00 PriorityTier=1
CONF
    (
        umask 077
        cat >"$RUN/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$RUN/munge.socket
$loopback
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$((PORT + 1))
SlurmUser=root
PidFile=$RUN/pid/slurmdbd.own
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$((PORT + 2))
StorageUser=slurm
StoragePass=$(cat "$RUN/password")
StorageLoc=slurm_acct
CONF
    )
}

sql() { mariadb --no-defaults --user=root --socket="$RUN/mysql.socket" "$@"; }

up() {
    [ "$(id -u)" = 0 ] || { echo "cluster.sh: must be root" >&2; exit 1; }
    configure
    start munged munged --foreground --force --key-file="$RUN/munge.key" --socket="$RUN/munge.socket" \
        --pid-file="$RUN/pid/munged.own" --log-file="$RUN/log/munged.log" --seed-file="$RUN/munge.seed"
    wait_for munged munge --no-input --socket="$RUN/munge.socket"

    [ -d "$RUN/mysql/mysql" ] || mariadb-install-db --no-defaults --user=root --datadir="$RUN/mysql" --skip-test-db \
        --auth-root-authentication-method=socket >"$RUN/log/mariadb-install.log" 2>&1
    start mariadbd mariadbd --no-defaults --user=root --datadir="$RUN/mysql" --socket="$RUN/mysql.socket" \
        --pid-file="$RUN/pid/mariadbd.own" --bind-address=127.0.0.1 --port=$((PORT + 2)) --skip-name-resolve \
        --innodb-buffer-pool-size=64M --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=2
    wait_for mariadbd sql -e "select 1"
    sql -e "create database if not exists slurm_acct;
        create or replace user slurm@127.0.0.1 identified by '$(cat "$RUN/password")';
        grant all on slurm_acct.* to slurm@127.0.0.1;"

    # slurmdbd reads its configuration from beside slurm.conf.
    start slurmdbd slurmdbd -D
    wait_for slurmdbd sacctmgr -n list cluster
    sacctmgr -i add cluster "$CLUSTER" >>"$RUN/log/sacctmgr.log" 2>&1 || true
    sacctmgr -i add account default >>"$RUN/log/sacctmgr.log" 2>&1 || true
    sacctmgr -i add user root account=default >>"$RUN/log/sacctmgr.log" 2>&1 || true

    start slurmctld slurmctld -D
    local node
    for node in "${NODES[@]}"; do start_node "$node"; done
    wait_for "the nodes" ready
}

start_node() { # NODE: its daemon, at work in its own folder, by which all that it starts is known
    start "slurmd.$1" env --chdir="$RUN/spool/$1" slurmd -D -N "$1"
}

in_job_on() { # NODE PROCESS: is it of a job that this cluster runs there? Other clusters may call a node the same.
    grep -qzx "SLURMD_NODENAME=$1" "$2/environ" && grep -qzx "SLURM_CLUSTER_NAME=$CLUSTER" "$2/environ"
}

kill_node() { # NODE: the daemon and all that runs under it, as when a machine loses power
    local process pids
    while true; do
        pids=()
        for process in /proc/[0-9]*; do
            if [ "$(readlink "$process/cwd")" = "$RUN/spool/$1" ] || in_job_on "$1" "$process"; then
                pids+=("${process#/proc/}")
            fi
        done 2>/dev/null
        [ ${#pids[@]} -gt 0 ] || return 0
        kill -KILL "${pids[@]}" 2>/dev/null || true
    done
}

ready() { # every node is there and can take jobs
    [ "$(sinfo -h -N -t idle,mixed,allocated -o %N | sort -u | wc -l)" = ${#NODES[@]} ]
}

down() {
    ours || return 0
    local name
    for name in "${NODES[@]}"; do kill_node "$name"; done
    for name in slurmctld slurmdbd mariadbd munged; do stop "$name"; done
    rm -rf "$RUN"
    rm "$LINK"
}

case ${1:-} in
    up) up ;;
    down) down ;;
    status) timeout 10 sinfo -N -o "%N %T %C %G %m" ;;
    node-up) start_node "$2" ;;
    node-down) kill_node "$2" ;;
    *) sed -n '4,8s/^# *//p' "$0" && exit 2 ;;
esac
