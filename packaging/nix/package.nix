# The program as one static file, under both of its names.
{ lib, rustPlatform, cmake, glibc, source }:

rustPlatform.buildRustPackage {
  pname = "adit";
  version = (lib.importTOML (source + "/Cargo.toml")).workspace.package.version;
  src = source;
  cargoLock.lockFile = source + "/Cargo.lock";
  cargoBuildFlags = [ "--package=adit" ];

  nativeBuildInputs = [ cmake ];
  dontUseCmakeConfigure = true;
  buildInputs = [ glibc.static ];
  env.RUSTFLAGS = ''-C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"'';

  # The tests make networks and users of their own, which a build may not.
  doCheck = false;

  postInstall = ''
    ln -s adit $out/bin/cloudflared
    mkdir -p $out/share/man/man1 $out/share/bash-completion/completions
    $out/bin/adit man > $out/share/man/man1/adit.1
    $out/bin/adit completions bash > $out/share/bash-completion/completions/adit
  '';

  meta = {
    description = "Connector for Cloudflare Tunnel";
    license = with lib.licenses; [ mit asl20 ];
    mainProgram = "adit";
    platforms = lib.platforms.linux;
  };
}
