//! What the edge says of its own limits while a connection is made. The library keeps it to itself,
//! but it passes the session of TLS.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use quinn_proto::crypto::{ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, Session};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError};

use super::parameters::{Told, told};
use crate::connection::Whereabouts;
use crate::report;

/// A session of TLS that tells once what the edge says.
pub(super) struct Overheard {
    session: Box<dyn Session>,
    at: Whereabouts,
    told: Arc<OnceLock<Told>>,
}

impl Overheard {
    /// Listens to the session of a connection, and puts into `told` what is heard.
    pub(super) const fn new(session: Box<dyn Session>, at: Whereabouts, told: Arc<OnceLock<Told>>) -> Self {
        Self { session, at, told }
    }
}

impl Session for Overheard {
    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let said = self.session.transport_parameters()?;
        if let Some(parameters) = &said {
            self.told.get_or_init(|| {
                let told = told(parameters);
                report::transport_parameters(&self.at, &told);
                told
            });
        }
        Ok(said)
    }

    fn initial_keys(&self, destination: &ConnectionId, side: Side) -> Keys {
        self.session.initial_keys(destination, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.session.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.session.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.session.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.session.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        self.session.read_handshake(bytes)
    }

    fn write_handshake(&mut self, buffer: &mut Vec<u8>) -> Option<Keys> {
        self.session.write_handshake(buffer)
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.session.next_1rtt_keys()
    }

    fn is_valid_retry(&self, destination: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.session.is_valid_retry(destination, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.session.export_keying_material(output, label, context)
    }
}
