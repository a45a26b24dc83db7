//! A line between two programs that can be cut without either noticing: what is sent waits until it is whole again.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes that are carried at a time.
const CARRIED: usize = 16 * 1024;

/// A line that is whole. It ends when it is dropped.
pub(crate) struct Line {
    /// Its near end.
    pub(crate) address: SocketAddr,
    whole: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Line {
    /// A line whose far end is `to`.
    pub(crate) async fn to(to: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (whole, seen) = watch::channel(true);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                open.spawn(carry(near, to, seen.clone()));
            }
        });
        Ok(Self { address, whole, _tasks: tasks })
    }

    /// Cuts it.
    pub(crate) fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Mends it.
    pub(crate) fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn carry(near: TcpStream, to: SocketAddr, whole: watch::Receiver<bool>) {
    let Ok(far) = TcpStream::connect(to).await else { return };
    if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
        return;
    }
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    tokio::select! {
        () = one_way(near_in, far_out, whole.clone()) => {}
        () = one_way(far_in, near_out, whole) => {}
    }
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut whole: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; CARRIED];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let carried =
            whole.wait_for(|whole| *whole).await.is_ok() && to.write_all(&bytes[..read]).await.is_ok();
        if !carried {
            return;
        }
    }
}
