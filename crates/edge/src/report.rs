//! The lifecycle lines that people and scripts look for, with the fields they know.

/// Says that a remembered port is taken.
pub(crate) fn port_taken(index: u8, port: u16, error: &std::io::Error) {
    tracing::debug!(
        connIndex = index,
        event = 0,
        error = %error,
        "Unable to reuse port {port} for connIndex {index}. Falling back to random allocation."
    );
}

/// Says once that the kernel grants less buffer than wanted.
pub(crate) fn buffer_shortage(was: usize, wanted: usize, got: usize) {
    tracing::warn!(
        "failed to sufficiently increase receive buffer size (was: {} kiB, wanted: {} kiB, got: {} kiB). \
         See https://github.com/quic-go/quic-go/wiki/UDP-Buffer-Sizes for details.",
        was / 1024,
        wanted / 1024,
        got / 1024
    );
}
