//! One provider's customers get 502 from a real nginx, everybody else gets the page: that provider is named, nobody else.

use std::net::Ipv4Addr;

use parallax_lab::{DemoLab, DemoOptions, Fault, FaultServer};
use parallax_model::{Asn, Scope, Verdict};

use crate::gateways::demo;
use crate::support::gateway::Gateway;
use crate::support::outside::needed;

/// Kestrel Telecom, whose customers live in four regions.
const CUT_OFF: Asn = Asn(64_504);

#[tokio::test]
async fn only_the_provider_that_is_cut_off_is_named() -> anyhow::Result<()> {
    let Some([nginx]) = needed(["nginx"]) else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (_program, api) = demo(dir.path()).await?;
    let lab = DemoLab::start(DemoOptions::default()).await?;
    let customers: Vec<_> =
        lab.world().agents.iter().filter(|a| a.vantage.asn == Some(CUT_OFF)).cloned().collect();
    lab.stop().await;
    let good = FaultServer::start(Ipv4Addr::LOCALHOST, Fault::None)?;
    let dead = FaultServer::start(Ipv4Addr::LOCALHOST, Fault::Refuses)?;
    let cut: Vec<String> = customers.iter().map(|a| format!("{} {};", a.source, dead.address())).collect();
    let cut = cut.join("\n");
    let http = format!(
        "map $remote_addr $behind {{\ndefault {};\n{cut}\n}}\n\
         server {{ listen LISTEN; location / {{ proxy_pass http://$behind; }} }}",
        good.address()
    );
    let gateway = Gateway::nginx(&nginx, &dir.path().join("nginx"), &http).await?;

    let checked = api.check(&format!("http://{}/", gateway.address)).await?;
    let failed: Vec<_> =
        checked.rows.iter().filter(|(_, row)| !row.outcome.is_ok()).map(|(a, _)| a.clone()).collect();
    let mut expected: Vec<_> = customers.iter().map(|a| a.name.clone()).collect();
    expected.sort();
    assert_eq!(failed, expected, "exactly its customers see the failure");
    let said = &checked.diagnosis;
    assert_eq!(said.verdict, Verdict::Partial, "{}", said.sentence);
    let scope = Scope { asn: Some(CUT_OFF), ..Scope::default() };
    assert_eq!(said.scopes, [scope], "{}", said.sentence);
    assert!(said.sentence.contains("Kestrel Telecom"), "{}", said.sentence);
    Ok(())
}
