"""A gRPC server whose messages are plain bytes. It writes the port that it has found to its
standard error: `python3 grpc_server.py [CERTIFICATE KEY]`, with TLS if there is a certificate."""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc


def unary(message, context):
    context.set_trailing_metadata((("x-length", str(len(message))),))
    return message[::-1]


def server_stream(message, context):
    for number in range(int(message)):
        yield b"message %d" % number
    context.set_trailing_metadata((("x-count", message.decode()),))


def bidi(messages, context):
    count = 0
    for message in messages:
        count += 1
        yield b"heard " + message
    context.set_trailing_metadata((("x-count", str(count)),))


def fail(_, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "nothing of that name")


HANDLERS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
}


def main(files):
    largest = ("grpc.max_receive_message_length", 64 * 1024 * 1024)
    server = grpc.server(ThreadPoolExecutor(max_workers=8), options=[largest])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Peer", HANDLERS),))
    if files:
        certificate, key = (open(name, "rb").read() for name in files)
        credentials = grpc.ssl_server_credentials([(key, certificate)])
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print("listening on port", port, file=sys.stderr, flush=True)
    server.wait_for_termination()


main(sys.argv[1:])
