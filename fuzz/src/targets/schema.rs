//! JSON Schemas that somebody else wrote, and payloads checked against them: neither may
//! take long, whatever refers to what.

use std::path::Path;

use rulerun::payload::{Checker, parse};

use super::{FITTING, Target, joined, parts};

/// The target.
pub const TARGET: Target = Target { name: "schema", run, seeds: begin, words: WORDS };

const WORDS: &[&str] = &[
    "\"type\":",
    "\"object\"",
    "\"array\"",
    "\"string\"",
    "\"integer\"",
    "\"number\"",
    "\"properties\":{",
    "\"required\":[",
    "\"$ref\":\"#\"",
    "\"$ref\":\"#/$defs/a\"",
    "\"$defs\":{\"a\":",
    "\"allOf\":[",
    "\"anyOf\":[",
    "\"oneOf\":[",
    "\"not\":{",
    "\"if\":{",
    "\"items\":",
    "\"pattern\":\"",
    "(a+)+$",
    "(a|a)*",
    "{1,1000}",
    "\"format\":\"date-time\"",
    "\"format\":\"email\"",
    "\"minLength\":",
    "\"maximum\":",
    "\"multipleOf\":0.1",
    "\"uniqueItems\":true",
    "\"additionalProperties\":false",
    "\"enum\":[",
    "\"const\":",
    "\"$dynamicRef\":\"#\"",
    "\"$id\":\"https://example.com/a\"",
    "\"unevaluatedProperties\":",
    "\"patternProperties\":{",
    "\"propertyNames\":",
    "\"dependentSchemas\":{",
];

fn run(data: &[u8]) {
    let [schema, payload] = parts(data);
    // Whoever writes a schema is trusted more than a caller, but the limits are alike.
    let Ok(schema) = parse(schema) else { return };
    let checker = match Checker::compile(&schema) {
        Ok(checker) => checker,
        Err(why) => return assert!(!why.is_empty()),
    };
    for payload in [payload, FITTING.as_bytes()] {
        let Ok(payload) = parse(payload) else { continue };
        let problems = checker.check(&payload);
        assert!(problems.len() <= 100, "{} problems are told", problems.len());
        assert!(problems.iter().all(|problem| !problem.message.is_empty()));
    }
}

fn begin(_: &Path) -> Vec<Vec<u8>> {
    let schemas = [
        r#"{"type":"object","required":["a"],"properties":{"a":{"type":"integer","minimum":2}}}"#,
        r#"{"properties":{"tags":{"type":"array","items":{"type":"string","maxLength":2}}}}"#,
        r##"{"$defs":{"a":{"type":"string","format":"email"}},"additionalProperties":{"$ref":"#/$defs/a"}}"##,
        r##"{"type":"object","properties":{"lead":{"$ref":"#"}},"unevaluatedProperties":false}"##,
        r#"{"anyOf":[{"required":["a"]},{"required":["b"]}],"not":{"const":{}}}"#,
        r#"{"properties":{"first_name":{"type":"string","pattern":"^[A-Z][a-z]+$","minLength":1}}}"#,
        r#"{"oneOf":[{"properties":{"kind":{"const":"a"}}},{"properties":{"kind":{"enum":["b","c"]}}}]}"#,
        r#"{"if":{"required":["a"]},"then":{"minProperties":2},"else":{"maxProperties":1}}"#,
        r#"{"properties":{"at":{"type":"string","format":"date-time"},"n":{"type":["number","null"]}}}"#,
    ];
    let payload =
        br#"{"a": 1, "tags": ["hot"], "lead": {"lead": null}, "at": "2025-12-01", "n": null}"#;
    schemas.iter().map(|schema| joined(&[schema.as_bytes(), payload])).collect()
}
