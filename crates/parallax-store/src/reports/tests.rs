use super::*;
use crate::fixtures::{NOW, host, store};

fn report(reporter: u64, at_s: i64, problem: Option<ReportCategory>) -> ReportRow {
    ReportRow { site: host("a.example"), at: NOW.plus_secs(at_s), problem, reporter, asn: None }
}

const SLOW: Option<ReportCategory> = Some(ReportCategory::TooSlow);
const LOG_IN: Option<ReportCategory> = Some(ReportCategory::LogIn);

#[tokio::test]
async fn a_reporter_counts_once_per_site_and_half_hour() {
    let (_dir, store) = store();
    let steps = [
        (report(1, 0, SLOW), true),
        (report(1, 1, SLOW), false),
        (report(1, 2, None), false),
        (report(2, 3, SLOW), true),
        (ReportRow { site: host("b.example"), ..report(1, 4, SLOW) }, true),
        (report(1, REPORT_INTERVAL_S - 1, SLOW), false),
        (report(1, REPORT_INTERVAL_S, None), true),
    ];
    for (report, counted) in steps {
        assert_eq!(store.add_report(report.clone()).await.unwrap(), counted, "{report:?}");
    }
    let a = host("a.example");
    let counts = |problem, works| ReportCounts { problem, works, ..ReportCounts::default() };
    assert_eq!(store.report_counts(&a, NOW).await.unwrap(), counts(2, 1));
    assert_eq!(store.report_counts(&a, NOW.plus_secs(1)).await.unwrap(), counts(1, 1));
}

#[tokio::test]
async fn categories_are_counted_most_often_first() {
    let (_dir, store) = store();
    for (reporter, problem) in (1..).zip([LOG_IN, SLOW, SLOW, None]) {
        store.add_report(report(reporter, 0, problem)).await.unwrap();
    }
    let counts = store.report_categories(&host("a.example"), NOW).await.unwrap();
    assert_eq!(counts, [(ReportCategory::TooSlow, 2), (ReportCategory::LogIn, 1)]);
}

#[tokio::test]
async fn a_day_in_quarter_hours() {
    let (_dir, store) = store();
    let quarter = 15 * 60;
    // `NOW` begins a quarter hour: 95 whole ones lie before it.
    let placed =
        [(0, 95), (quarter - 1, 95), (-1, 94), (-95 * quarter, 0), (-95 * quarter - 1, 96), (quarter, 96)];
    let mut expected = vec![0; 97];
    for (reporter, (at_s, place)) in (1..).zip(placed) {
        assert!(store.add_report(report(reporter, at_s, SLOW)).await.unwrap());
        expected[place] += 1;
    }
    expected.truncate(96);
    store.add_report(report(99, 0, None)).await.unwrap();
    let a = host("a.example");
    assert_eq!(store.report_quarters(&a, NOW.plus_secs(60)).await.unwrap(), expected);
}

#[tokio::test]
async fn reporters_are_counted_by_network_and_quarter() {
    let (_dir, store) = store();
    assert_eq!(store.first_report_at().await.unwrap(), None);
    for (reporter, asn) in (1..).zip([Some(64_500), Some(64_500), Some(64_501), None]) {
        let row = ReportRow { asn: asn.map(Asn), ..report(reporter, 0, SLOW) };
        assert!(store.add_report(row).await.unwrap());
    }
    store.add_report(ReportRow { asn: Some(Asn(64_501)), ..report(9, 0, None) }).await.unwrap();
    let a = host("a.example");
    let networks = store.report_networks(&a, NOW).await.unwrap();
    assert_eq!(networks, [(Asn(64_500), 2), (Asn(64_501), 1)]);
    let quarter = NOW.0 / QUARTER_US;
    let history = store.report_history(&a, quarter - 1..quarter + 1).await.unwrap();
    assert_eq!(history, BTreeMap::from([(quarter, 4)]));
    assert_eq!(store.report_history(&a, quarter - 9..quarter).await.unwrap(), BTreeMap::new());
    assert_eq!(store.first_report_at().await.unwrap(), Some(NOW));
}

#[tokio::test]
async fn sites_that_were_reported_lately_are_known_by_name() {
    let (_dir, store) = store();
    for (reporter, site, at_s) in
        [(1, "b.example", 0), (2, "b.example", 1), (3, "a.example", 5), (4, "old.example", -1)]
    {
        let row = ReportRow { site: host(site), ..report(reporter, at_s, None) };
        assert!(store.add_report(row).await.unwrap());
    }
    let sites = store.reported_sites(NOW, 9).await.unwrap();
    assert_eq!(sites, [host("a.example"), host("b.example")]);
    assert_eq!(store.reported_sites(NOW, 1).await.unwrap(), [host("a.example")]);
}
