# nix build 'git+file:.?dir=packaging/nix'
{
  description = "A connector for Cloudflare Tunnel";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      each = nixpkgs.lib.genAttrs systems;
    in
    {
      packages = each (system: rec {
        adit = nixpkgs.legacyPackages.${system}.callPackage ./package.nix { source = ../..; };
        default = adit;
      });

      nixosModules.default = { pkgs, lib, ... }: {
        imports = [ ./module.nix ];
        services.adit.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.adit;
      };
    };
}
