//! Believes what the request says. For one's own machine: whoever configures it must listen on loopback only.

use crate::{ADMIN_ROLE, AuthError, Credentials, Identity};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

const DEFAULT_PROJECT: &str = "admin";

/// The project is `X-Project-Id`, else the text of the token (so that stock clients can act for a project
/// with `--os-auth-type admin_token --os-token PROJECT`), else `admin`. Everyone is an administrator unless
/// `X-Roles` says otherwise.
#[derive(Debug, Clone, Copy)]
pub struct NoAuth(());

/// Requests without proof would be served to other machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "auth 'none' lets everyone who can reach {0} do everything; listen on a loopback address \
     (127.0.0.1 or [::1]) or configure Keystone"
)]
pub struct NotLoopback(pub SocketAddr);

impl NoAuth {
    /// Refuses any address that other machines can reach, and warns that nobody is asked who they are.
    pub fn new(listen: SocketAddr) -> Result<Self, NotLoopback> {
        if !listen.ip().is_loopback() {
            return Err(NotLoopback(listen));
        }
        tracing::warn!(%listen, "auth is 'none': every user of this machine is an administrator of this cloud");
        Ok(Self(()))
    }

    pub(crate) fn identify(self, credentials: Credentials<'_>) -> Result<Identity, AuthError> {
        if let Some(host) = credentials.host.filter(|host| can_be_foreign(host)) {
            return Err(AuthError::ForeignHost(host.to_owned()));
        }
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let project = given(credentials.project)
            .or_else(|| given(credentials.token))
            .unwrap_or_else(|| DEFAULT_PROJECT.to_owned());
        let roles = match credentials.roles {
            None => BTreeSet::from([ADMIN_ROLE.to_owned()]),
            Some(list) => list
                .split(',')
                .map(|role| role.trim().to_owned())
                .filter(|role| !role.is_empty())
                .collect(),
        };
        let user = given(credentials.user).unwrap_or_else(|| project.clone());
        let project = project
            .parse()
            .map_err(|_| AuthError::InvalidProject(project))?;
        Ok(Identity::new(project, user, roles))
    }
}

/// A name with a dot may belong to anyone, who can let it mean 127.0.0.1 to a browser on this machine and so have
/// their page's scripts ask us (DNS rebinding). An address means what it says, and so does a name of this network.
fn can_be_foreign(host: &str) -> bool {
    let is_address = host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    !is_address && !name.starts_with('[') && name.contains('.') && !name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identify(credentials: Credentials<'_>) -> Identity {
        NoAuth(()).identify(credentials).expect("an identity")
    }

    #[test]
    fn only_loopback() {
        let listen = |text: &str| text.parse::<SocketAddr>().expect("an address");
        assert!(NoAuth::new(listen("127.0.0.1:9696")).is_ok());
        assert!(NoAuth::new(listen("[::1]:9696")).is_ok());
        for text in ["0.0.0.0:9696", "[::]:9696", "10.0.0.1:9696"] {
            assert_eq!(
                NoAuth::new(listen(text)).err(),
                Some(NotLoopback(listen(text)))
            );
        }
    }

    #[test]
    fn headers_then_token_then_admin() {
        let nobody = identify(Credentials::default());
        assert_eq!((nobody.project.as_str(), nobody.is_admin), ("admin", true));
        let token = identify(Credentials {
            token: Some("blue"),
            ..Credentials::default()
        });
        assert_eq!((token.project.as_str(), token.is_admin), ("blue", true));
        let member = identify(Credentials {
            token: Some("blue"),
            project: Some("red"),
            roles: Some("member, reader"),
            ..Credentials::default()
        });
        assert_eq!((member.project.as_str(), member.is_admin), ("red", false));
    }

    #[test]
    fn a_name_that_anyone_can_own_is_not_ours() {
        for (host, served) in [
            ("127.0.0.1:9696", true),
            ("127.0.0.1", true),
            ("[::1]:9696", true),
            ("[::1]", true),
            ("localhost:9696", true),
            ("cloud.localhost", true),
            ("controller", true),
            ("rebound.example.com:9696", false),
            ("rebound.example.com.", false),
            ("127.0.0.1.example.com", false),
        ] {
            let asked = NoAuth(()).identify(Credentials {
                host: Some(host),
                ..Credentials::default()
            });
            assert_eq!(asked.is_ok(), served, "{host}: {asked:?}");
        }
    }

    #[test]
    fn a_project_with_control_characters_is_refused() {
        let refused = NoAuth(()).identify(Credentials {
            token: Some("a\tb"),
            ..Credentials::default()
        });
        assert_eq!(refused, Err(AuthError::InvalidProject("a\tb".to_owned())));
    }
}
