//! Log-ins by any bytes, for fuzzing. Feature `testing`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use ottla_broker_core::env::Moment;
use ottla_wire::messages::SaslHandshakeRequest;

use crate::Principal;
use crate::auth::{self, Authentication, Mechanism};

/// A log-in that lasts for ever asks for no time.
const NEVER: Moment = Moment(Duration::ZERO);

/// The log-in of one client, to a server whose only user is `user` with the password `password`.
#[allow(missing_debug_implementations, reason = "what it holds is secret elsewhere, and shown nowhere")]
pub struct LogIn(auth::LogIn);

impl LogIn {
    /// A mechanism was agreed on.
    #[must_use]
    pub fn by(mechanism: Mechanism) -> Self {
        let mut log_in =
            auth::LogIn::new(Some(Arc::new(Authentication::of_one_user(mechanism))), Principal::anonymous());
        let _ = log_in.handshake(&SaslHandshakeRequest { mechanism: mechanism.name().into() }, 1, NEVER);
        Self(log_in)
    }

    /// What is answered to a token; `None` for one that ends the connection.
    pub fn token(&mut self, token: &[u8]) -> Option<Bytes> {
        // One iteration is hashed at once.
        let said = self.0.token(Bytes::copy_from_slice(token)).now_or_never()?;
        self.0.conclude(said, NEVER).ok()
    }
}
