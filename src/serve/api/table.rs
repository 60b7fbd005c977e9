//! Every call of the fixed API, in the order in which people read it.

use axum::http::Method;
use serde_json::{Value, json};

use super::calls::{Call, Carries, Each, Holds};
use super::openapi::words::{
    any, count, fields, flag, id, list, named, object, or_null, page, text, time, word,
};
use super::{
    backup, calendar, contacts, events, executions, flows, follow, health, numbers, openapi,
    parameters, pauses, queue, records, suppressions, webhook_logs,
};

/// All of them.
pub(super) fn all() -> Vec<Call> {
    [
        of_executions(),
        of_flows(),
        of_events(),
        of_queue(),
        of_records(),
        of_people(),
        pauses::calls(),
        numbers::calls(),
        suppressions::calls(),
        of_server(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn of_executions() -> Vec<Call> {
    const GROUP: &str = "Executions";
    let lines = || list(named("LogLine"));
    let next = object([("since", time()), ("until", time()), ("skip", count())]);
    let calls = object([("results", list(named("Call"))), ("next", or_null(next))]);
    vec![
        Call::get(
            "/api/v1/executions",
            executions::list,
            (GROUP, "Calls that were accepted, or refused by a rule, newest first."),
            page("Execution"),
        )
        .query(parameters::EXECUTIONS),
        Call::get(
            "/api/v1/executions/search",
            executions::list,
            (GROUP, "The same under the address that Kestra has for it."),
            page("Execution"),
        )
        .query(parameters::EXECUTIONS),
        Call::get(
            "/api/v1/calls",
            executions::calls,
            (GROUP, "Recorded calls as they came, newest first, part by part, for backtests."),
            calls,
        )
        .query(parameters::CALLS),
        Call::get(
            "/api/v1/executions/follow",
            follow::begin,
            (GROUP, "What happens, as it happens: server-sent events until either side ends it."),
            any(),
        )
        .answers(200, Holds::Media("text/event-stream"))
        .also(&[(503, "The server is stopping, or too many others follow.")]),
        Call::get(
            "/api/v1/executions/{id}",
            executions::one,
            (GROUP, "One execution, with the payload it was called with."),
            named("Execution"),
        ),
        Call::get(
            "/api/v1/executions/{id}/logs",
            executions::logs,
            (GROUP, "What was decided, scheduled, sent or left out, oldest first."),
            lines(),
        ),
        Call::get(
            "/api/v1/logs/{id}",
            executions::logs,
            (GROUP, "The same log under Kestra's other address."),
            lines(),
        ),
        Call::new(
            Method::DELETE,
            "/api/v1/executions/{id}/kill",
            executions::kill,
            (GROUP, "Stops the sequences that it started and cancels what it has queued."),
            (202, Holds::Json(named("Execution"))),
        )
        .query(parameters::KILL)
        .also(&[(409, "It has ended already, and `isOnKillCascade=false` was asked for.")]),
    ]
}

fn of_flows() -> Vec<Call> {
    const GROUP: &str = "Flows";
    vec![
        Call::get(
            "/api/v1/flows",
            flows::all,
            (GROUP, "Every endpoint of the rules, as Kestra shows flows."),
            list(named("Flow")),
        ),
        Call::get(
            "/api/v1/flows/search",
            flows::search,
            (GROUP, "The endpoints that match."),
            page("Flow"),
        )
        .query(parameters::FLOWS),
        Call::get(
            "/api/v1/flows/{namespace}",
            flows::named,
            (GROUP, "The endpoints of one group."),
            list(named("Flow")),
        )
        .routed_as("/api/v1/flows/{*name}"),
        Call::get(
            "/api/v1/flows/{namespace}/{flow}",
            flows::named,
            (GROUP, "One endpoint."),
            named("Flow"),
        )
        .unrouted(),
    ]
}

fn of_events() -> Vec<Call> {
    const GROUP: &str = "Events";
    let queued = |more: &[(&str, Value)]| {
        let mut queued = object([("id", id()), ("state", word(["CREATED"])), ("event", text())]);
        for (name, value) in more {
            queued["properties"][*name] = value.clone();
        }
        (202, Holds::Json(queued))
    };
    let mut test = object([
        ("event_type", named(openapi::EVENT_NAME)),
        ("lead_id?", any()),
        ("data?", or_null(fields())),
    ]);
    test["additionalProperties"] = json!(false);
    let tested = queued(&[("payload", fields()), ("message", text())]);
    vec![
        Call::new(
            Method::POST,
            "/api/v1/events/{name}",
            events::send,
            (GROUP, "Queues an event, which is signed and delivered."),
            queued(&[]),
        )
        .carries(Carries::Whole)
        .each(Each::Event)
        .also(&[
            (409, "This Idempotency-Key was used before with another body."),
            (422, "The payload does not fit the event's schema, or a rule refuses it."),
            (429, "Too much waits to be sent to the event's service."),
        ])
        .once(),
        Call::new(
            Method::POST,
            "/api/v1/test/trigger-webhook",
            events::test,
            (GROUP, "Queues an event for a test; its payload is not checked against its schema."),
            tested,
        )
        .carries(Carries::Json(test))
        .also(&[
            (409, "This Idempotency-Key was used before with another body."),
            (422, "A rule refuses it, or cannot make sense of the payload."),
            (429, "Too much waits to be sent to the event's service."),
        ])
        .once(),
    ]
}

fn of_queue() -> Vec<Call> {
    const GROUP: &str = "Queue";
    const ENDED: &[(u16, &str)] = &[(409, "The job is in a state in which that is not possible.")];
    let mut counted = object(
        ["pending", "sending", "sent", "failed", "cancelled", "total"]
            .map(|state| (state, count())),
    );
    let held = object([
        ("service", text()),
        ("reason", word(["bounces", "complaints"])),
        ("message", text()),
    ]);
    counted["properties"]["held"] = json!({ "type": "array", "items": held });
    let stats = json!({ "anyOf": [counted, named("Counts")] });
    let state = || object([("queue", word(["running", "paused"]))]);
    let retried = || object([("retried", count())]);
    vec![
        Call::get(
            "/api/v1/queue",
            queue::list,
            (GROUP, "What waits by due time, then what has ended, newest first."),
            page("Job"),
        )
        .query(parameters::QUEUE),
        Call::get(
            "/api/v1/queue/stats",
            queue::stats,
            (GROUP, "How many jobs are in each state; with `by`, counted by columns."),
            stats,
        )
        .query(parameters::STATS),
        Call::get(
            "/api/v1/queue/{id}",
            queue::one,
            (GROUP, "A job with its attempts, oldest first."),
            named("Job"),
        ),
        Call::new(
            Method::DELETE,
            "/api/v1/queue/{id}",
            queue::cancel,
            (GROUP, "Gives a job up."),
            (200, Holds::Json(object([("id", text()), ("cancelled", count())]))),
        )
        .also(ENDED),
        Call::post(
            "/api/v1/queue/{id}/retry",
            queue::retry,
            (GROUP, "Tries a failed or cancelled job again."),
            object([("id", text()), ("retried", count())]),
        )
        .also(ENDED),
        Call::post(
            "/api/v1/queue/{id}/settle",
            queue::settle,
            (GROUP, "Counts an e-mail of unknown fate as sent."),
            object([("id", text()), ("settled", count())]),
        )
        .also(&[(409, "Its fate is not unknown.")]),
        Call::post(
            "/api/v1/queue/retry",
            queue::retry_all,
            (GROUP, "Tries all jobs again that match; a filter is required."),
            retried(),
        )
        .query(parameters::RETRY),
        Call::post(
            "/api/v1/queue/cleanup",
            queue::cleanup,
            (GROUP, "Removes work that ended long ago."),
            object([("removed", count()), ("before", time())]),
        )
        .query(parameters::CLEANUP),
        Call::post(
            "/api/v1/queue/pause",
            queue::pause,
            (GROUP, "Stops sending; calls are still accepted."),
            state(),
        ),
        Call::post(
            "/api/v1/queue/resume",
            queue::resume,
            (GROUP, "Starts sending again: everything, or through a service that was held."),
            json!({ "anyOf": [
                state(),
                object([("service", text()), ("state", word(["sending"]))]),
            ] }),
        )
        .query(parameters::RESUME)
        .also(&[(404, "There is no such service."), (409, "It is not held.")]),
        Call::get(
            "/api/v1/webhook-logs",
            webhook_logs::list,
            (GROUP, "Every call that came in and every attempt to deliver, newest first."),
            json!({ "anyOf": [logs(), named("Counts")] }),
        )
        .query(parameters::WEBHOOK_LOGS),
    ]
}

fn logs() -> Value {
    object([("results", list(named("WebhookLog"))), ("total", count()), ("complete", flag())])
}

fn of_records() -> Vec<Call> {
    const GROUP: &str = "Records";
    const REFUSED: &[(u16, &str)] = &[
        (422, "The record would not fit its schema, or a rule refuses it."),
        (429, "Too much waits to be sent to a service that mirrors it or hears of it."),
    ];
    let at = "/api/v1/records/{name}/{id}";
    let record = || (200, Holds::Json(named("Record")));
    vec![
        Call::get(
            "/api/v1/records",
            records::names,
            (GROUP, "The names under which the rules remember something, with how many of each."),
            page("RecordName"),
        ),
        Call::get(
            "/api/v1/records/{name}",
            records::list,
            (GROUP, "Lists the records of a name."),
            page("Record"),
        )
        .query(parameters::RECORDS)
        .each(Each::Record),
        Call::get(at, records::one, (GROUP, "One record."), named("Record")).each(Each::Record),
        Call::new(
            Method::PUT,
            at,
            records::put,
            (GROUP, "Replaces a record, or makes it."),
            record(),
        )
        .carries(Carries::Whole)
        .each(Each::Record)
        .also(REFUSED),
        Call::new(
            Method::PATCH,
            at,
            records::patch,
            (GROUP, "Lays fields over a record, or makes it."),
            record(),
        )
        .carries(Carries::Part)
        .each(Each::Record)
        .also(REFUSED),
        Call::new(
            Method::DELETE,
            at,
            records::delete,
            (GROUP, "Forgets a record; no rule runs."),
            (204, Holds::Nothing),
        )
        .each(Each::Record),
    ]
}

fn of_people() -> Vec<Call> {
    const GROUP: &str = "People";
    let timeline = object([
        ("results", list(named("Moment"))),
        ("total", count()),
        ("email", text()),
        ("zone", text()),
        ("complete", flag()),
        ("upcoming", list(named("Due"))),
    ]);
    let schedule = object([
        ("results", list(named("Due"))),
        ("total", count()),
        ("more", count()),
        ("complete", flag()),
        ("zone", text()),
    ]);
    let version = object([("hash", text()), ("since", time())]);
    let active = object([
        ("results", list(named("Midway"))),
        ("next", or_null(text())),
        ("versions", list(version)),
    ]);
    vec![
        Call::get(
            "/api/v1/contacts/{email}",
            contacts::one,
            (GROUP, "What is known of a person, and which sequences they are in."),
            named("Contact"),
        ),
        Call::new(
            Method::DELETE,
            "/api/v1/contacts/{email}",
            contacts::forget,
            (GROUP, "Forgets a person; what the suppression list says of them stays."),
            (200, Holds::Json(contacts::forgotten_shape())),
        )
        .also(&[(409, "Something to them is being sent at this moment; ask again.")]),
        Call::get(
            "/api/v1/contacts/{email}/timeline",
            contacts::timeline,
            (GROUP, "What was received, decided, scheduled, sent or skipped because of them."),
            timeline,
        ),
        Call::get(
            "/api/v1/sequences",
            calendar::sequences,
            (GROUP, "Who is in which sequence."),
            page("Enrolment"),
        )
        .query(parameters::SEQUENCES)
        .also(&[(404, "There is no such sequence.")]),
        Call::get(
            "/api/v1/sequences/{name}/active",
            calendar::active,
            (GROUP, "Who is mid-way in a sequence, with what they began with, part by part."),
            active,
        )
        .query(parameters::ACTIVE),
        Call::get(
            "/api/v1/schedule",
            calendar::schedule,
            (GROUP, "What will be sent when, the earliest first."),
            schedule,
        )
        .query(parameters::SCHEDULE)
        .also(&[(404, "There is no such sequence.")]),
        Call::get(
            "/api/v1/outbox",
            calendar::outbox,
            (GROUP, "E-mails that were captured instead of sent."),
            page("Email"),
        )
        .query(parameters::OUTBOX),
        Call::get(
            "/api/v1/outbox/{id}",
            calendar::captured,
            (GROUP, "An e-mail that was captured, with its HTML."),
            named("Email"),
        )
        .also(&[(404, "There is no such e-mail.")]),
    ]
}

fn of_server() -> Vec<Call> {
    const GROUP: &str = "Server";
    vec![
        Call::get(
            "/livez",
            health::livez,
            (GROUP, "Whether the process answers."),
            object([("status", word(["alive"]))]),
        )
        .open(),
        Call::get(
            "/readyz",
            health::readyz,
            (GROUP, "Whether calls should be sent here."),
            named("Ready"),
        )
        .open(),
        Call::get(
            "/api/v1/status",
            health::status,
            (GROUP, "The rules that run, the queue and every service."),
            named("Status"),
        ),
        Call::get(
            "/api/v1/rules",
            flows::rules,
            (GROUP, "The text of the rules that run, file by file."),
            named("Rules"),
        ),
        Call::get("/metrics", health::metrics, (GROUP, "Numbers for Prometheus."), any())
            .answers(200, Holds::Media("application/openmetrics-text")),
        Call::post("/api/v1/backup", backup::make, (GROUP, "A copy of everything."), any())
            .answers(200, Holds::Media("application/octet-stream"))
            .also(&[(409, "Another backup is being made.")]),
        Call::get("/api/v1/openapi.json", openapi::serve, (GROUP, "This document."), fields()),
    ]
}
