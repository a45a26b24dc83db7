//! The table of networks × regions.

use std::collections::BTreeMap;

use parallax_model::{AgentId, Micros};
use serde::Serialize;

use super::board::Board;
use super::glyph::Glyph;
use super::row::{median, millis};
use super::{failure, place};
use crate::escape::neutral;
use crate::say::Lang;

/// One cell: the testers of one network in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cell {
    /// Its name in the page and in events: the same for the same network and region, however many others there are.
    pub(crate) id: String,
    pub(crate) state: Glyph,
    /// Time to the first byte, error, or `2 of 3 fail`.
    pub(crate) text: String,
}

/// One network's line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) network: String,
    /// One per column; `None` where there is no tester.
    pub(crate) cells: Vec<Option<Cell>>,
}

/// A region's cells, for narrow screens.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) region: String,
    /// Network and cell.
    pub(crate) cells: Vec<(String, Cell)>,
}

/// The table.
#[derive(Debug, Clone)]
pub(crate) struct Matrix {
    pub(crate) regions: Vec<String>,
    pub(crate) lines: Vec<Line>,
    t: Lang,
    networks: Vec<String>,
    at: BTreeMap<AgentId, (usize, usize)>,
}

impl Matrix {
    /// The table of everybody who was asked.
    pub(crate) fn new(t: Lang, board: &Board) -> Self {
        let mut regions: Vec<String> = board.panel.iter().map(|(_, v)| place::region(t, v)).collect();
        let mut networks: Vec<String> = board.panel.iter().map(|(_, v)| network(t, v)).collect();
        for list in [&mut regions, &mut networks] {
            list.sort();
            list.dedup();
        }
        let mut at = BTreeMap::new();
        for (agent, vantage) in &board.panel {
            let line = networks.iter().position(|n| *n == network(t, vantage));
            let column = regions.iter().position(|r| *r == place::region(t, vantage));
            if let (Some(line), Some(column)) = (line, column) {
                at.insert(agent.clone(), (line, column));
            }
        }
        let mut matrix = Self { regions, lines: Vec::new(), t, networks, at };
        let columns = matrix.regions.len();
        let line = |(i, network): (usize, &String)| Line {
            network: network.clone(),
            cells: (0..columns).map(|column| matrix.cell(board, (i, column))).collect(),
        };
        matrix.lines = matrix.networks.iter().enumerate().map(line).collect();
        matrix
    }

    /// The cell an agent's result goes to, as it is now.
    pub(crate) fn cell_of(&self, board: &Board, agent: &AgentId) -> Option<Cell> {
        self.cell(board, *self.at.get(agent)?)
    }

    fn cell(&self, board: &Board, place: (usize, usize)) -> Option<Cell> {
        let mine = |agent: &AgentId| self.at.get(agent) == Some(&place);
        let asked = board.panel.iter().filter(|(agent, _)| mine(agent)).count();
        if asked == 0 {
            return None;
        }
        let id = cell_id(&self.networks[place.0], &self.regions[place.1]);
        let rows: Vec<_> = board.rows.iter().filter(|row| mine(&row.agent)).collect();
        let state_of = |row: &&parallax_aggregator::CheckRow| Glyph::from(row.result.outcome.about_target());
        let failing: Vec<_> = rows.iter().filter(|row| !row.result.outcome.is_ok()).collect();
        let (state, text) = match (rows.len(), failing.first()) {
            (0, _) if board.is_done() => (Glyph::Unknown, self.t.text("cell-no-answer")),
            (0, _) => (Glyph::Waiting, String::new()),
            (_, None) => {
                let times =
                    rows.iter().map(|r| r.result.phases.first_byte.unwrap_or(r.result.phases.total).0);
                (Glyph::Up, median(times.collect()).map(|us| millis(self.t, Micros(us))).unwrap_or_default())
            }
            (n, Some(first)) if failing.len() == n => {
                let state = rows.iter().map(state_of).max().unwrap_or(Glyph::Unknown);
                let text = first
                    .result
                    .outcome
                    .about_target()
                    .kind()
                    .map(|kind| failure::short(self.t, kind))
                    .unwrap_or_default();
                (state, if n > 1 { format!("{text} ×{n}") } else { text })
            }
            (n, Some(first)) => {
                let text = first
                    .result
                    .outcome
                    .about_target()
                    .kind()
                    .map(|kind| failure::short(self.t, kind))
                    .unwrap_or_default();
                (Glyph::Partly, format!("{text} {}/{n}", failing.len()))
            }
        };
        Some(Cell { id, state, text })
    }

    /// The same by region, those with trouble first.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (column, region) in self.regions.iter().enumerate() {
            let cell = |line: &Line| Some((line.network.clone(), line.cells.get(column)?.clone()?));
            groups
                .push(Group { region: region.clone(), cells: self.lines.iter().filter_map(cell).collect() });
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.cells.iter().map(|(_, cell)| cell.state).max()));
        groups
    }
}

fn network(t: Lang, vantage: &parallax_model::Vantage) -> String {
    neutral(&place::network(t, vantage)).into_owned()
}

/// FNV-1a over both names: short, and stable while testers join.
fn cell_id(network: &str, region: &str) -> String {
    let bytes = network.bytes().chain([0]).chain(region.bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    // Five letters tell the at most some hundred cells of a page apart.
    let letters = (0..5).map(|i| char::from(b'a' + u8::try_from((hash >> (6 * i)) % 26).unwrap_or(0)));
    letters.collect()
}
