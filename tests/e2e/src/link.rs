//! A link that can be cut: a TCP forwarder between a keeper and its database, or its chain.
//!
//! While it is cut nothing passes and nothing is closed, as when a cable is pulled: neither side hears of it. What was
//! under way arrives once it is healed. [`Link::reset`] breaks the connections instead, as a host that goes down.

use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// A forwarder to one port of this machine; ends when dropped.
#[derive(Debug)]
pub struct Link {
    port: u16,
    state: Arc<watch::Sender<State>>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    cut: bool,
    /// Connections of an older life are closed.
    life: u64,
}

impl Link {
    /// Opens a link to `to`.
    pub async fn open(to: u16) -> eyre::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(watch::Sender::new(State::default()));
        let accepting = tokio::spawn(accept(listener, to, state.clone()));
        Ok(Self { port, state, accepting })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on nothing passes.
    pub fn cut(&self) {
        self.state.send_modify(|s| s.cut = true);
    }

    /// What waited passes, and everything after it.
    pub fn heal(&self) {
        self.state.send_modify(|s| s.cut = false);
    }

    /// Breaks all connections that are open.
    pub fn reset(&self) {
        self.state.send_modify(|s| s.life += 1);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
        self.reset();
    }
}

async fn accept(listener: TcpListener, to: u16, state: Arc<watch::Sender<State>>) {
    while let Ok((near, _)) = listener.accept().await {
        let state = state.subscribe();
        tokio::spawn(async move {
            let mut waiting = state.clone();
            if waiting.wait_for(|s| !s.cut).await.is_err() {
                return;
            }
            let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else { return };
            let (near, far) = (near.into_split(), far.into_split());
            tokio::spawn(pass(near.0, far.1, state.clone()));
            tokio::spawn(pass(far.0, near.1, state));
        });
    }
}

/// Passes bytes on while the link is whole, until either side closes or the life of the connection ends.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let life = state.borrow().life;
    let mut over = state.clone();
    let copy = async {
        let mut bytes = vec![0; 16_384];
        loop {
            let Ok(n) = from.read(&mut bytes).await else { return };
            if n == 0 || state.wait_for(|s| !s.cut).await.is_err() {
                return;
            }
            if to.write_all(&bytes[..n]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = copy => {}
        _ = over.wait_for(|s| s.life != life) => {}
    }
}
