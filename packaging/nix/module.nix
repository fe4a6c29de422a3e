# Tunnels as services of NixOS. `services.cloudflared.package = adit` works as well: this module is
# for those who want the service to hold fewer rights.
{ config, lib, pkgs, ... }:

let
  cfg = config.services.adit;
  json = pkgs.formats.json { };

  tunnel = {
    options = {
      credentialsFile = lib.mkOption {
        type = lib.types.nullOr lib.types.path;
        default = null;
        description = "File with the credentials of a tunnel whose rules stand here.";
      };
      tokenFile = lib.mkOption {
        type = lib.types.nullOr lib.types.path;
        default = null;
        description = "File with the token of a tunnel whose rules stand in the dashboard.";
      };
      settings = lib.mkOption {
        type = json.type;
        default = { };
        example = { ingress = [ { service = "http://localhost:8080"; } ]; };
        description = "The configuration file.";
      };
      environment = lib.mkOption {
        type = lib.types.attrsOf lib.types.str;
        default = { };
        description = "Variables of the service, such as TUNNEL_METRICS.";
      };
    };
  };

  service = name: tunnel:
    let
      byToken = tunnel.tokenFile != null;
      file = json.generate "adit-${name}.yml" ({ tunnel = name; } // tunnel.settings);
      secret = if byToken then tunnel.tokenFile else tunnel.credentialsFile;
      run =
        if byToken
        then "run --token-file \${CREDENTIALS_DIRECTORY}/secret"
        else "run --credentials-file \${CREDENTIALS_DIRECTORY}/secret";
    in
    lib.nameValuePair "adit-${name}" {
      description = "Cloudflare Tunnel client for ${name}";
      after = [ "network-online.target" ];
      wants = [ "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
      inherit (tunnel) environment;
      serviceConfig = {
        Type = "notify";
        ExecStart = "${lib.getExe cfg.package} tunnel --no-autoupdate --config ${file} ${run}";
        Restart = "on-failure";
        RestartSec = 5;
        LoadCredential = "secret:${toString secret}";
        DynamicUser = true;
        UMask = "0077";
        LogsDirectory = "cloudflared-${name}";
        NoNewPrivileges = true;
        CapabilityBoundingSet = "";
        AmbientCapabilities = "";
        SecureBits = "noroot-locked";
        ProtectSystem = "strict";
        ProtectHome = "tmpfs";
        ProtectProc = "invisible";
        ProtectClock = true;
        ProtectControlGroups = true;
        ProtectHostname = true;
        ProtectKernelLogs = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        PrivateDevices = true;
        PrivateTmp = true;
        LockPersonality = true;
        MemoryDenyWriteExecute = true;
        RemoveIPC = true;
        RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX";
        RestrictNamespaces = true;
        RestrictRealtime = true;
        RestrictSUIDSGID = true;
        SystemCallArchitectures = "native";
        SystemCallErrorNumber = "EPERM";
        SystemCallFilter = [ "@system-service" "~@privileged @resources" ];
        WatchdogSec = "2min";
      };
    };
in
{
  options.services.adit = {
    enable = lib.mkEnableOption "tunnels to Cloudflare";
    package = lib.mkOption {
      type = lib.types.package;
      description = "The program.";
    };
    tunnels = lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule tunnel);
      default = { };
      description = "The tunnels, by name or id.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = lib.mapAttrsToList
      (name: tunnel: {
        assertion = (tunnel.tokenFile == null) != (tunnel.credentialsFile == null);
        message = "services.adit.tunnels.${name} needs either tokenFile or credentialsFile.";
      })
      cfg.tunnels;
    environment.systemPackages = [ cfg.package ];
    systemd.services = lib.mapAttrs' service cfg.tunnels;
  };
}
