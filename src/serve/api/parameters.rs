//! The parameters that calls of the API take after the question mark: one list per call,
//! which the call itself reads (what is not in it is refused) and of which its description
//! in the OpenAPI document is made.

use crate::model::queue::suppression;

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: &'static str,
    /// What it does, as one sentence.
    pub(super) about: &'static str,
    /// What may stand in it.
    pub(super) holds: Holds,
}

/// What may stand in a parameter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Holds {
    /// Any text.
    Text,
    /// An id of 22 letters and digits.
    Id,
    /// A whole number between two bounds, and what is meant without it.
    Number(usize, usize, Option<usize>),
    /// A time with an offset, or a date.
    Moment,
    /// A moment, or a span that lies before now.
    MomentOrSpan,
    /// A span, or `true`.
    Span,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Several of these words, separated by commas.
    Words(&'static [&'static str]),
    /// A job's state.
    JobState,
    /// States of executions, separated by commas.
    ExecutionStates,
    /// A status such as `404`, or a class such as `4xx`.
    Status,
    /// `key:value` pairs, separated by commas.
    Labels,
}

/// Most rows of a page of executions, flows, logs, enrolments and due steps.
pub(super) const MANY: usize = 1000;
/// Most rows of a page whose rows may be large: jobs, records, e-mails.
pub(super) const FEW: usize = 200;
/// Rows on a page unless the caller says otherwise.
pub(super) const DEFAULT_SIZE: usize = 25;
/// Entries of a schedule unless the caller says otherwise.
pub(super) const DEFAULT_ENTRIES: usize = 100;
/// Highest page number.
pub(super) const MAX_PAGE: usize = 1_000_000;
/// Most days that `cleanup` may keep.
pub(super) const MAX_DAYS: usize = 3660;
/// The one order of executions.
pub(super) const NEWEST_FIRST: &str = "state.startDate:desc";
/// Columns by which the queue is grouped.
pub(super) const QUEUE_COLUMNS: &[&str] = &["status", "event_type", "url", "service", "reason"];
/// Columns by which calls and attempts are grouped.
pub(super) const LOG_COLUMNS: &[&str] =
    &["direction", "event_type", "status", "response_status", "url"];
/// Which way a call went.
pub(super) const DIRECTIONS: &[&str] = &["incoming", "outgoing"];

const fn parameter(name: &'static str, about: &'static str, holds: Holds) -> Parameter {
    Parameter { name, about, holds }
}

const PAGE: Parameter =
    parameter("page", "Which page, counted from 1.", Holds::Number(1, MAX_PAGE, Some(1)));
const SIZE_MANY: Parameter = size(MANY);
const SIZE_FEW: Parameter = size(FEW);
const EVENT_TYPE: Parameter =
    parameter("event_type", "Only this event, e-mail or step.", Holds::Text);
const JOB_STATUS: Parameter = parameter("status", "Only jobs in this state.", Holds::JobState);
const URL: Parameter = parameter("url", "Only jobs for exactly this address.", Holds::Text);
const STUCK: Parameter = parameter(
    "stuck",
    "Only jobs that are overdue or in flight for longer: `true` means five minutes.",
    Holds::Span,
);
const EXECUTION: Parameter = parameter("execution", "Only jobs of this execution.", Holds::Id);
const REASON: Parameter = parameter("reason", "Only jobs that ended for this reason.", Holds::Text);
const NAMESPACE: Parameter = parameter(
    "namespace",
    "Only this group of endpoints; `events` and `records` are groups, too.",
    Holds::Text,
);

const fn size(most: usize) -> Parameter {
    parameter("size", "So many rows at most.", Holds::Number(1, most, Some(DEFAULT_SIZE)))
}

/// `GET /executions`.
pub(super) const EXECUTIONS: &[Parameter] = &[
    parameter("flowId", "Only this endpoint: `flow`, or `group.flow`.", Holds::Text),
    NAMESPACE,
    parameter("state", "Only executions in these states.", Holds::ExecutionStates),
    parameter("labels", "Only executions with these labels.", Holds::Labels),
    parameter("startDate", "Only what began at or after this.", Holds::Moment),
    parameter("endDate", "Only what began before this.", Holds::Moment),
    parameter("q", "Only what has this text in its endpoint, person or id.", Holds::Text),
    PAGE,
    SIZE_MANY,
    parameter("sort", "The one order there is.", Holds::Word(&[NEWEST_FIRST])),
];
/// `DELETE /executions/{id}/kill`.
pub(super) const KILL: &[Parameter] = &[parameter(
    "isOnKillCascade",
    "`false` asks for a 409 when the execution has ended already.",
    Holds::Flag,
)];
/// `GET /flows/search`.
pub(super) const FLOWS: &[Parameter] = &[
    parameter("q", "Only what has this text in its name or description.", Holds::Text),
    NAMESPACE,
    PAGE,
    SIZE_MANY,
];
/// `GET /calls`.
pub(super) const CALLS: &[Parameter] = &[
    parameter(
        "since",
        "How far back to look: to the beginning unless said otherwise.",
        Holds::MomentOrSpan,
    ),
    parameter("until", "Only what came at or before this.", Holds::Moment),
    parameter("skip", "Pass over so many.", Holds::Number(0, usize::MAX, Some(0))),
    parameter("size", "So many are looked at.", Holds::Number(1, MANY, Some(MANY))),
];
/// `GET /queue`.
pub(super) const QUEUE: &[Parameter] =
    &[JOB_STATUS, EVENT_TYPE, URL, STUCK, EXECUTION, REASON, PAGE, SIZE_FEW];
/// `GET /queue/stats`.
pub(super) const STATS: &[Parameter] = &[
    parameter("by", "Count by these columns; filters need it.", Holds::Words(QUEUE_COLUMNS)),
    JOB_STATUS,
    EVENT_TYPE,
    URL,
    STUCK,
];
/// `POST /queue/retry`.
pub(super) const RETRY: &[Parameter] = &[
    parameter("status", "Failed jobs unless this says otherwise.", RETRIED),
    EVENT_TYPE,
    URL,
    EXECUTION,
    REASON,
];
/// `POST /queue/resume`.
pub(super) const RESUME: &[Parameter] = &[parameter(
    "service",
    "Only this mail service, which was held because of bounces or complaints.",
    Holds::Text,
)];
const RETRIED: Holds = Holds::Word(&["failed", "cancelled"]);
/// `POST /queue/cleanup`.
pub(super) const CLEANUP: &[Parameter] = &[parameter(
    "days",
    "Keep what ended within so many days; the rules' `queue keep=` unless said otherwise.",
    Holds::Number(1, MAX_DAYS, None),
)];
/// `GET /webhook-logs`.
pub(super) const WEBHOOK_LOGS: &[Parameter] = &[
    parameter("direction", "Only calls that came in, or only those that left.", DIRECTION),
    EVENT_TYPE,
    parameter("status", "Only this status, or this class of them.", Holds::Status),
    parameter("since", "How far back to look: a day unless said otherwise.", Holds::MomentOrSpan),
    parameter("by", "Count by these columns instead of listing.", Holds::Words(LOG_COLUMNS)),
    PAGE,
    SIZE_MANY,
];
const DIRECTION: Holds = Holds::Word(DIRECTIONS);
/// `GET /records/{name}`.
pub(super) const RECORDS: &[Parameter] = &[PAGE, SIZE_FEW];
/// `GET /outbox`.
pub(super) const OUTBOX: &[Parameter] = &[PAGE, SIZE_FEW];
/// `GET /sequences`.
pub(super) const SEQUENCES: &[Parameter] =
    &[parameter("sequence", "Only this sequence.", Holds::Text), PAGE, SIZE_MANY];
/// `GET /schedule`.
pub(super) const SCHEDULE: &[Parameter] = &[
    parameter("from", "Only what is due at or after this.", Holds::Moment),
    parameter("to", "Only what is due at or before this.", Holds::Moment),
    parameter("sequence", "Only steps of this sequence.", Holds::Text),
    parameter("person", "Only what goes to this address.", Holds::Text),
    parameter("size", "So many at most.", Holds::Number(1, MANY, Some(DEFAULT_ENTRIES))),
];
/// `GET /sequences/{name}/active`.
pub(super) const ACTIVE: &[Parameter] = &[
    parameter("after", "Behind which key this part begins: the last one's `next`.", Holds::Text),
    parameter("size", "So many are looked at.", Holds::Number(1, MANY, Some(MANY))),
];
/// `POST /sequences/{name}/pause` and `resume`.
pub(super) const PAUSE: &[Parameter] =
    &[parameter("person", "Only for the person with this address.", Holds::Text)];
/// `GET /suppressions`.
pub(super) const SUPPRESSIONS: &[Parameter] = &[
    parameter("email", "Only entries of this address.", Holds::Text),
    parameter("after", "Where this part begins: the last one's `next`.", Holds::Text),
    parameter("size", "So many at most.", Holds::Number(1, MANY, Some(DEFAULT_ENTRIES))),
];
/// `DELETE /suppressions/{who}`.
pub(super) const UNSUPPRESS: &[Parameter] = &[
    parameter("reason", "Only the entry with this reason.", Holds::Word(&suppression::REASONS)),
    parameter("sequence", "Only the entries for this sequence.", Holds::Text),
    parameter(
        "confirm",
        "`true` says that the person has agreed; it lifts what they asked for themselves.",
        Holds::Flag,
    ),
];
/// `POST /suppressions/import`.
pub(super) const IMPORT: &[Parameter] = &[parameter(
    "line",
    "The number of the first line behind the heading, where a file comes in parts.",
    Holds::Number(2, usize::MAX, Some(2)),
)];
/// A call without parameters.
pub(super) const NONE: &[Parameter] = &[];
