//! What becomes of a mail service's reputation: mailbox providers stop taking e-mail from whom
//! too much comes back, or whom too many people report as spam (Gmail draws its line at 0.3 %).
//! So a service whose share of hard bounces or complaints is too high is held, durably, until a
//! person has looked.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::gate::Held;

/// E-mails that are counted together.
const BLOCK: u32 = 100;
/// Blocks that are looked back at, the present one included: the last 1,000 e-mails and what
/// came since the last full hundred.
const BLOCKS: usize = 11;
/// More hard bounces than this share hold the service, in thousandths.
const BOUNCES: u32 = 50;
/// More complaints than this share hold the service, in thousandths.
const COMPLAINTS: u32 = 3;
/// Fewer than these say nothing yet: one of three is bad luck.
const FEWEST: (u32, u32) = (10, 3);

/// What is known of an e-mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The server took it.
    Taken,
    /// The server refused it for good.
    Refused,
    /// It was taken and came back for good.
    Bounced,
    /// It was taken and reported as spam.
    Complained,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Block {
    sent: u32,
    bounced: u32,
    complained: u32,
}

/// The last 1,000 e-mails of a service.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reputation {
    blocks: VecDeque<Block>,
    /// Why nothing is sent, if so.
    pub held: Option<Held>,
}

impl Reputation {
    /// Counts an e-mail; answers whether that is worth writing down at once.
    pub fn note(&mut self, fate: Fate) -> bool {
        // What is reported later belongs to an e-mail that was counted before.
        let sent = matches!(fate, Fate::Taken | Fate::Refused);
        if self.blocks.back().is_none_or(|block| sent && block.sent >= BLOCK) {
            self.blocks.push_back(Block::default());
            while self.blocks.len() > BLOCKS {
                self.blocks.pop_front();
            }
        }
        let Some(block) = self.blocks.back_mut() else { return false };
        block.sent += u32::from(sent);
        block.bounced += u32::from(matches!(fate, Fate::Refused | Fate::Bounced));
        block.complained += u32::from(fate == Fate::Complained);
        let full = block.sent >= BLOCK;
        self.held = self.held.or_else(|| self.verdict());
        full || fate != Fate::Taken
    }

    fn verdict(&self) -> Option<Held> {
        let sum = |part: fn(&Block) -> u32| self.blocks.iter().map(part).sum::<u32>();
        let sent = sum(|block| block.sent);
        let (bounced, complained) = (sum(|block| block.bounced), sum(|block| block.complained));
        if bounced >= FEWEST.0 && bounced * 1_000 > sent * BOUNCES {
            Some(Held::Bounces)
        } else if complained >= FEWEST.1 && complained * 1_000 > sent * COMPLAINTS {
            Some(Held::Complaints)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fate, Held, Reputation};

    /// What stands after so many e-mails of each fate.
    fn after(fates: &[(u32, Fate)]) -> Option<Held> {
        let mut reputation = Reputation::default();
        for (count, fate) in fates {
            for _ in 0..*count {
                reputation.note(*fate);
            }
        }
        reputation.held
    }

    #[test]
    fn too_many_bounces_or_complaints_hold_a_service() {
        use Fate::{Bounced, Complained, Refused, Taken};
        for (fates, held) in [
            (&[(10, Refused)][..], Some(Held::Bounces)),
            (&[(150, Taken), (10, Refused)], Some(Held::Bounces)),
            (&[(900, Taken), (51, Bounced)], Some(Held::Bounces)),
            (&[(800, Taken), (3, Complained)], Some(Held::Complaints)),
            // One of three says nothing, nor does what stays below the line.
            (&[(2, Taken), (1, Refused)], None),
            (&[(9, Refused)], None),
            (&[(2, Complained)], None),
            (&[(950, Taken), (50, Refused)], None),
            (&[(1_000, Taken), (3, Complained)], None),
        ] {
            assert_eq!(after(fates), held, "{fates:?}");
        }
    }

    #[test]
    fn a_long_good_past_does_not_hide_a_bad_present() {
        use Fate::{Refused, Taken};
        assert_eq!(after(&[(10_000, Taken), (60, Refused)]), Some(Held::Bounces));
        assert_eq!(after(&[(10_000, Taken), (40, Refused)]), None);
    }

    #[test]
    fn it_is_written_down_seldom_while_all_is_well() {
        let mut reputation = Reputation::default();
        let writes = (0..1_000).filter(|_| reputation.note(Fate::Taken)).count();
        assert_eq!(writes, 10);
        assert!(reputation.note(Fate::Refused));
    }
}
