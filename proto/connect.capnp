# The head of a data stream: connect.md.

@0xb29021ef7421cc32;

# Edge to connector: what is wanted.
struct ConnectRequest @0xc47116a1045e4061 {
  # A URL, or host:port when the type is tcp.
  dest @0 :Text;
  type @1 :ConnectionType;
  metadata @2 :List(Metadata);
}

enum ConnectionType @0xc52e1bac26d379c8 {
  http @0;
  websocket @1;
  tcp @2;
}

# One pair of texts, which may hold any bytes. Keys may repeat; order counts.
struct Metadata @0xe1446b97bfd1cd37 {
  key @0 :Text;
  val @1 :Text;
}

# Connector to edge: what became of it.
struct ConnectResponse @0xb1032ec91cef8727 {
  # Empty when the request did not fail.
  error @0 :Text;
  metadata @1 :List(Metadata);
}
