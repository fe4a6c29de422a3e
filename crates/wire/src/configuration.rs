//! Sans-IO. A configuration that the edge pushes to a connector.

use bytes::Bytes;

use crate::builder::{Content, Slot};
use crate::{DecodeError, Payload};

/// The interface that a connector offers for it.
pub const INTERFACE: u64 = 0xb48e_dfbd_aa25_db04;

/// The method `updateConfiguration`: [`Update`] → [`Applied`].
pub const UPDATE: u16 = 0;

/// A configuration and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The version; versions only grow.
    pub version: i32,
    /// The configuration as JSON.
    pub configuration: Bytes,
}

/// What a connector says to [`Update`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The version that is now in force.
    pub version: i32,
    /// Why it is not the pushed one; empty when it is.
    pub error: String,
}

impl Update {
    /// Reads the parameters of `updateConfiguration`.
    ///
    /// # Errors
    ///
    /// Fails when a pointer leads nowhere.
    pub fn read(params: &Payload) -> Result<Self, DecodeError> {
        params.content(|params| {
            Ok(Self {
                version: params.int(0).cast_signed(),
                configuration: params.data(0)?.unwrap_or_default(),
            })
        })
    }
}

impl Content for Update {
    fn write(&self, slot: Slot<'_, '_>) {
        let mut params = slot.object((1, 1));
        params.number(0, &self.version.to_le_bytes());
        params.data(0, &self.configuration);
    }
}

impl Applied {
    /// Reads the results of `updateConfiguration`.
    ///
    /// # Errors
    ///
    /// Fails when a pointer leads nowhere.
    pub fn read(results: &Payload) -> Result<Self, DecodeError> {
        results.content(|results| {
            let result = results.structure(0)?;
            Ok(Self {
                version: result.int(0).cast_signed(),
                error: result.string(0)?,
            })
        })
    }
}

impl Content for Applied {
    fn write(&self, slot: Slot<'_, '_>) {
        let mut results = slot.object((0, 1));
        let mut result = results.object(0, (1, 1));
        result.number(0, &self.version.to_le_bytes());
        result.text(0, &self.error);
    }
}
