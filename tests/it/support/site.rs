//! A site that is up and counts who asks.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long so many probes may take to come.
const PROBES_DEADLINE: Duration = Duration::from_secs(30);

/// A site that is up and counts who asks.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    asked: watch::Receiver<u64>,
    _tasks: JoinSet<()>,
}

impl Site {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (count, asked) = watch::channel(0);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.send_modify(|asked| *asked += 1);
                open.spawn(answer(stream));
                while open.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, asked, _tasks: tasks })
    }

    /// Waits until it was asked so often again.
    pub(crate) async fn asked(&mut self, times: u64) -> anyhow::Result<()> {
        let before = *self.asked.borrow_and_update();
        let enough = self.asked.wait_for(|asked| *asked >= before + times);
        timeout(PROBES_DEADLINE, enough).await.context("no probes come")??;
        Ok(())
    }
}

/// Answers one request. An agent that is killed meanwhile is what this is about.
async fn answer(mut stream: TcpStream) {
    let mut request = [0; 2_048];
    if matches!(stream.read(&mut request).await, Ok(1..)) {
        let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
        drop(stream.write_all(answer).await);
    }
}
