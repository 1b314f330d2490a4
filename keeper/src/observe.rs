//! What the keeper tells about itself while it runs: logs on standard error, so that standard output is for results.

use crate::config::{Config, LogFormat};
use std::{
    io::{self, IsTerminal, Write, stderr},
    sync::Arc,
};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Starts logging for this process. Called a second time it changes nothing.
pub fn init(config: &Config) {
    // The level was checked with the rest of the configuration.
    let filter = EnvFilter::try_new(&config.log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let writer = Redacted { secrets: config.secrets().into(), out: stderr };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(stderr().is_terminal());
    let started = match config.log.format {
        LogFormat::Text => logs.try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    drop(started);
}

/// Writes lines without the secrets in them. Libraries log addresses as a whole, the finer the level the more of them, and
/// providers put their keys into addresses.
#[derive(Clone, Debug)]
struct Redacted<W> {
    secrets: Arc<[String]>,
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
        for secret in self.secrets.iter().filter(|s| !s.is_empty()) {
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
