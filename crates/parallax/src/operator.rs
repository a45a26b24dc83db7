//! An operator's work over gRPC: `token`, `agents`, `targets` with the operator's key, and `incidents`, which everybody may read.

mod incidents;

use std::io;
use std::path::{Path, PathBuf};

use parallax_model::UnixMicros;
use parallax_proto::v1::admin::admin_service_client::AdminServiceClient;
use parallax_proto::v1::admin::{
    AddTargetRequest, Agent, CreateTokenRequest, CreateTokenResponse, ListAgentsRequest, ListTargetsRequest,
    RemoveTargetRequest, RevokeAgentRequest, WatchedTarget,
};
use parallax_proto::{target_from_wire, vantage_from_wire};
use parallax_runtime::ExitCode;
use serde_json::json;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

pub(crate) use self::incidents::incidents;
use crate::cli::{
    AgentsAction, AgentsOptions, OperatorOptions, TargetsAction, TargetsOptions, TokenAction, TokenOptions,
};
use crate::client::{Failed, MAX_ANSWER_BYTES, Server};
use crate::{probe, term, words};

/// Where the operator's key is looked for when no file is named: where `up` and `up --demo` keep it.
const KEY_FILES: [&str; 2] = ["data/operator.key", "data/demo/operator.key"];
/// What a command writes, or why it cannot.
type Written = Result<io::Result<()>, Failed>;

/// Says what became of a command.
fn ended(written: Written) -> ExitCode {
    match written {
        Ok(written) => term::ended(written.map(|()| ExitCode::Ok)),
        Err(failed) => failed.say(),
    }
}

/// Makes enrolment tokens.
pub(crate) async fn token(options: TokenOptions) -> ExitCode {
    let TokenAction::Create { agent, hours, operator } = options.action;
    ended(create_token(agent.unwrap_or_default(), hours, &operator).await)
}

async fn create_token(agent_id: String, hours: u32, operator: &OperatorOptions) -> Written {
    let (server, mut client) = admin(operator).await?;
    let request = CreateTokenRequest { agent_id, lifetime_s: hours.saturating_mul(3_600) };
    let token = server.call(client.create_token(request)).await?;
    Ok(if operator.json { token_json(&server, &token) } else { token_text(&server, &token) })
}

fn token_json(server: &Server, token: &CreateTokenResponse) -> io::Result<()> {
    let json = json!({
        "token": token.token,
        "agent": token.agent_id,
        "expires_at": words::moment(UnixMicros(token.expires_at_us)),
        "command": enroll_command(server, token.agents_port, &token.token),
    });
    term::line(json)
}

fn token_text(server: &Server, token: &CreateTokenResponse) -> io::Result<()> {
    term::line(words::plain(&token.token))?;
    let until = words::short_moment(UnixMicros(token.expires_at_us));
    let agent = words::plain(&token.agent_id);
    term::line("")?;
    term::line(format_args!(
        "It lets {agent} in, once, until {until} UTC, and is not shown again. On the agent's machine run:"
    ))?;
    term::line(format_args!("  {}", enroll_command(server, token.agents_port, &words::plain(&token.token))))?;
    term::line("and then `parallax-agent run` with the same --aggregator.")
}

/// What is run on the agent's machine. The aggregator is the server's host, at the port it says agents connect to.
fn enroll_command(server: &Server, port: u32, token: &str) -> String {
    let host = server.url().parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    let host = host.unwrap_or_else(|| "HOST".to_owned());
    format!("parallax-agent enroll --aggregator {host}:{port} --token {token}")
}

/// Lists agents, or ends one's identity.
pub(crate) async fn agents(options: AgentsOptions) -> ExitCode {
    ended(match options.action {
        AgentsAction::List { operator } => list_agents(&operator).await,
        AgentsAction::Revoke { agent, operator } => revoke_agent(agent, &operator).await,
    })
}

async fn list_agents(operator: &OperatorOptions) -> Written {
    let (server, mut client) = admin(operator).await?;
    let agents = server.call(client.list_agents(ListAgentsRequest {})).await?.agents;
    let vantages: Result<Vec<_>, _> =
        agents.iter().map(|a| a.vantage.as_ref().map(vantage_from_wire).transpose()).collect();
    let vantages = vantages.map_err(|e| server.unreadable(&e))?;
    let known = agents.iter().zip(vantages.into_iter().map(Option::unwrap_or_default));
    if operator.json {
        let json = known.map(|(agent, vantage)| {
            json!({
                "agent": agent.agent_id, "state": state(agent), "vantage": vantage, "version": agent.version,
                "results": agent.results, "enrolled_at": words::moment(UnixMicros(agent.enrolled_at_us)),
                "last_heard": (agent.last_heard_us != 0).then(|| words::moment(UnixMicros(agent.last_heard_us))),
            })
        });
        return Ok(term::line(json!({ "agents": json.collect::<Vec<_>>() })));
    }
    let now = probe::now();
    let rows = known.map(|(agent, vantage)| {
        let heard = match agent.last_heard_us {
            0 => "never".to_owned(),
            at => format!("{} ago", words::span(now.since(UnixMicros(at)))),
        };
        let network = words::network(&vantage, 24).unwrap_or_else(|| "network not known".to_owned());
        let (name, state) = (agent.agent_id.clone(), state(agent).to_owned());
        vec![
            name,
            state,
            network,
            words::place(&vantage),
            agent.version.clone(),
            agent.results.to_string(),
            heard,
        ]
    });
    let head = ["AGENT", "STATE", "NETWORK", "PLACE", "VERSION", "RESULTS", "HEARD"];
    Ok(listed(
        &head,
        rows.collect(),
        "No agent is enrolled yet; `parallax token create` makes a token for one.",
    ))
}

const fn state(agent: &Agent) -> &'static str {
    match (agent.revoked, agent.online) {
        (true, _) => "revoked",
        (false, true) => "online",
        (false, false) => "offline",
    }
}

async fn revoke_agent(agent: String, operator: &OperatorOptions) -> Written {
    let (server, mut client) = admin(operator).await?;
    server.call(client.revoke_agent(RevokeAgentRequest { agent_id: agent.clone() })).await?;
    Ok(if operator.json {
        term::line(json!({ "agent": agent, "state": "revoked" }))
    } else {
        term::line(format_args!(
            "{agent} is revoked: its stream ends within 5 s, and its certificate is refused."
        ))
    })
}

/// Watches sites, or stops watching them.
pub(crate) async fn targets(options: TargetsOptions) -> ExitCode {
    ended(match options.action {
        TargetsAction::List { operator } => list_targets(&operator).await,
        TargetsAction::Add { site, every, operator } => add_target(site, every, &operator).await,
        TargetsAction::Remove { site, operator } => remove_target(site, &operator).await,
    })
}

async fn list_targets(operator: &OperatorOptions) -> Written {
    let (server, mut client) = admin(operator).await?;
    let watched = server.call(client.list_targets(ListTargetsRequest {})).await?.targets;
    let url = |w: &WatchedTarget| {
        target_from_wire(w.target.as_ref()).map(|target| (target, w.interval_ms, w.added_at_us))
    };
    let watched =
        watched.iter().map(url).collect::<Result<Vec<_>, _>>().map_err(|e| server.unreadable(&e))?;
    if operator.json {
        let json = watched.iter().map(|(target, interval_ms, added)| {
            json!({ "target": target, "interval_ms": interval_ms, "added_at": words::moment(UnixMicros(*added)) })
        });
        return Ok(term::line(json!({ "targets": json.collect::<Vec<_>>() })));
    }
    let rows = watched.iter().map(|(target, interval_ms, added)| {
        let every = format!("{} s", f64::from(*interval_ms) / 1_000.0);
        vec![target.to_string(), every, words::short_moment(UnixMicros(*added))]
    });
    let head = ["TARGET", "EVERY", "SINCE (UTC)"];
    Ok(listed(&head, rows.collect(), "Nothing is watched yet; `parallax targets add SITE` watches a site."))
}

async fn add_target(site: String, every: u32, operator: &OperatorOptions) -> Written {
    let (server, mut client) = admin(operator).await?;
    let request = AddTargetRequest { site, interval_ms: every.saturating_mul(1_000) };
    let added = server.call(client.add_target(request)).await?;
    let target = target_from_wire(added.target.as_ref()).map_err(|e| server.unreadable(&e))?;
    Ok(if operator.json {
        term::line(json!({ "target": target, "interval_ms": every.saturating_mul(1_000) }))
    } else {
        term::line(format_args!("{target} is watched every {every} s from now on."))
    })
}

async fn remove_target(site: String, operator: &OperatorOptions) -> Written {
    let (server, mut client) = admin(operator).await?;
    let removed =
        server.call(client.remove_target(RemoveTargetRequest { site: site.clone() })).await?.removed;
    let site = words::plain(&site).into_owned();
    Ok(match (operator.json, removed) {
        (true, removed) => term::line(json!({ "site": site, "removed": removed })),
        (false, true) => {
            term::line(format_args!("{site} is not watched any more; what is known of it stays."))
        }
        (false, false) => term::line(format_args!("{site} was not watched.")),
    })
}

/// A table under its head, or a sentence where there is nothing.
fn listed(head: &[&str], rows: Vec<Vec<String>>, nothing: &str) -> io::Result<()> {
    if rows.is_empty() {
        return term::line(nothing);
    }
    let head = head.iter().map(|&name| name.to_owned()).collect();
    let all: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    words::table(&all).iter().try_for_each(term::line)
}

/// Puts the operator's key on each call.
#[derive(Debug, Clone)]
struct WithKey(MetadataValue<Ascii>);

impl Interceptor for WithKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Admin = AdminServiceClient<InterceptedService<Channel, WithKey>>;

/// The server and its admin API, with the key on each call.
async fn admin(operator: &OperatorOptions) -> Result<(Server, Admin), Failed> {
    let server = Server::new(&operator.server.server);
    if server.is_overheard() {
        let sentence = format!(
            "the operator's key would go to {} in clear text; name an https:// address, or one on this machine (a tunnel)",
            words::plain(server.url())
        );
        return Err(Failed::new(sentence, ExitCode::Usage));
    }
    let key = key(operator.key_file.as_deref(), Path::new(""))?;
    let channel = server.connect().await?;
    Ok((
        server,
        AdminServiceClient::with_interceptor(channel, WithKey(key))
            .max_decoding_message_size(MAX_ANSWER_BYTES),
    ))
}

/// The operator's key as the value of a header: of the file that was named, else of the first usual one below `base`.
fn key(named: Option<&Path>, base: &Path) -> Result<MetadataValue<Ascii>, Failed> {
    let usual = || KEY_FILES.iter().map(|file| base.join(file)).find(|file| file.exists());
    let file: PathBuf = named.map(Path::to_path_buf).or_else(usual).ok_or_else(|| {
        let sentence = format!(
            "the operator's key is needed: none is at {}; name its file with --key-file, it is operator.key in the aggregator's data directory",
            KEY_FILES.join(" or ")
        );
        Failed::new(sentence, ExitCode::BadConfig)
    })?;
    let wrong = |why: &str| {
        Failed::new(format!("the operator's key in {}: {why}", file.display()), ExitCode::BadConfig)
    };
    let text = std::fs::read_to_string(&file).map_err(|e| wrong(&e.to_string()))?;
    if text.trim().is_empty() {
        return Err(wrong("the file is empty"));
    }
    let mut value =
        MetadataValue::try_from(format!("Bearer {}", text.trim())).map_err(|_| wrong("it is no key"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_found_where_up_keeps_it() {
        let base = tempfile::tempdir().expect("a directory");
        assert_eq!(key(None, base.path()).expect_err("no key yet").code, ExitCode::BadConfig);
        std::fs::create_dir_all(base.path().join("data/demo")).expect("a directory");
        std::fs::write(base.path().join(KEY_FILES[1]), "demo\n").expect("a file");
        assert_eq!(key(None, base.path()).expect("the demo's"), "Bearer demo");
        std::fs::write(base.path().join(KEY_FILES[0]), "own").expect("a file");
        assert_eq!(key(None, base.path()).expect("the own one"), "Bearer own");
        let named = base.path().join("missing");
        assert_eq!(key(Some(&named), base.path()).expect_err("no file").code, ExitCode::BadConfig);
    }

    #[test]
    fn the_command_names_the_servers_host() {
        let cases = [
            ("http://a.example:8080", "a.example:8443"),
            ("http://[::1]:8080/", "[::1]:8443"),
            ("?", "HOST:8443"),
        ];
        for (url, aggregator) in cases {
            let command = enroll_command(&Server::new(url), 8443, "plx1.a.b");
            assert_eq!(command, format!("parallax-agent enroll --aggregator {aggregator} --token plx1.a.b"));
        }
    }
}
