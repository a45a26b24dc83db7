//! Asking for owners' records: one TXT question for each domain, to its zone's own servers where that matters, else to the resolvers of
//! the configuration or the system's. What becomes of an answer is `known`'s; nothing but the servers of zones is remembered here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use parallax_model::Host;
use parallax_policy::{OPT_OUT_LABEL, Policy, says_opt_out};

use super::known::{Answer, Source};
use super::zone;

/// How long one server may take to answer.
const SERVER_DEADLINE: Duration = Duration::from_millis(1_500);
/// How often a question is sent again to a server that does not answer.
const REPEATS: usize = 1;
/// How long a question to resolvers may take, all of them together; and one to a zone's servers, with finding those.
const QUESTION_DEADLINE: Duration = Duration::from_secs(4);
/// Names of zones' servers and their addresses that are remembered at most.
const MAX_REMEMBERED: u64 = 4_096;
/// For how long at most, whatever their zones allow.
const REMEMBERED: Duration = Duration::from_hours(1);
/// The port of name servers (RFC 1035, 4.2).
const DNS_PORT: u16 = 53;

/// Whoever is asked.
pub(super) struct Records {
    servers: Vec<SocketAddr>,
    /// Where zones' own servers listen.
    zones_port: u16,
    /// `None` while nobody can be asked.
    asked: ArcSwapOption<Asked>,
}

/// The same resolvers, twice.
struct Asked {
    /// Remembers nothing.
    now: TokioResolver,
    /// Remembers zones' servers.
    zones: TokioResolver,
    /// Who they are.
    servers: Vec<SocketAddr>,
}

impl Asked {
    fn new(servers: Vec<SocketAddr>) -> Result<Self, NetError> {
        let config =
            ResolverConfig::from_parts(None, Vec::new(), servers.iter().copied().map(server).collect());
        let resolver = |remembers: u64| {
            let runtime = TokioRuntimeProvider::default();
            let mut builder = TokioResolver::builder_with_config(config.clone(), runtime);
            set_options(builder.options_mut(), remembers);
            builder.build()
        };
        Ok(Self { now: resolver(0)?, zones: resolver(MAX_REMEMBERED)?, servers })
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl Records {
    /// Asks these servers, or the system's resolvers when there are none.
    pub(super) fn new(servers: Vec<SocketAddr>) -> Self {
        let records = Self { servers, zones_port: DNS_PORT, asked: ArcSwapOption::empty() };
        records.follow_system();
        records
    }

    /// Takes up who the system's resolvers are now: a machine that moves to another network has others there.
    pub(super) fn follow_system(&self) {
        let followed = self.servers_now().and_then(|servers| {
            if self.asked.load().as_ref().is_none_or(|asked| asked.servers != servers) {
                self.asked.store(Some(Arc::new(Asked::new(servers)?)));
            }
            Ok(())
        });
        if let Err(error) = followed {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                error,
                "the system's resolvers cannot be read: owners' opt-outs are not heard anew"
            );
        }
    }

    fn servers_now(&self) -> Result<Vec<SocketAddr>, NetError> {
        if !self.servers.is_empty() {
            return Ok(self.servers.clone());
        }
        let (config, _) = hickory_resolver::system_conf::read_system_conf()?;
        let port = |server: &NameServerConfig| server.connections.first().map(|c| c.port);
        let address = |server: &NameServerConfig| Some(SocketAddr::new(server.ip, port(server)?));
        Ok(config.name_servers().iter().filter_map(address).collect())
    }

    /// Asks for a domain's record: resolvers, or its zone's own servers first, as far as policy lets us ask them.
    pub(super) async fn ask(&self, domain: &Host, zone_first: Option<&Policy>) -> (Answer, Source) {
        let nobody = (Answer::Unclear, Source::Resolver);
        let Some(asked) = self.asked.load_full() else { return nobody };
        // A name with no room for the label before it has no such record.
        let Ok(name) = Name::from_ascii(format!("{OPT_OUT_LABEL}.{domain}.")) else {
            return (Answer::Absent, Source::Zone);
        };
        if let Some(policy) = zone_first {
            let asking = zone::ask(&asked.zones, (domain, &name), (policy, self.zones_port));
            if let Ok(Some(answer)) = tokio::time::timeout(QUESTION_DEADLINE, asking).await {
                return (answer, Source::Zone);
            }
        }
        (ask_resolver(&asked.now, name).await, Source::Resolver)
    }
}

async fn ask_resolver(resolver: &TokioResolver, name: Name) -> Answer {
    match tokio::time::timeout(QUESTION_DEADLINE, resolver.lookup(name.clone(), RecordType::TXT)).await {
        Ok(Ok(lookup)) => read(texts_of(lookup.answers(), &name)),
        Ok(Err(error)) => means(&error),
        Err(_) => Answer::Unclear,
    }
}

/// The texts that stand at a name itself: what stands at a name that it is an alias of is another owner's.
pub(super) fn texts_of<'a>(records: &'a [Record], name: &'a Name) -> impl Iterator<Item = Vec<u8>> + 'a {
    records.iter().filter(|record| record.name == *name).filter_map(|record| match &record.data {
        RData::TXT(txt) => Some(txt.txt_data.concat()),
        _ => None,
    })
}

/// What the texts of an answer mean.
pub(super) fn read(mut texts: impl Iterator<Item = Vec<u8>>) -> Answer {
    if texts.any(|text| says_opt_out(&text)) { Answer::OptedOut } else { Answer::Absent }
}

/// What an error means: that there is no such name, or no such record of it, is an answer (RFC 2308, 2); nothing else is.
fn means(error: &NetError) -> Answer {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none))
            if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
        {
            Answer::Absent
        }
        _ => Answer::Unclear,
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn set_options(options: &mut ResolverOpts, remembers: u64) {
    options.cache_size = remembers;
    options.positive_max_ttl = Some(REMEMBERED);
    options.negative_max_ttl = Some(REMEMBERED);
    options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
    options.use_hosts_file = ResolveHosts::Never;
    options.attempts = REPEATS;
    options.timeout = SERVER_DEADLINE;
}

#[cfg(test)]
mod tests {
    use hickory_resolver::net::NoRecords;
    use hickory_resolver::proto::op::{Message, MessageType, Metadata, OpCode, Query};
    use hickory_resolver::proto::rr::rdata::{A, CNAME, NS, TXT};
    use tokio::net::UdpSocket;
    use tokio::task::JoinSet;

    use super::*;

    #[test]
    fn only_that_there_is_none_means_that_there_is_none() {
        let none = |code| NetError::Dns(DnsError::NoRecordsFound(NoRecords::new(Query::default(), code)));
        for (error, answer) in [
            (none(ResponseCode::NXDomain), Answer::Absent),
            (none(ResponseCode::NoError), Answer::Absent),
            (none(ResponseCode::ServFail), Answer::Unclear),
            (none(ResponseCode::Refused), Answer::Unclear),
            (NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)), Answer::Unclear),
            (NetError::Timeout, Answer::Unclear),
            (NetError::NoConnections, Answer::Unclear),
        ] {
            assert_eq!(means(&error), answer, "{error}");
        }
    }

    #[test]
    fn what_stands_at_an_alias_is_another_owners() {
        let (own, other) = (name("_parallax-optout.www.owner.com."), name("_parallax-optout.cdn.example."));
        let yes = || RData::TXT(TXT::new(vec!["parallax-optout=yes".to_owned()]));
        let alias = Record::from_rdata(own.clone(), 0, RData::CNAME(CNAME(other.clone())));
        for (at, answer) in [
            (&own, Answer::OptedOut),
            (&name("_Parallax-OptOut.WWW.owner.com."), Answer::OptedOut),
            (&other, Answer::Absent),
        ] {
            let records = [alias.clone(), Record::from_rdata(at.clone(), 0, yes())];
            assert_eq!(read(texts_of(&records, &own)), answer, "{at}");
        }
    }

    /// A server of names on a port of its own: what it says of each kind of record, and whether with authority.
    async fn serve(
        tasks: &mut JoinSet<()>,
        says: impl Fn(RecordType, &Name) -> Option<RData> + Send + 'static,
        authority: bool,
    ) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        tasks.spawn(async move {
            let mut question = [0; 1_500];
            while let Ok((length, peer)) = socket.recv_from(&mut question).await {
                let request = Message::from_vec(&question[..length]).expect("a question");
                let query = request.queries[0].clone();
                let mut reply = Message::new(request.metadata.id, MessageType::Response, OpCode::Query);
                reply.metadata = Metadata::response_from_request(&request.metadata);
                reply.metadata.authoritative = authority;
                if let Some(data) = says(query.query_type(), query.name()) {
                    reply.add_answer(Record::from_rdata(query.name().clone(), 0, data));
                }
                reply.add_queries([query]);
                socket.send_to(&reply.to_vec().expect("an answer"), peer).await.expect("it is sent");
            }
        });
        address
    }

    fn name(text: &str) -> Name {
        Name::from_ascii(text).expect("a name")
    }

    /// A resolver that knows of no record, and where `owner.com` has its server.
    fn behind(kind: RecordType, asked: &Name) -> Option<RData> {
        match kind {
            RecordType::NS if *asked == name("owner.com.") => Some(RData::NS(NS(name("ns.owner.com.")))),
            RecordType::A if *asked == name("ns.owner.com.") => Some(RData::A(A([127, 0, 0, 1].into()))),
            _ => None,
        }
    }

    #[tokio::test]
    async fn a_zones_own_servers_are_believed_before_a_resolver() {
        let mut tasks = JoinSet::new();
        let says = |kind, _: &Name| {
            let text = TXT::new(vec!["parallax-optout=yes".to_owned()]);
            (kind == RecordType::TXT).then_some(RData::TXT(text))
        };
        let alias =
            |kind, _: &Name| (kind == RecordType::TXT).then(|| RData::CNAME(CNAME(name("elsewhere.net."))));
        let resolver = serve(&mut tasks, behind, false).await;
        let lab = Policy::allowing(vec!["127.0.0.0/8".parse().expect("a range")]);
        let public = Policy::public();
        let zone = serve(&mut tasks, says, true).await.port();
        let lame = serve(&mut tasks, says, false).await.port();
        let elsewhere = serve(&mut tasks, alias, true).await.port();
        let empty = serve(&mut tasks, |_, _| None, true).await.port();
        let (owner, stranger): (Host, Host) =
            ("www.owner.com".parse().expect("a host"), "stranger.com".parse().expect("a host"));
        for (case, domain, port, policy, answer) in [
            ("the zone says so", &owner, zone, Some(&lab), (Answer::OptedOut, Source::Zone)),
            ("the zone has none", &owner, empty, Some(&lab), (Answer::Absent, Source::Zone)),
            ("nobody asks it", &owner, zone, None, (Answer::Absent, Source::Resolver)),
            ("its server is private", &owner, zone, Some(&public), (Answer::Absent, Source::Resolver)),
            ("no authority", &owner, lame, Some(&lab), (Answer::Absent, Source::Resolver)),
            ("another zone's affair", &owner, elsewhere, Some(&lab), (Answer::Absent, Source::Resolver)),
            ("no zone", &stranger, zone, Some(&lab), (Answer::Absent, Source::Resolver)),
        ] {
            let records = Records { zones_port: port, ..Records::new(vec![resolver]) };
            assert_eq!(records.ask(domain, policy).await, answer, "{case}");
        }
    }

    #[test]
    fn one_record_of_several_is_enough() {
        let texts = |texts: &[&str]| read(texts.iter().map(|text| text.as_bytes().to_vec()));
        assert_eq!(texts(&["v=spf1 -all", "parallax-optout=yes"]), Answer::OptedOut);
        assert_eq!(texts(&["v=spf1 -all", "parallax-optout=no"]), Answer::Absent);
        assert_eq!(texts(&[]), Answer::Absent, "an alias that leads to no text");
    }
}
