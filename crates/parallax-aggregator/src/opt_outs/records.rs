//! Asking for owners' records: one TXT question for each domain, to the resolvers of the configuration or the system's. What an answer
//! means is `known`'s and the policy's; nothing is remembered here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use parallax_model::Host;
use parallax_policy::{OPT_OUT_LABEL, says_opt_out};

use super::known::Answer;

/// How long one server may take to answer.
const SERVER_DEADLINE: Duration = Duration::from_millis(1_500);
/// How often a question is sent again to a server that does not answer.
const REPEATS: usize = 1;
/// How long a question may take, all servers together.
const QUESTION_DEADLINE: Duration = Duration::from_secs(4);

/// Whoever is asked.
pub(super) struct Records {
    servers: Vec<SocketAddr>,
    /// `None` while nobody can be asked.
    resolver: ArcSwapOption<TokioResolver>,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl Records {
    /// Asks these servers, or the system's resolvers when there are none.
    pub(super) fn new(servers: Vec<SocketAddr>) -> Self {
        let records = Self { servers, resolver: ArcSwapOption::empty() };
        records.follow_system();
        records
    }

    /// Takes up who the system's resolvers are now: a machine that moves to another network has others there.
    pub(super) fn follow_system(&self) {
        if !self.servers.is_empty() && self.resolver.load().is_some() {
            return;
        }
        match self.made() {
            Ok(resolver) => self.resolver.store(Some(Arc::new(resolver))),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "the system's resolvers cannot be read: owners' opt-outs are not asked for anew"
                );
            }
        }
    }

    fn made(&self) -> Result<TokioResolver, NetError> {
        let servers = if self.servers.is_empty() {
            hickory_resolver::system_conf::read_system_conf()?.0.name_servers().to_vec()
        } else {
            self.servers.iter().copied().map(server).collect()
        };
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        set_options(builder.options_mut());
        builder.build()
    }

    /// Asks for a domain's record.
    pub(super) async fn ask(&self, domain: &Host) -> Answer {
        let Some(resolver) = self.resolver.load_full() else { return Answer::Unclear };
        // A name with no room for the label before it has no such record.
        let Ok(name) = Name::from_ascii(format!("{OPT_OUT_LABEL}.{domain}.")) else { return Answer::Absent };
        let asked = tokio::time::timeout(QUESTION_DEADLINE, resolver.lookup(name, RecordType::TXT)).await;
        match asked {
            Ok(Ok(lookup)) => {
                let texts = lookup.answers().iter().filter_map(|record| match &record.data {
                    RData::TXT(txt) => Some(txt.txt_data.concat()),
                    _ => None,
                });
                read(texts)
            }
            Ok(Err(error)) => means(&error),
            Err(_) => Answer::Unclear,
        }
    }
}

/// What the texts of an answer mean.
fn read(mut texts: impl Iterator<Item = Vec<u8>>) -> Answer {
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

fn set_options(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.attempts = REPEATS;
    options.timeout = SERVER_DEADLINE;
}

#[cfg(test)]
mod tests {
    use hickory_resolver::net::NoRecords;
    use hickory_resolver::proto::op::Query;

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
    fn one_record_of_several_is_enough() {
        let texts = |texts: &[&str]| read(texts.iter().map(|text| text.as_bytes().to_vec()));
        assert_eq!(texts(&["v=spf1 -all", "parallax-optout=yes"]), Answer::OptedOut);
        assert_eq!(texts(&["v=spf1 -all", "parallax-optout=no"]), Answer::Absent);
        assert_eq!(texts(&[]), Answer::Absent, "an alias that leads to no text");
    }
}
