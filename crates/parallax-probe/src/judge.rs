//! What a whole answer means: ok, a failing status, or kept out.

use parallax_model::{BlockedFailure, Failure, FailureKind, Layer, Outcome, Party, StatusCode};

use crate::emitter::Explained;

/// Judges an answer by its status and by what the emitter's marks say.
///
/// 1. A challenge or block page is `blocked`, whatever its status.
/// 2. 451 is `blocked-legal`; 403, 406 and 429 are `blocked-challenge`, or `blocked-block-page` when a middlebox wrote them.
/// 3. Every 5xx fails with its own code.
/// 4. Every other status is ok. A 4xx is judged by whoever knows the target's own history.
pub(crate) fn judge(status: StatusCode, explained: &Explained) -> Outcome {
    let blocked = |kind, party| Outcome::Failed(Failure { kind: FailureKind::Blocked(kind), party });
    if let Some(FailureKind::Blocked(kind)) = explained.kind {
        let party = if kind == BlockedFailure::BlockPage { Party::AccessNetwork } else { Party::Target };
        return blocked(kind, party);
    }
    match status.get() {
        451 => blocked(BlockedFailure::Legal, Party::Target),
        403 | 406 | 429 if explained.emitter.layer == Layer::Middlebox => {
            blocked(BlockedFailure::BlockPage, Party::AccessNetwork)
        }
        403 | 406 | 429 => blocked(BlockedFailure::Challenge, Party::Target),
        500.. => {
            let party = if explained.emitter.layer == Layer::Middlebox {
                Party::AccessNetwork
            } else {
                Party::Target
            };
            Outcome::Failed(Failure { kind: FailureKind::status(status), party })
        }
        _ => Outcome::Ok,
    }
}
