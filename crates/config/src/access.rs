//! Sans-IO. Which Access tokens a rule demands, as it applies.

use crate::origin::AccessSettings;

/// The demand for an Access token: present on a rule exactly when the rule enforces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The team, first label of the issuer's host.
    pub team_name: String,
    /// Audience tags of which a token must carry one.
    pub audiences: Vec<String>,
    /// `fed` for the government environment, else anything.
    pub environment: String,
}

impl Access {
    /// Returns the demand that settings make, if they make one.
    pub(crate) fn demanded(settings: &AccessSettings) -> Option<Self> {
        settings.required.then(|| Self {
            team_name: settings.team_name.clone(),
            audiences: settings.aud_tag.clone().unwrap_or_default(),
            environment: settings.environment.clone(),
        })
    }

    /// Returns the issuer that a token must name.
    #[must_use]
    pub fn issuer(&self) -> String {
        let infix = if self.environment == "fed" { "fed." } else { "" };
        format!("https://{}.{infix}cloudflareaccess.com", self.team_name)
    }
}
