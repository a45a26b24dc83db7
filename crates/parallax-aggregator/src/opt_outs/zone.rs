//! Asking a zone's own servers for an owner's record: they say what is so now, where a resolver may keep "there is no such record" for as
//! long as the zone allows, often an hour or a day.
//!
//! Whoever writes a zone chooses its servers, so their addresses go through the policy as a site's do.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use hickory_resolver::TokioResolver;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::net::xfer::DnsRequestSender as _;
use hickory_resolver::proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use parallax_model::Host;
use parallax_policy::{Policy, opt_out_domains};

use super::known::Answer;
use super::records::{read, texts_of};

/// Servers of a zone that are asked at most, one after the other.
const MAX_SERVERS: usize = 2;
/// How long one of them may take to answer.
const SERVER_DEADLINE: Duration = Duration::from_secs(1);

/// Finds a domain's zone and asks its servers for the record of this name; `None` when none of them says anything with authority.
pub(super) async fn ask(
    resolver: &TokioResolver,
    (domain, name): (&Host, &Name),
    (policy, port): (&Policy, u16),
) -> Option<Answer> {
    for server in servers_of(resolver, domain).await {
        let Ok(addresses) = resolver.lookup_ip(format!("{server}.")).await else { continue };
        let addresses: Vec<_> = addresses.iter().collect();
        let Ok(vetted) = policy.vet_name_server(&server, &addresses) else { continue };
        let Some(address) = vetted.first().map(|vetted| vetted.socket_addr().ip()) else { continue };
        let answer = ask_one(SocketAddr::new(address, port), name).await;
        if let Some(answer) = answer.as_ref().and_then(|answer| meaning(answer, name)) {
            return Some(answer);
        }
    }
    None
}

/// The servers of the zone that holds a domain: of the longest name that has some of its own. Those of a name that it is an alias of are
/// somebody else's.
async fn servers_of(resolver: &TokioResolver, domain: &Host) -> Vec<Host> {
    for zone in opt_out_domains(domain).iter().rev() {
        let Ok(apex) = Name::from_ascii(format!("{zone}.")) else { continue };
        let Ok(lookup) = resolver.lookup(apex.clone(), RecordType::NS).await else { continue };
        let own = lookup.answers().iter().filter(|record| record.name == apex);
        let servers = own.filter_map(|record| match &record.data {
            RData::NS(server) => host_of(&server.0),
            _ => None,
        });
        let servers: Vec<Host> = servers.take(MAX_SERVERS).collect();
        if !servers.is_empty() {
            return servers;
        }
    }
    Vec::new()
}

/// One question to one server, with recursion off.
async fn ask_one(server: SocketAddr, name: &Name) -> Option<Message> {
    let mut options = DnsRequestOptions::default();
    options.recursion_desired = false;
    let request = DnsRequest::from_query(Query::query(name.clone(), RecordType::TXT), options);
    let mut stream = UdpClientStream::builder(server, TokioRuntimeProvider::default())
        .with_timeout(Some(SERVER_DEADLINE))
        .build();
    let answer = tokio::time::timeout(SERVER_DEADLINE, stream.send_message(request).next()).await;
    answer.ok().flatten()?.ok().map(DnsResponse::into_message)
}

/// What an answer means: nothing unless it speaks with authority, is whole, and is about this name itself, and not one it is an alias of.
fn meaning(answer: &Message, name: &Name) -> Option<Answer> {
    let head = &answer.metadata;
    let speaks = matches!(head.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
    let texts = || texts_of(&answer.answers, name);
    let elsewhere = texts().next().is_none() && !answer.answers.is_empty();
    (head.authoritative && speaks && !head.truncation && !elsewhere).then(|| read(texts()))
}

fn host_of(name: &Name) -> Option<Host> {
    let text = name.to_ascii().to_ascii_lowercase();
    text.trim_end_matches('.').parse().ok().filter(|host: &Host| host.ip().is_none())
}
