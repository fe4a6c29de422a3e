//! Sans-IO. What proves that a connector may serve a tunnel.

use adit_dialect::json::{self, Writer};
use adit_dialect::{JsonError, base64};

use crate::error::ConfigError;
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
    /// Whether a secret was given, even an empty one; that shows when credentials are written.
    has_secret: bool,
}

/// The names that the parts of credentials have in a JSON text.
pub(crate) struct Names {
    pub(crate) structure: &'static str,
    pub(crate) account_tag: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) tunnel_id: &'static str,
    pub(crate) endpoint: &'static str,
}

const FILE: Names = Names {
    structure: "connection.Credentials",
    account_tag: "AccountTag",
    secret: "TunnelSecret",
    tunnel_id: "TunnelID",
    endpoint: "Endpoint",
};

impl Credentials {
    /// Reads the content of a credentials file.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the JSON text, in upstream's words.
    pub fn read(text: &[u8]) -> Result<Self, JsonError> {
        Self::read_as(&FILE, text)
    }

    /// Reads the credentials that stand at `source`: a path, or the name of what holds the text.
    ///
    /// # Errors
    ///
    /// Fails with upstream's final text; the details are in the hint.
    pub fn read_from(source: &str, text: &[u8]) -> Result<Self, ConfigError> {
        Self::read(text).map_err(|error| {
            if is_pem(source) {
                let problem = "The tunnel credentials file should be .json but you gave a .pem.";
                return ConfigError::new(problem).hint(
                    "cert.pem is the account's certificate; `tunnel create` wrote the credentials \
                     to a file named after the tunnel's id",
                );
            }
            ConfigError::new("Invalid JSON when parsing tunnel credentials file")
                .hint(format!("{source}: {error}"))
        })
    }

    /// Makes the credentials of a tunnel.
    #[must_use]
    pub const fn new(account_tag: String, secret: Vec<u8>, tunnel_id: TunnelId) -> Self {
        Self {
            account_tag,
            secret: Secret::new(secret),
            tunnel_id,
            endpoint: String::new(),
            has_secret: true,
        }
    }

    /// Returns the text of a credentials file.
    #[must_use]
    pub fn write(&self) -> Secret<String> {
        let mut out = Writer::new();
        out.begin_object();
        out.key(FILE.account_tag).string(&self.account_tag);
        self.write_secret(out.key(FILE.secret));
        out.key(FILE.tunnel_id).string(self.tunnel_id.to_string());
        out.key(FILE.endpoint).string(&self.endpoint);
        out.end_object();
        Secret::new(out.finish())
    }

    pub(crate) fn write_secret(&self, out: &mut Writer) {
        if self.has_secret {
            let secret = Secret::new(base64::encode(self.secret.expose()));
            out.string(secret.expose());
        } else {
            out.null();
        }
    }

    pub(crate) fn read_as(names: &Names, text: &[u8]) -> Result<Self, JsonError> {
        let mut read = Self::default();
        let mut secret = None;
        let fields = [names.account_tag, names.secret, names.tunnel_id, names.endpoint];
        let outcome = json::decode(text, |decoder, value| {
            decoder.object(value, names.structure, &fields, |decoder, name, value| {
                if name == names.account_tag {
                    decoder.string(value, &mut read.account_tag);
                } else if name == names.secret {
                    decoder.bytes(value, &mut secret);
                } else if name == names.tunnel_id {
                    tunnel_id(decoder, value, &mut read.tunnel_id)?;
                } else {
                    decoder.string(value, &mut read.endpoint);
                }
                Ok(())
            })
        });
        read.has_secret = secret.is_some();
        read.secret = Secret::new(secret.unwrap_or_default());
        outcome.map(|()| read)
    }
}

fn tunnel_id(
    decoder: &mut json::Decoder,
    value: json::Value<'_>,
    id: &mut TunnelId,
) -> Result<(), JsonError> {
    if let Some(text) = decoder.text(value, "uuid.UUID") {
        *id = TunnelId::parse(&text).map_err(|error| JsonError::Value(error.to_string()))?;
    }
    Ok(())
}

fn is_pem(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| ending == "pem")
}
