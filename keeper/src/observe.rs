//! What the keeper tells about itself while it runs: logs on standard error, so that standard output is for results.

use crate::config::{Config, LogFormat, longest_first};
use std::{
    io::{self, IsTerminal, Write, stderr},
    sync::{Arc, PoisonError, RwLock},
};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// The log of this process.
pub struct Logs {
    secrets: Arc<RwLock<Vec<String>>>,
    set_level: Box<dyn Fn(EnvFilter)>,
}

impl Logs {
    /// Starts logging.
    pub fn start(config: &Config) -> Self {
        let secrets = Arc::new(RwLock::new(config.secrets()));
        let writer = Redacted { secrets: secrets.clone(), out: stderr };
        let logs = tracing_subscriber::fmt()
            .with_env_filter(level(config))
            .with_writer(writer)
            .with_ansi(stderr().is_terminal());
        macro_rules! start {
            ($logs:expr) => {{
                let logs = $logs.with_filter_reloading();
                let handle = logs.reload_handle();
                drop(logs.try_init());
                Box::new(move |level| drop(handle.reload(level)))
            }};
        }
        let set_level: Box<dyn Fn(EnvFilter)> = match config.log.format {
            LogFormat::Text => start!(logs),
            LogFormat::Json => start!(logs.json().flatten_event(true)),
        };
        Self { secrets, set_level }
    }

    /// Hides the secrets of another configuration too.
    pub fn hide(&self, config: &Config) {
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        secrets.extend(config.secrets());
        longest_first(&mut secrets);
    }

    /// Says as much as a configuration wants.
    pub fn follow(&self, config: &Config) {
        (self.set_level)(level(config));
    }
}

/// It was checked with the rest of the configuration.
fn level(config: &Config) -> EnvFilter {
    EnvFilter::try_new(&config.log.level).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Writes lines without the secrets in them. Libraries log addresses as a whole, the finer the level the more of them, and
/// providers put their keys into addresses.
#[derive(Clone, Debug)]
struct Redacted<W> {
    secrets: Arc<RwLock<Vec<String>>>,
    out: W,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Redacted<W> {
    type Writer = Redacted<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Redacted { secrets: self.secrets.clone(), out: self.out.make_writer() }
    }
}

impl<W: Write> Write for Redacted<W> {
    /// An event comes in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut text = String::from_utf8_lossy(line);
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets.iter().filter(|s| !s.is_empty()) {
            if text.contains(secret) {
                text = text.replace(secret, "[hidden]").into();
            }
        }
        self.out.write_all(text.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
