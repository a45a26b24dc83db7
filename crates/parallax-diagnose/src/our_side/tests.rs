use super::*;

fn at(s: i64) -> UnixMicros {
    UnixMicros(0).plus_secs(s)
}

/// `of` sites of their own groups, each seen by ten agents; `broken` of them fail for `failing` agents.
fn sites(of: usize, broken: usize, failing: usize) -> Vec<SiteNow> {
    let site = |n: usize| SiteNow {
        group: format!("g{n}"),
        was_up: true,
        agents: 10,
        failing: if n < broken { failing } else { 0 },
    };
    (0..of).map(site).collect()
}

fn look(breaker: &mut Breaker, sites: &[SiteNow], s: i64) -> Trust {
    breaker.look(sites, AgentsNow::default(), at(s))
}

fn is_broken(trust: Trust) -> bool {
    matches!(trust, Trust::Broken { .. })
}

#[test]
fn more_than_half_of_the_sites_for_most_agents_is_ours_and_less_is_not() {
    // Sites, broken ones, of ten agents so many fail: is it ours?
    let cases = [
        (8, 5, 6, true),
        (8, 4, 10, false),
        (8, 8, 5, false),
        (5, 3, 6, true),
        (4, 4, 10, false),
        (100, 51, 6, true),
        (100, 50, 6, false),
        (100, 10, 10, false),
    ];
    for (of, broken, failing, ours) in cases {
        let trust = look(&mut Breaker::default(), &sites(of, broken, failing), 0);
        assert_eq!(is_broken(trust), ours, "{broken} of {of} sites for {failing} of 10 agents: {trust:?}");
    }
}

#[test]
fn sites_that_share_a_fate_count_once_and_old_outages_not_at_all() {
    let mut shared = sites(8, 5, 10);
    shared.iter_mut().take(5).for_each(|site| site.group = "one server".to_owned());
    assert!(!is_broken(look(&mut Breaker::default(), &shared, 0)));
    let mut old = sites(8, 5, 10);
    old.iter_mut().take(5).for_each(|site| site.was_up = false);
    assert_eq!(look(&mut Breaker::default(), &old, 0), Trust::Sound);
}

#[test]
fn many_that_begin_to_break_hold_bad_news_for_a_moment() {
    let mut breaker = Breaker::default();
    assert_eq!(look(&mut breaker, &sites(8, 3, 3), 0), Trust::Doubtful);
    assert_eq!(look(&mut breaker, &sites(8, 3, 10), 119), Trust::Doubtful);
    assert_eq!(look(&mut breaker, &sites(8, 3, 10), 120), Trust::Sound, "three sites fail, and that is that");
    assert_eq!(look(&mut breaker, &sites(8, 2, 10), 121), Trust::Sound);
}

#[test]
fn it_ends_when_most_work_again_for_a_while() {
    let mut breaker = Breaker::default();
    assert!(is_broken(look(&mut breaker, &sites(8, 8, 10), 0)));
    assert!(is_broken(look(&mut breaker, &sites(8, 3, 10), 20)));
    assert!(is_broken(look(&mut breaker, &sites(8, 2, 10), 30)));
    assert!(is_broken(look(&mut breaker, &sites(8, 3, 10), 40)), "not calm yet");
    assert!(is_broken(look(&mut breaker, &sites(8, 1, 10), 50)));
    assert!(is_broken(look(&mut breaker, &sites(8, 1, 10), 79)));
    assert_eq!(look(&mut breaker, &sites(8, 1, 10), 80), Trust::Sound);
}

#[test]
fn sites_that_stay_down_while_our_lines_work_are_believed_in_the_end() {
    let mut breaker = Breaker::default();
    let all = sites(8, 8, 10);
    assert!(is_broken(look(&mut breaker, &all, 0)));
    assert!(is_broken(look(&mut breaker, &all, 599)));
    assert_eq!(look(&mut breaker, &all, 600), Trust::Sound);
    assert_eq!(look(&mut breaker, &all, 601), Trust::Sound, "and it does not open again for the same");
}

#[test]
fn broken_lines_and_lost_agents_are_ours_however_few_sites_there_are() {
    let agents =
        |heard, broken_lines, were_online, gone| AgentsNow { heard, broken_lines, were_online, gone };
    let trust = |agents| Breaker::default().look(&[], agents, at(7));
    assert_eq!(trust(agents(10, 6, 10, 0)), Trust::Broken { since: at(7), why: Why::Lines(6, 10) });
    assert_eq!(trust(agents(4, 0, 10, 6)), Trust::Broken { since: at(7), why: Why::Gone(6, 10) });
    assert_eq!(trust(agents(10, 5, 10, 5)), Trust::Sound);
    assert_eq!(trust(agents(4, 4, 4, 4)), Trust::Sound, "too few to tell");
    let mut breaker = Breaker::default();
    assert!(is_broken(breaker.look(&[], agents(10, 9, 10, 0), at(0))));
    assert!(is_broken(breaker.look(&[], agents(10, 9, 10, 0), at(3_600))), "as long as they are broken");
    assert!(is_broken(breaker.look(&[], agents(10, 1, 10, 0), at(3_601))));
    assert_eq!(breaker.look(&[], agents(10, 1, 10, 0), at(3_631)), Trust::Sound);
    assert!(Why::Lines(6, 10).sentence().starts_with("Our own side has a problem"));
}
