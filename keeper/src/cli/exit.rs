//! The exit codes, as the help documents them.

use crate::{
    chain::WrongChain,
    config::{ConfigError, SignerError},
    deployment::DeploymentError,
    store::StoreError,
};
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Done = 0,
    Failed = 1,
    /// Wrong usage, configuration or deployment: trying again does not help.
    Misconfigured = 2,
    PartlyRejected = 3,
    Differs = 4,
}

impl Exit {
    /// The code of an error: what its causes are.
    pub(super) fn of(error: &eyre::Report) -> Self {
        let wrong = error.chain().any(|cause| {
            cause.is::<ConfigError>()
                || cause.is::<SignerError>()
                || cause.is::<DeploymentError>()
                || cause.is::<WrongChain>()
                || matches!(
                    cause.downcast_ref::<StoreError>(),
                    Some(StoreError::BadUrl(_) | StoreError::Denied(_) | StoreError::OtherVault { .. })
                )
        });
        if wrong { Self::Misconfigured } else { Self::Failed }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
