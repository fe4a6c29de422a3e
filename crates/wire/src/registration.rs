//! Sans-IO. What a connector tells the edge on its control stream, and what it is told.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::builder::{Content, Object, Size, Slot};
use crate::connect::MAX_METADATA;
use crate::reader::{List, Struct};
use crate::{DecodeError, Payload};

/// The interface that the edge offers on a control stream.
pub const INTERFACE: u64 = 0xf716_95ec_7fe8_5497;

/// The methods of [`INTERFACE`].
pub mod method {
    /// `registerConnection`: [`super::Register`] → [`super::Registered`].
    pub const REGISTER: u16 = 0;
    /// `unregisterConnection`: nothing → nothing.
    pub const UNREGISTER: u16 = 1;
    /// `updateLocalConfiguration`: [`super::LocalConfiguration`] → nothing.
    pub const UPDATE_LOCAL_CONFIGURATION: u16 = 2;
}

/// A request to let a connection serve a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    /// Who asks.
    pub auth: Auth,
    /// The tunnel.
    pub tunnel: Uuid,
    /// Which of the connector's connections this is.
    pub index: u8,
    /// What the connector is and can do.
    pub options: Options,
}

/// The credentials of a tunnel.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    /// The account.
    pub account: String,
    /// The tunnel's secret.
    pub secret: Bytes,
}

/// What a connector says about itself and this connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The connector.
    pub client: Client,
    /// The local address of the connection, when it is known.
    pub local_address: Option<IpAddr>,
    /// Whether an older connection of the same index shall go.
    pub replace_existing: bool,
    /// How hard to compress; nobody compresses any more.
    pub compression_quality: u8,
    /// How often registering has failed before.
    pub previous_attempts: u8,
}

/// What a connector says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The connector's id, made anew by each process. The nil id means that it says none.
    pub id: Uuid,
    /// What it can do.
    pub features: Vec<String>,
    /// Its version.
    pub version: String,
    /// Its platform, such as `linux_amd64`.
    pub platform: String,
}

/// What the edge answers to [`Register`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The connection serves the tunnel.
    Accepted(Details),
    /// It does not.
    Refused(Refused),
}

/// What the edge says about a connection that serves a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// The connection's id.
    pub id: Uuid,
    /// The data centre, such as `lhr22`.
    pub location: String,
    /// Whether the edge will push the tunnel's configuration.
    pub remotely_managed: bool,
}

/// Why the edge does not let a connection serve a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason, for people.
    pub cause: String,
    /// Whether another attempt may succeed.
    pub retry: bool,
    /// How long to wait before it.
    pub after: Duration,
}

/// The configuration that a connector of a locally managed tunnel runs with, as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalConfiguration(pub Bytes);

/// No parameters, or no results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nothing;

impl Register {
    /// Reads the parameters of `registerConnection`.
    ///
    /// # Errors
    ///
    /// Fails when a pointer leads nowhere or an id has not 16 bytes.
    pub fn read(params: &Payload) -> Result<Self, DecodeError> {
        params.content(|params| {
            Ok(Self {
                auth: Auth::read(&params.structure(0)?)?,
                tunnel: uuid(&params, 1)?,
                index: params.byte(0),
                options: Options::read(&params.structure(2)?)?,
            })
        })
    }
}

impl Content for Register {
    fn write(&self, slot: Slot<'_, '_>) {
        let mut params = slot.object((1, 3));
        params.number(0, &[self.index]);
        let mut auth = params.object(0, (0, 2));
        auth.text(0, &self.auth.account);
        auth.data_if_any(1, &self.auth.secret);
        params.data(1, self.tunnel.as_bytes());
        self.options.write(&mut params.object(2, OPTIONS));
    }
}

impl Auth {
    fn read(auth: &Struct<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            account: auth.string(0)?,
            secret: auth.data(1)?.unwrap_or_default(),
        })
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl Options {
    fn read(options: &Struct<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            client: Client::read(&options.structure(0)?)?,
            local_address: options.data(1)?.as_deref().and_then(address),
            replace_existing: options.bit(0),
            compression_quality: options.byte(1),
            previous_attempts: options.byte(2),
        })
    }

    fn write(&self, options: &mut Object<'_, '_>) {
        options.bit(0, self.replace_existing);
        options.number(1, &[self.compression_quality, self.previous_attempts]);
        self.client.write(&mut options.object(0, CLIENT));
        if let Some(address) = self.local_address {
            options.data(1, &octets(address));
        }
    }
}

impl Client {
    fn read(client: &Struct<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: client_id(client)?,
            features: features(client.list(1)?)?,
            version: client.string(2)?,
            platform: client.string(3)?,
        })
    }

    fn write(&self, client: &mut Object<'_, '_>) {
        if !self.id.is_nil() {
            client.data(0, self.id.as_bytes());
        }
        client.texts(1, &self.features);
        client.text(2, &self.version);
        client.text(3, &self.platform);
    }
}

impl Registered {
    /// Reads the results of `registerConnection`.
    ///
    /// # Errors
    ///
    /// Fails when a pointer leads nowhere, an id has not 16 bytes, or the answer is of a new kind.
    pub fn read(results: &Payload) -> Result<Self, DecodeError> {
        results.content(|results| {
            let result = results.structure(0)?;
            match result.short(0) {
                REFUSED => Ok(Self::Refused(Refused::read(&result.structure(0)?)?)),
                ACCEPTED => Ok(Self::Accepted(Details::read(&result.structure(0)?)?)),
                unknown => Err(DecodeError::UnknownResult(unknown)),
            }
        })
    }
}

impl Content for Registered {
    fn write(&self, slot: Slot<'_, '_>) {
        let mut results = slot.object((0, 1));
        let mut result = results.object(0, (1, 1));
        match self {
            Self::Refused(refused) => {
                result.number(0, &REFUSED.to_le_bytes());
                refused.write(&mut result.object(0, (2, 1)));
            }
            Self::Accepted(details) => {
                result.number(0, &ACCEPTED.to_le_bytes());
                details.write(&mut result.object(0, (1, 2)));
            }
        }
    }
}

impl Details {
    fn read(details: &Struct<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: uuid(details, 0)?,
            location: details.string(1)?,
            remotely_managed: details.bit(0),
        })
    }

    fn write(&self, details: &mut Object<'_, '_>) {
        details.bit(0, self.remotely_managed);
        details.data(0, self.id.as_bytes());
        details.text(1, &self.location);
    }
}

impl Refused {
    fn read(error: &Struct<'_>) -> Result<Self, DecodeError> {
        // A negative delay is no delay.
        let nanoseconds = u64::try_from(error.long(0).cast_signed()).unwrap_or_default();
        Ok(Self {
            cause: error.string(0)?,
            retry: error.bit(64),
            after: Duration::from_nanos(nanoseconds),
        })
    }

    fn write(&self, error: &mut Object<'_, '_>) {
        let nanoseconds = i64::try_from(self.after.as_nanos()).unwrap_or(i64::MAX);
        error.number(0, &nanoseconds.to_le_bytes());
        error.bit(64, self.retry);
        error.text(0, &self.cause);
    }
}

impl LocalConfiguration {
    /// Reads the parameters of `updateLocalConfiguration`.
    ///
    /// # Errors
    ///
    /// Fails when a pointer leads nowhere.
    pub fn read(params: &Payload) -> Result<Self, DecodeError> {
        params.content(|params| Ok(Self(params.data(0)?.unwrap_or_default())))
    }
}

impl Content for LocalConfiguration {
    fn write(&self, slot: Slot<'_, '_>) {
        slot.object((0, 1)).data(0, &self.0);
    }
}

impl Content for Nothing {
    fn write(&self, slot: Slot<'_, '_>) {
        slot.object((0, 0));
    }
}

/// Reads an id, which is 16 bytes long.
pub(crate) fn uuid(object: &Struct<'_>, index: usize) -> Result<Uuid, DecodeError> {
    let bytes = object.data(index)?.unwrap_or_default();
    Uuid::from_slice(&bytes).map_err(|_| DecodeError::Uuid(bytes.len()))
}

/// Reads the id of a connector; nothing is the nil id.
fn client_id(client: &Struct<'_>) -> Result<Uuid, DecodeError> {
    let said = client.data(0)?.filter(|bytes| !bytes.is_empty());
    said.map_or(Ok(Uuid::nil()), |_| uuid(client, 0))
}

/// Reads an address of 4 or 16 bytes; an IPv4 address may come in its IPv6 form.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let address = match <[u8; 4]>::try_from(bytes) {
        Ok(octets) => IpAddr::from(octets),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some(address.to_canonical())
}

/// Returns the 16 bytes of an address, IPv4 in its IPv6 form.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

fn features(list: List<'_>) -> Result<Vec<String>, DecodeError> {
    if list.len() > MAX_METADATA {
        return Err(DecodeError::TooManyEntries(list.len() as u32));
    }
    list.iter().map(|feature| feature.string(0)).collect()
}

const REFUSED: u16 = 0;
const ACCEPTED: u16 = 1;

const OPTIONS: Size = (1, 2);
const CLIENT: Size = (0, 4);
