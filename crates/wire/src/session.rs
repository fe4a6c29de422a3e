//! Sans-IO. UDP sessions that the edge opens and both sides close.

use bytes::Bytes;
use uuid::Uuid;

use crate::builder::{Content, Slot};
use crate::registration::uuid;
use crate::{DecodeError, Payload};

/// The interface that a connector offers for them, and the edge for closing them.
pub const INTERFACE: u64 = 0x8394_45a5_9fb0_1686;

/// The methods of [`INTERFACE`].
pub mod method {
    /// `registerUdpSession`: [`super::Open`] → [`super::Opened`].
    pub const OPEN: u16 = 0;
    /// `unregisterUdpSession`: [`super::Close`] → nothing.
    pub const CLOSE: u16 = 1;
}

/// A request for a UDP session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The session's id.
    pub session: Uuid,
    /// The destination's address, as it came: 4 or 16 bytes make one.
    pub address: Bytes,
    /// The destination's port.
    pub port: u16,
    /// After how many idle nanoseconds to close it. Zero and less mean the default.
    pub idle: i64,
    /// Trace context; empty when there is none.
    pub trace: String,
}

/// What a connector says to [`Open`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Why there is no session; empty when there is one.
    pub error: String,
    /// Trace data, when there was a trace context.
    pub spans: Option<Bytes>,
}

/// The end of a UDP session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The session's id.
    pub session: Uuid,
    /// Why it ends.
    pub message: String,
}

impl Open {
    /// Reads the parameters of `registerUdpSession`.
    ///
    /// # Errors
    ///
    /// Fails when a pointer leads nowhere, the id has not 16 bytes, or there is no address.
    pub fn read(params: &Payload) -> Result<Self, DecodeError> {
        params.content(|params| {
            Ok(Self {
                session: uuid(&params, 0)?,
                address: params.data(1)?.ok_or(DecodeError::NoAddress)?,
                port: params.short(0),
                idle: params.long(8).cast_signed(),
                trace: params.string(2)?,
            })
        })
    }
}

impl Content for Open {
    fn write(&self, slot: Slot<'_, '_>) {
        let mut params = slot.object((2, 3));
        params.number(0, &self.port.to_le_bytes());
        params.number(8, &self.idle.to_le_bytes());
        params.data(0, self.session.as_bytes());
        params.data(1, &self.address);
        params.text(2, &self.trace);
    }
}

impl Opened {
    /// Reads the results of `registerUdpSession`.
    ///
    /// # Errors
    ///
    /// Fails when a pointer leads nowhere.
    pub fn read(results: &Payload) -> Result<Self, DecodeError> {
        results.content(|results| {
            let result = results.structure(0)?;
            Ok(Self {
                error: result.string(0)?,
                spans: result.data(1)?,
            })
        })
    }
}

impl Content for Opened {
    fn write(&self, slot: Slot<'_, '_>) {
        let mut results = slot.object((0, 1));
        let mut result = results.object(0, (0, 2));
        result.text(0, &self.error);
        if let Some(spans) = &self.spans {
            result.data(1, spans);
        }
    }
}

impl Close {
    /// Reads the parameters of `unregisterUdpSession`.
    ///
    /// # Errors
    ///
    /// Fails when a pointer leads nowhere or the id has not 16 bytes.
    pub fn read(params: &Payload) -> Result<Self, DecodeError> {
        params.content(|params| {
            Ok(Self {
                session: uuid(&params, 0)?,
                message: params.string(1)?,
            })
        })
    }
}

impl Content for Close {
    fn write(&self, slot: Slot<'_, '_>) {
        let mut params = slot.object((0, 2));
        params.data(0, self.session.as_bytes());
        params.text(1, &self.message);
    }
}
