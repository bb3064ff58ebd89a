#!/bin/sh
# Is this MariaDB server healthy? Exit status 0: yes; 1: no, with the reason; 2: unknown option.
#
#   healthcheck.sh [--defaults-file FILE] [--connect] [--galera_online]
#
# --defaults-file  the client's option file: host, port, user, password
# --connect        the server accepts a connection and answers
# --galera_online  the node is a synced member of its cluster
set -u

defaults=
checks=
while [ $# -gt 0 ]; do
    case "$1" in
        --defaults-file) defaults=${2:?--defaults-file needs a file}; shift ;;
        --defaults-file=*) defaults=${1#*=} ;;
        --connect | --galera_online) checks="$checks $1" ;;
        *) echo "unknown option: $1" >&2; exit 2 ;;
    esac
    shift
done

ask() {
    # --defaults-file has to come first.
    mariadb ${defaults:+"--defaults-file=$defaults"} --connect-timeout=5 \
        --batch --skip-column-names --execute "$1"
}

for check in ${checks:---connect}; do
    case "$check" in
        --connect)
            ask 'SELECT 1' > /dev/null || { echo "no answer to a connection" >&2; exit 1; }
            ;;
        --galera_online)
            state=$(ask "SHOW STATUS LIKE 'wsrep_local_state_comment'" | cut -f 2)
            [ "$state" = Synced ] || { echo "the node is not synced: ${state:-no state}" >&2; exit 1; }
            ;;
    esac
done
