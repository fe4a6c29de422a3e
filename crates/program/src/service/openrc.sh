#!/sbin/openrc-run
# Runs the connector under OpenRC's supervisor, which starts it again when it ends.

description="Cloudflare Tunnel client"
command="@EXECUTABLE@"
command_args="@ARGUMENTS@"
command_user="${cloudflared_user:-root}"
pidfile="/run/${RC_SVCNAME}.pid"
output_log="/var/log/${RC_SVCNAME}.log"
error_log="/var/log/${RC_SVCNAME}.err"
supervisor="supervise-daemon"
respawn_delay=5
respawn_max=0

depend() {
    need net
    use dns logger
    after net firewall
}
