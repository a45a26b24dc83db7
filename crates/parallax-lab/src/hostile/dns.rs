//! Resolvers that answer badly, over UDP and TCP at one port (RFC 1035, 4). Behind each stands an ordinary site.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::{Behaviour, Ends, FORBIDDEN, Script, Speaks};
use crate::LabError;
use crate::serve::both_transports;
use crate::tasks::Tasks;

/// Query types (RFC 1035, 3.2.2; RFC 3596).
const A: u16 = 1;
const CNAME: u16 = 5;
const TXT: u16 = 16;
const AAAA: u16 = 28;
/// A pointer to the name in the question (RFC 1035, 4.1.4).
const ASKED: [u8; 2] = [0xc0, 12];
/// Length of a header.
const HEADER: usize = 12;
/// Largest datagram that is sent without being asked for more (RFC 1035, 4.2.1).
const MAX_UDP: usize = 512;

/// What a resolver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// The site's address, then the forbidden one, then the site's again, all with TTL 0.
    Alternating,
    /// The site's address and the forbidden one together.
    Mixed,
    /// The forbidden address.
    Forbidden,
    /// The forbidden address, mapped into IPv6 (RFC 4291, 2.5.5.2).
    Mapped,
    /// So many addresses, the site's first.
    Many(u16),
    /// So many addresses, the site's first and the forbidden one last.
    ManyThenForbidden(u16),
    /// No address, with this code (RFC 1035, 4.1.1).
    Code(u8),
    /// The name does not exist, and yet has an address.
    CodeWithAddress(u8),
    /// An alias of itself.
    AliasOfItself,
    /// Two aliases of each other.
    AliasCircle,
    /// So many aliases in one answer, then the address.
    Aliases(u8),
    /// Every alias has another one, one answer at a time.
    AliasesWithoutEnd,
    /// An alias that policy refuses to look at, with the site's address.
    AliasToLocalhost,
    /// Cut off, over UDP and over TCP alike.
    AlwaysTruncated,
    /// Cut off over UDP; over TCP nothing is said.
    TruncatedThenSilent,
    /// Cut off over UDP; TCP is closed at once.
    TruncatedThenClosed,
    /// Cut off over UDP; over TCP one byte of a long message.
    TruncatedThenPart,
    /// 60 KiB of text beside the address, over TCP.
    HugeText,
    /// Nothing.
    Silent,
    /// No DNS.
    Garbage,
    /// A header that promises more than there is.
    HeaderOnly,
    /// The wrong id.
    WrongId,
    /// An answer to another question.
    WrongQuestion,
    /// A question instead of an answer.
    Question,
    /// A name that points to itself (RFC 1035, 4.1.4).
    PointerCircle,
    /// A record that is longer than the message.
    LongRecord,
    /// An address of five bytes.
    FiveBytes,
    /// 1,000 answers with wrong ids, then the right one.
    Spoofed,
    /// The address of another name only.
    OtherName,
}

/// Every resolver: name, how a probe ends, what it answers.
const RESOLVERS: &[(&str, Ends, Answers)] = &[
    ("dns-ttl-0-alternating", &["ok", "blocked-address"], Answers::Alternating),
    ("dns-public-and-private", &["blocked-address"], Answers::Mixed),
    ("dns-private", &["blocked-address"], Answers::Forbidden),
    ("dns-private-mapped", &["blocked-address"], Answers::Mapped),
    ("dns-4000-addresses", &["ok"], Answers::Many(4_000)),
    ("dns-32-addresses", &["ok"], Answers::Many(32)),
    ("dns-32nd-address-private", &["blocked-address"], Answers::ManyThenForbidden(32)),
    ("dns-nxdomain", &["dns-nxdomain"], Answers::Code(3)),
    ("dns-empty", &["dns-nodata"], Answers::Code(0)),
    ("dns-servfail", &["dns-servfail"], Answers::Code(2)),
    ("dns-refused", &["dns-refused"], Answers::Code(5)),
    ("dns-format-error", &["dns-servfail"], Answers::Code(1)),
    ("dns-not-implemented", &["dns-servfail"], Answers::Code(4)),
    ("dns-unknown-code", &["dns-servfail"], Answers::Code(15)),
    ("dns-nxdomain-with-address", &["ok", "dns-nxdomain"], Answers::CodeWithAddress(3)),
    ("dns-servfail-with-address", &["ok", "dns-servfail"], Answers::CodeWithAddress(2)),
    ("dns-alias-of-itself", &["dns-loop"], Answers::AliasOfItself),
    ("dns-alias-circle", &["dns-loop"], Answers::AliasCircle),
    ("dns-20-aliases", &["dns-loop"], Answers::Aliases(20)),
    ("dns-5-aliases", &["ok"], Answers::Aliases(5)),
    ("dns-aliases-without-end", &["dns-loop"], Answers::AliasesWithoutEnd),
    ("dns-alias-to-localhost", &["ok", "blocked-address"], Answers::AliasToLocalhost),
    ("dns-always-truncated", &["dns-servfail", "dns-timeout", "dns-nodata"], Answers::AlwaysTruncated),
    ("dns-truncated-then-silent", &["dns-timeout", "dns-servfail"], Answers::TruncatedThenSilent),
    ("dns-truncated-then-closed", &["dns-timeout", "dns-servfail"], Answers::TruncatedThenClosed),
    ("dns-truncated-then-part", &["dns-timeout", "dns-servfail"], Answers::TruncatedThenPart),
    ("dns-huge-text", &["ok"], Answers::HugeText),
    ("dns-silent", &["dns-timeout"], Answers::Silent),
    ("dns-garbage", &["dns-timeout", "dns-servfail"], Answers::Garbage),
    ("dns-header-only", &["dns-timeout", "dns-servfail"], Answers::HeaderOnly),
    ("dns-wrong-id", &["dns-timeout"], Answers::WrongId),
    ("dns-wrong-question", &["dns-timeout", "dns-servfail"], Answers::WrongQuestion),
    ("dns-question-back", &["dns-timeout", "dns-servfail"], Answers::Question),
    ("dns-pointer-circle", &["dns-timeout", "dns-servfail"], Answers::PointerCircle),
    ("dns-record-beyond-message", &["dns-timeout", "dns-servfail"], Answers::LongRecord),
    ("dns-address-of-five-bytes", &["dns-timeout", "dns-servfail"], Answers::FiveBytes),
    ("dns-spoofed-then-right", &["ok", "dns-timeout"], Answers::Spoofed),
    ("dns-address-of-another-name", &["dns-nodata", "dns-servfail"], Answers::OtherName),
];

/// Every hostile resolver.
pub(super) fn behaviours() -> Vec<Behaviour> {
    RESOLVERS
        .iter()
        .map(|&(name, ends, answers)| Behaviour::new(name, Speaks::Dns, ends, Script::Dns(answers)))
        .collect()
}

/// One resolver.
struct Resolver {
    answers: Answers,
    site: Ipv4Addr,
    asked: AtomicUsize,
}

/// Starts a resolver at `at` that knows the site there.
pub(super) async fn start(
    at: Ipv4Addr,
    answers: Answers,
    what: &str,
    tasks: &Tasks,
) -> Result<SocketAddr, LabError> {
    let (udp, listener, address) = both_transports(at, what).await?;
    let resolver = Arc::new(Resolver { answers, site: at, asked: AtomicUsize::new(0) });
    tasks.spawn(over_udp(Arc::clone(&resolver), udp));
    tasks.spawn(over_tcp(resolver, listener, tasks.clone()));
    Ok(address)
}

async fn over_udp(resolver: Arc<Resolver>, socket: UdpSocket) {
    let mut question = [0; 1_500];
    while let Ok((length, from)) = socket.recv_from(&mut question).await {
        if asked_for(&question[..length]).is_none() {
            continue;
        }
        for datagram in resolver.over_udp(&question[..length]) {
            if socket.send_to(&datagram, from).await.is_err() {
                tracing::debug!("a datagram could not be sent");
            }
        }
    }
}

async fn over_tcp(resolver: Arc<Resolver>, listener: TcpListener, tasks: Tasks) {
    while let Ok((stream, _)) = listener.accept().await {
        let resolver = Arc::clone(&resolver);
        tasks.spawn(async move {
            // A client that leaves in the middle is what these servers are for.
            let _ = resolver.over_tcp(stream).await;
        });
    }
}

impl Resolver {
    async fn over_tcp(&self, mut stream: TcpStream) -> std::io::Result<()> {
        loop {
            let mut question = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut question).await?;
            match self.answers {
                Answers::TruncatedThenClosed => return Ok(()),
                Answers::TruncatedThenSilent | Answers::Silent => continue,
                Answers::TruncatedThenPart => {
                    stream.write_all(&[0xff, 0xff, 7]).await?;
                    continue;
                }
                _ => {}
            }
            let answer = self.answer(&question);
            let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
            stream.write_all(&length.to_be_bytes()).await?;
            stream.write_all(&answer).await?;
        }
    }

    /// The datagrams that answer one question.
    fn over_udp(&self, question: &[u8]) -> Vec<Vec<u8>> {
        let cut = |answer: &[u8]| truncated(answer, question);
        match self.answers {
            Answers::Silent => Vec::new(),
            Answers::TruncatedThenClosed | Answers::TruncatedThenSilent | Answers::TruncatedThenPart => {
                vec![cut(&message(question, 0, &[]))]
            }
            Answers::Spoofed => {
                let right = self.answer(question);
                let wrong = (1..=1_000_u16).map(|by| {
                    let id = u16::from_be_bytes([right[0], right[1]]).wrapping_add(by).to_be_bytes();
                    [&id[..], &right[2..]].concat()
                });
                wrong.chain([right.clone()]).collect()
            }
            _ => {
                let answer = self.answer(question);
                vec![if answer.len() > MAX_UDP { cut(&answer) } else { answer }]
            }
        }
    }

    /// The whole answer.
    fn answer(&self, question: &[u8]) -> Vec<u8> {
        let Some(asked) = asked_for(question) else { return Vec::new() };
        let site = record(&ASKED, A, 0, &self.site.octets());
        let forbidden = record(&ASKED, A, 0, &FORBIDDEN.octets());
        let of_kind =
            |kind: u16, records: &[Vec<u8>]| message(question, 0, if asked == kind { records } else { &[] });
        match self.answers {
            Answers::Alternating => {
                let turn = if asked == A { self.asked.fetch_add(1, Ordering::SeqCst) } else { 0 };
                of_kind(A, &[if turn % 2 == 0 { site } else { forbidden }])
            }
            Answers::Mixed => of_kind(A, &[site, forbidden]),
            Answers::Forbidden => of_kind(A, &[forbidden]),
            Answers::Mapped => {
                let mapped = FORBIDDEN.to_ipv6_mapped().octets();
                of_kind(AAAA, &[record(&ASKED, AAAA, 0, &mapped)])
            }
            Answers::Many(count) => of_kind(A, &self.many(count)),
            Answers::ManyThenForbidden(count) => {
                of_kind(A, &[self.many(count - 1), vec![forbidden]].concat())
            }
            Answers::Code(code) => message(question, code, &[]),
            Answers::CodeWithAddress(code) => message(question, code, &[site]),
            Answers::AliasOfItself => message(question, 0, &[record(&ASKED, CNAME, 60, &ASKED)]),
            Answers::AliasCircle
            | Answers::Aliases(_)
            | Answers::AliasesWithoutEnd
            | Answers::AliasToLocalhost => self.aliases(question, asked),
            Answers::AlwaysTruncated => truncated(&message(question, 0, &[]), question),
            Answers::HugeText => {
                let text = [&[255][..], &[b'x'; 255]].concat().repeat(200);
                of_kind(A, &[record(&ASKED, TXT, 60, &text), site])
            }
            Answers::OtherName => {
                of_kind(A, &[record(&name(&["other", "example"]), A, 60, &self.site.octets())])
            }
            _ => self.malformed(question, &site),
        }
    }

    /// Distinct addresses, the site's first.
    fn many(&self, count: u16) -> Vec<Vec<u8>> {
        let [a, b, ..] = self.site.octets();
        let next = (1..count).map(|at| {
            let [high, low] = at.to_be_bytes();
            record(&ASKED, A, 0, &[a, b, 128 | high, low])
        });
        std::iter::once(record(&ASKED, A, 0, &self.site.octets())).chain(next).collect()
    }

    fn aliases(&self, question: &[u8], asked: u16) -> Vec<u8> {
        let alias = |at: usize| name(&[&format!("a{at}"), "aliases", "site-under-test", "com"]);
        let address = |owner: &[u8]| {
            if asked == A { vec![record(owner, A, 60, &self.site.octets())] } else { Vec::new() }
        };
        match self.answers {
            Answers::AliasCircle => message(
                question,
                0,
                &[record(&ASKED, CNAME, 60, &alias(0)), record(&alias(0), CNAME, 60, &ASKED)],
            ),
            Answers::Aliases(count) => {
                let count = usize::from(count);
                let first = record(&ASKED, CNAME, 60, &alias(1));
                let next = (1..count).map(|at| record(&alias(at), CNAME, 60, &alias(at + 1)));
                let records: Vec<Vec<u8>> =
                    std::iter::once(first).chain(next).chain(address(&alias(count))).collect();
                message(question, 0, &records)
            }
            Answers::AliasToLocalhost => {
                let localhost = name(&["localhost"]);
                message(
                    question,
                    0,
                    &[vec![record(&ASKED, CNAME, 60, &localhost)], address(&localhost)].concat(),
                )
            }
            _ => {
                let turn = self.asked.fetch_add(1, Ordering::SeqCst);
                message(question, 0, &[record(&ASKED, CNAME, 60, &alias(turn))])
            }
        }
    }

    /// What is no proper message.
    fn malformed(&self, question: &[u8], site: &[u8]) -> Vec<u8> {
        let right = message(question, 0, &[site.to_vec()]);
        let with = |record: Vec<u8>| message(question, 0, &[record]);
        match self.answers {
            Answers::Garbage => vec![0xa5; 300],
            Answers::HeaderOnly => [&right[..4], &[0xff; 8]].concat(),
            Answers::WrongId => [&[!right[0], !right[1]], &right[2..]].concat(),
            Answers::WrongQuestion => {
                let other =
                    [&question[..HEADER], &name(&["other", "example"]), &question[question.len() - 4..]];
                [&other.concat()[..2], &[0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0], &other.concat()[HEADER..]]
                    .concat()
            }
            Answers::Question => question.to_vec(),
            Answers::PointerCircle => {
                let at = u16::try_from(right.len() - site.len()).unwrap_or_default() | 0xc000;
                with(record(&at.to_be_bytes(), A, 60, &self.site.octets()))
            }
            Answers::LongRecord => {
                let mut long = site.to_vec();
                long[10..12].copy_from_slice(&[0xff, 0xff]);
                with(long)
            }
            Answers::FiveBytes => with(record(&ASKED, A, 60, &[127, 0, 0, 1, 9])),
            // The rest are well formed, and the right one is one of them.
            _ => right,
        }
    }
}

/// The type a question asks for; `None` when it is no question.
fn asked_for(question: &[u8]) -> Option<u16> {
    let end = question_end(question)?;
    Some(u16::from_be_bytes([question[end - 4], question[end - 3]]))
}

/// Where the one question of a message ends.
fn question_end(question: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    while *question.get(at)? != 0 {
        at += 1 + usize::from(question[at]);
    }
    (question.len() >= at + 5).then_some(at + 5)
}

/// An answer: header, the question again, the records.
fn message(question: &[u8], code: u8, records: &[Vec<u8>]) -> Vec<u8> {
    let end = question_end(question).unwrap_or(question.len());
    let count = u16::try_from(records.len()).unwrap_or(u16::MAX).to_be_bytes();
    let id = question.get(..2).unwrap_or(&[0, 0]);
    let asked = question.get(HEADER..end).unwrap_or_default();
    [id, &[0x81, 0x80 | code, 0, 1], &count, &[0, 0, 0, 0], asked, &records.concat()].concat()
}

/// The head of an answer with the bit that says there is more (RFC 1035, 4.1.1).
fn truncated(answer: &[u8], question: &[u8]) -> Vec<u8> {
    let end = question_end(question).unwrap_or(HEADER).min(answer.len());
    let mut cut = answer[..end].to_vec();
    cut[2] |= 2;
    cut[6..HEADER].fill(0);
    cut
}

fn record(owner: &[u8], kind: u16, ttl: u32, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes();
    [owner, &kind.to_be_bytes(), &[0, 1], &ttl.to_be_bytes(), &length, value].concat()
}

fn name(labels: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for label in labels {
        out.push(u8::try_from(label.len()).unwrap_or(63));
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}
