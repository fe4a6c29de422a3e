//! Sans-IO. What proves that a connector may serve a tunnel.

use crate::secret::Secret;
use crate::tunnel_id::TunnelId;

/// The credentials of one tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The account.
    pub account_tag: String,
    /// The secret of the tunnel.
    pub secret: Secret<Vec<u8>>,
    /// The tunnel; [`TunnelId::NIL`] where the text names none.
    pub tunnel_id: TunnelId,
    /// The region of the edge: empty, or such as `fed`.
    pub endpoint: String,
}
