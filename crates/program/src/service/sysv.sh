#!/bin/sh
# chkconfig: 2345 99 01
# description: Cloudflare Tunnel client
# processname: @EXECUTABLE@
### BEGIN INIT INFO
# Provides:          cloudflared
# Required-Start:    $network $remote_fs
# Required-Stop:     $network $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Cloudflare Tunnel client
### END INIT INFO

name=$(basename $(readlink -f $0))
cmd="@EXECUTABLE@ --pidfile /var/run/$name.pid @ARGUMENTS@"
pid_file="/var/run/$name.pid"
stdout_log="/var/log/$name.log"
stderr_log="/var/log/$name.err"

# Variables for the connector, such as TUNNEL_LOGLEVEL, may be exported here.
[ -r "/etc/sysconfig/$name" ] && . "/etc/sysconfig/$name"

runs() {
    [ -s "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2>/dev/null
}

start() {
    if runs; then
        echo "$name already runs"
        return 0
    fi
    echo "Starting $name"
    $cmd >>"$stdout_log" 2>>"$stderr_log" </dev/null &
    echo $! >"$pid_file"
    if ! runs; then
        echo "$name did not start, see $stderr_log" >&2
        return 1
    fi
}

stop() {
    if ! runs; then
        echo "$name does not run"
        return 0
    fi
    echo "Stopping $name"
    kill "$(cat "$pid_file")"
    for second in 1 2 3 4 5 6 7 8 9 10; do
        if ! runs; then
            rm -f "$pid_file"
            return 0
        fi
        sleep 1
    done
    echo "$name still runs: requests may be under way" >&2
    return 1
}

case "$1" in
start) start ;;
stop) stop ;;
restart) stop && start ;;
status)
    if runs; then
        echo "$name runs"
    else
        echo "$name does not run"
        exit 1
    fi
    ;;
*)
    echo "Usage: $0 {start|stop|restart|status}" >&2
    exit 1
    ;;
esac
