# What edge and connector call: registration.md, session.md, configuration.md.

@0xdb8274f9144abc7e;

# Offered by the edge on the control stream.
interface RegistrationServer @0xf71695ec7fe85497 {
  registerConnection @0 (auth :TunnelAuth, tunnelId :Data, connIndex :UInt8, options :ConnectionOptions)
    -> (result :ConnectionResponse);
  unregisterConnection @1 () -> ();
  # The configuration is JSON.
  updateLocalConfiguration @2 (config :Data) -> ();
}

struct TunnelAuth @0x9496331ab9cd463f {
  accountTag @0 :Text;
  tunnelSecret @1 :Data;
}

struct ClientInfo @0x83ced0145b2f114b {
  # 16 bytes.
  clientId @0 :Data;
  features @1 :List(Text);
  version @2 :Text;
  # Such as linux_amd64.
  arch @3 :Text;
}

struct ConnectionOptions @0xb4bf9861fe035d04 {
  client @0 :ClientInfo;
  # 16 bytes; an IPv4 address in its IPv6 form.
  originLocalIp @1 :Data;
  replaceExisting @2 :Bool;
  compressionQuality @3 :UInt8;
  numPreviousAttempts @4 :UInt8;
}

struct ConnectionResponse @0xdbaa9d03d52b62dc {
  result :union {
    error @0 :ConnectionError;
    connectionDetails @1 :ConnectionDetails;
  }
}

struct ConnectionError @0xf5f383d2785edb86 {
  cause @0 :Text;
  # Nanoseconds.
  retryAfter @1 :Int64;
  shouldRetry @2 :Bool;
}

struct ConnectionDetails @0xb5f39f082b9ac18a {
  # 16 bytes.
  uuid @0 :Data;
  # Such as lhr22.
  locationName @1 :Text;
  tunnelIsRemotelyManaged @2 :Bool;
}

# Offered by a connector for sessions of datagram version 2, and by the edge for closing them.
interface SessionManager @0x839445a59fb01686 {
  registerUdpSession @0 (
    # 16 bytes.
    sessionId :Data,
    # 4 or 16 bytes.
    dstIp :Data,
    dstPort :UInt16,
    # Nanoseconds.
    closeAfterIdleHint :Int64,
    traceContext :Text = ""
  ) -> (result :RegisterUdpSessionResponse);
  unregisterUdpSession @1 (sessionId :Data, message :Text) -> ();
}

struct RegisterUdpSessionResponse @0xab6d5210c1f26687 {
  err @0 :Text;
  spans @1 :Data;
}

# Offered by a connector.
interface ConfigurationManager @0xb48edfbdaa25db04 {
  # The configuration is JSON.
  updateConfiguration @0 (version :Int32, config :Data) -> (result :UpdateConfigurationResponse);
}

struct UpdateConfigurationResponse @0xdb58ff694ba05cf9 {
  latestAppliedVersion @0 :Int32;
  err @1 :Text;
}

# What a connector offers on the streams of calls that the edge opens.
interface CloudflaredServer @0xf548cef9dea2a4a1 extends(SessionManager, ConfigurationManager) {}
