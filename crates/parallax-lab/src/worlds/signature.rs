//! Sites that break for a reason that is known: every cause takes its turn, told by one of its stories.

use parallax_model::CauseKind;

use super::chance::Chance;
use super::fault::{Fault, Faults, Kind};
use super::panel::Panel;
use super::params::Params;
use super::snapshot::{Case, case, snapshot_of};
use super::story::{Harm, STORIES, Spot, Story};

/// Panels that are drawn until one can have the fault that is wanted.
const PANELS: u64 = 200;

/// The case of a seed; its lowest 28 bits say which cause has its turn.
pub fn signature(seed: u64, params: &Params) -> Case {
    let turn = usize::try_from(seed & 0x0fff_ffff).unwrap_or(0);
    let cause = CauseKind::ALL[turn % CauseKind::ALL.len()];
    let source = Chance::new(seed);
    let told: Vec<&'static Story> = STORIES.iter().filter(|s| s.cause == Some(cause)).collect();
    for attempt in 0..PANELS {
        let chance = &mut source.fork(attempt);
        let story = *chance.one_of(&told);
        let spot = *chance.one_of(story.spots);
        let kind = kind(spot, story);
        let mut panel = Panel::draw(params, chance);
        if story.cdn.is_some_and(|wanted| wanted != panel.site.cdn) {
            continue;
        }
        let scope = Faults { params, panel: &mut panel, chance }.scope(kind, spot);
        if let Some(scope) = scope {
            let strength = chance.between(story.strength.0, story.strength.1);
            let faults = vec![Fault { scope, strength, story }];
            return case(seed, params, (kind, faults, panel), chance);
        }
    }
    snapshot_of(seed, params, Kind::Down)
}

/// The kind of world in which a story happens to somebody.
fn kind(spot: Spot, story: &Story) -> Kind {
    match (spot, story.harm) {
        (Spot::All, Harm::Slows) => Kind::SlowAll,
        (Spot::All, Harm::Refuses) => Kind::RefusesAll,
        (Spot::All, Harm::Fails) => Kind::Down,
        (_, Harm::Slows) => Kind::SlowPart,
        (Spot::Country, Harm::Refuses) => Kind::RefusesCountry,
        (Spot::Hosting, _) => Kind::RefusesHosting,
        (Spot::Asn, _) => Kind::Asn,
        (Spot::AsnRegion, _) => Kind::AsnRegion,
        (Spot::Region, _) => Kind::Region,
        (Spot::Country, _) => Kind::Country,
        (Spot::Pop, _) => Kind::Pop,
        (Spot::V6, _) => Kind::V6,
        (Spot::H3, _) => Kind::H3,
        (Spot::Resolver, _) => Kind::Resolver,
        (Spot::Address, _) => Kind::Address,
        (Spot::OldAddress, _) => Kind::OldAddress,
        (Spot::AnyPair, _) => Kind::AnyPair,
    }
}
